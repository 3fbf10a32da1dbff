//! JSON to CEL values and back.

use super::Scope;
use cel::{
    Value as CelValue,
    common::{
        types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt},
        value::Val,
    },
    objects::{Key, OptionalValue},
};
use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Number, Value};
use std::collections::HashMap;

pub(super) fn look_up<'s>(scope: &'s Scope, path: &[String]) -> Option<&'s Value> {
    let (first, fields) = path.split_first()?;
    fields.iter().try_fold(scope.get(first)?, |value, field| value.as_object()?.get(field))
}

/// Whole numbers become `int`: CEL's JSON default is `uint`, and `minutes - 20` then underflows.
pub(super) fn from_json<'v>(value: &'v Value) -> Box<dyn Val + 'v> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(b) => Box::new(CelBool::from(*b)),
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Box::new(CelInt::from(i)),
            (None, Some(u)) => Box::new(CelUInt::from(u)),
            (None, None) => Box::new(CelDouble::from(n.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(s) => Box::new(CelString::from(s.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(from_json).collect::<Vec<_>>())),
        Value::Object(fields) => {
            let entries = fields.iter().map(|(k, v)| (CelMapKey::from(k.as_str()), from_json(v)));
            Box::new(CelMap::from(entries.collect::<HashMap<CelMapKey<'v>, Box<dyn Val + 'v>>>()))
        }
    }
}

/// Objects that CEL made or copied have no order of their own: their keys come sorted, so that the
/// same inputs give the same bytes.
pub(super) fn to_json(value: &CelValue) -> Result<Value, String> {
    Ok(match value {
        CelValue::Null => Value::Null,
        CelValue::Bool(b) => (*b).into(),
        CelValue::Int(i) => (*i).into(),
        CelValue::UInt(u) => (*u).into(),
        CelValue::Float(f) => Number::from_f64(*f).map(Value::Number).ok_or("the result is not a number")?,
        CelValue::String(s) => s.as_str().into(),
        CelValue::Timestamp(time) => {
            time.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
        }
        CelValue::Duration(duration) => seconds(*duration).into(),
        CelValue::List(items) => items.iter().map(to_json).collect::<Result<Vec<_>, _>>()?.into(),
        CelValue::Map(map) => {
            let mut keys: Vec<&Key> = map.map.keys().collect();
            keys.sort();
            let entry = |key: &Key| Ok((key.to_string(), to_json(&map.map[key])?));
            Value::Object(keys.into_iter().map(entry).collect::<Result<Map<_, _>, String>>()?)
        }
        CelValue::Opaque(opaque) => match opaque.downcast_ref::<OptionalValue>() {
            Some(optional) => optional.value().map_or(Ok(Value::Null), to_json)?,
            None => return Err("the result has no JSON form".to_owned()),
        },
        CelValue::Bytes(_) | CelValue::Function(..) | CelValue::Struct(_) => {
            return Err("the result has no JSON form".to_owned());
        }
    })
}

/// As in the JSON form of protobuf durations: `"90s"`, `"0.5s"`.
fn seconds(duration: chrono::Duration) -> String {
    let nanos = duration.subsec_nanos();
    if nanos == 0 {
        return format!("{}s", duration.num_seconds());
    }
    let sign = if duration < chrono::Duration::zero() { "-" } else { "" };
    let fraction = format!("{:09}", nanos.unsigned_abs());
    format!("{sign}{}.{}s", duration.num_seconds().unsigned_abs(), fraction.trim_end_matches('0'))
}

/// What a value is, in words for an error.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
