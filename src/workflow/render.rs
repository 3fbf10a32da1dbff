//! Prompts and messages: Handlebars in strict mode, without HTML escaping, with a few helpers.
//!
//! Helpers: `json`, `minutes` (a duration in minutes as `2 h 5 min`), `time` (a time in the site's zone,
//! `06:10`, with the day when it is not today), `round`.

mod bounds;
mod helpers;
mod names;
mod slips;
mod typed;

pub(super) use typed::{TemplateProblem, Written};

use super::{
    Place,
    problem::{Problem, Severity},
};
use crate::expr::{Origin, Types};
use bounds::Page;
use chrono::DateTime;
use chrono_tz::Tz;
use handlebars::{
    Context, Handlebars, Helper, HelperResult, Output, RenderContext, RenderErrorReason, Template,
};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct RenderError {
    pub path: String,
    pub message: String,
}

#[derive(Debug, Clone)]
pub(super) struct Templates {
    registry: Handlebars<'static>,
    /// As they are written; the registry's count the rounds of their loops.
    written: BTreeMap<String, (Template, String)>,
}

impl Default for Templates {
    fn default() -> Self {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(handlebars::no_escape);
        registry.register_helper("json", Box::new(json));
        registry.register_helper("minutes", Box::new(minutes));
        registry.register_helper("time", Box::new(time));
        registry.register_helper("round", Box::new(round));
        bounds::register(&mut registry);
        Self { registry, written: BTreeMap::new() }
    }
}

impl Templates {
    pub(super) fn add(&mut self, path: &str, text: &str) -> Result<(), Problem> {
        let problem = |(line, column): (usize, usize), message: &str, fix: &str| Problem {
            code: "T019",
            severity: Severity::Error,
            path: path.to_owned(),
            place: Place { line: line.max(1) as u32, column: column.max(1) as u32 },
            message: message.to_owned(),
            fix: Some(fix.to_owned()),
        };
        if let Some((at, why)) = bounds::refusal(text) {
            return Err(problem(place_of(text, at), why, "write the text here, with fewer blocks"));
        }
        let template = bounds::within(|| Template::compile(text)).map_err(|error| {
            if let Some(slip) = slips::slip(text) {
                return problem(place_of(text, slip.at), &slip.message, &slip.fix);
            }
            // The parser lists every token it would have taken; nobody reads that.
            let reason = error.reason().to_string();
            let why = reason.split(": expected").next().unwrap_or_default();
            let fix = "correct the template; blocks are closed with `{{/if}}`, `{{/each}}`";
            problem(error.pos().unwrap_or((1, 1)), why, fix)
        })?;
        self.registry.register_template(path, bounds::counted(&template));
        self.written.insert(path.to_owned(), (template, text.to_owned()));
        Ok(())
    }

    /// What this template names and its data would not have, and what comes out of it; nothing where there is no
    /// such template. `origins` is what its data is made of.
    pub(super) fn check(
        &self,
        path: &str,
        types: &Types,
        origins: &Origin,
    ) -> (Vec<TemplateProblem>, Vec<Written>) {
        let found =
            self.written.get(path).map(|(template, text)| typed::check(template, text, types, origins));
        found.unwrap_or_default()
    }

    /// Every name that a template reads.
    pub(super) fn names(&self, path: &str) -> Vec<Vec<String>> {
        self.written.get(path).map(|(template, _)| names::names(template)).unwrap_or_default()
    }

    pub(super) fn render(&self, path: &str, data: &Value) -> Result<String, RenderError> {
        let mut page = Page::default();
        let rendered = bounds::within(|| self.registry.render_to_write(path, data, &mut page));
        rendered.map_err(|error| {
            let message = match error.reason() {
                RenderErrorReason::TemplateNotFound(_) => "no such template in this workflow".to_owned(),
                RenderErrorReason::MissingVariable(Some(name)) => format!("`{name}` is not there"),
                RenderErrorReason::IOError(error) => error.to_string(),
                other => other.to_string(),
            };
            let line = error.line_no.map_or(String::new(), |line| format!("line {line}: "));
            RenderError { path: path.to_owned(), message: format!("{line}{message}") }
        })?;
        Ok(String::from_utf8_lossy(&page.0).into_owned())
    }
}

/// Line and column of a byte, from 1.
fn place_of(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

type Rendering<'a, 'reg, 'rc> = &'a mut RenderContext<'reg, 'rc>;

fn json(helper: &Helper, _: &Handlebars, _: &Context, _: Rendering, out: &mut dyn Output) -> HelperResult {
    let value = argument(helper, "json")?;
    let text = serde_json::to_string_pretty(value).map_err(|error| refused("json", &error.to_string()))?;
    Ok(out.write(&text)?)
}

fn minutes(helper: &Helper, _: &Handlebars, _: &Context, _: Rendering, out: &mut dyn Output) -> HelperResult {
    let minutes = number(helper, "minutes")?.round() as i64;
    let (hours, rest) = (minutes / 60, minutes % 60);
    let text = match (hours, rest) {
        (0, rest) => format!("{rest} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, rest) => format!("{hours} h {} min", rest.abs()),
    };
    Ok(out.write(&text)?)
}

/// The site's zone and the day of `now` come from the data a template is rendered with.
fn time(
    helper: &Helper,
    _: &Handlebars,
    context: &Context,
    _: Rendering,
    out: &mut dyn Output,
) -> HelperResult {
    let data = context.data();
    let zone = data.pointer("/site/time_zone").and_then(Value::as_str).and_then(|name| name.parse().ok());
    let zone: Tz = zone.unwrap_or(Tz::UTC);
    let local = |value: &Value| {
        let parsed = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
        Some(parsed.with_timezone(&zone))
    };
    let time =
        local(argument(helper, "time")?).ok_or_else(|| refused("time", "it takes an RFC 3339 time"))?;
    let today = data.get("now").and_then(local).map(|now| now.date_naive());
    let format = if today == Some(time.date_naive()) { "%H:%M" } else { "%a %-d %b %H:%M" };
    Ok(out.write(&time.format(format).to_string())?)
}

fn round(helper: &Helper, _: &Handlebars, _: &Context, _: Rendering, out: &mut dyn Output) -> HelperResult {
    let digits = helper.param(1).and_then(|digits| digits.value().as_u64()).unwrap_or(0).min(9) as usize;
    Ok(out.write(&format!("{:.digits$}", number(helper, "round")?))?)
}

fn argument<'a>(helper: &'a Helper, name: &'static str) -> Result<&'a Value, handlebars::RenderError> {
    let param = helper.param(0).filter(|param| !param.is_value_missing());
    let path = helper.param(0).and_then(|param| param.relative_path()).map_or("its value", String::as_str);
    Ok(param.ok_or_else(|| refused(name, &format!("`{path}` is not there")))?.value())
}

fn number(helper: &Helper, name: &'static str) -> Result<f64, handlebars::RenderError> {
    argument(helper, name)?.as_f64().ok_or_else(|| refused(name, "it takes a number"))
}

fn refused(helper: &str, message: &str) -> handlebars::RenderError {
    RenderErrorReason::Other(format!("{helper}: {message}")).into()
}

#[cfg(test)]
mod tests;
