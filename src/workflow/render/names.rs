//! The names that a template reads, without their types.

use handlebars::Path;
use handlebars::template::{Parameter, Template, TemplateElement};

/// Paths from the top, or from the block around; an empty one is everything.
pub(in crate::workflow) fn names(template: &Template) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    read(template, &mut found);
    found
}

fn read(template: &Template, found: &mut Vec<Vec<String>>) {
    for element in &template.elements {
        let (TemplateElement::Expression(helper)
        | TemplateElement::HtmlExpression(helper)
        | TemplateElement::HelperBlock(helper)) = element
        else {
            continue;
        };
        if helper.params.is_empty() && helper.hash.is_empty() {
            name(&helper.name, found);
        }
        helper.params.iter().chain(helper.hash.values()).for_each(|param| name(param, found));
        [&helper.template, &helper.inverse].into_iter().flatten().for_each(|inner| read(inner, found));
    }
}

fn name(param: &Parameter, found: &mut Vec<Vec<String>>) {
    let raw = match param {
        Parameter::Path(Path::Relative((_, raw)) | Path::Local((_, _, raw))) => raw.as_str(),
        Parameter::Name(raw) => raw.as_str(),
        Parameter::Subexpression(inner) => {
            let params = inner.params().into_iter().flatten();
            return params.for_each(|param| name(param, found));
        }
        _ => return,
    };
    let path = below_root(raw).unwrap_or_else(|| raw.trim_start_matches("../").trim_start_matches("./"));
    // `this` inside a block is an item, not everything.
    if path == "this" || path.starts_with('@') {
        return;
    }
    let path = path.strip_prefix("this").map_or(path, |rest| rest.trim_start_matches(['.', '/']));
    let names = path.split(['.', '/']).filter(|name| !name.is_empty());
    found.push(names.map(|name| name.trim_matches(['[', ']']).to_owned()).collect());
}

/// What follows `@root`, wherever it is asked from.
pub(super) fn below_root(raw: &str) -> Option<&str> {
    let below = raw.trim_start_matches("../").strip_prefix("@root")?;
    Some(below.trim_start_matches(['.', '/']))
}
