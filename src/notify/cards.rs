//! Cards follow their gate: what has been answered, closed or passed on shows no buttons any more, whichever way it came
//! about. A step's own message about the outcome says more and comes first where there is one.

use super::{Decided, Delivery, Message, Notifier, Settled};
use crate::{
    gate::who,
    run::GateId,
    store::{StoreError, cards, clock, gates},
};
use chrono::{DateTime, Utc};
use std::time::Duration;

const BATCH_MAX: i64 = 20;
/// Nobody else changes a card in this time.
const HOLD: Duration = Duration::from_secs(30);
const TRY_AGAIN: Duration = Duration::from_secs(5);

impl Delivery {
    /// Changes the cards of a channel whose gate has moved on; says how many.
    pub(super) async fn settle_cards(&self, notifier: &dyn Notifier) -> Result<usize, StoreError> {
        let mut db = self.store.connection().await?;
        let stale = cards::take_stale(&mut db, notifier.channel(), BATCH_MAX, HOLD).await?;
        if stale.is_empty() {
            return Ok(0);
        }
        let now = clock::now(&mut db).await?;
        drop(db);
        let count = stale.len();
        for card in stale {
            let Some(message) = self.outcome(&card, now).await? else { continue };
            let changed = self.update_all(notifier, card.receipts, &message).await;
            let mut db = self.store.connection().await?;
            match changed {
                Ok(()) => cards::settled_one(&mut db, card.id).await?,
                Err(error) => {
                    let pause = error.retry_after.unwrap_or(TRY_AGAIN).max(TRY_AGAIN);
                    cards::later(&mut db, card.id, pause).await?;
                }
            }
        }
        Ok(count)
    }

    async fn outcome(&self, card: &cards::Stale, now: DateTime<Utc>) -> Result<Option<Message>, StoreError> {
        let mut db = self.store.connection().await?;
        let Some(gate) = gates::get(&mut db, GateId(card.gate_id)).await? else { return Ok(None) };
        let vote = gates::vote(&mut db, GateId(gate.id)).await?;
        drop(db);
        let settled = match (gate.state.as_str(), vote) {
            ("open", _) => Settled::PassedOn { to: self.asked_now(&gate), at: now },
            (_, Some(vote)) => Settled::by(&vote, &who(&self.site, &vote)),
            _ => Settled::closed(now),
        };
        let page = self.page_of(Some(gate.id), gate.run_id);
        Ok(Some(Message::Decided(Decided::now(&card.message, settled, page))))
    }

    fn asked_now(&self, gate: &gates::Gate) -> String {
        match (&gate.role, &gate.person) {
            (Some(role), _) => self.site.role_title(role).to_owned(),
            (None, Some(person)) => self.name_of(person).to_owned(),
            (None, None) => "others".to_owned(),
        }
    }

    fn name_of<'a>(&'a self, person: &'a str) -> &'a str {
        self.site.person(person).map_or(person, |person| &person.name)
    }
}
