//! Ed25519 keys in the files that other tools read: PKCS#8 and SPKI as PEM (`openssl pkey`, RFC 8410).

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::RngCore;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// DER before the 32 bytes of a private key, version 1, and of a public one.
const PRIVATE_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
/// Bytes of the digest that name a key.
const ID_BYTES: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "the audit's signing key is not an Ed25519 private key in PEM: make one with `takt audit key --out audit.key`"
    )]
    Private,
    #[error(
        "this is not an Ed25519 public key in PEM: give the `.pub` file that `takt audit key` wrote beside the private one"
    )]
    Public,
}

pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    pub fn from_pem(pem: &SecretString) -> Result<Self, KeyError> {
        let der = unwrap(pem.expose_secret(), PRIVATE).ok_or(KeyError::Private)?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Self).map_err(|_| KeyError::Private)
    }

    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// In Base64.
    pub fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.0.sign(message))
    }
}

/// It never shows what it signs with.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der = unwrap(pem, PUBLIC).ok_or(KeyError::Public)?;
        let key = der.strip_prefix(&PUBLIC_PREFIX).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or(KeyError::Public)
    }

    pub fn to_pem(&self) -> String {
        wrap(&[PUBLIC_PREFIX.as_slice(), &self.0].concat(), PUBLIC)
    }

    /// The name of the key in what it signed.
    pub fn id(&self) -> String {
        hex::encode(&Sha256::digest(self.0)[..ID_BYTES])
    }

    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, &signature).is_ok()
    }
}

/// A new key: the private PEM, and the public key.
pub fn generate() -> Result<(SecretString, PublicKey), KeyError> {
    let mut seed = [0_u8; 32];
    rand::rng().fill_bytes(&mut seed);
    let pem = SecretString::from(wrap(&[PRIVATE_PREFIX.as_slice(), &seed].concat(), PRIVATE));
    let public = SigningKey::from_pem(&pem)?.public();
    Ok((pem, public))
}

fn wrap(der: &[u8], label: &str) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn unwrap(pem: &str, label: &str) -> Option<Vec<u8>> {
    let body = pem.trim().strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let body = body.strip_suffix(&format!("-----END {label}-----"))?;
    let body: String = body.chars().filter(|letter| !letter.is_whitespace()).collect();
    STANDARD.decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, section 10.3, and RFC 8032, section 7.1, test 1.
    #[test]
    fn reads_the_keys_and_makes_the_signatures_of_the_standards() {
        let key = SecretString::from(
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
             -----END PRIVATE KEY-----"
                .to_owned(),
        );
        let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                      -----END PUBLIC KEY-----\n";
        let key = SigningKey::from_pem(&key).unwrap();
        assert_eq!(key.public().to_pem(), public);
        assert_eq!(PublicKey::from_pem(public).unwrap(), key.public());

        let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let pem = SecretString::from(wrap(&[PRIVATE_PREFIX.as_slice(), &seed].concat(), PRIVATE));
        let signature = SigningKey::from_pem(&pem).unwrap().sign(b"");
        let expected = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
        assert_eq!(hex::encode(STANDARD.decode(signature).unwrap()), expected);
    }

    #[test]
    fn a_new_key_signs_and_others_do_not_verify_it() {
        let (pem, public) = generate().unwrap();
        let signature = SigningKey::from_pem(&pem).unwrap().sign(b"head");
        assert!(public.verifies(b"head", &signature) && !public.verifies(b"heap", &signature));
        assert!(!generate().unwrap().1.verifies(b"head", &signature));
        assert!(!public.verifies(b"head", "no Base64"));
        assert_eq!(SigningKey::from_pem(&SecretString::from("x".to_owned())).unwrap_err(), KeyError::Private);
        assert_eq!(PublicKey::from_pem("x").unwrap_err(), KeyError::Public);
        assert!(!format!("{:?}", SigningKey::from_pem(&pem).unwrap()).contains("PRIVATE"));
    }
}
