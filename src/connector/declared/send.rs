//! One request to a system: its turn under the rate limit, the breaker, the deadline, and the small
//! retry of reads. What an answer means to the tool is decided in `answer`.

use super::{answer::Answer, operation::System, request::Prepared};
use crate::{
    connector::http::{self, BodyError},
    tool::{Lease, ToolError, ToolErrorKind},
};
use bytes::Bytes;
use governor::clock::{Clock, DefaultClock};
use reqwest::{StatusCode, header};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// An error body is read this far, to tell people what the system said.
const ERROR_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Bounds {
    /// Writes go out under it.
    pub lease: Arc<Lease>,
    pub deadline: Instant,
    pub bytes_max: usize,
}

impl System {
    /// The answer, whatever its status. Statuses in `expected` are never retried.
    pub(super) async fn send(
        &self,
        request: &Prepared,
        bounds: &Bounds,
        expected: &[u16],
    ) -> Result<Answer, ToolError> {
        let mut attempt = 0;
        loop {
            let result = self.attempt(request, bounds).await;
            let asked = match &result {
                Ok(answer) if answer.asks_for_patience() && !expected.contains(&answer.status) => {
                    answer.retry_after
                }
                Err(error) if error.kind == ToolErrorKind::Transient => None,
                _ => return result,
            };
            let wait = asked.unwrap_or(self.retry.wait * 2_u32.saturating_pow(attempt));
            let fits = Instant::now() + wait < bounds.deadline;
            if request.write || attempt >= self.retry.times || !fits {
                return result;
            }
            attempt += 1;
            sleep(wait).await;
        }
    }

    async fn attempt(&self, request: &Prepared, bounds: &Bounds) -> Result<Answer, ToolError> {
        self.turn(bounds.deadline).await?;
        self.admitted()?;
        let result = self.exchange(request, bounds).await;
        match &result {
            Ok(answer) if answer.status >= 500 => self.breaker.failed(Instant::now().into_std()),
            Ok(_) => self.breaker.succeeded(),
            Err(error) if matches!(error.kind, ToolErrorKind::Transient | ToolErrorKind::OutcomeUnknown) => {
                self.breaker.failed(Instant::now().into_std());
            }
            Err(_) => {}
        }
        result
    }

    /// Whether the breaker lets a request out.
    pub(in crate::connector) fn admitted(&self) -> Result<(), ToolError> {
        self.breaker.admit(Instant::now().into_std()).map_err(|wait| {
            let seconds = wait.as_secs().max(1);
            let message = format!("{} failed repeatedly and is left alone for {seconds} s", self.name);
            ToolError::new(ToolErrorKind::Transient, message)
        })
    }

    /// Waits for a place under the rate limit, unless it would come too late.
    pub(in crate::connector) async fn turn(&self, deadline: Instant) -> Result<(), ToolError> {
        let Some(rate) = &self.rate else { return Ok(()) };
        while let Err(not_until) = rate.check() {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            if Instant::now() + wait >= deadline {
                let message = format!("{} is called as often as its rate allows", self.name);
                let kind = ToolErrorKind::RateLimited { retry_after: Some(wait) };
                return Err(ToolError::new(kind, message));
            }
            sleep(wait).await;
        }
        Ok(())
    }

    async fn exchange(&self, request: &Prepared, bounds: &Bounds) -> Result<Answer, ToolError> {
        let left = bounds.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let message = format!("no time was left to ask {} ({})", self.name, request.name());
            return Err(ToolError::new(ToolErrorKind::Transient, message));
        }
        let url = format!("{}{}", self.base_url, request.path);
        let mut builder = self.client.request(request.method.clone(), url).timeout(left);
        builder = builder
            .header(header::ACCEPT, "application/json")
            .headers(self.headers.clone())
            .headers(request.headers.clone());
        if !request.query.is_empty() {
            builder = builder.query(&request.query);
        }
        if let Some(body) = &request.body {
            builder = http::with_json(builder, body, request.write.then_some(&bounds.lease));
        }
        let response = builder
            .send()
            .await
            .map_err(|error| self.not_answered(&request.name(), request.write, error, left))?;
        let (status, retry_after) = (response.status(), http::retry_after(response.headers()));
        let body = self.body(request, response, status, bounds.bytes_max, left).await?;
        Ok(Answer::new(status, retry_after, &body))
    }

    async fn body(
        &self,
        request: &Prepared,
        response: reqwest::Response,
        status: StatusCode,
        bytes_max: usize,
        left: Duration,
    ) -> Result<Bytes, ToolError> {
        if !status.is_success() {
            return Ok(http::read_body(response, ERROR_BYTES_MAX).await.unwrap_or_default());
        }
        http::read_body(response, bytes_max).await.map_err(|error| match error {
            BodyError::Lost(error) => self.not_answered(&request.name(), request.write, error, left),
            BodyError::TooLarge { max } => {
                let message = format!("{} answered {} with more than {max} bytes", self.name, request.name());
                ToolError::new(ToolErrorKind::TooLarge, message)
            }
        })
    }

    /// What it means that no answer came: before sending nothing can have happened, after sending a
    /// write anything can.
    pub(in crate::connector) fn not_answered(
        &self,
        what: &str,
        write: bool,
        error: reqwest::Error,
        left: Duration,
    ) -> ToolError {
        let unknown = if write { ToolErrorKind::OutcomeUnknown } else { ToolErrorKind::Transient };
        let (kind, message) = if error.is_connect() {
            let message = format!("cannot reach {} at {}", self.name, self.base_url);
            (ToolErrorKind::Transient, message)
        } else if error.is_builder() {
            (ToolErrorKind::Invalid, format!("{}: {what} is not a request", self.name))
        } else if error.is_timeout() {
            let seconds = left.as_secs_f64();
            (unknown, format!("{} did not answer {what} within {seconds:.0} s", self.name))
        } else {
            (unknown, format!("the connection to {} was lost during {what}", self.name))
        };
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let message = if kind == ToolErrorKind::Transient && error.is_connect() {
            format!("{message}: {cause}")
        } else {
            message
        };
        ToolError::new(kind, self.redactor.redact(&message))
            .with_detail(self.redactor.redact(&cause.to_string()))
    }
}

impl Prepared {
    /// For messages: method and path, never the query.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}
