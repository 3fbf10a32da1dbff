//! Single values: texts, numbers, durations, expressions, and JSON with `${{ }}` inside.

use super::{Decoder, kind_of};
use crate::{
    expr::{Expr, ParseError, ValueTemplate},
    workflow::{
        Place, Rate, duration,
        source::{Data, Node, Scalar, Style},
        suggest,
    },
};
use serde_json::{Number, Value};
use std::time::Duration;

const OPEN: &str = "${{";

impl<'d> Decoder<'d> {
    pub(in crate::workflow) fn text(&mut self, node: &'d Node) -> Option<String> {
        let scalar = self.scalar(node, "a text")?;
        if scalar.text.trim().is_empty() {
            self.error("T002", node.place, "a text is needed, this is empty", "write it, or remove the key");
            return None;
        }
        self.warn_of_comment(scalar);
        Some(scalar.text.clone())
    }

    pub(in crate::workflow) fn texts(&mut self, node: &'d Node, what: &str) -> Vec<(String, Place)> {
        let items = self.list(node, what).unwrap_or_default();
        items.iter().filter_map(|item| Some((self.text(item)?, item.place))).collect()
    }

    pub(super) fn one_of<T: Clone>(&mut self, node: &'d Node, words: &[(&str, T)]) -> Option<T> {
        let scalar = self.scalar(node, "a word")?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == scalar.text) {
            return Some(value.clone());
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let fix = match suggest::closest(&scalar.text, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`? It is one of {}", names.join(", ")),
            None => format!("it is one of {}", names.join(", ")),
        };
        self.error("T002", node.place, format!("`{}` is not known here", scalar.text), fix);
        None
    }

    pub(in crate::workflow) fn duration(&mut self, node: &'d Node) -> Option<Duration> {
        let scalar = self.scalar(node, "a duration")?;
        let found = duration::parse(&scalar.text);
        if found.is_none() {
            let (message, fix) = duration::wrong(&scalar.text);
            self.error("T002", node.place, message, fix);
        }
        found
    }

    /// `10 per 10m`.
    pub(super) fn rate(&mut self, code: &'static str, node: &'d Node) -> Option<Rate> {
        let text = self.text(node)?;
        duration::parse_rate(&text).map_err(|(message, fix)| self.error(code, node.place, message, fix)).ok()
    }

    pub(in crate::workflow) fn whole<T: TryFrom<u64>>(&mut self, node: &'d Node) -> Option<T> {
        let scalar = self.scalar(node, "a whole number")?;
        let found = scalar.text.parse::<u64>().ok().and_then(|n| T::try_from(n).ok());
        if found.is_none() {
            let message = format!("`{}` is not a whole number", scalar.text);
            self.error("T002", node.place, message, "write digits only");
        }
        found
    }

    pub(super) fn number(&mut self, node: &'d Node) -> Option<f64> {
        let scalar = self.scalar(node, "a number")?;
        let found = scalar.text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
        if found.is_none() {
            let message = format!("`{}` is not a number", scalar.text);
            self.error("T002", node.place, message, "write a number like 0.50");
        }
        found
    }

    pub(super) fn boolean(&mut self, node: &'d Node) -> Option<bool> {
        self.one_of(node, &[("true", true), ("false", false)])
    }

    /// A bare CEL expression.
    pub(in crate::workflow) fn expr(&mut self, node: &'d Node) -> Option<Expr> {
        let scalar = self.scalar(node, "an expression")?;
        if let Some(at) = scalar.text.find(OPEN) {
            let place = self.place_in(scalar, scalar.text[..at].chars().count());
            let message = "`${{ }}` inside an expression";
            self.error("T005", place, message, "an expression stands here bare: remove `${{` and `}}`");
            return None;
        }
        let parsed = Expr::parse(&scalar.text);
        if let Err(error) = &parsed {
            let place = self.place_in(scalar, offset_of(&scalar.text, error));
            self.cel_error(scalar, place, error);
        }
        self.warn_of_comment(scalar);
        parsed.ok()
    }

    pub(super) fn exprs(&mut self, node: &'d Node) -> Vec<Expr> {
        match &node.data {
            Data::List(items) => items.iter().filter_map(|item| self.expr(item)).collect(),
            Data::Map(_) | Data::Scalar(_) => self.expr(node).into_iter().collect(),
        }
    }

    /// JSON in which scalars may hold `${{ }}`.
    pub(in crate::workflow) fn template(&mut self, node: &'d Node) -> Option<ValueTemplate> {
        let raw = self.json(node);
        let before = self.problems.len();
        self.check_templates(node);
        if self.problems.len() > before {
            return None;
        }
        ValueTemplate::parse(raw).ok()
    }

    /// The arguments of a call: a map, empty when there are none.
    pub(in crate::workflow) fn arguments(&mut self, node: Option<&'d Node>) -> Option<ValueTemplate> {
        let Some(node) = node else { return Some(ValueTemplate::literal(Value::Object(Default::default()))) };
        self.map(node, "`with`")?;
        self.template(node)
    }

    /// Every scalar by itself, so that all errors are reported and not only the first.
    fn check_templates(&mut self, node: &'d Node) {
        match &node.data {
            Data::Scalar(scalar) => {
                if let Err((_, error)) = ValueTemplate::parse(Value::String(scalar.text.clone())) {
                    let place = self.place_in(scalar, offset_of(&scalar.text, &error));
                    self.cel_error(scalar, place, &error);
                }
                self.bare_braces(scalar);
            }
            Data::List(items) => items.iter().for_each(|item| self.check_templates(item)),
            Data::Map(entries) => {
                for (key, value) in entries {
                    if key.name.contains(OPEN) {
                        let fix = "write the key out; only values are evaluated";
                        self.error("T005", key.place, "`${{ }}` in a key", fix);
                    }
                    self.check_templates(value);
                }
            }
        }
    }

    /// `{{ x }}` is Handlebars, which stands in files of its own: here it would be read as it is.
    fn bare_braces(&mut self, scalar: &Scalar) {
        let mut from = 0;
        while let Some(found) = scalar.text[from..].find("{{") {
            let at = from + found;
            from = at + 2;
            if scalar.text[..at].ends_with('$') || is_inside(&scalar.text, at) {
                continue;
            }
            let place = self.place_in(scalar, scalar.text[..at].chars().count());
            self.error("T005", place, "`{{ }}` without its `$`", "write `${{ expression }}`");
        }
        let one_brace = scalar.text.match_indices("${").map(|(at, _)| at);
        for at in
            one_brace.filter(|at| !scalar.text[*at..].starts_with(OPEN) && scalar.text[*at..].contains('}'))
        {
            let place = self.place_in(scalar, scalar.text[..at].chars().count());
            self.error("T005", place, "`${` with one brace is a text", "write `${{ expression }}`");
        }
    }

    /// The JSON that a node stands for, by YAML 1.2's rules.
    pub(super) fn json(&mut self, node: &'d Node) -> Value {
        match &node.data {
            Data::Scalar(scalar) => {
                self.warn_of_comment(scalar);
                self.warn_of_surprise(scalar, node.place);
                resolve(scalar)
            }
            Data::List(items) => items.iter().map(|item| self.json(item)).collect(),
            Data::Map(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.name.clone(), self.json(node))).collect())
            }
        }
    }

    pub(super) fn scalar(&mut self, node: &'d Node, wanted: &str) -> Option<&'d Scalar> {
        let found = node.scalar();
        if found.is_none() {
            let message = format!("{wanted} is needed, this is {}", kind_of(node));
            let fix = match &node.data {
                Data::Map(_) => "a value that begins with `{` or holds `: ` goes in quotes",
                _ => "write one value",
            };
            self.error("T002", node.place, message, fix);
        }
        found
    }

    fn cel_error(&mut self, scalar: &Scalar, place: Place, error: &ParseError) {
        let fix = match self.document.is_cut_by_comma(scalar) {
            true => "inside `{ }` and `[ ]` a comma ends a value: put the expression in quotes",
            false => "expressions look like `a.b == 'x' && c > 2`",
        };
        self.error("T004", place, error.message.clone(), fix);
    }

    fn warn_of_comment(&mut self, scalar: &Scalar) {
        if let Some(lost) = self.document.comment_glued_to(scalar) {
            let place = self.place_in(scalar, scalar.text.chars().count());
            let message = format!("`{lost}` is read as a comment and is lost");
            self.warn(
                "T023",
                place,
                message,
                "put the whole text in quotes, or a space after `#`".to_owned(),
            );
        }
    }

    fn warn_of_surprise(&mut self, scalar: &Scalar, place: Place) {
        let text = scalar.text.as_str();
        if scalar.style != Style::Plain {
            return;
        }
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let message = match text.to_ascii_lowercase().as_str() {
            "no" | "yes" | "on" | "off" => {
                format!("`{text}` is a text here, other YAML readers take it for a bool")
            }
            _ if digits(text) && text.len() > 1 && text.starts_with('0') => {
                format!("`{text}` is the number {}", text.trim_start_matches('0'))
            }
            _ => match text.split_once('.') {
                Some((whole, part))
                    if digits(whole) && digits(part) && part.len() > 1 && part.ends_with('0') =>
                {
                    format!("`{text}` is the number {whole}.{}", part.trim_end_matches('0'))
                }
                _ => return,
            },
        };
        self.warn("T023", place, message, format!("write '{text}' if a text is meant"));
    }
}

/// Whether a place of a text is inside `${{ }}`, where braces are maps.
fn is_inside(text: &str, at: usize) -> bool {
    let before = &text[..at];
    before.rfind(OPEN).is_some_and(|open| !before[open..].contains("}}"))
}

/// Character offset of an error in the text of its expression.
fn offset_of(text: &str, error: &ParseError) -> usize {
    let before = text.split('\n').take(error.line.saturating_sub(1) as usize);
    before.map(|line| line.chars().count() + 1).sum::<usize>() + error.column.saturating_sub(1) as usize
}

fn resolve(scalar: &Scalar) -> Value {
    let text = scalar.text.as_str();
    if scalar.style != Style::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let looks_numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'))
        && text.bytes().any(|b| b.is_ascii_digit());
    let number = || match text.parse::<i64>() {
        Ok(whole) => Some(Number::from(whole)),
        Err(_) => text.parse::<f64>().ok().and_then(Number::from_f64),
    };
    looks_numeric.then(number).flatten().map_or_else(|| Value::String(text.to_owned()), Value::Number)
}
