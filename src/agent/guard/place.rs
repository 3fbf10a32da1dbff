//! Where in an answer something stands. It is spelled out only when it is told: an answer may be large, the names of its
//! fields long, and nearly all of it is fine.

use std::fmt;

#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    Root,
    Field(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl<'a> Place<'a> {
    pub(super) fn field(&'a self, name: &'a str) -> Place<'a> {
        Place::Field(self, name)
    }

    pub(super) fn item(&'a self, index: usize) -> Place<'a> {
        Place::Item(self, index)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(above, name) => write!(f, "{above}/{name}"),
            Self::Item(above, index) => write!(f, "{above}/{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_a_json_pointer() {
        let (root, options) = (Place::Root, Place::Field(&Place::Root, "options"));
        let second = options.item(1);
        assert_eq!(second.field("qty").to_string(), "/options/1/qty");
        assert_eq!(root.to_string(), "");
    }
}
