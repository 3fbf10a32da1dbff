//! Any text as CEL, and as a value with `${{ }}`, over names like those of a run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use std::sync::LazyLock;
use takt::expr::{Expr, Scope, ValueTemplate};

static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
    let names = json!({
        "trigger": { "work_center": "PRESS-4", "status": "DOWN", "planned": false, "minutes": 17, "time": "2026-11-23T12:10:00Z" },
        "inputs": { "limit": 4.5, "note": null, "names": ["a", "b", "c"] },
        "steps": { "plans": { "options": [{ "title": "one", "cost": 3 }, { "title": "two", "cost": 2.5 }] } },
        "site": {
            "name": "plant1", "time_zone": "America/Chicago", "values": { "frozen_minutes": 30 },
            "shifts": [{ "id": "A", "days": ["mon", "tue"], "from": "06:00", "to": "14:00" }],
        },
        "now": "2026-11-23T12:12:00Z",
    });
    match names {
        Value::Object(names) => names,
        _ => Scope::new(),
    }
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(expression) = Expr::parse(text) {
        let _ = expression.eval(&SCOPE);
        let _ = expression.test(&SCOPE);
    }
    if let Ok(value) = ValueTemplate::parse(json!({ "a": text, "b": [text] })) {
        let _ = value.eval(&SCOPE);
    }
});
