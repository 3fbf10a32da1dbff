//! One question in many places: Slack without inbound traffic, Teams, mail, and all of them at once, with servers and
//! clients of others on the other side.

mod cards;
mod content;
mod doors;
mod everywhere;
mod mail;
mod socket;
mod teams;
mod viewers;

use crate::support::{
    console::Console,
    seed::{self, button_token},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};
use takt::{
    notify::{Delivery, Notifier},
    run::{GateId, MessageKind, OutboxMessage, RunId},
    store::{audit, gates, outbox},
};

/// What delivers to one channel, over the console's database.
fn delivery(console: &Console, notifier: Arc<dyn Notifier>) -> Delivery {
    Delivery {
        store: console.store.clone(),
        notifiers: BTreeMap::from([(notifier.channel(), notifier)]),
        site: console.site.clone(),
        definitions: console.definitions.clone(),
        base_url: console.url.clone(),
    }
}

/// Queues the message of an open gate, as its step writes it.
async fn queue(console: &Console, run: RunId, gate: GateId, channel: &str) {
    queue_nth(console, run, gate, channel, 0, |message| message["token"] = json!(button_token(gate))).await;
}

/// Queues one of several messages of a gate, as it stands now; the first one has the word of its buttons.
async fn queue_nth(
    console: &Console,
    run: RunId,
    gate: GateId,
    channel: &str,
    ordinal: u32,
    change: impl FnOnce(&mut Value),
) {
    let mut db = console.store.connection().await.expect("a connection");
    let asked = gates::get(&mut db, gate).await.expect("asking").expect("a gate");
    let mut message = asked.ask.clone();
    message["gate"] = json!(gate);
    message["asked"] = asked.ask["role_title"].clone();
    message["asked_at"] = json!(asked.asked_at);
    message["expires_at"] = json!(asked.expires_at);
    change(&mut message);
    let message = OutboxMessage {
        path: asked.step(),
        ordinal: ordinal.into(),
        kind: MessageKind::Ask,
        gate: Some(gate),
        role: asked.role,
        person: asked.person,
        message,
    };
    outbox::queue(&mut db, run, &message, &[channel.to_owned()]).await.expect("queued");
}

async fn vote(console: &Console, gate: GateId) -> Option<gates::Vote> {
    let mut db = console.store.connection().await.expect("a connection");
    gates::vote(&mut db, gate).await.expect("asking")
}

/// How often something was refused for a cause, by the audit.
async fn refusals(console: &Console, because: &str) -> usize {
    let mut db = console.store.connection().await.expect("a connection");
    let entries = audit::recent(&mut db, 200).await.expect("the audit");
    let is_so = |entry: &&audit::Entry| entry.action == "gate.refused" && entry.detail["because"] == because;
    entries.iter().filter(is_so).count()
}

async fn three_plans(console: &Console, channel: &str) -> GateId {
    let (run, gate) = seed::three_plans(console).await;
    queue(console, run, gate, channel).await;
    gate
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
