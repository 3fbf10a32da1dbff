//! `classes` of a file and its tools: which fields are confidential, by their names. A name that is mistyped would
//! classify nothing, and nothing would be masked; it is told where it is like a field that is there.

use super::{compile::Compiler, file::Classes};
use crate::{
    expr::Type,
    tool::{DataClass, ToolSpec},
};
use std::collections::{BTreeMap, BTreeSet};

/// How alike two names are where one may be a slip of the other.
const SIMILAR: f64 = 0.9;

pub(in crate::connector) fn plain(written: &Classes) -> BTreeMap<String, DataClass> {
    written.iter().map(|(field, class)| (field.clone(), class.value)).collect()
}

/// The names of all fields that a tool takes and gives.
pub(super) fn fields_of(spec: &ToolSpec) -> BTreeSet<String> {
    let mut found = Vec::new();
    for schema in [&spec.input, &spec.output] {
        Type::from_schema(schema).fields_below(&mut found);
    }
    found.into_iter().collect()
}

pub(super) fn check(compiler: &mut Compiler<'_>, written: &Classes, fields: &BTreeSet<String>) {
    for (name, class) in written.iter().filter(|(name, _)| !fields.contains(*name)) {
        let likeness = |field: &&String| strsim::jaro_winkler(name, field);
        let near = fields.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        if let Some(near) = near.filter(|field| likeness(field) >= SIMILAR) {
            compiler.report(
                class.referenced,
                format!("no field is called `{name}`, so that nothing is masked: did you mean `{near}`?"),
            );
        }
    }
}
