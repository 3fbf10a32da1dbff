use crate::{
    connector::jws::{JwsError, Keys, verify},
    site::{Claim, Oidc},
};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// How far the provider's clock may be from ours.
const LEEWAY_SECONDS: i64 = 60;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error(transparent)]
    Signature(#[from] JwsError),
    #[error("the token is not from the declared issuer")]
    Issuer,
    #[error("the token is for another program")]
    Audience,
    #[error("the token has expired, or is not valid yet")]
    Time,
    #[error("the token belongs to another sign-in")]
    Nonce,
    #[error("the token does not say who it is for")]
    Nobody,
    #[error("the provider has not verified this e-mail address")]
    EmailNotVerified,
}

impl TokenError {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Signature(JwsError::Algorithm(_)) => "token-algorithm",
            Self::Signature(_) => "token-signature",
            Self::Issuer => "token-issuer",
            Self::Audience => "token-audience",
            Self::Time => "token-time",
            Self::Nonce => "token-nonce",
            Self::Nobody => "token-nobody",
            Self::EmailNotVerified => "email-not-verified",
        }
    }
}

/// What a checked ID token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdToken {
    /// The value of the claim that names the person.
    pub person: String,
    /// When the person last proved who they are, in seconds since 1970.
    pub auth_time: Option<i64>,
}

/// OpenID Connect Core 1.0, section 3.1.3.7.
pub(super) fn read(
    token: &str,
    keys: &Keys,
    settings: &Oidc,
    nonce: &str,
    now: DateTime<Utc>,
) -> Result<IdToken, TokenError> {
    let claims = verify(token, keys)?;
    let text = |claim: &str| claims.get(claim).and_then(Value::as_str).filter(|text| !text.is_empty());
    if text("iss") != Some(settings.issuer.as_str()) {
        return Err(TokenError::Issuer);
    }
    let audience = match &claims["aud"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let client = settings.client_id.as_str();
    let is_ours = match text("azp") {
        Some(party) => party == client,
        None => audience.len() == 1,
    };
    if !audience.contains(&client) || !is_ours {
        return Err(TokenError::Audience);
    }
    // A NumericDate may have a fraction (RFC 7519).
    let seconds = |claim: &str| claims[claim].as_f64().map(|at| at.floor() as i64);
    let now = now.timestamp();
    let is_timely = seconds("exp").is_some_and(|end| now < end.saturating_add(LEEWAY_SECONDS))
        && seconds("iat").is_some_and(|start| start <= now + LEEWAY_SECONDS)
        && seconds("nbf").is_none_or(|start| start <= now + LEEWAY_SECONDS);
    if !is_timely {
        return Err(TokenError::Time);
    }
    if text("nonce") != Some(nonce) {
        return Err(TokenError::Nonce);
    }
    let person = match settings.claim {
        Claim::Subject => text("sub"),
        // Some providers write it as a text, and some leave it out: those are the plant's own.
        Claim::Email => match claims.get("email_verified") {
            None | Some(Value::Bool(true)) => text("email"),
            Some(Value::String(word)) if word == "true" => text("email"),
            Some(_) => return Err(TokenError::EmailNotVerified),
        },
    };
    let person = person.ok_or(TokenError::Nobody)?.to_owned();
    Ok(IdToken { person, auth_time: seconds("auth_time") })
}
