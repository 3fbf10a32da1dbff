//! Whether what a template names is there, by the types of the data it is rendered with, and what comes out.
//!
//! Strict rendering fails on what is missing, and a card that cannot be rendered asks nobody: better to
//! know before. What stands in `{{#if x}}` may be missing, and so may `x` inside that block. What helpers
//! take is in `helpers`.

use super::helpers::{BLOCKS, HELPERS, OURS};
use super::names::below_root;
use crate::{
    expr::{Origin, Shape, Type, Types},
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

/// A value that comes out of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::workflow) struct Written {
    /// Names of the fields it is, and of those inside.
    pub fields: Vec<String>,
    pub line: u32,
    pub column: u32,
}

pub(in crate::workflow) fn check(
    template: &Template,
    source: &str,
    types: &Types,
    origins: &Origin,
) -> (Vec<TemplateProblem>, Vec<Written>) {
    let root = Type::object(types.iter().map(|(name, kind)| (name.clone(), kind.clone())));
    let root = Value { origin: origins.clone(), ..Value::of(root) };
    let mut reader = Reader { source, blocks: vec![root], ..Reader::default() };
    reader.template(template);
    (reader.found, reader.written)
}

/// What is known of a value: its type, and the fields it stands for without saying so.
#[derive(Debug, Clone, Default)]
pub(super) struct Value {
    pub(super) kind: Type,
    pub(super) fields: Vec<String>,
    /// What it was made of before it came here.
    pub(super) origin: Origin,
}

impl Value {
    pub(super) fn of(kind: Type) -> Self {
        Self { kind, ..Self::default() }
    }
}

#[derive(Default)]
pub(super) struct Reader<'s> {
    source: &'s str,
    /// What a bare name is looked up in, innermost last.
    blocks: Vec<Value>,
    /// Names that blocks introduce with `as |x|`.
    locals: Vec<(String, Value)>,
    /// Paths that an `{{#if}}` around has asked for.
    guarded: Vec<String>,
    /// How many `{{#each}}` are around.
    loops: usize,
    place: (usize, usize),
    found: Vec<TemplateProblem>,
    written: Vec<Written>,
}

impl Reader<'_> {
    fn template(&mut self, template: &Template) {
        let mut after_dollar = false;
        for (index, element) in template.elements.iter().enumerate() {
            if let Some(mapping) = template.mapping.get(index) {
                self.place = (mapping.0, mapping.1);
            }
            match element {
                TemplateElement::Expression(helper) | TemplateElement::HtmlExpression(helper) => {
                    let value = self.expression(helper);
                    if after_dollar && value.kind.is_known() && !value.kind.present_ref().is_number() {
                        let message = "`${{ }}` belongs into a workflow's values".to_owned();
                        self.report(message, "leave the `$` away: `{{x}}`".to_owned());
                    }
                    self.write(value);
                }
                TemplateElement::HelperBlock(helper) => self.block(helper),
                _ => {}
            }
            after_dollar = matches!(element, TemplateElement::RawString(text) if text.ends_with('$'));
        }
    }

    fn write(&mut self, value: Value) {
        let mut fields = value.fields;
        value.kind.fields_below(&mut fields);
        fields.extend(value.origin.leaks(&|_| false).into_iter().map(|leak| leak.field));
        let (line, column) = self.position();
        self.written.push(Written { fields, line, column });
    }

    fn expression(&mut self, helper: &HelperTemplate) -> Value {
        if helper.params.is_empty() && helper.hash.is_empty() {
            return match helper.name.as_name().filter(|name| OURS.contains(name)) {
                Some(name) => {
                    let fix = format!(
                        "write `{{{{{name} x}}}}`, or `{{{{this.{name}}}}}` for a field of that name"
                    );
                    self.report(format!("the helper `{name}` needs a value"), fix);
                    Value::default()
                }
                None => self.read(&helper.name, false),
            };
        }
        self.known(&helper.name, &HELPERS);
        helper.hash.values().for_each(|param| drop(self.read(param, false)));
        self.helper(helper.name.as_name().unwrap_or_default(), &helper.params, false)
    }

    fn block(&mut self, helper: &HelperTemplate) {
        self.known(&helper.name, &BLOCKS);
        let (blocks, locals, guarded) = (self.blocks.len(), self.locals.len(), self.guarded.len());
        let name = helper.name.as_name().unwrap_or_default();
        let mut of_inverse = Vec::new();
        match (name, helper.params.first()) {
            ("each", Some(param)) => {
                let list = self.read(param, false);
                let (item, key) = self.items(list);
                self.introduce(helper.block_param.as_ref(), &item, key);
                self.blocks.push(item);
                self.loops += 1;
            }
            ("with", Some(param)) => {
                let value = self.read(param, false);
                self.introduce(helper.block_param.as_ref(), &value, Type::Any);
                self.blocks.push(value);
            }
            _ => {
                let mut asked = Vec::new();
                for param in &helper.params {
                    self.read(param, true);
                    asked_for(param, &mut asked);
                }
                match name {
                    "unless" => of_inverse = asked,
                    _ => self.guarded.extend(asked),
                }
            }
        }
        helper.template.iter().for_each(|inner| self.template(inner));
        self.loops -= usize::from(name == "each" && !helper.params.is_empty());
        self.blocks.truncate(blocks);
        self.locals.truncate(locals);
        self.guarded.truncate(guarded);
        self.guarded.extend(of_inverse);
        helper.inverse.iter().for_each(|inner| self.template(inner));
        self.guarded.truncate(guarded);
    }

    /// What a block goes through, and the type of what tells its items apart.
    fn items(&mut self, list: Value) -> (Value, Type) {
        match list.kind.clone().present() {
            Type::List(item) => (Value { kind: *item, ..list }, Type::Int),
            Type::Object(shape) => {
                let kinds = shape.fields.values().map(|field| field.kind.clone());
                let kind = kinds.chain(shape.rest.clone().map(|rest| *rest)).fold(Type::Unset, Type::join);
                // Each value comes out without the name of its field.
                let names = shape.fields.keys().cloned();
                let fields = list.fields.into_iter().chain(names).collect();
                (Value { kind, fields, origin: list.origin.melted() }, Type::String)
            }
            kind if !kind.is_known() => (Value { kind: Type::Any, ..list }, Type::Any),
            kind => {
                let message = format!("`each` goes through a list, this is {kind}");
                self.report(message, "name a list, or write the value itself".to_owned());
                (Value::default(), Type::Any)
            }
        }
    }

    fn introduce(&mut self, names: Option<&BlockParam>, value: &Value, key: Type) {
        let mut local = |name: &Parameter, value: Value| {
            self.locals.extend(name.as_name().map(|name| (name.to_owned(), value)));
        };
        match names {
            Some(BlockParam::Single(name)) => local(name, value.clone()),
            Some(BlockParam::Pair((first, second))) => {
                local(first, value.clone());
                local(second, Value::of(key));
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

    /// What a parameter gives; a name that is not there is reported, but where it `may_be_absent` only a slip of
    /// the hand.
    pub(super) fn read(&mut self, param: &Parameter, may_be_absent: bool) -> Value {
        match param {
            Parameter::Literal(value) => Value::of(Type::of(value)),
            Parameter::Subexpression(inner) => {
                let TemplateElement::Expression(helper) = inner.as_element() else { return Value::default() };
                self.known(&helper.name, &HELPERS);
                self.helper(helper.name.as_name().unwrap_or_default(), &helper.params, may_be_absent)
            }
            Parameter::Path(Path::Local((_, name, _))) if name != "root" => self.local(name),
            Parameter::Path(Path::Local((_, _, raw)) | Path::Relative((_, raw))) | Parameter::Name(raw) => {
                match below_root(raw) {
                    Some(below) => {
                        let up = "../".repeat(self.blocks.len().saturating_sub(1));
                        self.path(&format!("{up}{below}"), may_be_absent)
                    }
                    None => self.path(raw, may_be_absent),
                }
            }
            _ => Value::default(),
        }
    }

    /// `@index` and its like.
    fn local(&mut self, name: &str) -> Value {
        let kind = match name {
            "index" => Type::Int,
            "key" => Type::String,
            "first" | "last" => Type::Bool,
            _ => {
                let fix = "there is: @index, @first, @last and, of an object, @key".to_owned();
                self.report(format!("there is no `@{name}`"), fix);
                return Value::default();
            }
        };
        if self.loops == 0 {
            self.report(
                format!("`@{name}` is there inside of `{{{{#each}}}}` only"),
                "leave it out".to_owned(),
            );
        }
        Value::of(kind)
    }

    fn path(&mut self, raw: &str, may_be_absent: bool) -> Value {
        let inside = |guarded: &String| raw == guarded || raw.starts_with(&format!("{guarded}."));
        let may_be_absent = may_be_absent || self.guarded.iter().any(inside);
        let (mut path, mut up) = (raw, 0);
        while let Some(rest) = path.strip_prefix("../") {
            (path, up) = (rest, up + 1);
        }
        let path = path.trim_start_matches("./");
        let path = match path.strip_prefix("this") {
            Some(rest) if rest.is_empty() || rest.starts_with(['.', '/']) => rest,
            _ => path,
        };
        let names: Vec<&str> = path
            .split(['.', '/'])
            .filter(|name| !name.is_empty())
            .map(|name| name.trim_matches(['[', ']']))
            .collect();
        let local = names.first().and_then(|name| self.locals.iter().rev().find(|(local, _)| local == name));
        let (holder, names) = match local {
            Some((_, value)) if up == 0 => (value.clone(), &names[1..]),
            // `../` may leave more blocks than hold a context of their own; then nothing is known.
            _ => match self.blocks.len().checked_sub(up + 1).and_then(|at| self.blocks.get(at)) {
                Some(block) => (block.clone(), names.as_slice()),
                None => (Value::default(), names.as_slice()),
            },
        };
        let mut fields = holder.fields;
        if let Some(last) = names.iter().rev().find(|name| name.parse::<usize>().is_err()) {
            fields = vec![(*last).to_owned()];
        }
        let of_a_step = path.starts_with("steps.") && self.blocks.len() == 1;
        let (mut kind, mut origin) = (holder.kind, holder.origin);
        for (depth, name) in names.iter().enumerate() {
            let deep = of_a_step && depth > 1;
            if name.parse::<usize>().is_err() {
                origin = origin.field(name);
            }
            kind = match self.field(kind, name, raw, (may_be_absent, deep)) {
                Some(kind) => kind,
                None => return Value { kind: Type::Any, fields, origin },
            };
        }
        Value { kind: if may_be_absent { kind.present() } else { kind }, fields, origin }
    }

    /// The type of a field; what is missing is reported. An author who asks whether something is there may mean
    /// what another workflow has, unless it is deep inside a step of this one.
    fn field(
        &mut self,
        holder: Type,
        name: &str,
        raw: &str,
        (may_be_absent, is_deep): (bool, bool),
    ) -> Option<Type> {
        match step(holder, name) {
            Ok((kind, is_there)) if is_there || may_be_absent => Some(kind),
            Ok(_) => {
                let fix = format!("write `{{{{#if {raw}}}}}…{{{{/if}}}}` around it");
                self.report_name(raw, name, format!("`{name}` in `{raw}` may be absent"), fix);
                None
            }
            Err(known) => {
                let near = suggest::closest(name, known.iter().map(String::as_str));
                let fix = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if known.is_empty() => "it has no fields".to_owned(),
                    None => format!("there is: {}", known.join(", ")),
                };
                if !may_be_absent || is_deep || near.is_some() {
                    self.report_name(raw, name, format!("no such name `{name}` in `{raw}`"), fix);
                }
                None
            }
        }
    }

    /// The field of a value by its name, as `lookup` takes it.
    pub(super) fn looked_up(&mut self, holder: Value, name: &str, shown: &str) -> Value {
        let kind = self.field(holder.kind, name, &format!("{shown} {name}"), (false, false));
        let origin = holder.origin.field(name);
        Value { kind: kind.unwrap_or_default(), fields: vec![name.to_owned()], origin }
    }

    fn position(&self) -> (u32, u32) {
        (self.place.0.max(1) as u32, self.place.1.max(1) as u32)
    }

    /// At the name itself, where it can be found behind the `{{`.
    fn report_name(&mut self, path: &str, name: &str, message: String, fix: String) {
        let outer = self.place;
        if let Some(place) = place_of_name(self.source, outer, path, name) {
            self.place = place;
        }
        self.report(message, fix);
        self.place = outer;
    }

    /// What is said of a helper's first value is said there.
    pub(super) fn at_value(&mut self, params: &[Parameter], say: impl FnOnce(&mut Self)) {
        let outer = self.place;
        let raw = match params.first() {
            Some(
                Parameter::Path(Path::Local((_, _, raw)) | Path::Relative((_, raw))) | Parameter::Name(raw),
            ) => raw,
            _ => "",
        };
        self.place = place_of_name(self.source, outer, raw, raw).unwrap_or(outer);
        say(self);
        self.place = outer;
    }

    pub(super) fn report(&mut self, message: String, fix: String) {
        let (line, column) = self.position();
        self.found.push(TemplateProblem { line, column, message, fix });
    }
}

/// Line and column of a name of a path, in the tag that begins at this line and column.
fn place_of_name(
    source: &str,
    (line, column): (usize, usize),
    path: &str,
    name: &str,
) -> Option<(usize, usize)> {
    let before: usize = source.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let rest = source.get(before..)?;
    let start = before + rest.char_indices().nth(column.checked_sub(1)?)?.0;
    let tag = source.get(start..)?.split("}}").next()?;
    let at = match tag.find(path).filter(|_| !path.is_empty()) {
        Some(at) => at + path.rfind(name)?,
        None => tag.rfind(name)?,
    };
    Some(super::place_of(source, start + at))
}

/// What a condition asks for is there inside.
fn asked_for(param: &Parameter, found: &mut Vec<String>) {
    match param {
        Parameter::Path(Path::Relative((_, raw))) => found.push(raw.clone()),
        Parameter::Subexpression(inner) => {
            inner.params().into_iter().flatten().for_each(|param| asked_for(param, found));
        }
        _ => {}
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
