//! Where in an answer something stands. It is spelled out only when it is told: an answer may be large, the names of its
//! fields long, and nearly all of it is fine.

use super::super::text::{FIELD_CHARS_MAX, quotable};
use std::fmt;

#[derive(Debug, Clone, Copy)]
pub(super) enum AnswerPath<'a> {
    Root,
    Field(&'a AnswerPath<'a>, &'a str),
    Item(&'a AnswerPath<'a>, usize),
}

impl<'a> AnswerPath<'a> {
    pub(super) fn field(&'a self, name: &'a str) -> AnswerPath<'a> {
        AnswerPath::Field(self, name)
    }

    pub(super) fn item(&'a self, index: usize) -> AnswerPath<'a> {
        AnswerPath::Item(self, index)
    }
}

impl fmt::Display for AnswerPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(above, name) => write!(f, "{above}/{}", quotable(name, FIELD_CHARS_MAX)),
            Self::Item(above, index) => write!(f, "{above}/{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_a_json_pointer() {
        let (root, options) = (AnswerPath::Root, AnswerPath::Field(&AnswerPath::Root, "options"));
        let second = options.item(1);
        assert_eq!(second.field("qty").to_string(), "/options/1/qty");
        assert_eq!(root.to_string(), "");
    }

    #[test]
    fn an_endless_name_is_not_written_out() {
        let (long, usual) = ("n".repeat(500_000), "ü".repeat(FIELD_CHARS_MAX));
        let at = AnswerPath::Field(&AnswerPath::Root, &long);
        assert_eq!(at.item(3).to_string(), "/(500000 bytes)/3");
        assert_eq!(AnswerPath::Field(&AnswerPath::Root, &usual).to_string(), format!("/{usual}"));
    }
}
