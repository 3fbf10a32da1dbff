//! From a file as written to operations that can be called: names resolved, expressions parsed, schemas
//! built. Every mistake is collected with its place.

use super::{
    classes, fields, file,
    names::Names,
    operation::{Each, ErrorRule, KeyPlace, LookUp, Operation, Request},
    problem::Problem,
};
use crate::{
    expr::{Expr, ValueTemplate},
    site::parse_duration,
    tool::{Effect, Idempotency, ToolName, ToolSpec},
};
use jsonschema::Validator;
use reqwest::header::HeaderName;
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

/// What a tool takes from its file unless it says otherwise.
pub(super) struct Defaults<'f> {
    pub timeout: Duration,
    pub result_bytes_max: usize,
    pub classes: &'f file::Classes,
    pub errors: &'f BTreeMap<u16, Spanned<file::ErrorRule>>,
}

/// Collects the mistakes of one file; a function that found one returns `None`.
pub(in crate::connector) struct Compiler<'f> {
    pub path: &'f Path,
    pub problems: Vec<Problem>,
    /// What the expressions that are read now may name.
    pub(super) names: Names,
}

impl<'f> Compiler<'f> {
    pub(in crate::connector) fn new(path: &'f Path) -> Self {
        Self { path, problems: Vec::new(), names: Names::default() }
    }

    pub(in crate::connector) fn report(&mut self, at: Location, message: impl Into<String>) {
        self.problems.push(Problem::new(self.path, (at.line(), at.column()), message));
    }

    pub(super) fn tool(
        &mut self,
        name: &str,
        tool: &Spanned<file::Tool>,
        defaults: &Defaults<'_>,
    ) -> Option<Operation> {
        let (at, tool) = (tool.referenced, &tool.value);
        let parsed: Option<ToolName> = name.parse().map_err(|error| self.report(at, format!("{error}"))).ok();
        let idempotency = self.idempotency(at, tool);
        let input = self.schema(tool.input.as_ref(), at, true);
        let output = self.schema(Some(&tool.output), at, false);
        self.names = Names::of_call(input.as_ref().map(|(schema, _)| schema));
        let only_reads = tool.effect != Effect::Write
            || idempotency.as_ref().is_some_and(|(class, _)| *class == Idempotency::Read);
        let requests = self.requests(at, &tool.requests, only_reads);
        let values = self.values(tool.values.as_ref());
        let returns = self.template(&tool.returns);
        let errors = self.errors(defaults.errors, tool);
        self.names = Names::of_call(input.as_ref().map(|(schema, _)| schema));
        let look_up = match &tool.look_up {
            Some(look_up) => Some(self.look_up(&look_up.value, look_up.referenced, returns.as_ref())?),
            None => None,
        };
        let timeout = self.duration(tool.timeout.as_ref(), defaults.timeout);
        let ((input, accepts), (output, promises)) = (input?, output?);
        let (idempotency, key) = idempotency?;
        let mut own = classes::plain(defaults.classes);
        own.extend(classes::plain(&tool.classes));
        let operation = Operation {
            defaults: fields::defaults(&input),
            spec: ToolSpec {
                name: parsed?,
                version: tool.version,
                description: tool.description.clone(),
                input,
                output,
                effect: tool.effect,
                idempotency,
                ungated: tool.ungated.clone(),
                timeout,
                scopes: tool.scopes.clone(),
                classes: own,
                result_bytes_max: tool.result_bytes_max.unwrap_or(defaults.result_bytes_max),
            },
            input: accepts,
            output: promises,
            key,
            requests: requests?,
            values,
            returns: returns?,
            errors,
            look_up,
        };
        classes::check(self, &tool.classes, &classes::fields_of(&operation.spec));
        Some(operation)
    }

    pub(in crate::connector) fn duration(
        &mut self,
        text: Option<&Spanned<String>>,
        default: Duration,
    ) -> Duration {
        let Some(text) = text else { return default };
        parse_duration(&text.value).unwrap_or_else(|error| {
            self.report(text.referenced, error.to_string());
            default
        })
    }

    fn idempotency(&mut self, at: Location, tool: &file::Tool) -> Option<(Idempotency, KeyPlace)> {
        use file::Idempotency as Written;
        let (class, key) = match &tool.idempotency {
            None if tool.effect == Effect::Write => {
                self.report(
                    at,
                    "a write must say `idempotency`: idempotent, unsafe, { header: … } or { field: … }",
                );
                return None;
            }
            None | Some(Written::Read) => (Idempotency::Read, KeyPlace::Nowhere),
            Some(Written::Idempotent) => (Idempotency::Idempotent, KeyPlace::Nowhere),
            Some(Written::Unsafe) => (Idempotency::Unsafe, KeyPlace::Nowhere),
            Some(Written::Field(field)) => (Idempotency::Keyed, KeyPlace::Field(field.clone())),
            Some(Written::Header(name)) => match name.parse::<HeaderName>() {
                Ok(name) => (Idempotency::Keyed, KeyPlace::Header(name)),
                Err(_) => {
                    self.report(at, format!("`{name}` is not a header name"));
                    return None;
                }
            },
        };
        let says_read = matches!(tool.idempotency, Some(Written::Read));
        if tool.effect == Effect::Write && says_read {
            self.report(at, "`idempotency: read` on a write: a write changes something");
            return None;
        }
        Some((class, key))
    }

    fn schema(
        &mut self,
        written: Option<&Spanned<Value>>,
        tool_at: Location,
        is_input: bool,
    ) -> Option<(Value, Validator)> {
        let none = Value::Object(Map::new());
        let (at, written) = written.map_or((tool_at, &none), |written| (written.referenced, &written.value));
        let built = fields::schema(written, is_input).and_then(|schema| {
            let validator = jsonschema::options().should_validate_formats(is_input).build(&schema);
            validator.map(|validator| (schema, validator)).map_err(|error| error.to_string())
        });
        let side = if is_input { "input" } else { "output" };
        built.map_err(|message| self.report(at, format!("{side}: {message}"))).ok()
    }

    fn requests(
        &mut self,
        at: Location,
        written: &[Spanned<file::Request>],
        only_reads: bool,
    ) -> Option<Vec<Request>> {
        if written.is_empty() {
            self.report(at, "a tool needs at least one request");
            return None;
        }
        let mut ids = BTreeSet::new();
        for request in written {
            let id = &request.value.id;
            if !ids.insert(id.value.as_str()) {
                self.report(id.referenced, format!("two requests are called `{}`", id.value));
            }
        }
        let mut compiled = Vec::new();
        for request in written {
            compiled.push(self.request(&request.value, only_reads));
            self.names.add_response(&request.value.id.value);
        }
        compiled.into_iter().collect()
    }

    fn request(&mut self, written: &file::Request, only_reads: bool) -> Option<Request> {
        let write = self.is_write(written, only_reads);
        if written.each.is_none() && written.item.is_some() {
            self.report(written.id.referenced, "`as` names the item of `each`, which is missing");
        }
        let outside = self.names.clone();
        let each = written.each.as_ref().map(|list| self.template(list));
        let item = item_of(written);
        item.iter().for_each(|item| self.names.add(item));
        let path = self.path(&written.path);
        let query = self.templates(written.query.as_ref());
        let headers = self.headers(written.headers.as_ref());
        let body = written.body.as_ref().map(|body| self.template(body));
        let condition = written.condition.as_ref().map(|condition| self.expression(condition));
        self.names.add_answer();
        let success = written.success.as_ref().map(|success| self.expression(success));
        self.names = outside;
        Some(Request {
            id: written.id.value.clone(),
            method: method(written.method),
            path: path?,
            query,
            headers,
            body: optional(body)?,
            drop_nulls: written.drop_nulls,
            each: optional(each)?.zip(item).map(|(list, item)| Each { list, item: item.to_owned() }),
            condition: optional(condition)?,
            expect: written.expect.clone().unwrap_or_default(),
            success: optional(success)?,
            write,
        })
    }

    /// In a tool that only reads, whoever asks by POST says so: it would need a gate and rules otherwise.
    fn is_write(&mut self, written: &file::Request, only_reads: bool) -> bool {
        use file::{Method, RequestEffect};
        let write = match written.effect {
            Some(effect) => effect == RequestEffect::Write,
            None => written.method != Method::Get,
        };
        if !only_reads {
            return write;
        }
        let message = match (written.method, written.effect) {
            (_, Some(RequestEffect::Write)) => {
                "a request with `effect: write` in a tool that only reads".to_owned()
            }
            (Method::Get, _) | (Method::Post, Some(RequestEffect::Read)) => return false,
            (Method::Post, None) => "a tool that only reads sends a POST: say `effect: read` on the request where it only asks, or make the tool `effect: write`".to_owned(),
            (method, _) => format!("{} changes something, and this tool only reads: make it `effect: write`", self::method(method)),
        };
        self.report(written.id.referenced, message);
        false
    }

    /// Splits at slashes outside `${{ }}`, so that a value stays one part of the path.
    fn path(&mut self, written: &Spanned<String>) -> Option<Vec<ValueTemplate>> {
        let text = written.value.trim_start_matches('/');
        if text.contains(['?', '#']) && !text.contains("${{") {
            self.report(written.referenced, "a path has no `?` or `#`: write parameters under `query`");
            return None;
        }
        let (mut parts, mut depth, mut start) = (Vec::new(), 0_u32, 0);
        for (at, c) in text.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                '/' if depth == 0 => {
                    parts.push(&text[start..at]);
                    start = at + 1;
                }
                _ => {}
            }
        }
        parts.push(&text[start..]);
        let part = |part: &&str| Spanned::new(Value::from(*part), written.referenced, written.defined);
        let compiled: Vec<_> = parts.iter().map(|text| self.template(&part(text))).collect();
        compiled.into_iter().collect()
    }

    fn headers(&mut self, written: Option<&Spanned<Map<String, Value>>>) -> Vec<(HeaderName, ValueTemplate)> {
        let at = written.map(|written| written.referenced);
        let mut headers = Vec::new();
        for (name, value) in self.templates(written) {
            match name.parse() {
                Ok(name) => headers.push((name, value)),
                Err(_) => {
                    self.report(at.unwrap_or(Location::UNKNOWN), format!("`{name}` is not a header name"))
                }
            }
        }
        headers
    }

    fn errors(
        &mut self,
        shared: &BTreeMap<u16, Spanned<file::ErrorRule>>,
        tool: &file::Tool,
    ) -> BTreeMap<u16, ErrorRule> {
        let look_up = tool.look_up.iter().flat_map(|look_up| &look_up.value.requests);
        let items = tool.requests.iter().chain(look_up).filter_map(|request| item_of(&request.value));
        let own = Names::of_errors(&self.names, items);
        let mut rules = BTreeMap::new();
        // Those of the file are for tools with other fields too: what one of them lacks is no mistake.
        let shared = shared.iter().map(|rule| (Names::default(), rule));
        for (names, (status, rule)) in shared.chain(tool.errors.iter().map(|rule| (own.clone(), rule))) {
            self.names = names;
            let message = rule.value.message.as_ref().map(|message| {
                let message = Value::from(message.as_str());
                self.template(&Spanned::new(message, rule.referenced, rule.defined))
            });
            if let Some(message) = optional(message) {
                rules.insert(*status, ErrorRule { kind: rule.value.kind, message });
            }
        }
        rules
    }

    fn look_up(
        &mut self,
        written: &file::LookUp,
        at: Location,
        returns: Option<&ValueTemplate>,
    ) -> Option<LookUp> {
        let requests = self.requests(at, &written.requests, true);
        let found = self.expression(&written.found);
        let own = written.returns.as_ref().map(|returns| self.template(returns));
        let returns = optional(own)?.or_else(|| returns.cloned());
        Some(LookUp { requests: requests?, found: found?, returns: returns? })
    }

    /// Each sees those before it.
    fn values(&mut self, written: Option<&Spanned<Map<String, Value>>>) -> Vec<(String, ValueTemplate)> {
        let Some(written) = written else { return Vec::new() };
        let mut values = Vec::new();
        for (name, value) in &written.value {
            let value = Spanned::new(value.clone(), written.referenced, written.defined);
            values.extend(self.template(&value).map(|template| (name.clone(), template)));
            self.names.add_value(name);
        }
        values
    }

    fn templates(&mut self, written: Option<&Spanned<Map<String, Value>>>) -> Vec<(String, ValueTemplate)> {
        let Some(written) = written else { return Vec::new() };
        let mut templates = Vec::new();
        for (name, value) in &written.value {
            let value = Spanned::new(value.clone(), written.referenced, written.defined);
            templates.extend(self.template(&value).map(|template| (name.clone(), template)));
        }
        templates
    }

    fn template(&mut self, written: &Spanned<Value>) -> Option<ValueTemplate> {
        let mut report = |pointer: &str, error: &str| {
            let place = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
            self.problems.push(Problem::new(
                self.path,
                (written.referenced.line(), written.referenced.column()),
                format!("in ${{{{ }}}}{place}: {error}"),
            ));
        };
        let parsed = ValueTemplate::parse(written.value.clone());
        let template = parsed.map_err(|(pointer, error)| report(&pointer, &error.to_string())).ok()?;
        for (pointer, unknown) in self.names.unknown_in(&template) {
            report(&pointer, &unknown.message);
        }
        Some(template)
    }

    fn expression(&mut self, written: &Spanned<String>) -> Option<Expr> {
        let at = written.referenced;
        if written.value.contains("${{") {
            self.report(at, "this is an expression already: leave out ${{ }}");
            return None;
        }
        let mut report = |line: u32, column: u32, message: String| {
            let (line, column) = (u64::from(line), u64::from(column));
            let place = match line {
                0 | 1 => (at.line(), at.column() + column.saturating_sub(1)),
                _ => (at.line() + line - 1, column),
            };
            self.problems.push(Problem::new(self.path, place, message));
        };
        let parsed = Expr::parse(&written.value);
        let expr = parsed.map_err(|error| report(error.line, error.column, error.message)).ok()?;
        for unknown in self.names.unknown(&expr) {
            report(unknown.line, unknown.column, unknown.message);
        }
        Some(expr)
    }
}

/// What the item of `each` is called.
fn item_of(written: &file::Request) -> Option<&str> {
    written.each.as_ref().map(|_| written.item.as_deref().unwrap_or("item"))
}

/// `Some(None)` is something written that has a mistake.
fn optional<T>(compiled: Option<Option<T>>) -> Option<Option<T>> {
    match compiled {
        Some(None) => None,
        Some(some) => Some(some),
        None => Some(None),
    }
}

fn method(written: file::Method) -> reqwest::Method {
    match written {
        file::Method::Get => reqwest::Method::GET,
        file::Method::Post => reqwest::Method::POST,
        file::Method::Put => reqwest::Method::PUT,
        file::Method::Patch => reqwest::Method::PATCH,
        file::Method::Delete => reqwest::Method::DELETE,
    }
}
