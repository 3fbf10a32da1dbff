//! A language model behind the OpenAI wire format (chat completions): OpenAI itself, Azure's v1 surface,
//! vLLM, Ollama, llama.cpp, or the endpoint that plays authored transcripts.
//!
//! One attempt per call. `async-openai` builds the request; sending, limits and classification are ours,
//! because the crate retries by itself and loses statuses. The environment is never read.

mod failure;
#[cfg(test)]
mod tests;

use super::{
    http::{self, BodyError},
    redact::Redactor,
};
use crate::{
    agent::{Model, ModelError, ModelErrorClass, ModelProfile, ModelReply},
    site::ModelEndpoint,
    telemetry::metrics,
};
use async_openai::{Client, config::Config, error::OpenAIError, middleware::HttpRequestFactory};
use async_trait::async_trait;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use tower::service_fn;

const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

pub struct OpenAi {
    profile: ModelProfile,
    door: Arc<Door>,
}

/// What one attempt needs, shared with the service that makes it.
struct Door {
    name: String,
    http: reqwest::Client,
    redactor: Redactor,
    config: Endpoint,
}

impl OpenAi {
    pub fn new(endpoint: &ModelEndpoint) -> Result<Self, reqwest::Error> {
        Ok(Self {
            profile: ModelProfile {
                endpoint: endpoint.name.clone(),
                model: endpoint.model.clone(),
                authored: endpoint.authored,
                usd_per_million_input: endpoint.usd_per_million_input,
                usd_per_million_output: endpoint.usd_per_million_output,
            },
            door: Arc::new(Door {
                name: endpoint.name.clone(),
                http: http::client()?,
                redactor: Redactor::new([&endpoint.api_key]),
                config: Endpoint {
                    base_url: endpoint.base_url.trim_end_matches('/').to_owned(),
                    api_key: endpoint.api_key.clone(),
                },
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

    fn unreached(&self, error: reqwest::Error) -> ModelError {
        let error = error.without_url();
        let (class, what) = if error.is_connect() {
            (ModelErrorClass::Network, "cannot be reached")
        } else if error.is_timeout() {
            (ModelErrorClass::Timeout, "did not answer in time")
        } else {
            (ModelErrorClass::Network, "dropped the connection")
        };
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        self.error(class, None, &format!("{what}: {cause}"))
    }

    /// Sends once and lets only a JSON answer through, so that nothing is left for the crate to guess.
    async fn attempt(
        &self,
        mut request: reqwest::Request,
        timeout: Duration,
        status: &OnceLock<u16>,
    ) -> Result<reqwest::Response, ModelError> {
        *request.timeout_mut() = Some(timeout);
        let response = self.http.execute(request).await.map_err(|error| self.unreached(error))?;
        let (code, headers) = (response.status(), response.headers().clone());
        let body = match http::read_body(response, ANSWER_BYTES_MAX).await {
            Ok(body) => body,
            Err(BodyError::Lost(error)) => return Err(self.unreached(error)),
            Err(error @ BodyError::TooLarge { .. }) => {
                return Err(self.error(
                    ModelErrorClass::Unparseable,
                    Some(code.as_u16()),
                    &error.to_string(),
                ));
            }
        };
        if !code.is_success() || failure::is_error(&body) {
            return Err(self.refused(code.as_u16(), &headers, &body));
        }
        if serde_json::from_slice::<Value>(&body).is_err() {
            let what = format!("answered {code} with something that is not JSON: is base_url right?");
            return Err(self.error(ModelErrorClass::Unparseable, Some(code.as_u16()), &what));
        }
        let _ = status.set(code.as_u16());
        let mut answer = axum::http::Response::new(body);
        *answer.status_mut() = code;
        Ok(answer.into())
    }
}

#[async_trait]
impl Model for OpenAi {
    fn profile(&self) -> &ModelProfile {
        &self.profile
    }

    async fn complete(&self, request: &Value, timeout: Duration) -> Result<ModelReply, ModelError> {
        let answer = self.ask(request, timeout).await;
        let outcome = answer.as_ref().map_or_else(|error| error.class.word(), |_| "ok");
        metrics::model_called(&self.door.name, outcome);
        answer
    }
}

impl OpenAi {
    async fn ask(&self, request: &Value, timeout: Duration) -> Result<ModelReply, ModelError> {
        let started = Instant::now();
        let status = Arc::new(OnceLock::new());
        let (door, slot) = (self.door.clone(), status.clone());
        let service = service_fn(move |factory: HttpRequestFactory| {
            let (door, status) = (door.clone(), slot.clone());
            async move {
                let request = factory.build().await?;
                let sent = door.attempt(request, timeout, &status).await;
                sent.map_err(|error| OpenAIError::Boxed(Box::new(error)))
            }
        });
        let client = Client::build(self.door.http.clone(), self.door.config.clone());
        let client = client.with_http_service(service);
        let answer: Result<Value, OpenAIError> = client.chat().create_byot(request).await;
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let error = match answer {
            Ok(body) => return Ok(ModelReply::read(status.get().copied().unwrap_or(200), body, ms)),
            Err(error) => error,
        };
        Err(match error {
            OpenAIError::Boxed(error) => match error.downcast::<ModelError>() {
                Ok(error) => *error,
                Err(other) => self.door.error(ModelErrorClass::Network, None, &other.to_string()),
            },
            OpenAIError::Reqwest(error) => self.door.unreached(error),
            other => self.door.error(ModelErrorClass::BadRequest, None, &other.to_string()),
        })
    }
}

/// The crate's own configuration takes gaps from the environment; this one has none.
#[derive(Clone)]
struct Endpoint {
    base_url: String,
    api_key: SecretString,
}

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        // A local server may need no key; a key with line breaks in it is refused by the server.
        if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", self.api_key.expose_secret())) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        headers
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base_url
    }

    fn api_key(&self) -> &SecretString {
        &self.api_key
    }
}
