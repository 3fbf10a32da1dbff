//! The HTTP client that every room shares, bodies that leave only under a lease, and reading answers within limits.

use crate::tool::Lease;
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, NaiveDateTime, Utc};
use http_body::{Frame, SizeHint};
use reqwest::{
    Client, RequestBuilder, Response,
    header::{CONTENT_TYPE, HeaderMap},
    redirect::Policy,
};
use rustls::crypto::{CryptoProvider, ring};
use serde_json::Value;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One attempt per request, no redirects (a login page is not an answer), no proxy from the environment.
pub fn client() -> Result<Client, reqwest::Error> {
    client_connecting_within(CONNECT_TIMEOUT)
}

/// The same with another bound for the connection.
pub fn client_connecting_within(connect: Duration) -> Result<Client, reqwest::Error> {
    // Without a provider reqwest panics; `main` installs one before anything else, a library's user may not.
    if CryptoProvider::get_default().is_none() {
        let _ = ring::default_provider().install_default();
    }
    Client::builder()
        .connect_timeout(connect)
        .redirect(Policy::none())
        .no_proxy()
        .retry(reqwest::retry::never())
        .user_agent(concat!("takt/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// With this body; of a write it leaves this process only while the lease holds. A request waits for its connection's task
/// after its step was last asked, and a process may be frozen in between; the task asks for the body in the moment it
/// writes.
pub fn with_json(request: RequestBuilder, body: &Value, write: Option<&Arc<Lease>>) -> RequestBuilder {
    let Some(lease) = write else { return request.json(body) };
    let leased = Leased { lease: lease.clone(), left: Bytes::from(body.to_string()) };
    request.header(CONTENT_TYPE, "application/json").body(reqwest::Body::wrap(leased))
}

struct Leased {
    lease: Arc<Lease>,
    left: Bytes,
}

#[derive(Debug, thiserror::Error)]
#[error("nothing was sent: the run belongs to another worker")]
struct LeaseOver;

impl http_body::Body for Leased {
    type Data = Bytes;
    type Error = LeaseOver;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, LeaseOver>>> {
        if !self.lease.holds() {
            return Poll::Ready(Some(Err(LeaseOver)));
        }
        let left = std::mem::take(&mut self.left);
        Poll::Ready((!left.is_empty()).then(|| Ok(Frame::data(left))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the answer is larger than {max} bytes")]
    TooLarge { max: usize },
    #[error("the connection was lost while reading the answer")]
    Lost(#[source] reqwest::Error),
}

/// Reads a body as it streams in, and stops at `max` bytes.
pub async fn read_body(mut response: Response, max: usize) -> Result<Bytes, BodyError> {
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).map_or(true, |length| length > max) {
        return Err(BodyError::TooLarge { max });
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Lost)? {
        if body.len() + chunk.len() > max {
            return Err(BodyError::TooLarge { max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// How long the other side asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date. A date is measured
/// against the answer's own `Date`, so that our clock does not matter; without one there is only ours.
#[expect(clippy::disallowed_methods, reason = "whoever sends no `Date` means the time that everybody has")]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    retry_after_at(headers, Utc::now)
}

fn retry_after_at(headers: &HeaderMap, now: impl FnOnce() -> DateTime<Utc>) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    if let Some(milliseconds) = text("retry-after-ms").and_then(number) {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let wait = text("retry-after")?;
    if let Some(seconds) = number(wait) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = http_date(wait)?;
    let said = text("date").and_then(http_date).unwrap_or_else(now);
    (until - said).to_std().ok()
}

/// A date in one of the three forms that a recipient has to know (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(date) = DateTime::parse_from_rfc2822(text) {
        return Some(date.to_utc());
    }
    // The day of the week says nothing new.
    let date = match text.split_once(", ") {
        Some((_, rfc_850)) => NaiveDateTime::parse_from_str(rfc_850, "%d-%b-%y %H:%M:%S GMT"),
        None => {
            let asctime: Vec<&str> = text.split_whitespace().skip(1).collect();
            NaiveDateTime::parse_from_str(&asctime.join(" "), "%b %d %H:%M:%S %Y")
        }
    };
    date.ok().map(|date| date.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn reads_every_form_of_retry_after() {
        let wait = |pairs: &[(&'static str, &'static str)]| retry_after(&headers(pairs));
        assert_eq!(wait(&[("retry-after", "2")]), Some(Duration::from_secs(2)));
        assert_eq!(wait(&[("retry-after", "1.5")]), Some(Duration::from_millis(1500)));
        assert_eq!(wait(&[("retry-after", "9"), ("retry-after-ms", "20")]), Some(Duration::from_millis(20)));
        let dates =
            [("date", "Mon, 23 Nov 2026 12:10:00 GMT"), ("retry-after", "Mon, 23 Nov 2026 12:10:07 GMT")];
        assert_eq!(wait(&dates), Some(Duration::from_secs(7)));
        assert_eq!(wait(&[("retry-after", "86400")]), Some(Duration::from_secs(86_400)));
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[("retry-after", "-1")]), None);
        assert_eq!(wait(&[]), None);
    }

    /// Each of the three forms, with the answer's own date in any of them.
    #[test]
    fn a_date_is_read_in_every_form_that_is_allowed() {
        let dates =
            ["Mon, 23 Nov 2026 12:10:07 GMT", "Monday, 23-Nov-26 12:10:07 GMT", "Mon Nov 23 12:10:07 2026"];
        let said =
            ["Mon, 23 Nov 2026 12:10:00 GMT", "Monday, 23-Nov-26 12:10:00 GMT", "Mon Nov 23 12:10:00 2026"];
        for until in dates {
            for date in said {
                let found = retry_after(&headers(&[("date", date), ("retry-after", until)]));
                assert_eq!(found, Some(Duration::from_secs(7)), "{until} after {date}");
            }
        }
        assert_eq!(http_date("Sun Nov  6 08:49:37 1994"), http_date("Sunday, 06-Nov-94 08:49:37 GMT"));
        assert_eq!(http_date("Sun Nov  6 08:49:37 1994"), http_date("Sun, 06 Nov 1994 08:49:37 GMT"));
        for none in ["", "Mon", "Monday, 23-Nov-26", "23 Nov", "Mon Foo 23 12:10:07 2026"] {
            assert_eq!(http_date(none), None, "{none}");
        }
    }

    #[test]
    fn a_date_without_the_answers_own_is_measured_against_our_clock() {
        let now = || DateTime::parse_from_rfc3339("2026-11-23T12:09:57Z").expect("a time").to_utc();
        for (date, wanted) in [(None, 10), (Some("no date"), 10), (Some("Mon, 23 Nov 2026 12:10:00 GMT"), 7)]
        {
            let mut pairs = vec![("retry-after", "Mon, 23 Nov 2026 12:10:07 GMT")];
            pairs.extend(date.map(|date| ("date", date)));
            assert_eq!(retry_after_at(&headers(&pairs), now), Some(Duration::from_secs(wanted)), "{date:?}");
        }
    }
}
