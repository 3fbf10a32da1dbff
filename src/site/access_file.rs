//! The part of `takt.yaml` about who gets in, as it is written.

use super::{access::Claim, file::Text};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_saphyr::Spanned;
use std::fmt;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LineFile {
    pub title: String,
    pub work_centers: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModuleFile {
    pub title: String,
    pub workflows: Vec<Text>,
}

/// `- production_supervisor`, or `- { role: production_supervisor, lines: [L1] }`.
#[derive(Debug, Default)]
pub(super) struct HeldFile {
    pub role: String,
    pub lines: Vec<String>,
    pub work_centers: Vec<String>,
    pub modules: Vec<String>,
    /// Written as a map: then it must say where.
    pub is_limited: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitedFile {
    role: String,
    #[serde(default)]
    lines: Vec<String>,
    #[serde(default)]
    work_centers: Vec<String>,
    #[serde(default)]
    modules: Vec<String>,
}

impl<'de> Deserialize<'de> for HeldFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Held;
        impl<'de> Visitor<'de> for Held {
            type Value = HeldFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a role, or `{ role: …, lines: […] }`")
            }

            fn visit_str<E>(self, role: &str) -> Result<HeldFile, E> {
                Ok(HeldFile { role: role.to_owned(), ..HeldFile::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeldFile, A::Error> {
                let LimitedFile { role, lines, work_centers, modules } =
                    LimitedFile::deserialize(MapAccessDeserializer::new(map))?;
                Ok(HeldFile { role, lines, work_centers, modules, is_limited: true })
            }
        }
        deserializer.deserialize_any(Held)
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SignInFile {
    /// Names and passwords of this file; on unless switched off.
    pub local: Option<Spanned<bool>>,
    pub idle: Option<Text>,
    pub length: Option<Text>,
    pub oidc: Option<Spanned<OidcFile>>,
    pub proxies: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OidcFile {
    pub title: Option<String>,
    pub issuer: Text,
    pub client_id: Text,
    /// Absent for a public client; PKCE is used either way.
    pub client_secret: Option<Text>,
    #[serde(default)]
    pub claim: Claim,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub optional: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceAccountFile {
    pub title: String,
    pub token_hash: Text,
    pub scopes: Vec<Text>,
    /// Where it may act; what is left out does not limit.
    #[serde(default)]
    pub workflows: Vec<Text>,
    #[serde(default)]
    pub lines: Vec<Text>,
    #[serde(default)]
    pub work_centers: Vec<Text>,
    #[serde(default)]
    pub modules: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartnerFile {
    pub name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmbedFile {
    pub frame_ancestors: Vec<Text>,
}
