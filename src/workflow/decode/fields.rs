//! Reading the keys of a map, and telling what is unknown, missing or of the wrong shape.

use super::{Decoder, Place, kind_of};
use crate::workflow::{
    problem::Problem,
    source::{Data, Key, Node},
    suggest,
};

/// A map whose keys are asked for one by one; what was never asked for is unknown.
pub(in crate::workflow) struct Fields<'d> {
    pub(in crate::workflow) node: &'d Node,
    entries: &'d [(Key, Node)],
    asked: Vec<&'static str>,
    /// What was told of keys that are not there.
    missing: Vec<(&'static str, Problem)>,
}

impl<'d> Fields<'d> {
    pub(in crate::workflow) fn get(&mut self, name: &'static str) -> Option<&'d Node> {
        self.asked.push(name);
        self.node.get(name)
    }

    /// Says of what was told last that this key would do as well.
    pub(in crate::workflow) fn or_missing(&mut self, name: &'static str) {
        let told = self.missing.last().map(|(_, told)| (name, told.clone()));
        self.missing.extend(told);
    }

    pub(in crate::workflow) fn has(&self, name: &str) -> bool {
        self.node.get(name).is_some()
    }
}

impl<'d> Decoder<'d> {
    pub(in crate::workflow) fn fields(&mut self, node: &'d Node, what: &str) -> Option<Fields<'d>> {
        let entries = self.map(node, what)?;
        Some(Fields { node, entries, asked: Vec::new(), missing: Vec::new() })
    }

    pub(in crate::workflow) fn map(&mut self, node: &'d Node, what: &str) -> Option<&'d [(Key, Node)]> {
        if let Data::Map(entries) = &node.data {
            return Some(entries);
        }
        let message = format!("{what} needs keys, this is {}", kind_of(node));
        self.error("T002", node.place, message, "write `key: value` lines, indented below");
        None
    }

    pub(in crate::workflow) fn list(&mut self, node: &'d Node, what: &str) -> Option<&'d [Node]> {
        if let Data::List(items) = &node.data {
            return Some(items);
        }
        let message = format!("`{what}` needs a list, this is {}", kind_of(node));
        self.error("T002", node.place, message, "write `- item` lines, or `[one, two]`");
        None
    }

    pub(in crate::workflow) fn required(
        &mut self,
        fields: &mut Fields<'d>,
        name: &'static str,
        value: &str,
    ) -> Option<&'d Node> {
        let found = fields.get(name);
        if found.is_none() {
            let at = ("T002", fields.node.place);
            self.missing(
                fields,
                name,
                at,
                format!("`{name}` is missing"),
                format!("add `{name}:` with {value}"),
            );
        }
        found
    }

    /// Reports a key that is not there; [`Decoder::finish`] takes it back where it turns out to be misspelt.
    pub(in crate::workflow) fn missing(
        &mut self,
        fields: &mut Fields<'d>,
        name: &'static str,
        (code, place): (&'static str, Place),
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.error(code, place, message, fix);
        fields.missing.extend(self.problems.last().map(|told| (name, told.clone())));
    }

    /// Reports every key that nothing asked for.
    pub(in crate::workflow) fn finish(&mut self, fields: &Fields<'d>, what: &str) {
        let mut known = fields.asked.clone();
        known.sort_unstable();
        known.dedup();
        let mut misspelt = Vec::new();
        for (key, _) in fields.entries {
            if known.contains(&key.name.as_str()) {
                continue;
            }
            let meant = of_other_languages(&key.name).filter(|word| known.contains(word));
            let fix = match meant.or_else(|| suggest::closest(&key.name, known.iter().copied())) {
                Some(near) => {
                    misspelt.extend(
                        fields.missing.iter().filter(|(name, _)| *name == near).map(|(_, told)| told),
                    );
                    format!("did you mean `{near}`?")
                }
                None => format!("{what} takes {}", known.join(", ")),
            };
            self.error("T002", key.place, format!("unknown key `{}` in {what}", key.name), fix);
        }
        if !misspelt.is_empty() {
            self.problems.retain(|problem| !misspelt.contains(&problem));
        }
    }
}

/// The key that is called otherwise elsewhere.
fn of_other_languages(name: &str) -> Option<&'static str> {
    (name == "on").then_some("trigger")
}
