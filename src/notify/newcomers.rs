//! Whoever comes on shift or on duty while a question is open gets it as those did who were asked first: with its buttons
//! or links, by themselves, once. Where a room shows them the question, they have it already.

use super::{Delivery, Destination, Message, Notifier, NotifyError};
use crate::{
    gate::{Asked, place_of, whom},
    run::GateId,
    site::Person,
    store::{
        PgConnection, StoreError, clock,
        delegations::{self, Delegation},
        gates::{self, Gate},
        hints, outbox,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Between two looks at who has come.
const SHIFTS_EVERY: Duration = Duration::from_secs(5);
/// Whoever was sent the question so shortly before a reminder of it needs none.
const JUST_ASKED: TimeDelta = TimeDelta::minutes(1);
/// After somebody came: a question that was being asked just then names those before.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(1);
/// Cards that are on their way, and cannot be sent once more before they are sent.
const SENT_BY: TimeDelta = TimeDelta::seconds(15);

/// Who fills each role and who stands in for whom: whoever is new to an open question is new to this.
#[derive(PartialEq, Eq)]
struct Roster {
    roles: Vec<Vec<String>>,
    delegations: Vec<Uuid>,
}

/// What was seen when those who came were asked last.
#[derive(Default)]
struct Seen {
    roster: Option<Roster>,
    /// Open questions are looked at once more then.
    again_at: Option<DateTime<Utc>>,
}

/// How many of those who came were asked, and how many cannot be before the first card is sent.
#[derive(Default)]
struct Newcomers {
    asked: usize,
    waiting: usize,
}

impl Delivery {
    /// Asks those who come, with or without a reminder, until `stop`.
    pub(super) async fn watch_shifts(&self, notifier: &dyn Notifier, stop: CancellationToken) {
        let mut seen = Seen::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SHIFTS_EVERY) => {}
            }
            if let Err(error) = self.ask_newcomers(notifier, &mut seen).await {
                tracing::warn!(%error, "those who came on shift could not be asked; trying again");
            }
        }
    }

    async fn ask_newcomers(&self, notifier: &dyn Notifier, seen: &mut Seen) -> Result<(), StoreError> {
        let mut db = self.store.connection().await?;
        let now = clock::now(&mut db).await?;
        let delegations = delegations::in_force(&mut db, now).await?;
        let roster = self.roster(&delegations, now);
        if seen.roster.as_ref() != Some(&roster) {
            *seen = Seen { roster: Some(roster), again_at: Some(now + LOOK_AGAIN) };
        } else if seen.again_at.is_some_and(|at| at <= now) {
            seen.again_at = None;
        } else {
            return Ok(());
        }
        let mut all = Newcomers::default();
        let mut open = gates::open_after(&mut db, Uuid::nil(), now).await?;
        while let Some(last) = open.last().map(|gate| gate.id) {
            for gate in &open {
                let of_gate = self.ask_newcomers_of(&mut db, notifier, gate, &delegations, now).await?;
                all.asked += of_gate.asked;
                all.waiting += of_gate.waiting;
            }
            open = gates::open_after(&mut db, last, now).await?;
        }
        drop(db);
        if all.waiting > 0 {
            seen.again_at = Some(now + SENT_BY);
        }
        if all.asked > 0 { hints::send(&self.store).await } else { Ok(()) }
    }

    fn roster(&self, delegations: &[Delegation], now: DateTime<Utc>) -> Roster {
        let of_role =
            |role| self.site.people_in_role(role, now).into_iter().map(|one| one.id.clone()).collect();
        Roster {
            roles: self.site.roles.keys().map(String::as_str).map(of_role).collect(),
            delegations: delegations.iter().map(|given| given.id).collect(),
        }
    }

    /// Queues an open question for everybody who came since it was asked and does not have it.
    async fn ask_newcomers_of(
        &self,
        db: &mut PgConnection,
        notifier: &dyn Notifier,
        gate: &Gate,
        delegations: &[Delegation],
        now: DateTime<Utc>,
    ) -> Result<Newcomers, StoreError> {
        let asked = Asked { site: &self.site, gate, votes: &[], delegations };
        let mut came = asked.newcomers(now);
        came.retain(|person| self.is_reached_alone(notifier, gate, person, now));
        if came.is_empty() || now >= gate.expires_at {
            return Ok(Newcomers::default());
        }
        let have_it = outbox::sent_once_more(db, gate.id, notifier.channel(), gate.asked_at).await?;
        came.retain(|person| !have_it.contains(&person.id));
        if came.is_empty() {
            return Ok(Newcomers::default());
        }
        let votes = gates::votes(db, GateId(gate.id)).await?;
        let asked = Asked { votes: &votes, ..asked };
        came.retain(|person| asked.may_answer(person, now).is_ok());
        let whom = self.whom(gate, now);
        let mut newcomers = Newcomers::default();
        for person in came {
            let is_sent = outbox::send_to_newcomer(db, gate, notifier.channel(), &person.id, &whom).await?;
            newcomers.asked += usize::from(is_sent);
            newcomers.waiting += usize::from(!is_sent);
        }
        if newcomers.waiting > 0 && !outbox::is_being_asked(db, gate.id, notifier.channel()).await? {
            newcomers.waiting = 0;
        }
        Ok(newcomers)
    }

    /// Whether nothing else in this channel shows them the question. A room without names is everybody's; one with names
    /// has buttons for whoever fills the role until the time is over.
    fn is_reached_alone(
        &self,
        notifier: &dyn Notifier,
        gate: &Gate,
        person: &Person,
        now: DateTime<Utc>,
    ) -> bool {
        let role = gate.role.as_deref();
        let in_room = match notifier.destinations(&self.site, role, None, now).first() {
            Some(Destination::Room { asked, .. }) => {
                asked.is_empty() || role.is_some_and(|role| self.site.holds_role(&person.id, role, now))
            }
            Some(Destination::Person(_)) | None => false,
        };
        let own = notifier.destinations(&self.site, None, Some(&person.id), now);
        !in_room && own.iter().any(|place| place.person() == Some(&person.id))
    }

    /// Who is asked now.
    fn whom(&self, gate: &Gate, now: DateTime<Utc>) -> String {
        let Some(role) = &gate.role else { return String::new() };
        let mut people = self.site.people_asked(role, now, &place_of(gate));
        people.retain(|person| !gate.excluded.contains(&person.id));
        whom(self.site.role_title(role), people.iter().map(|person| person.name.as_str()))
    }

    /// A reminder, for those who have the question; who came since gets the question itself.
    pub(super) async fn remind(
        &self,
        notifier: &dyn Notifier,
        queued: &mut outbox::Message,
        message: Message,
        gate: GateId,
    ) -> Result<Result<(), NotifyError>, StoreError> {
        let mut db = self.store.connection().await?;
        let open = gates::get(&mut db, gate).await?.filter(|gate| gate.state == "open");
        // Answered meanwhile, it is not open, as the reminder says.
        let Some(gate) = open else { return Ok(Ok(())) };
        let now = clock::now(&mut db).await?;
        let delegations = delegations::in_force(&mut db, now).await?;
        self.ask_newcomers_of(&mut db, notifier, &gate, &delegations, now).await?;
        let since = queued.created_at - JUST_ASKED;
        let just_asked = outbox::sent_once_more(&mut db, gate.id, notifier.channel(), since).await?;
        drop(db);
        let mut places = self.places(notifier, queued, &message);
        let is_known = !places.is_empty();
        let had_it = |person: &str| !just_asked.iter().any(|asked| asked == person);
        places.retain(|place| {
            self.is_theirs(place, queued.role.as_deref(), &gate) && place.person().is_none_or(had_it)
        });
        if places.is_empty() && is_known {
            return Ok(Ok(()));
        }
        self.send(notifier, queued, message, None, places).await
    }
}
