//! A language model behind the OpenAI wire format (chat completions): OpenAI itself, Azure's v1 surface,
//! vLLM, Ollama, llama.cpp, or the endpoint that plays authored transcripts.
//!
//! One attempt per call. `async-openai` builds the request; sending, limits and classification are ours,
//! because the crate retries by itself and loses statuses. What an answer says is read elsewhere, after it was
//! written down. The environment is never read.

mod chunks;
mod failure;
mod headers;
mod server;
mod stream;
#[cfg(test)]
mod tests;

use super::{
    http::{self, BodyError},
    redact::Redactor,
};
use crate::{
    agent::{Body, Model, ModelError, ModelErrorClass, ModelProfile, ModelReply, Provider, Screen},
    site::{ModelEndpoint, ModelTimeouts},
    telemetry::metrics,
};
use async_openai::{Client, error::OpenAIError, middleware::HttpRequestFactory};
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;
use server::Address;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use stream::Broken;
use tower::service_fn;

/// An answer is kept whole; one that a journal could not hold is none.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

pub struct OpenAi {
    profile: ModelProfile,
    provider: Provider,
    streams: bool,
    door: Arc<Door>,
}

/// What one attempt needs, shared with the service that makes it.
struct Door {
    name: String,
    http: reqwest::Client,
    redactor: Redactor,
    config: Address,
    timeouts: ModelTimeouts,
}

/// Who answers there, on what terms.
pub fn profile(endpoint: &ModelEndpoint) -> ModelProfile {
    ModelProfile {
        endpoint: endpoint.name.clone(),
        model: endpoint.model.clone(),
        authored: endpoint.authored,
        usd_per_million_input: endpoint.usd_per_million_input,
        usd_per_million_output: endpoint.usd_per_million_output,
        capabilities: server::capabilities(&endpoint.options),
    }
}

impl OpenAi {
    pub fn new(endpoint: &ModelEndpoint) -> Result<Self, reqwest::Error> {
        Ok(Self {
            profile: profile(endpoint),
            provider: server::provider(&endpoint.base_url, endpoint.options.server),
            streams: server::streams(&endpoint.options),
            door: Arc::new(Door {
                name: endpoint.name.clone(),
                http: http::client_connecting_within(endpoint.options.timeouts.connect)?,
                redactor: Redactor::new([&endpoint.api_key]),
                config: Address::new(
                    &endpoint.base_url,
                    &endpoint.model,
                    &endpoint.api_key,
                    &endpoint.options,
                ),
                timeouts: endpoint.options.timeouts,
            }),
        })
    }
}

impl Door {
    fn error(&self, class: ModelErrorClass, status: Option<u16>, what: &str) -> ModelError {
        let message = self.redactor.redact(&format!("model endpoint `{}` {what}", self.name));
        ModelError { class, status, retry_after: None, message }
    }

    fn refused(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> ModelError {
        let failure = failure::classify(status, headers, body);
        let mut error = self.error(failure.class, Some(status), &failure.what);
        error.retry_after = http::retry_after(headers);
        error
    }

    /// `status` is that of the answer that broke off, where one had begun.
    fn unreached(&self, error: reqwest::Error, status: Option<u16>) -> ModelError {
        let error = error.without_url();
        let (class, what) = if error.is_connect() {
            (ModelErrorClass::Unreachable, "cannot be reached")
        } else if error.is_timeout() {
            (ModelErrorClass::Timeout, "did not answer in time")
        } else {
            (ModelErrorClass::Network, "dropped the connection")
        };
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        self.error(class, status, &format!("{what}: {cause}"))
    }

    /// Sends once. Every 2xx is an answer, whatever stands in it: it is read after it was written down.
    async fn attempt(
        &self,
        mut request: reqwest::Request,
        timeout: Duration,
        screen: Option<Arc<dyn Screen>>,
    ) -> Result<ModelReply, ModelError> {
        let started = Instant::now();
        let total = timeout.min(self.timeouts.total);
        *request.timeout_mut() = Some(total);
        let first_byte = total.min(self.timeouts.first_byte);
        let sent = tokio::time::timeout(first_byte, self.http.execute(request)).await;
        let response = match sent {
            Ok(sent) => sent.map_err(|error| self.unreached(error, None))?,
            Err(_) => {
                let what = format!("did not begin to answer within {:.1} s", first_byte.as_secs_f64());
                return Err(self.error(ModelErrorClass::Timeout, None, &what));
            }
        };
        let (code, headers) = (response.status(), response.headers().clone());
        let body = match screen.filter(|_| code.is_success() && stream::is_stream(&response)) {
            Some(screen) => self.streamed(response, screen.as_ref()).await?,
            None => {
                let body = self.whole(response).await?;
                if !code.is_success() {
                    return Err(self.refused(code.as_u16(), &headers, &body));
                }
                Body::of_bytes(&body)
            }
        };
        let headers = headers::kept(&headers);
        Ok(ModelReply {
            status: code.as_u16(),
            pause: headers::pause(&headers),
            headers,
            body,
            ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    async fn whole(&self, response: reqwest::Response) -> Result<Bytes, ModelError> {
        let status = response.status().as_u16();
        http::read_body(response, ANSWER_BYTES_MAX).await.map_err(|error| match error {
            BodyError::Lost(error) => self.unreached(error, Some(status)),
            error @ BodyError::TooLarge { .. } => {
                self.error(ModelErrorClass::Unparseable, Some(status), &error.to_string())
            }
        })
    }

    async fn streamed(&self, response: reqwest::Response, screen: &dyn Screen) -> Result<Body, ModelError> {
        let status = response.status().as_u16();
        stream::read(response, screen).await.map_err(|broken| match broken {
            Broken::Lost(error) => self.unreached(error, Some(status)),
            Broken::Said { class, what } => self.error(class, Some(status), &what),
        })
    }
}

#[async_trait]
impl Model for OpenAi {
    fn profile(&self) -> &ModelProfile {
        &self.profile
    }

    fn provider(&self) -> Option<Provider> {
        Some(self.provider.clone())
    }

    async fn complete(&self, request: &Value, timeout: Duration) -> Result<ModelReply, ModelError> {
        let answer = self.ask(request, timeout, None).await;
        self.counted(answer)
    }

    async fn complete_shown(
        &self,
        request: &Value,
        timeout: Duration,
        screen: Arc<dyn Screen>,
    ) -> Result<ModelReply, ModelError> {
        if !self.streams {
            return self.complete(request, timeout).await;
        }
        let answer = self.ask(&stream::streamed(request), timeout, Some(screen)).await;
        self.counted(answer)
    }
}

impl OpenAi {
    fn counted(&self, answer: Result<ModelReply, ModelError>) -> Result<ModelReply, ModelError> {
        let outcome = match &answer {
            Ok(reply) => reply.body.read().failure().map_or("ok", |(class, _)| class.word()),
            Err(error) => error.class.word(),
        };
        metrics::model_called(&self.door.name, outcome);
        answer
    }

    /// The crate builds the request; what came of it takes a way of its own, because the crate would read it.
    async fn ask(
        &self,
        request: &Value,
        timeout: Duration,
        screen: Option<Arc<dyn Screen>>,
    ) -> Result<ModelReply, ModelError> {
        let came = Arc::new(Mutex::new(None));
        let (door, slot) = (self.door.clone(), came.clone());
        let service = service_fn(move |factory: HttpRequestFactory| {
            let (door, slot, screen) = (door.clone(), slot.clone(), screen.clone());
            async move {
                let request = factory.build().await?;
                let sent = door.attempt(request, timeout, screen).await;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
                Ok::<_, OpenAIError>(axum::http::Response::new("null").into())
            }
        });
        let client = Client::build(self.door.http.clone(), self.door.config.clone());
        let client = client.with_http_service(service);
        let built: Result<Value, OpenAIError> = client.chat().create_byot(request).await;
        let came = came.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (came, built) {
            (Some(came), _) => came,
            (None, Err(error)) => Err(self.door.error(ModelErrorClass::BadRequest, None, &error.to_string())),
            (None, Ok(_)) => Err(self.door.error(ModelErrorClass::Unreachable, None, "was not asked")),
        }
    }
}
