//! The head of a workflow: what starts it, how many run at a time, what it is given, what it promises.

use super::{Known, autonomy, keys, refer, text, whole, word};
use serde_json::{Value, json};

impl Known<'_> {
    pub(super) fn document(&self) -> Value {
        json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": format!("Workflow of {}", self.site.name),
            "description": "One workflow: what starts it, and its steps. `takt check` says what an editor cannot.",
            "type": "object",
            "required": ["workflow", "owner", "trigger", "steps"],
            "additionalProperties": false,
            "properties": {
                "workflow": {
                    "type": "string", "pattern": "^[a-z][a-z0-9_]*$",
                    "description": "The id: lower case letters, digits and `_`; unique in the site.",
                },
                "title": text("What people call it, in cards and lists."),
                "author": text("The person of takt.yaml who wrote this version. Gates with `not_author` are not answered by them."),
                "owner": text("Who answers for this workflow, like `production-support@plant1`."),
                "autonomy": autonomy(),
                "trigger": self.trigger(),
                "flow": flow(),
                "inputs": inputs(),
                "sla": {
                    "type": "array", "items": self.sla(),
                    "description": "Promises: a step that is not over in time is told to the first rung of a ladder.",
                },
                "steps": {
                    "type": "array", "minItems": 1, "items": { "$ref": "#/definitions/step" },
                    "description": "What is done, from top to bottom. Each step does one thing.",
                },
                "on_failure": {
                    "type": "array", "items": { "$ref": "#/definitions/step" },
                    "description": "Steps for when a step has failed for good, after every `undo`: the way to a \
                        person. `failure.step`, `failure.class` and `failure.message` say what went wrong.",
                },
            },
        })
    }

    fn trigger(&self) -> Value {
        let event = "The type of event, like `plex.work_center_status`.";
        let condition = "Which events count: a condition over `event`, like `event.status == 'DOWN'`.";
        let calendars: Vec<&String> = self.site.calendars.keys().collect();
        let events = keys(
            &[],
            json!({
                "event": event_type(event),
                "any": {
                    "type": "array", "minItems": 1,
                    "items": keys(&["event"], json!({ "event": event_type(event), "where": refer("expression", condition) }), ""),
                    "description": "Several types of event, each with its own `where`.",
                },
                "where": refer("expression", condition),
                "hold": refer("duration", "It starts only if the condition is still true after this time: micro stops start nothing."),
                "key": refer("expression", "What the event is about. While a run with this key is open, later events belong to it."),
                "flood": refer("rate", "Above this, no more runs start: one message tells how many events there were."),
            }),
            "An event starts it.",
        );
        let cron = keys(
            &["cron", "time_zone"],
            json!({
                "cron": { "type": "string", "description": "minute hour day month weekday; `1-5` is Monday to Friday.", "examples": ["45 5,13,21 * * 1-5"] },
                "time_zone": text("The zone of the times, like `America/Chicago`. Clock changes are handled."),
                "catch_up": { "type": "string", "pattern": "^(none|(last|all)( within .+)?)$",
                    "description": "What becomes of firings that were missed: `none` (the default), `last`, `all`, the last two with `within 12h` if wanted." },
                "overlap": word(&["skip", "buffer_one", "buffer_all", "cancel_other", "allow_all"], "What becomes of a firing while a run of the schedule is open."),
                "jitter": refer("duration", "Each firing is late by a part of this that is always the same for it."),
                "calendar": { "enum": calendars, "description": "Working days of takt.yaml that the schedule follows." },
                "on_closed": word(&["skip", "next", "previous"], "What becomes of a firing on a closed day."),
            }),
            "A schedule starts it.",
        );
        json!({
            "description": "What starts a run: an event, a schedule (`cron`), or `manual`.",
            "if": { "type": "object", "required": ["cron"] },
            "then": cron,
            "else": { "if": { "type": "object" }, "then": events, "else": { "enum": ["manual"] } },
        })
    }

    fn sla(&self) -> Value {
        keys(
            &["step", "within", "escalate"],
            json!({
                "step": text("The id of the step that must be over. In a branch that is not taken it counts as over."),
                "within": refer("duration", "How long after the start of the run."),
                "escalate": refer("ladder", "Whose first rung is told."),
            }),
            "A promise.",
        )
    }
}

pub(super) fn event_type(description: &str) -> Value {
    json!({ "type": "string", "pattern": r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$", "description": description })
}

fn inputs() -> Value {
    let kinds = ["string", "time", "number", "integer", "boolean", "list", "object"];
    let input = keys(
        &["type"],
        json!({
            "type": word(&kinds, "What kind of value. A `time` is a text like `2026-11-23T12:10:00Z`."),
            "default": { "description": "The value when none is given. Without one the input must be given." },
            "unit": text("For people, like `min` or `d`."),
            "title": text("For people: what it is."),
        }),
        "An input.",
    );
    json!({ "type": "object", "additionalProperties": input,
        "description": "Values that a run is given: by `run:`, by a person, or their defaults. Read as `inputs.name`." })
}

fn flow() -> Value {
    let key = || {
        refer(
            "expression",
            "What is counted by: CEL over `event`, `inputs`, `site`. Without it: the whole workflow.",
        )
    };
    let pace = |description: &str| {
        keys(&["limit"], json!({ "key": key(), "limit": refer("rate", "Like `10 per 1m`.") }), description)
    };
    keys(
        &[],
        json!({
            "concurrency": keys(&["limit"], json!({ "key": key(), "limit": whole("How many at a time.") }), "At most so many runs with the same key at a time; the others wait in line."),
            "singleton": keys(&["then"], json!({ "key": key(), "then": word(&["skip", "cancel_other"], "What becomes of one too many.") }), "One run at a time; one too many does not wait."),
            "throttle": pace("No more runs begin in any such span; the others wait for their time."),
            "rate": pace("No more runs begin in any such span; what comes on top is not started."),
            "debounce": keys(&["wait", "at_most"], json!({ "key": key(), "wait": refer("duration", "How long it must be quiet."), "at_most": refer("duration", "It does not wait longer than this.") }), "One run, of the last event, when none has come for a while."),
            "batch": keys(&["size", "within"], json!({ "key": key(), "size": whole("A full batch."), "within": refer("duration", "It does not wait longer than this.") }), "One run for several events: `trigger.events`."),
            "priority": refer("expression", "A whole number from -100 to 100; the higher goes first."),
            "fair": refer("expression", "What takes turns within a priority; without it the event's plant."),
        }),
        "How many runs at a time, how fast, in what order, and which events become one run.",
    )
}
