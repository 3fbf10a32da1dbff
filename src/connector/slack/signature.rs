//! Slack's request signature, version `v0`: HMAC-SHA256 over `v0:{timestamp}:{body}`.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// An older request may be a replay.
const AGE_SECONDS_MAX: i64 = 300;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("X-Slack-Signature or X-Slack-Request-Timestamp is missing or malformed")]
    Malformed,
    #[error("the request is older or newer than {AGE_SECONDS_MAX} s: are the clocks right?")]
    Stale,
    #[error("the signature does not fit: is slack.signing_secret right?")]
    Wrong,
}

/// `timestamp` and `signature` are the headers as they came, `body` the bytes before any parsing.
pub fn verify(
    secret: &SecretString,
    timestamp: Option<&str>,
    signature: Option<&str>,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<(), SignatureError> {
    let (Some(timestamp), Some(signature)) = (timestamp, signature) else {
        return Err(SignatureError::Malformed);
    };
    let seconds: i64 = timestamp.parse().map_err(|_| SignatureError::Malformed)?;
    let signature = signature.strip_prefix("v0=").ok_or(SignatureError::Malformed)?;
    let signature = hex::decode(signature).map_err(|_| SignatureError::Malformed)?;
    if now.timestamp().abs_diff(seconds) > AGE_SECONDS_MAX.unsigned_abs() {
        return Err(SignatureError::Stale);
    }
    // `verify_slice` compares in constant time.
    mac(secret, timestamp, body).verify_slice(&signature).map_err(|_| SignatureError::Wrong)
}

/// The header value that Slack would send.
pub fn sign(secret: &SecretString, timestamp: i64, body: &[u8]) -> String {
    let mac = mac(secret, &timestamp.to_string(), body);
    format!("v0={}", hex::encode(mac.finalize().into_bytes()))
}

#[expect(clippy::expect_used, reason = "an HMAC takes a key of any length")]
fn mac(secret: &SecretString, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let key = secret.expose_secret().as_bytes();
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(b"v0:");
    mac.update(timestamp.as_bytes());
    mac.update(b":");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Slack's documentation ("Verifying requests from Slack").
    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const TIME: i64 = 1_531_420_618;

    fn secret() -> SecretString {
        SecretString::from("8f742231b10e8888abcd99yyyzzz85a5".to_owned())
    }

    fn check(time: &str, signature: &str, body: &[u8], now: i64) -> Result<(), SignatureError> {
        let now = DateTime::from_timestamp(now, 0).expect("a time");
        verify(&secret(), Some(time), Some(signature), body, now)
    }

    #[test]
    fn agrees_with_the_official_vector() {
        assert_eq!(sign(&secret(), TIME, BODY), SIGNATURE);
        assert_eq!(check(&TIME.to_string(), SIGNATURE, BODY, TIME + 300), Ok(()));
    }

    #[test]
    fn refuses_what_was_changed_or_is_old() {
        let time = TIME.to_string();
        assert_eq!(check(&time, SIGNATURE, b"token=other", TIME), Err(SignatureError::Wrong));
        assert_eq!(check(&(TIME + 1).to_string(), SIGNATURE, BODY, TIME), Err(SignatureError::Wrong));
        assert_eq!(check(&time, SIGNATURE, BODY, TIME + 301), Err(SignatureError::Stale));
        assert_eq!(check(&time, SIGNATURE, BODY, TIME - 301), Err(SignatureError::Stale));
        assert_eq!(check("soon", SIGNATURE, BODY, TIME), Err(SignatureError::Malformed));
        assert_eq!(check(&time, "v0=zz", BODY, TIME), Err(SignatureError::Malformed));
        assert_eq!(check(&time, "v1=00", BODY, TIME), Err(SignatureError::Malformed));
        assert_eq!(check(&time, "v0=a2114d", BODY, TIME), Err(SignatureError::Wrong));
        assert_eq!(check(&i64::MIN.to_string(), SIGNATURE, BODY, TIME), Err(SignatureError::Stale));
        let now = DateTime::from_timestamp(TIME, 0).expect("a time");
        assert_eq!(verify(&secret(), None, Some(SIGNATURE), BODY, now), Err(SignatureError::Malformed));
    }
}
