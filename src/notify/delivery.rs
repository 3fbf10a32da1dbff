//! Takes messages out of the outbox and gives them to their channels; what fails stays and is tried again. Each channel
//! has a loop of its own, so that a slow one holds up nobody else.

use super::{Contact, Destination, Message, Notifier, NotifyError, Receipt, Sending, try_again};
use crate::{
    engine::Definitions,
    gate::{Asked, Token, place_of},
    run::GateId,
    site::Site,
    store::{
        Store, StoreError, answer_links, cards, clock, conversations, delegations, gates, outbox, threads,
    },
    telemetry::metrics,
};
use chrono::{DateTime, Utc};
use futures::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Messages taken at once, and how many of them are under way at the same time.
const BATCH_MAX: i64 = 16;
const UNDER_WAY_MAX: usize = 8;
/// Nobody else takes a message while it is being delivered.
const HOLD: Duration = Duration::from_secs(120);

/// Between two looks without a hint, where hints of other processes arrive and where they do not.
const IDLE_PAUSE: Duration = Duration::from_secs(5);
const UNHEARD_PAUSE: Duration = Duration::from_secs(1);
/// Cards that nothing else has changed are looked for this often.
const CARDS_EVERY: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub struct Delivery {
    pub store: Store,
    pub notifiers: BTreeMap<&'static str, Arc<dyn Notifier>>,
    pub site: Arc<Site>,
    /// What the story of a run is told with.
    pub definitions: Arc<Definitions>,
    /// Address of the console, for links.
    pub base_url: String,
}

impl Delivery {
    /// Delivers until `stop`: on a hint at once, otherwise from time to time.
    pub async fn run(self, wake: watch::Receiver<u64>, stop: CancellationToken) {
        let each = self.notifiers.values().map(|notifier| {
            let (one, notifier) = (self.clone(), notifier.clone());
            let (wake, stop) = (wake.clone(), stop.clone());
            async move {
                tokio::join!(
                    one.deliver(notifier.as_ref(), wake.clone(), stop.clone()),
                    one.settle(notifier.as_ref(), stop.clone()),
                    one.tell(notifier.as_ref(), wake, stop.clone()),
                    one.watch_shifts(notifier.as_ref(), stop),
                )
            }
        });
        tokio::join!(join_all(each), self.give_up(stop.clone()));
    }

    async fn deliver(
        &self,
        notifier: &dyn Notifier,
        mut wake: watch::Receiver<u64>,
        stop: CancellationToken,
    ) {
        let pause = if self.store.hears_others() { IDLE_PAUSE } else { UNHEARD_PAUSE };
        while !stop.is_cancelled() {
            match self.pass(notifier).await {
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

    async fn settle(&self, notifier: &dyn Notifier, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(CARDS_EVERY) => {}
            }
            if let Err(error) = self.settle_cards(notifier).await {
                tracing::warn!(%error, "cards could not be looked after; trying again");
            }
        }
    }

    async fn tell(&self, notifier: &dyn Notifier, mut wake: watch::Receiver<u64>, stop: CancellationToken) {
        if !notifier.has_threads() {
            return;
        }
        while !stop.is_cancelled() {
            match self.tell_stories(notifier.channel()).await {
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "the stories of runs could not be told; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = wake.changed() => tokio::time::sleep(CARDS_EVERY).await,
                () = tokio::time::sleep(IDLE_PAUSE) => {}
            }
        }
    }

    /// Messages for channels that were taken out of takt.yaml.
    async fn give_up(&self, stop: CancellationToken) {
        let mut known: Vec<String> = self.notifiers.keys().map(|channel| (*channel).to_owned()).collect();
        known.push("console".to_owned());
        loop {
            let given_up = async {
                let mut db = self.store.connection().await?;
                outbox::fail_others(&mut db, &known, "this channel is not configured").await
            };
            if let Err(error) = given_up.await {
                tracing::warn!(%error, "the outbox could not be read; trying again");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(IDLE_PAUSE) => {}
            }
        }
    }

    /// Delivers what is due in a channel; says how many messages that were. What belongs to one run keeps its order.
    pub async fn pass(&self, notifier: &dyn Notifier) -> Result<usize, StoreError> {
        let mut db = self.store.connection().await?;
        let due = outbox::take_due(&mut db, notifier.channel(), BATCH_MAX, HOLD).await?;
        drop(db);
        let count = due.len();
        let mut of_runs: BTreeMap<Uuid, Vec<outbox::Message>> = BTreeMap::new();
        for message in due {
            of_runs.entry(message.run_id).or_default().push(message);
        }
        let lines = of_runs.into_values().map(|messages| async move {
            for message in messages {
                self.one(notifier, message).await?;
            }
            Ok::<_, StoreError>(())
        });
        let done: Vec<_> = stream::iter(lines).buffer_unordered(UNDER_WAY_MAX).collect().await;
        done.into_iter().collect::<Result<(), _>>()?;
        Ok(count)
    }

    async fn one(&self, notifier: &dyn Notifier, mut message: outbox::Message) -> Result<(), StoreError> {
        let delivered = self.carry(notifier, &mut message).await?;
        let channel = message.channel.as_str();
        let mut db = self.store.connection().await?;
        let Err(error) = delivered else {
            outbox::sent(&mut db, message.id, &message.receipt.unwrap_or(Value::Null)).await?;
            metrics::message(channel, "sent");
            return Ok(());
        };
        if error.waits {
            let pause = error.retry_after.unwrap_or(UNHEARD_PAUSE);
            return outbox::put_off(&mut db, message.id, pause).await;
        }
        tracing::warn!(message.id = %message.id, channel, %error, "not delivered");
        let attempts = u32::try_from(message.attempts).unwrap_or(u32::MAX);
        let again = try_again(&error, attempts);
        outbox::failed(&mut db, message.id, &error.message, again).await?;
        metrics::message(channel, if again.is_some() { "retried" } else { "failed" });
        Ok(())
    }

    async fn carry(
        &self,
        notifier: &dyn Notifier,
        queued: &mut outbox::Message,
    ) -> Result<Result<(), NotifyError>, StoreError> {
        let message = match self.read(queued) {
            Ok(message) => message,
            Err(error) => {
                return Ok(Err(NotifyError::lasting(format!("the message cannot be read: {error}"))));
            }
        };
        if !notifier.carries(&message, queued.gate_id.is_some()) {
            return Ok(Ok(()));
        }
        match (&message, queued.gate_id) {
            (Message::Decided(_), Some(gate)) => self.change(notifier, gate, &message).await,
            (Message::Ask(_), Some(gate)) => self.ask(notifier, queued, message, GateId(gate)).await,
            (Message::Tell(_), Some(gate)) => self.remind(notifier, queued, message, GateId(gate)).await,
            _ => {
                let places = self.places(notifier, queued, &message);
                self.send(notifier, queued, message, None, places).await
            }
        }
    }

    /// Sends a question, or changes its cards where it only says how far it is answered. Somebody may have been faster
    /// elsewhere: a card with live buttons would only mislead.
    async fn ask(
        &self,
        notifier: &dyn Notifier,
        queued: &mut outbox::Message,
        message: Message,
        gate: GateId,
    ) -> Result<Result<(), NotifyError>, StoreError> {
        let mut db = self.store.connection().await?;
        let asked = gates::get(&mut db, gate).await?.filter(|gate| gate.state == "open");
        let (Message::Ask(mut question), Some(asked)) = (message, asked) else { return Ok(Ok(())) };
        let now = clock::now(&mut db).await?;
        let delegations = delegations::in_force(&mut db, now).await?;
        let standing = Asked { site: &self.site, gate: &asked, votes: &[], delegations: &delegations };
        let stand_ins = standing.stand_ins(self.site.time_zone, now);
        if !stand_ins.is_empty() {
            question.asked = format!("{} ({})", question.asked, stand_ins.join(", "));
        }
        question.reasons.clone_from(&self.site.answering.reasons);
        if question.token.is_empty() {
            question.token = outbox::token_of_gate(&mut db, asked.id).await?.unwrap_or_default();
        }
        if question.progress.is_none() {
            let delegates = standing.delegates(now);
            drop(db);
            let places = self.places_of_asked(notifier, queued, &asked, &delegates);
            return self.send(notifier, queued, Message::Ask(question), Some(&asked), places).await;
        }
        let card = queued.message["card"].as_str().and_then(|id| id.parse().ok());
        let receipts = cards::open_receipts(&mut db, card.unwrap_or_default()).await?;
        drop(db);
        let updated = self.update_all(notifier, receipts, &Message::Ask(question)).await;
        let mut db = self.store.connection().await?;
        let is_open = gates::get(&mut db, gate).await?.is_some_and(|gate| gate.state == "open");
        if !is_open {
            // Settled meanwhile: these buttons may have come after the words that replaced them.
            cards::shows_buttons(&mut db, asked.id, notifier.channel()).await?;
        }
        Ok(updated)
    }

    fn read(&self, queued: &outbox::Message) -> Result<Message, serde_json::Error> {
        let mut content = queued.message.clone();
        content["url"] = json!(self.page_of(queued.gate_id, queued.run_id));
        serde_json::from_value(content)
    }

    pub(super) fn page_of(&self, gate: Option<Uuid>, run: Uuid) -> String {
        match gate {
            Some(gate) => format!("{}/gates/{gate}", self.base_url),
            None => format!("{}/runs/{run}", self.base_url),
        }
    }

    /// Changes every card of the gate; one that was deleted does not keep the others from changing.
    async fn change(
        &self,
        notifier: &dyn Notifier,
        gate: Uuid,
        message: &Message,
    ) -> Result<Result<(), NotifyError>, StoreError> {
        let mut db = self.store.connection().await?;
        let receipts = outbox::receipts_of_gate(&mut db, gate, notifier.channel()).await?;
        drop(db);
        if let Err(error) = self.update_all(notifier, receipts, message).await {
            return Ok(Err(error));
        }
        let mut db = self.store.connection().await?;
        cards::settled(&mut db, gate, notifier.channel()).await?;
        Ok(Ok(()))
    }

    pub(super) async fn update_all(
        &self,
        notifier: &dyn Notifier,
        receipts: Vec<Value>,
        message: &Message,
    ) -> Result<(), NotifyError> {
        let mut again = None;
        for receipt in receipts {
            match notifier.update(&Receipt(receipt), message).await {
                Err(error) if error.retryable => again = Some(error),
                Err(error) => tracing::warn!(%error, "a card could not be changed and stays as it is"),
                Ok(()) => {}
            }
        }
        again.map_or(Ok(()), Err)
    }

    /// Sends a message to each of its places that does not have it yet.
    pub(super) async fn send(
        &self,
        notifier: &dyn Notifier,
        queued: &mut outbox::Message,
        message: Message,
        asked: Option<&gates::Gate>,
        places: Vec<Destination>,
    ) -> Result<Result<(), NotifyError>, StoreError> {
        let channel = notifier.channel();
        if places.is_empty() && is_once_more(queued) {
            return Ok(Ok(()));
        }
        if places.is_empty() {
            return Ok(Err(NotifyError::lasting(format!("nobody is reachable on `{channel}`"))));
        }
        let mut receipts = match queued.receipt.take() {
            Some(Value::Array(receipts)) => receipts,
            _ => Vec::new(),
        };
        let mut nobody = None;
        for (number, place) in places.iter().enumerate().skip(receipts.len()) {
            let mut db = self.store.connection().await?;
            let reference = conversations::find(&mut db, channel, place.room(), place.person()).await?;
            drop(db);
            let message = match (&message, place, asked) {
                (Message::Ask(question), Destination::Person(contact), Some(gate))
                    if notifier.has_links() && question.sign.is_none() =>
                {
                    let link = self.link(gate, &contact.person).await?;
                    &Message::Ask(super::Question { link: Some(link), ..question.clone() })
                }
                _ => &message,
            };
            let sending = Sending {
                message,
                to: place,
                id: Uuid::new_v5(&queued.id, &number.to_be_bytes()),
                tried: queued.attempts > 1,
                reference: reference.as_ref(),
            };
            match notifier.send(&sending).await {
                Ok(receipt) => receipts.push(receipt.0),
                // Of several people one who cannot be reached does not keep the others from being asked.
                Err(error) if !error.retryable && (places.len() > 1 || is_once_more(queued)) => {
                    tracing::warn!(channel, %error, "one of several people was not reached");
                    receipts.push(Value::Null);
                    nobody = Some(error);
                }
                Err(error) => {
                    queued.receipt = (!receipts.is_empty()).then_some(Value::Array(receipts));
                    self.note(queued, notifier, asked, &places).await?;
                    return Ok(Err(error));
                }
            }
        }
        let reached = receipts.iter().any(|receipt| !receipt.is_null());
        queued.receipt = reached.then_some(Value::Array(receipts));
        self.note(queued, notifier, asked, &places).await?;
        Ok(nobody.filter(|_| !reached && !is_once_more(queued)).map_or(Ok(()), Err))
    }

    /// Where those whom a message is for are reached.
    pub(super) fn places(
        &self,
        notifier: &dyn Notifier,
        queued: &outbox::Message,
        message: &Message,
    ) -> Vec<Destination> {
        if matches!(message, Message::Follow(_)) {
            return vec![Destination::Room { id: String::new(), asked: Vec::new(), later: Vec::new() }];
        }
        let (role, person) = (queued.role.as_deref(), queued.person.as_deref());
        notifier.destinations(&self.site, role, person, queued.created_at)
    }

    /// Where those who are asked are reached, and those who stand in for them.
    fn places_of_asked(
        &self,
        notifier: &dyn Notifier,
        queued: &outbox::Message,
        gate: &gates::Gate,
        delegates: &[String],
    ) -> Vec<Destination> {
        let (role, person) = (queued.role.as_deref(), queued.person.as_deref());
        let at = queued.created_at;
        let mut places = notifier.destinations(&self.site, role, person, at);
        places.retain(|place| self.is_theirs(place, role, gate));
        if is_once_more(queued) {
            places.retain(|place| place.person() == person);
            return places;
        }
        self.add_later(notifier, &mut places, gate, at);
        let may_answer = |delegate: &&String| !gate.excluded.contains(delegate);
        let of_delegate = |delegate: &String| notifier.destinations(&self.site, None, Some(delegate), at);
        for place in delegates.iter().filter(may_answer).flat_map(of_delegate) {
            let Destination::Person(contact) = place else { continue };
            // In a room the buttons are for those who are asked; without names they are for everybody.
            if let Some(Destination::Room { asked, .. }) = places.first_mut() {
                if !asked.is_empty() {
                    asked.push(contact);
                }
            } else if !places.iter().any(|place| place.person() == Some(&contact.person)) {
                places.push(Destination::Person(contact));
            }
        }
        places
    }

    /// Who comes on shift before the time is over may answer too: what a room shows them is theirs already.
    fn add_later(
        &self,
        notifier: &dyn Notifier,
        places: &mut [Destination],
        gate: &gates::Gate,
        at: DateTime<Utc>,
    ) {
        let (Some(Destination::Room { asked, later, .. }), Some(role)) = (places.first_mut(), &gate.role)
        else {
            return;
        };
        for person in self.site.people_in_role_until(role, at, gate.expires_at) {
            let known = |contact: &Contact| contact.person == person.id;
            let theirs = notifier.destinations(&self.site, None, Some(&person.id), at);
            for place in theirs {
                if let Destination::Person(contact) = place
                    && !asked.iter().any(known)
                {
                    later.push(contact);
                }
            }
        }
    }

    /// Nobody is asked by name what they may not answer: of another place, or kept from it.
    pub(super) fn is_theirs(&self, place: &Destination, role: Option<&str>, gate: &gates::Gate) -> bool {
        let Some(person) = place.person().and_then(|id| self.site.person(id)) else { return true };
        let is_there = role.is_none_or(|role| self.site.reaches(person, role, &place_of(gate)));
        is_there && !gate.excluded.contains(&person.id)
    }

    /// Keeps what was delivered, so that cards can follow their gate and their run.
    async fn note(
        &self,
        queued: &outbox::Message,
        notifier: &dyn Notifier,
        asked: Option<&gates::Gate>,
        places: &[Destination],
    ) -> Result<(), StoreError> {
        let (Some(receipts), Some(asked)) = (&queued.receipt, asked) else { return Ok(()) };
        let mut tx = self.store.begin().await?;
        outbox::progress(&mut tx, queued.id, receipts).await?;
        cards::shown(&mut tx, queued.id, asked.rung).await?;
        if notifier.has_threads()
            && let (Some(Some(room)), Some(card)) = (places.first().map(Destination::room), receipts.get(0))
        {
            threads::begin(&mut tx, queued.run_id, notifier.channel(), room, card).await?;
        }
        tx.commit().await.map_err(StoreError::from)
    }

    /// A new link that answers a gate for one person.
    async fn link(&self, gate: &gates::Gate, person: &str) -> Result<String, StoreError> {
        let token = Token::random();
        let mut db = self.store.connection().await?;
        answer_links::add(&mut db, &token.hash, GateId(gate.id), person).await?;
        Ok(format!("{}/answer/{}/{}", self.base_url, gate.id, token.secret))
    }
}

/// For one person, where they are reached by themselves: the others have it.
fn is_once_more(queued: &outbox::Message) -> bool {
    ["handed_over_by", "came_in"].iter().any(|mark| queued.message.get(mark).is_some())
}
