//! Takes messages out of the outbox and gives them to their channels; what fails stays and is tried again.

use super::{Destination, Message, Notifier, NotifyError, Question, Receipt, try_again};
use crate::run::GateId;
use crate::store::{
    Store, StoreError, clock,
    delegations::{self, Delegation},
    gates, outbox,
};
use crate::telemetry::metrics;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Messages taken at once.
const BATCH_MAX: i64 = 16;
/// Nobody else takes a message while it is being delivered.
const HOLD: Duration = Duration::from_secs(60);

/// Between two looks without a hint, where hints of other processes arrive and where they do not.
const IDLE_PAUSE: Duration = Duration::from_secs(5);
const UNHEARD_PAUSE: Duration = Duration::from_secs(1);

/// Where in a channel a role or a person is reached.
pub trait Addresses: Send + Sync {
    fn find(&self, channel: &str, role: Option<&str>, person: Option<&str>) -> Option<Destination>;

    /// Who answers a question for somebody else, and until when, one text each.
    fn stand_ins(
        &self,
        _gate: &gates::Gate,
        _delegations: &[Delegation],
        _now: DateTime<Utc>,
    ) -> Vec<String> {
        Vec::new()
    }
}

pub struct Delivery {
    pub store: Store,
    pub notifiers: BTreeMap<&'static str, Arc<dyn Notifier>>,
    pub addresses: Arc<dyn Addresses>,
    /// Address of the console, for links.
    pub base_url: String,
}

impl Delivery {
    /// Delivers until `stop`: on a hint at once, otherwise from time to time.
    pub async fn run(self, mut wake: watch::Receiver<u64>, stop: CancellationToken) {
        let pause = if self.store.hears_others() { IDLE_PAUSE } else { UNHEARD_PAUSE };
        while !stop.is_cancelled() {
            match self.pass().await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::warn!(%error, "the outbox could not be read; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = wake.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Delivers what is due; says how many messages that were.
    pub async fn pass(&self) -> Result<usize, StoreError> {
        let due = outbox::take_due(&mut *self.store.connection().await?, BATCH_MAX, HOLD).await?;
        for message in &due {
            let delivered = self.deliver(message).await?;
            let mut db = self.store.connection().await?;
            match delivered {
                Ok(receipt) => {
                    outbox::sent(&mut db, message.id, &receipt).await?;
                    metrics::message(&message.channel, "sent");
                }
                Err(error) => {
                    tracing::warn!(message.id = %message.id, channel = message.channel, %error, "not delivered");
                    let attempts = u32::try_from(message.attempts).unwrap_or(u32::MAX);
                    let again = try_again(&error, attempts);
                    outbox::failed(&mut db, message.id, &error.message, again).await?;
                    metrics::message(&message.channel, if again.is_some() { "retried" } else { "failed" });
                }
            }
        }
        Ok(due.len())
    }

    /// A question as it is sent: with those who stand in for the people asked. `None` when it is no longer open.
    async fn still_asked(
        &self,
        gate: uuid::Uuid,
        mut question: Question,
    ) -> Result<Option<Question>, StoreError> {
        let mut db = self.store.connection().await?;
        let found = gates::get(&mut db, GateId(gate)).await?;
        let Some(gate) = found.filter(|gate| gate.state == "open") else { return Ok(None) };
        let now = clock::now(&mut db).await?;
        let stand_ins = self.addresses.stand_ins(&gate, &delegations::in_force(&mut db, now).await?, now);
        if !stand_ins.is_empty() {
            question.asked = format!("{} ({})", question.asked, stand_ins.join(", "));
        }
        Ok(Some(question))
    }

    /// Changes the cards of a gate that were sent to this channel; says whether there are any.
    async fn change_cards(
        &self,
        notifier: &dyn Notifier,
        gate: uuid::Uuid,
        message: &Message,
    ) -> Result<Result<bool, NotifyError>, StoreError> {
        let mut db = self.store.connection().await?;
        let receipts = outbox::receipts_of_gate(&mut db, gate, notifier.channel()).await?;
        drop(db);
        let any = !receipts.is_empty();
        for receipt in receipts {
            if let Err(error) = notifier.update(&Receipt(receipt), message).await {
                return Ok(Err(error));
            }
        }
        Ok(Ok(any))
    }

    async fn deliver(&self, queued: &outbox::Message) -> Result<Result<Value, NotifyError>, StoreError> {
        let never = |message: String| NotifyError { retryable: false, retry_after: None, message };
        let Some(notifier) = self.notifiers.get(queued.channel.as_str()) else {
            return Ok(Err(never(format!("the channel `{}` is not configured", queued.channel))));
        };
        let mut content = queued.message.clone();
        content["url"] = json!(match queued.gate_id {
            Some(gate) => format!("{}/gates/{gate}", self.base_url),
            None => format!("{}/runs/{}", self.base_url, queued.run_id),
        });
        let message: Message = match serde_json::from_value(content) {
            Ok(message) => message,
            Err(error) => return Ok(Err(never(format!("the message cannot be read: {error}")))),
        };
        let message = match (message, queued.gate_id) {
            (Message::Ask(question), Some(gate)) => {
                let is_news = question.progress.is_some();
                // Somebody was faster elsewhere: a card with live buttons would only mislead.
                let Some(question) = self.still_asked(gate, question).await? else {
                    return Ok(Ok(Value::Null));
                };
                let message = Message::Ask(question);
                if is_news {
                    let changed = self.change_cards(notifier.as_ref(), gate, &message).await?;
                    return Ok(changed.map(|_| Value::Null));
                }
                message
            }
            (message @ Message::Decided(_), Some(gate)) => {
                let changed = self.change_cards(notifier.as_ref(), gate, &message).await?;
                return Ok(changed.map(|_| Value::Null));
            }
            (message, _) => message,
        };
        let to = self.addresses.find(&queued.channel, queued.role.as_deref(), queued.person.as_deref());
        let Some(to) = to else {
            return Ok(Err(never(format!("nobody is reachable on `{}`", queued.channel))));
        };
        Ok(notifier.send(&message, &to).await.map(|receipt| receipt.0))
    }
}
