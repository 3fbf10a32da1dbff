//! The names that a template reads, without their types.

use handlebars::Path;
use handlebars::template::{Parameter, Template, TemplateElement};

/// A name that a template reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::workflow) struct TemplateName {
    /// From the top, or from the block around; empty is everything.
    pub path: Vec<String>,
    /// Its value comes out, other than that of a condition or a list.
    pub written: bool,
    pub line: u32,
    pub column: u32,
}

pub(in crate::workflow) fn names(template: &Template) -> Vec<TemplateName> {
    let mut found = Vec::new();
    read(template, &mut found);
    found
}

fn read(template: &Template, found: &mut Vec<TemplateName>) {
    for (index, element) in template.elements.iter().enumerate() {
        let (helper, written) = match element {
            TemplateElement::Expression(helper) | TemplateElement::HtmlExpression(helper) => (helper, true),
            TemplateElement::HelperBlock(helper) => (helper, false),
            _ => continue,
        };
        let place = template.mapping.get(index).map_or((1, 1), |mapping| (mapping.0, mapping.1));
        if helper.params.is_empty() && helper.hash.is_empty() {
            name(&helper.name, written, place, found);
        }
        helper.params.iter().chain(helper.hash.values()).for_each(|param| name(param, written, place, found));
        [&helper.template, &helper.inverse].into_iter().flatten().for_each(|inner| read(inner, found));
    }
}

fn name(param: &Parameter, written: bool, place: (usize, usize), found: &mut Vec<TemplateName>) {
    let raw = match param {
        Parameter::Path(Path::Relative((_, raw))) => raw.as_str(),
        Parameter::Name(raw) => raw.as_str(),
        Parameter::Subexpression(inner) => {
            let params = inner.params().into_iter().flatten();
            return params.for_each(|param| name(param, written, place, found));
        }
        _ => return,
    };
    let path = raw.trim_start_matches("../").trim_start_matches("./");
    // `this` inside a block is an item, not everything.
    if path == "this" || path.starts_with('@') {
        return;
    }
    let path = path.strip_prefix("this").map_or(path, |rest| rest.trim_start_matches(['.', '/']));
    let names = path.split(['.', '/']).filter(|name| !name.is_empty());
    found.push(TemplateName {
        path: names.map(|name| name.trim_matches(['[', ']']).to_owned()).collect(),
        written,
        line: place.0.max(1) as u32,
        column: place.1.max(1) as u32,
    });
}
