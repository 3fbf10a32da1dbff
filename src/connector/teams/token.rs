//! Whether a request is from Teams: the token that comes with each activity. Everything must hold: algorithm, key,
//! issuer, audience, time, the key's endorsement of the channel, and the service address of the activity.

use super::{
    activity::Activity,
    keys::{Keys, KeysError},
};
use crate::{
    connector::jws::{self, JwsError},
    site,
};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// The only one that the Bot Framework signs with.
const ALGORITHM: &str = "RS256";
/// Clocks may differ by so many seconds.
const LEEWAY: i64 = 300;
/// The one channel that is served.
const CHANNEL_ID: &str = "msteams";

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the request carries no token: `Authorization: Bearer …` is needed")]
    Missing,
    #[error("the token cannot be read")]
    Malformed,
    #[error("the token is not signed with RS256")]
    Algorithm,
    #[error("the token is signed with a key that Microsoft does not publish")]
    UnknownKey,
    #[error("the token's signature does not fit")]
    Signature,
    #[error("the token is from another issuer")]
    Issuer,
    #[error("the token is for another app: is teams.app_id right?")]
    Audience,
    #[error("the token's time is over, or has not come: are the clocks right?")]
    Time,
    #[error("the token's key is not endorsed for this channel")]
    Endorsement,
    #[error("the token is for another service address than the activity")]
    ServiceUrl,
    #[error("the activity is from another organisation than teams.tenant")]
    Tenant,
    #[error(transparent)]
    Keys(#[from] KeysError),
}

pub struct Verifier {
    keys: Keys,
    issuer: String,
    audience: [String; 3],
    tenant: String,
    service_urls: Vec<String>,
}

impl Verifier {
    pub fn new(teams: &site::Teams) -> Result<Self, reqwest::Error> {
        let id = &teams.app_id;
        Ok(Self {
            keys: Keys::new(&teams.metadata_url)?,
            issuer: teams.issuer.clone(),
            audience: [id.clone(), format!("api://{id}"), format!("api://botid-{id}")],
            tenant: teams.tenant.clone(),
            service_urls: teams.service_urls.clone(),
        })
    }

    /// `authorization` is the header as it came.
    pub async fn verify(
        &self,
        authorization: Option<&str>,
        activity: &Activity,
        now: DateTime<Utc>,
    ) -> Result<(), TokenError> {
        let token = authorization.and_then(bearer).ok_or(TokenError::Missing)?;
        let header = jws::header(token).map_err(|_| TokenError::Malformed)?;
        if header.alg != ALGORITHM {
            return Err(TokenError::Algorithm);
        }
        let kid = header.kid.ok_or(TokenError::Malformed)?;
        let key = self.keys.find(&kid).await?.ok_or(TokenError::UnknownKey)?;
        let claims = jws::verify(token, &jws::Keys::only(key.jwk)).map_err(|error| match error {
            JwsError::Malformed => TokenError::Malformed,
            JwsError::Algorithm(_) => TokenError::Algorithm,
            JwsError::UnknownKey(_) => TokenError::UnknownKey,
            JwsError::Signature => TokenError::Signature,
        })?;
        self.check(&claims, now.timestamp())?;
        if activity.channel_id != CHANNEL_ID || !key.endorsements.iter().any(|word| word == CHANNEL_ID) {
            return Err(TokenError::Endorsement);
        }
        let told = claims.get("serviceurl").or_else(|| claims.get("serviceUrl")).and_then(Value::as_str);
        let told = told.ok_or(TokenError::ServiceUrl)?;
        let is_same = told.trim_end_matches('/') == activity.service_url.trim_end_matches('/');
        if !is_same || !may_be_called(&self.service_urls, &activity.service_url) {
            return Err(TokenError::ServiceUrl);
        }
        if activity.tenant() != Some(self.tenant.as_str()) {
            return Err(TokenError::Tenant);
        }
        Ok(())
    }

    fn check(&self, claims: &Value, now: i64) -> Result<(), TokenError> {
        if claims["iss"].as_str() != Some(self.issuer.as_str()) {
            return Err(TokenError::Issuer);
        }
        if !claims["aud"].as_str().is_some_and(|told| self.audience.iter().any(|ours| ours == told)) {
            return Err(TokenError::Audience);
        }
        let is_timely = claims["exp"].as_i64().is_some_and(|end| now < end.saturating_add(LEEWAY))
            && claims["nbf"].as_i64().is_some_and(|start| start <= now.saturating_add(LEEWAY));
        if is_timely { Ok(()) } else { Err(TokenError::Time) }
    }
}

/// Whether an address lies below one of those that may be given the bot's token.
pub(super) fn may_be_called(allowed: &[String], url: &str) -> bool {
    allowed.iter().any(|allowed| {
        let rest = url.strip_prefix(allowed.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) && !url.contains("..")
    })
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_below_the_allowed_ones_get_the_token() {
        let allowed = ["https://smba.trafficmanager.net".to_owned(), "http://127.0.0.1:1/emea".to_owned()];
        for good in ["https://smba.trafficmanager.net/emea/", "http://127.0.0.1:1/emea/x"] {
            assert!(may_be_called(&allowed, good), "{good}");
        }
        let bad = [
            "https://smba.trafficmanager.net.evil.example/",
            "https://smba.trafficmanager.net:8443/",
            "https://smba.trafficmanager.net@evil.example/",
            "http://smba.trafficmanager.net/",
            "http://127.0.0.1:1/emea/../x",
            "http://127.0.0.1:1/emea2",
        ];
        for bad in bad {
            assert!(!may_be_called(&allowed, bad), "{bad}");
        }
    }
}
