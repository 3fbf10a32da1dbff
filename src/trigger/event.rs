use crate::store::events::StoredEvent;
use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

/// An event as expressions see it: its data, with `id`, `type`, `subject`, `plant` and `time` beside.
pub fn event_json(event: &StoredEvent) -> Value {
    let mut fields = match &event.data {
        Value::Object(data) => data.clone(),
        other => Map::from_iter([("data".to_owned(), other.clone())]),
    };
    fields.insert("id".into(), json!(event.id));
    fields.insert("type".into(), json!(event.r#type));
    fields.insert("subject".into(), json!(event.subject));
    fields.insert("plant".into(), json!(event.plant));
    fields.insert("time".into(), json!(event.time.to_rfc3339_opts(SecondsFormat::Millis, true)));
    Value::Object(fields)
}
