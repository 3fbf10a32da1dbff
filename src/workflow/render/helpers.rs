//! What the helpers of a template take and give.

use super::typed::{Reader, Value};
use crate::expr::{self, Type};
use handlebars::template::Parameter;

pub(super) const BLOCKS: [&str; 4] = ["if", "unless", "each", "with"];
/// Helpers that a field's name would call.
pub(super) const OURS: [&str; 4] = ["json", "minutes", "time", "round"];
pub(super) const HELPERS: [&str; 18] = [
    "json", "minutes", "time", "round", "lookup", "log", "raw", "eq", "ne", "gt", "gte", "lt", "lte", "and",
    "or", "not", "len", "else",
];

impl Reader<'_> {
    /// What a helper gives; a value it does not take is reported.
    pub(super) fn helper(&mut self, name: &str, params: &[Parameter], may_be_absent: bool) -> Value {
        let is_lenient = may_be_absent && matches!(name, "and" | "or");
        let values: Vec<Value> = params.iter().map(|param| self.read(param, is_lenient)).collect();
        self.count(name, values.len());
        match (name, values.as_slice()) {
            ("lookup", [holder, key, ..]) => self.lookup(holder, key, params),
            ("json", [value, ..]) => value.clone(),
            ("minutes" | "round", [value, ..]) => {
                self.at_value(params, |reader| reader.takes(name, value, "a number", Type::is_number));
                Value { kind: Type::String, ..value.clone() }
            }
            ("time", [value, ..]) => {
                self.at_value(params, |reader| reader.takes_time(value));
                Value { kind: Type::String, ..value.clone() }
            }
            ("eq" | "ne", [a, b, ..]) => {
                self.comparable(name, &a.kind, &b.kind);
                Value::of(Type::Bool)
            }
            ("len", _) => Value::of(Type::Int),
            ("ne" | "eq" | "gt" | "gte" | "lt" | "lte" | "and" | "or" | "not", _) => Value::of(Type::Bool),
            _ => values.into_iter().fold(Value::default(), |mut all, value| {
                all.fields.extend(value.fields);
                Value { origin: all.origin.join(value.origin.melted()), ..all }
            }),
        }
    }

    fn count(&mut self, name: &str, given: usize) {
        let wanted = match name {
            "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "lookup" => 2..=2,
            "json" | "minutes" | "time" | "not" | "len" => 1..=1,
            "round" => 1..=2,
            _ => return,
        };
        if !wanted.contains(&given) {
            let message = format!("`{name}` takes {} values, these are {given}", wanted.end());
            let values = ["a", "b"][..*wanted.end()].join(" ");
            self.report(message, format!("write `{name} {values}`"));
        }
    }

    fn lookup(&mut self, holder: &Value, key: &Value, params: &[Parameter]) -> Value {
        let shown = params.first().and_then(Parameter::as_name).unwrap_or("this").to_owned();
        match (&holder.kind, &key.kind) {
            (Type::Object(_), Type::Word(words)) if words.len() == 1 => {
                self.looked_up(holder.clone(), &words[0], &shown)
            }
            // Any of its fields, without their names.
            (Type::Object(shape), _) => {
                let fields = shape.fields.keys().cloned().collect();
                Value { kind: Type::Any, fields, origin: holder.origin.clone().melted() }
            }
            (Type::List(item), _) => Value { kind: (**item).clone(), ..holder.clone() },
            (Type::Any | Type::Unset, Type::Word(words)) => {
                Value { kind: Type::Any, fields: words.clone(), origin: holder.origin.clone().melted() }
            }
            _ => Value { kind: Type::Any, ..holder.clone() },
        }
    }

    fn takes(&mut self, name: &str, value: &Value, wanted: &str, is_one: impl Fn(&Type) -> bool) {
        let kind = &value.kind;
        if kind.is_known() && !is_one(kind.present_ref()) {
            let message = format!("`{name}` takes {wanted}, this is {kind}");
            self.report(message, format!("give it {wanted}, or write the value without `{name}`"));
        }
    }

    /// A text is one where its schema says so.
    fn takes_time(&mut self, value: &Value) {
        let kind = value.kind.present_ref();
        if matches!(kind, Type::String) {
            let fix = "let its schema say `format: date-time` (`type: time` of an input), or give `${{ timestamp(x) }}`";
            self.report(format!("`time` takes a time, this is {kind}"), fix.to_owned());
        } else {
            self.takes("time", value, "a time", is_time);
        }
    }

    fn comparable(&mut self, name: &str, left: &Type, right: &Type) {
        let (left, right) = (left.present_ref(), right.present_ref());
        if let (Type::Word(a), Type::Word(b)) = (left, right) {
            let (known, word) = if a.len() >= b.len() { (a, b) } else { (b, a) };
            if known.len() > 1 && !word.iter().any(|word| known.contains(word)) {
                let message = format!("it is never `{}`", word.join("` or `"));
                self.report(message, format!("it is one of {}", known.join(", ")));
            }
        } else if (left.is_text() && right.is_number()) || (left.is_number() && right.is_text()) {
            let message = format!("`{name}` compares {left} with {right}");
            self.report(message, "compare values of one type".to_owned());
        }
    }
}

/// A text that is written out must be one; of others only the form is not known.
fn is_time(kind: &Type) -> bool {
    match kind {
        Type::Word(words) => words.iter().any(|word| expr::is_time(word)),
        kind => matches!(kind, Type::Time | Type::Timestamp),
    }
}
