//! `flood`: what came above it is told in one message when the flood is over, to the role that the workflow
//! asks or tells first.

use crate::{
    engine::Definitions,
    run::{MessageKind, OutboxMessage, RunId, StepPath},
    store::{PgConnection, StoreError, floods, floods::Flood, outbox},
    workflow::{Autonomy, Definition, StepKind, every_step},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// Tells about floods that are over; returns how many.
pub(super) async fn tell(
    db: &mut PgConnection,
    definitions: &Definitions,
    site: &Value,
    channels: &[String],
) -> Result<usize, StoreError> {
    let ended = floods::take_ended(db).await?;
    for flood in &ended {
        let definition = definitions.current(&flood.workflow);
        // In shadow nobody hears of anything.
        if definition.as_ref().is_some_and(|known| known.workflow.autonomy == Autonomy::Shadow) {
            continue;
        }
        let role = definition.as_ref().and_then(|definition| first_role(definition));
        let (Some(definition), Some(role), Some(run)) = (definition, role, flood.run) else {
            tracing::warn!(
                workflow = flood.workflow,
                events = flood.events,
                "a flood is over, and the workflow has no gate or `notify.role` whose role could be told"
            );
            continue;
        };
        let message = OutboxMessage {
            path: StepPath::root("flood").child(&flood.id.to_string()),
            ordinal: 0,
            kind: MessageKind::Tell,
            gate: None,
            role: Some(role),
            person: None,
            message: words(flood, &definition.workflow.title, zone_of(site)),
        };
        let mut all = vec!["console".to_owned()];
        all.extend_from_slice(channels);
        outbox::queue(db, RunId(run), &message, &all).await?;
    }
    Ok(ended.len())
}

fn zone_of(site: &Value) -> chrono_tz::Tz {
    site["time_zone"].as_str().and_then(|zone| zone.parse().ok()).unwrap_or(chrono_tz::UTC)
}

fn words(flood: &Flood, title: &str, zone: chrono_tz::Tz) -> Value {
    let at = |time: DateTime<Utc>| time.with_timezone(&zone).format("%H:%M").to_string();
    let (events, were) = match flood.events {
        1 => ("1 more event".to_owned(), "It was"),
        count => (format!("{count} more events"), "They were"),
    };
    let about = match flood.subjects.as_slice() {
        [] => String::new(),
        subjects => format!(" About: {}.", subjects.join(", ")),
    };
    json!({
        "title": format!("{title}: {events} than `flood` lets through"),
        "body": format!(
            "{} to {}.{about} {were} not given a run of their own; the list of events has them, \
             and each can be fired again there.",
            at(flood.began_at),
            at(flood.ends_at),
        ),
    })
}

/// The role of the first gate; without one that of the first `notify.role`, `on_failure` included.
fn first_role(definition: &Definition) -> Option<String> {
    let (mut asked, mut told) = (None, None);
    every_step(&definition.workflow, &mut |step| match &step.kind {
        StepKind::Gate(gate) => asked = asked.take().or_else(|| Some(gate.ask.clone())),
        StepKind::Call(call) if call.tool.as_str() == "notify.role" => {
            let role = call.with.raw().get("role").and_then(Value::as_str);
            told = told.take().or_else(|| role.filter(|role| !role.contains("${{")).map(str::to_owned));
        }
        _ => {}
    });
    asked.or(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn a_digest_says_when_how_many_and_about_what() {
        let at = |minute| Utc.with_ymd_and_hms(2036, 11, 24, 12, minute, 0).single().expect("a time");
        let flood = Flood {
            id: uuid::Uuid::nil(),
            workflow: "press_down".into(),
            began_at: at(10),
            ends_at: at(20),
            events: 37,
            subjects: vec!["PRESS-4".into(), "PRESS-6".into()],
            run: None,
        };
        insta::assert_json_snapshot!(words(&flood, "Press is down", chrono_tz::America::Chicago));
    }
}
