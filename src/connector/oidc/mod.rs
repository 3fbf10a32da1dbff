//! The plant's identity provider (OpenID Connect): authorization code flow with PKCE, as a confidential or public client.
//!
//! Where people are sent, and who came back. Which person of takt.yaml that is, and sessions, belong to the door.

mod token;

pub use token::{IdToken, TokenError};

use super::{
    http,
    jws::{JwsError, Keys},
};
use crate::site::Oidc;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::{DateTime, Utc};
use rand::RngCore;
use reqwest::{Client, Url};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 512 * 1024;
/// How long the provider's addresses and keys are used without asking again.
const KNOWN_FOR: Duration = Duration::from_secs(3600);
/// A key that is not known makes us ask again, but not more often.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("the identity provider cannot be reached: {0}")]
    Unreachable(String),
    #[error("the identity provider gave something that cannot be used: {0}")]
    Unusable(String),
    /// The code was used before, is too old, or is not ours.
    #[error("the identity provider did not accept the sign-in ({0})")]
    CodeRefused(String),
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl OidcError {
    /// The word in the audit.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "provider-unreachable",
            Self::Unusable(_) => "provider-unusable",
            Self::CodeRefused(_) => "code-refused",
            Self::Token(error) => error.word(),
        }
    }
}

/// What the provider publishes about itself.
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Clone)]
struct Known {
    metadata: Arc<Metadata>,
    keys: Arc<Keys>,
    read_at: Instant,
}

/// One sign-in on its way: the address people are sent to, and what has to come back.
#[derive(Debug)]
pub struct Begun {
    pub url: String,
    pub state: String,
    pub nonce: String,
    pub verifier: String,
}

/// What came back with the browser, and what we kept of the sign-in.
#[derive(Debug, Clone, Copy)]
pub struct Returned<'a> {
    pub code: &'a str,
    /// The `iss` of the answer (RFC 9207), where the provider sends it.
    pub issuer: Option<&'a str>,
    pub nonce: &'a str,
    pub verifier: &'a str,
}

pub struct Provider {
    settings: Oidc,
    http: Client,
    known: Mutex<Option<Known>>,
}

impl Provider {
    pub fn new(settings: &Oidc) -> Result<Self, reqwest::Error> {
        Ok(Self { settings: settings.clone(), http: http::client()?, known: Mutex::new(None) })
    }

    pub fn settings(&self) -> &Oidc {
        &self.settings
    }

    /// `again` asks the provider to have the person prove who they are even where it still knows them.
    pub async fn begin(&self, redirect_uri: &str, again: bool) -> Result<Begun, OidcError> {
        let known = self.known(KNOWN_FOR).await?;
        let (state, nonce, verifier) = (random(), random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let mut url = Url::parse(&known.metadata.authorization_endpoint)
            .map_err(|error| OidcError::Unusable(format!("authorization_endpoint: {error}")))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if again {
            url.query_pairs_mut().append_pair("prompt", "login").append_pair("max_age", "0");
        }
        Ok(Begun { url: url.into(), state, nonce, verifier })
    }

    /// Turns the code into a checked ID token.
    pub async fn finish(
        &self,
        returned: Returned<'_>,
        redirect_uri: &str,
        now: DateTime<Utc>,
    ) -> Result<IdToken, OidcError> {
        let known = self.known(KNOWN_FOR).await?;
        match returned.issuer {
            Some(issuer) if issuer != self.settings.issuer => return Err(TokenError::Issuer.into()),
            None if known.metadata.authorization_response_iss_parameter_supported => {
                return Err(TokenError::Issuer.into());
            }
            _ => {}
        }
        let token = self.exchange(&known.metadata, returned, redirect_uri).await?;
        let read = |keys: &Keys| token::read(&token, keys, &self.settings, returned.nonce, now);
        match read(&known.keys) {
            // The provider may have changed its keys since, also under the name of an old one.
            Err(TokenError::Signature(JwsError::UnknownKey(_) | JwsError::Signature)) => {
                Ok(read(&self.known(ASK_AGAIN_AFTER).await?.keys)?)
            }
            answer => Ok(answer?),
        }
    }

    async fn exchange(
        &self,
        metadata: &Metadata,
        returned: Returned<'_>,
        redirect_uri: &str,
    ) -> Result<String, OidcError> {
        let client_id = self.settings.client_id.as_str();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", returned.code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", returned.verifier),
        ];
        let mut request = self.http.post(&metadata.token_endpoint).timeout(ANSWER_TIME_MAX);
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let has = |method: &str| methods.iter().any(|known| known == method);
        let secret = self.settings.client_secret.as_ref().map(ExposeSecret::expose_secret);
        match secret {
            // Providers do not agree on how a header is encoded; in the body there is one way only.
            Some(secret) if has("client_secret_post") => {
                fields.extend([("client_id", client_id), ("client_secret", secret)]);
            }
            Some(secret) => {
                let pair = format!("{}:{}", form_word(client_id), form_word(secret));
                request = request.header("authorization", format!("Basic {}", STANDARD.encode(pair)));
            }
            None => fields.push(("client_id", client_id)),
        }
        let answer = request.form(&fields).send().await.map_err(unreachable)?;
        let is_success = answer.status().is_success();
        let body = http::read_body(answer, ANSWER_BYTES_MAX)
            .await
            .map_err(|error| OidcError::Unreachable(error.to_string()))?;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        if !is_success {
            let why = body["error"].as_str().unwrap_or("no reason given");
            return Err(OidcError::CodeRefused(why.chars().take(64).collect()));
        }
        let token = body["id_token"].as_str();
        token.map(str::to_owned).ok_or_else(|| OidcError::Unusable("there is no id_token".into()))
    }

    /// Addresses and keys, asked for again when they are older than this.
    async fn known(&self, age_max: Duration) -> Result<Known, OidcError> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.read_at.elapsed() < age_max) {
            return Ok(known.clone());
        }
        let issuer = self.settings.issuer.as_str();
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata: Metadata = self.get(&address).await?;
        if metadata.issuer != issuer {
            let words = format!("it calls itself {}, takt.yaml says {issuer}", metadata.issuer);
            return Err(OidcError::Unusable(words));
        }
        let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        if issuer.starts_with("https://") && !endpoints.iter().all(|url| url.starts_with("https://")) {
            return Err(OidcError::Unusable("one of its addresses is not https".into()));
        }
        let keys = Arc::new(self.get(&metadata.jwks_uri).await?);
        let read = Known { metadata: Arc::new(metadata), keys, read_at: Instant::now() };
        *known = Some(read.clone());
        Ok(read)
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, OidcError> {
        let answer = self.http.get(url).timeout(ANSWER_TIME_MAX).send().await.map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(OidcError::Unreachable(format!("{url} answers {}", answer.status())));
        }
        let body = http::read_body(answer, ANSWER_BYTES_MAX)
            .await
            .map_err(|error| OidcError::Unreachable(error.to_string()))?;
        serde_json::from_slice(&body).map_err(|error| OidcError::Unusable(format!("{url}: {error}")))
    }
}

fn unreachable(error: reqwest::Error) -> OidcError {
    OidcError::Unreachable(error.without_url().to_string())
}

fn random() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// RFC 6749 wants id and secret form-encoded before they become one header.
fn form_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*~".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            b' ' => "+".to_owned(),
            byte if is_plain(byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
