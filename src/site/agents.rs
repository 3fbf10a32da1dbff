//! What models may not read in this site, wherever it stands: the section `agents:` of `takt.yaml`.

use super::file::Text;
use crate::tool::DataClass;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// What people call the classes of known words; a secret does not stand in the file.
pub(super) const KINDS: [(&str, DataClass); 6] = [
    ("employee", DataClass::Employee),
    ("customer", DataClass::Customer),
    ("supplier", DataClass::Proprietary),
    ("part", DataClass::Proprietary),
    ("routing", DataClass::Proprietary),
    ("proprietary", DataClass::Proprietary),
];

#[derive(Debug, Clone, Default)]
pub struct Agents {
    /// Words that are masked in every spelling.
    pub dictionary: Vec<(DataClass, String)>,
    /// Regular expressions of what is masked, as it is written.
    pub patterns: Vec<(DataClass, String)>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AgentsFile {
    /// By class.
    pub dictionary: BTreeMap<String, Spanned<Vec<Text>>>,
    /// By any name; that of a class gives its class.
    pub patterns: BTreeMap<String, Text>,
}
