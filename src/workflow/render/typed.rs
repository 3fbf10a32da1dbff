//! Whether what a template names is there, by the types of the data it is rendered with.
//!
//! Strict rendering fails on what is missing, and a card that cannot be rendered asks nobody: better to
//! know before. What stands in `{{#if x}}` may be missing, and so may `x` inside that block.

use crate::{
    expr::{Shape, Type, Types},
    workflow::suggest,
};
use handlebars::Path;
use handlebars::template::{BlockParam, HelperTemplate, Parameter, Template, TemplateElement};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::workflow) struct TemplateProblem {
    pub line: u32,
    pub column: u32,
    pub message: String,
    pub fix: String,
}

const BLOCKS: [&str; 4] = ["if", "unless", "each", "with"];
/// Helpers that a field's name would call.
const OURS: [&str; 4] = ["json", "minutes", "time", "round"];
const HELPERS: [&str; 18] = [
    "json", "minutes", "time", "round", "lookup", "log", "raw", "eq", "ne", "gt", "gte", "lt", "lte", "and",
    "or", "not", "len", "else",
];

pub(in crate::workflow) fn check(template: &Template, types: &Types) -> Vec<TemplateProblem> {
    let root = Type::object(types.iter().map(|(name, kind)| (name.clone(), kind.clone())));
    let mut reader = Reader {
        blocks: vec![root],
        locals: Vec::new(),
        guarded: Vec::new(),
        place: (1, 1),
        found: Vec::new(),
    };
    reader.template(template);
    reader.found
}

struct Reader {
    /// What a bare name is looked up in, innermost last.
    blocks: Vec<Type>,
    /// Names that blocks introduce with `as |x|`.
    locals: Vec<String>,
    /// Paths that an `{{#if}}` around has asked for.
    guarded: Vec<String>,
    place: (usize, usize),
    found: Vec<TemplateProblem>,
}

impl Reader {
    fn template(&mut self, template: &Template) {
        for (index, element) in template.elements.iter().enumerate() {
            if let Some(mapping) = template.mapping.get(index) {
                self.place = (mapping.0, mapping.1);
            }
            match element {
                TemplateElement::Expression(helper) | TemplateElement::HtmlExpression(helper) => {
                    self.expression(helper);
                }
                TemplateElement::HelperBlock(helper) => self.block(helper),
                _ => {}
            }
        }
    }

    fn expression(&mut self, helper: &HelperTemplate) {
        if helper.params.is_empty() && helper.hash.is_empty() {
            match helper.name.as_name().filter(|name| OURS.contains(name)) {
                Some(name) => {
                    let fix = format!(
                        "write `{{{{{name} x}}}}`, or `{{{{this.{name}}}}}` for a field of that name"
                    );
                    self.report(format!("the helper `{name}` needs a value"), fix);
                }
                None => self.value(&helper.name),
            }
            return;
        }
        self.known(&helper.name, &HELPERS);
        helper.params.iter().chain(helper.hash.values()).for_each(|param| self.value(param));
    }

    fn block(&mut self, helper: &HelperTemplate) {
        self.known(&helper.name, &BLOCKS);
        let (blocks, locals, guarded) = (self.blocks.len(), self.locals.len(), self.guarded.len());
        let param = helper.params.first();
        match helper.name.as_name() {
            Some("each") => {
                let item = match self.kind(param) {
                    Some(Type::List(item)) => *item,
                    _ => Type::Any,
                };
                self.blocks.push(item);
            }
            Some("with") => {
                let kind = self.kind(param).unwrap_or_default();
                self.blocks.push(kind);
            }
            _ => {
                for param in &helper.params {
                    self.guard(param);
                }
            }
        }
        match &helper.block_param {
            Some(BlockParam::Single(name)) => self.locals.extend(name.as_name().map(str::to_owned)),
            Some(BlockParam::Pair((first, second))) => {
                self.locals
                    .extend([first, second].into_iter().filter_map(|n| n.as_name()).map(str::to_owned));
            }
            _ => {}
        }
        helper.template.iter().for_each(|inner| self.template(inner));
        self.blocks.truncate(blocks);
        self.locals.truncate(locals);
        self.guarded.truncate(guarded);
        helper.inverse.iter().for_each(|inner| self.template(inner));
    }

    /// What a condition asks for may be missing, inside too.
    fn guard(&mut self, param: &Parameter) {
        match param {
            Parameter::Path(Path::Relative((_, raw))) => self.guarded.push(raw.clone()),
            Parameter::Subexpression(inner) => {
                inner.params().into_iter().flatten().for_each(|param| self.guard(param));
            }
            _ => {}
        }
    }

    fn known(&mut self, name: &Parameter, known: &[&str]) {
        let Some(name) = name.as_name() else { return };
        if BLOCKS.contains(&name) || HELPERS.contains(&name) {
            return;
        }
        let fix = match suggest::closest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there is: {}", known.join(", ")),
        };
        self.report(format!("there is no helper `{name}`"), fix);
    }

    fn value(&mut self, param: &Parameter) {
        match param {
            Parameter::Subexpression(inner) => {
                inner.params().into_iter().flatten().for_each(|param| self.value(param));
            }
            other => {
                self.kind(Some(other));
            }
        }
    }

    /// The type of a path; a name that is not there is reported.
    fn kind(&mut self, param: Option<&Parameter>) -> Option<Type> {
        let raw = match param? {
            Parameter::Path(Path::Relative((_, raw))) => raw.as_str(),
            Parameter::Name(raw) => raw.as_str(),
            _ => return None,
        };
        if self.guarded.iter().any(|guarded| raw == guarded || raw.starts_with(&format!("{guarded}."))) {
            return None;
        }
        let (mut path, mut up) = (raw, 0);
        while let Some(rest) = path.strip_prefix("../") {
            (path, up) = (rest, up + 1);
        }
        let path = path.trim_start_matches("./");
        let path = path.strip_prefix("this").map_or(path, |rest| rest.trim_start_matches(['.', '/']));
        // `../` may leave more blocks than hold a context of their own; then nothing is known.
        let mut kind = self.blocks.get(self.blocks.len().checked_sub(up + 1)?)?.clone();
        let names: Vec<&str> = path.split(['.', '/']).filter(|name| !name.is_empty()).collect();
        if names.first().is_some_and(|name| self.locals.iter().any(|local| local == name)) {
            return None;
        }
        for name in names {
            kind = match step(kind, name.trim_matches(['[', ']'])) {
                Ok((kind, true)) => kind,
                Ok((_, false)) => {
                    let fix = format!("write `{{{{#if {raw}}}}}…{{{{/if}}}}` around it");
                    self.report(format!("`{name}` in `{raw}` may be absent"), fix);
                    return None;
                }
                Err(known) => {
                    let fix = match suggest::closest(name, known.iter().map(String::as_str)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None if known.is_empty() => "it has no fields".to_owned(),
                        None => format!("there is: {}", known.join(", ")),
                    };
                    self.report(format!("no such name `{name}` in `{raw}`"), fix);
                    return None;
                }
            };
        }
        Some(kind)
    }

    fn report(&mut self, message: String, fix: String) {
        let (line, column) = (self.place.0.max(1) as u32, self.place.1.max(1) as u32);
        self.found.push(TemplateProblem { line, column, message, fix });
    }
}

/// The type of a field or item, and whether it is always there; otherwise the names there are.
fn step(kind: Type, name: &str) -> Result<(Type, bool), Vec<String>> {
    match kind {
        Type::Object(Shape { mut fields, rest, .. }) => match (fields.remove(name), rest) {
            (Some(field), _) => Ok((field.kind, field.required)),
            (None, Some(rest)) => Ok((*rest, true)),
            (None, None) => Err(fields.keys().cloned().collect()),
        },
        Type::List(item) if name.bytes().all(|b| b.is_ascii_digit()) => Ok((*item, true)),
        Type::List(_) if name == "length" => Ok((Type::Int, true)),
        Type::Any | Type::Unset => Ok((Type::Any, true)),
        Type::Optional(inner) => step(*inner, name),
        // Null has no fields.
        Type::Nullable(inner) => step(*inner, name).map(|(kind, _)| (kind, false)),
        _ => Err(Vec::new()),
    }
}
