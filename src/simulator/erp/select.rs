//! Frappe's list query: `filters`, `fields`, `order_by`, `limit_start`, `limit_page_length`.

use super::{Document, ErpError};
use crate::simulator::query::Filters;
use serde_json::{Value, json};
use std::cmp::Ordering;

const ROWS_DEFAULT: usize = 20;

pub struct Selection {
    conditions: Vec<Condition>,
    fields: Vec<String>,
    order: Option<(String, bool)>,
    start: usize,
    limit: Option<usize>,
}

struct Condition {
    field: String,
    operator: String,
    value: Value,
}

impl Selection {
    pub fn read(filters: &Filters) -> Result<Self, ErpError> {
        let limit = filters.get("limit_page_length").or_else(|| filters.get("limit"));
        let limit = match limit.map(str::parse::<usize>) {
            None => Some(ROWS_DEFAULT),
            Some(Ok(0)) => None,
            Some(Ok(limit)) => Some(limit),
            Some(Err(_)) => return Err(ErpError::validation("limit must be a number")),
        };
        let order = filters.get("order_by").map(|order| {
            let mut words = order.split_whitespace();
            let field = words.next().unwrap_or("name").trim_matches('`').to_owned();
            (field, words.next().is_some_and(|direction| direction.eq_ignore_ascii_case("desc")))
        });
        Ok(Self {
            conditions: filters.get("filters").map_or(Ok(Vec::new()), conditions)?,
            fields: match filters.get("fields") {
                None => vec!["name".to_owned()],
                Some(fields) => serde_json::from_str(fields)
                    .map_err(|_| ErpError::validation("fields must be a JSON list of names"))?,
            },
            order,
            start: filters.get("limit_start").and_then(|start| start.parse().ok()).unwrap_or(0),
            limit,
        })
    }

    pub fn apply(&self, documents: Vec<Document>) -> Result<Vec<Document>, ErpError> {
        let mut found = Vec::new();
        for document in documents {
            let mut fits = true;
            for condition in &self.conditions {
                fits &= condition.holds(&document)?;
            }
            if fits {
                found.push(document);
            }
        }
        if let Some((field, descending)) = &self.order {
            found.sort_by(|left, right| {
                let order = compare(&left[field.as_str()], &right[field.as_str()]).unwrap_or(Ordering::Equal);
                if *descending { order.reverse() } else { order }
            });
        }
        let rows = found.into_iter().skip(self.start).take(self.limit.unwrap_or(usize::MAX));
        Ok(rows.map(|document| self.project(document)).collect())
    }

    fn project(&self, document: Document) -> Document {
        if self.fields.iter().any(|field| field == "*") {
            // Lists never hold child tables.
            return document.into_iter().filter(|(_, value)| !value.is_array()).collect();
        }
        let value = |field: &String| (field.clone(), document.get(field).cloned().unwrap_or(Value::Null));
        self.fields.iter().map(value).collect()
    }
}

fn conditions(text: &str) -> Result<Vec<Condition>, ErpError> {
    let wrong = || ErpError::validation("filters must be JSON like [[\"field\",\"=\",\"value\"]]");
    let list = match serde_json::from_str(text).map_err(|_| wrong())? {
        Value::Array(list) => list,
        Value::Object(map) => map.into_iter().map(|(field, value)| shorthand(field, value)).collect(),
        _ => return Err(wrong()),
    };
    list.into_iter()
        .map(|condition| {
            let Value::Array(parts) = condition else { return Err(wrong()) };
            match parts.as_slice() {
                [Value::String(field), Value::String(operator), value]
                | [Value::String(_), Value::String(field), Value::String(operator), value] => Ok(Condition {
                    field: field.clone(),
                    operator: operator.to_lowercase(),
                    value: value.clone(),
                }),
                _ => Err(wrong()),
            }
        })
        .collect()
}

/// `{"field": value}` and `{"field": ["operator", value]}`.
fn shorthand(field: String, value: Value) -> Value {
    match value {
        Value::Array(pair) if pair.len() == 2 => json!([field, pair[0], pair[1]]),
        value => json!([field, "=", value]),
    }
}

impl Condition {
    fn holds(&self, document: &Document) -> Result<bool, ErpError> {
        let field = document.get(&self.field).unwrap_or(&Value::Null);
        let order = compare(field, &self.value);
        Ok(match self.operator.as_str() {
            "=" | "==" => order == Some(Ordering::Equal),
            "!=" => order != Some(Ordering::Equal),
            "<" => order == Some(Ordering::Less),
            "<=" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            ">" => order == Some(Ordering::Greater),
            ">=" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            "in" => self.lists(field),
            "not in" => !self.lists(field),
            "like" => like(&plain(field), &plain(&self.value)),
            other => return Err(ErpError::validation(format!("Operator `{other}` is not known"))),
        })
    }

    fn lists(&self, field: &Value) -> bool {
        match &self.value {
            Value::Array(values) => values.iter().any(|value| compare(field, value) == Some(Ordering::Equal)),
            value => plain(value).split(',').any(|one| one.trim() == plain(field)),
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Numbers as numbers, whatever they were sent as; the rest as text.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    if left.is_null() || right.is_null() {
        return (left.is_null() && right.is_null()).then_some(Ordering::Equal);
    }
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left.partial_cmp(&right),
        _ => Some(plain(left).cmp(&plain(right))),
    }
}

/// SQL's `like` with `%` only, without regard to case, as MariaDB compares.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.to_lowercase(), pattern.to_lowercase());
    let mut parts = pattern.split('%');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}
