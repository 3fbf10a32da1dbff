//! Signed JSON tokens (RFC 7515): whether one of a provider's public keys made the signature. What a token claims
//! is judged by whoever asks.
//!
//! Only asymmetric algorithms are known here, so that neither `none` nor a key taken for a shared secret can pass.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// Larger ones are nobody's identity.
const TOKEN_BYTES_MAX: usize = 32 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    #[error("the token is not made of three parts that can be read")]
    Malformed,
    #[error("the token is signed with `{0}`, which is not accepted")]
    Algorithm(String),
    #[error("the provider has no key `{0}`")]
    UnknownKey(String),
    #[error("the signature of the token does not fit")]
    Signature,
}

/// A provider's published keys (RFC 7517); those that cannot be used for signatures are passed over.
#[derive(Debug, Clone, Deserialize)]
pub struct Keys {
    keys: Vec<Value>,
}

#[derive(Debug, Clone, Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// What a token says of its own signature, before it is checked.
#[derive(Debug, Deserialize)]
pub struct Header {
    pub alg: String,
    pub kid: Option<String>,
    /// Extensions that must be understood; none is.
    crit: Option<Value>,
}

impl Keys {
    /// The one published key that may have signed.
    pub fn only(key: Value) -> Self {
        Self { keys: vec![key] }
    }
}

pub fn header(token: &str) -> Result<Header, JwsError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(JwsError::Malformed);
    }
    let (head, _) = token.split_once('.').ok_or(JwsError::Malformed)?;
    let header: Header = json(head)?;
    if header.crit.is_some() { Err(JwsError::Malformed) } else { Ok(header) }
}

/// The claims of a token that one of the keys has signed.
pub fn verify(token: &str, keys: &Keys) -> Result<Value, JwsError> {
    let header = header(token)?;
    let parts: Vec<&str> = token.split('.').collect();
    let [head, claims, signature] = parts.as_slice() else { return Err(JwsError::Malformed) };
    let kind = match header.alg.as_str() {
        "RS256" | "RS384" | "RS512" | "PS256" => "RSA",
        "ES256" | "ES384" => "EC",
        other => return Err(JwsError::Algorithm(other.chars().take(16).collect())),
    };
    let signature = decode(signature)?;
    let message = token.get(..head.len() + 1 + claims.len()).ok_or(JwsError::Malformed)?.as_bytes();
    let fits = |key: &Key| {
        key.kty == kind
            && key.r#use.as_deref().is_none_or(|usage| usage == "sig")
            && key.alg.as_deref().is_none_or(|alg| alg == header.alg)
            && header.kid.as_deref().is_none_or(|kid| key.kid.as_deref() == Some(kid))
    };
    let known = keys.keys.iter().filter_map(|key| Key::deserialize(key).ok());
    let candidates: Vec<Key> = known.filter(fits).collect();
    if candidates.is_empty() {
        return Err(JwsError::UnknownKey(header.kid.unwrap_or_default().chars().take(64).collect()));
    }
    if candidates.iter().any(|key| key.has_signed(&header.alg, message, &signature)) {
        json(claims)
    } else {
        Err(JwsError::Signature)
    }
}

impl Key {
    fn has_signed(&self, alg: &str, message: &[u8], signature: &[u8]) -> bool {
        let part = |text: &Option<String>| text.as_deref().and_then(|text| decode(text).ok());
        let rsa = |parameters: &'static RsaParameters| {
            let (Some(n), Some(e)) = (part(&self.n), part(&self.e)) else { return false };
            RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
        };
        let ec = |curve: &str, algorithm: &'static dyn ring::signature::VerificationAlgorithm| {
            let (Some(x), Some(y)) = (part(&self.x), part(&self.y)) else { return false };
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            self.crv.as_deref() == Some(curve)
                && UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
        };
        match alg {
            "RS256" => rsa(&RSA_PKCS1_2048_8192_SHA256),
            "RS384" => rsa(&RSA_PKCS1_2048_8192_SHA384),
            "RS512" => rsa(&RSA_PKCS1_2048_8192_SHA512),
            "PS256" => rsa(&RSA_PSS_2048_8192_SHA256),
            "ES256" => ec("P-256", &ECDSA_P256_SHA256_FIXED),
            "ES384" => ec("P-384", &ECDSA_P384_SHA384_FIXED),
            _ => false,
        }
    }
}

fn decode(text: &str) -> Result<Vec<u8>, JwsError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JwsError::Malformed)
}

fn json<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, JwsError> {
    serde_json::from_slice(&decode(part)?).map_err(|_| JwsError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.3: ES256 over the claims of the specification.
    const KEY: &str = r#"{"keys":[{"kty":"EC","crv":"P-256",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn keys() -> Keys {
        serde_json::from_str(KEY).unwrap()
    }

    #[test]
    fn the_specifications_own_token_is_accepted_and_any_change_is_not() {
        assert_eq!(verify(TOKEN, &keys()).unwrap()["iss"], "joe");
        for at in 21..TOKEN.len() - 1 {
            let mut bytes = TOKEN.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(verify(std::str::from_utf8(&bytes).unwrap(), &keys()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn unsigned_and_symmetric_tokens_are_refused() {
        let (_, rest) = TOKEN.split_once('.').unwrap();
        for alg in ["none", "None", "HS256", "ES256K", ""] {
            let head = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}"}}"#));
            assert_eq!(verify(&format!("{head}.{rest}"), &keys()), Err(JwsError::Algorithm(alg.to_owned())));
        }
        let unsigned = format!("{}..", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
        assert!(verify(&unsigned, &keys()).is_err());
        let critical = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","crit":["b64"],"b64":false}"#);
        assert_eq!(verify(&format!("{critical}.{rest}"), &keys()), Err(JwsError::Malformed));
    }
}
