//! Handing one's answers to somebody else until a time, and taking them back. Both are audited.
//!
//! There are no chains: a delegate answers for whoever handed over, never for those that person stands in for.

use super::standing::{Asked, Standing, name_of};
use crate::{
    run::{Actor, GateId},
    site::{Person, Site},
    store::{
        PgConnection, Store, StoreError, audit, clock,
        delegations::{self, Delegation},
        gates, outbox,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

/// Nobody is away for longer without the site file saying so.
const LENGTH_MAX: TimeDelta = TimeDelta::days(366);

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct HandOver {
    pub delegate: String,
    /// `None` for everything they are asked.
    pub role: Option<String>,
    pub until: DateTime<Utc>,
    /// Who vouches that this person asks for it, for the audit.
    pub via: String,
    /// The program that does, where it is one.
    pub named_by: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum DelegationError {
    #[error("nobody here is called `{0}`")]
    NoSuchPerson(String),
    #[error("choose somebody else than yourself")]
    Yourself,
    #[error("you do not have the role `{0}`: hand over one of your own")]
    NotYourRole(String),
    #[error("the end must be later than now")]
    Over,
    #[error("the end must be within a year")]
    TooLong,
    #[error("{0} has handed over their own answers: choose somebody who is here")]
    Away(String),
    #[error("you have handed this over already: end that first")]
    Already,
    #[error("there is no such delegation of yours")]
    NotYours,
    #[error("it is over already")]
    Ended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// From now on the delegate may answer what this person is asked, and gets what is open of it.
pub async fn hand_over(
    store: &Store,
    site: &Site,
    person: &Person,
    wish: &HandOver,
) -> Result<Delegation, DelegationError> {
    let mut tx = store.begin().await?;
    let now = clock::now(&mut tx).await?;
    allowed(site, person, wish, &delegations::in_force(&mut tx, now).await?, now)?;
    let delegation = Delegation {
        id: Uuid::now_v7(),
        person: person.id.clone(),
        delegate: wish.delegate.clone(),
        role: wish.role.clone(),
        starts_at: now,
        until: wish.until,
        ended_at: None,
        named_by: wish.named_by.clone(),
    };
    delegations::start(&mut tx, &delegation).await?;
    send_what_is_open(&mut tx, site, person, &delegation).await?;
    let detail = json!({ "delegate": wish.delegate, "role": wish.role, "until": wish.until });
    let by = Actor::person(&person.id).vouched_by(Some(wish.via.clone()));
    audit::add(&mut tx, by, "delegation_started", Some(&delegation.id.to_string()), &detail).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(delegation)
}

/// What the delegate may answer now, and for this person.
async fn send_what_is_open(
    db: &mut PgConnection,
    site: &Site,
    person: &Person,
    given: &Delegation,
) -> Result<(), StoreError> {
    let Some(delegate) = site.person(&given.delegate) else { return Ok(()) };
    let (delegations, for_giver) = (std::slice::from_ref(given), Ok(Standing::of(given)));
    let mut open = gates::open_after(db, Uuid::nil(), given.starts_at).await?;
    while let Some(last) = open.last().map(|gate| gate.id) {
        for gate in &open {
            let asked = Asked { site, gate, votes: &[], delegations };
            if asked.may_answer(delegate, given.starts_at) != for_giver {
                continue;
            }
            let votes = gates::votes(db, GateId(gate.id)).await?;
            let asked = Asked { votes: &votes, ..asked };
            if asked.may_answer(delegate, given.starts_at) == for_giver {
                outbox::hand_over(db, gate.id, given, &person.name).await?;
            }
        }
        open = gates::open_after(db, last, given.starts_at).await?;
    }
    Ok(())
}

fn allowed(
    site: &Site,
    person: &Person,
    wish: &HandOver,
    in_force: &[Delegation],
    now: DateTime<Utc>,
) -> Result<(), DelegationError> {
    if site.person(&wish.delegate).is_none() {
        return Err(DelegationError::NoSuchPerson(wish.delegate.clone()));
    }
    if wish.delegate == person.id {
        return Err(DelegationError::Yourself);
    }
    if let Some(role) = wish.role.as_ref().filter(|role| !person.roles.contains(role)) {
        return Err(DelegationError::NotYourRole(role.clone()));
    }
    if wish.until <= now {
        return Err(DelegationError::Over);
    }
    if wish.until > now + LENGTH_MAX {
        return Err(DelegationError::TooLong);
    }
    if in_force.iter().any(|given| given.person == wish.delegate && given.role.is_none()) {
        return Err(DelegationError::Away(name_of(site, &wish.delegate)));
    }
    let overlaps = |given: &&Delegation| {
        given.person == person.id && (given.role == wish.role || given.role.is_none() || wish.role.is_none())
    };
    match in_force.iter().find(overlaps) {
        Some(_) => Err(DelegationError::Already),
        None => Ok(()),
    }
}

/// Either of the two may end it before its time.
pub async fn end_delegation(
    store: &Store,
    person: &Person,
    id: Uuid,
    via: String,
) -> Result<(), DelegationError> {
    let mut tx = store.begin().await?;
    let found = delegations::get(&mut tx, id).await?;
    let is_theirs = |given: &Delegation| given.person == person.id || given.delegate == person.id;
    let Some(given) = found.filter(is_theirs) else { return Err(DelegationError::NotYours) };
    let now = clock::now(&mut tx).await?;
    if !delegations::end(&mut tx, id, &person.id, now).await? {
        return Err(DelegationError::Ended);
    }
    let detail = json!({ "person": given.person, "delegate": given.delegate, "role": given.role });
    let by = Actor::person(&person.id).vouched_by(Some(via));
    audit::add(&mut tx, by, "delegation_ended", Some(&id.to_string()), &detail).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(())
}
