//! The inbox: what I am asked, due first, and what I was told.

use super::{
    PageError,
    live::Topic,
    template::{Frame, render},
    when::{Clock, When},
};
use crate::{
    gate::{Asked, progress},
    http::{auth::SignedIn, state::Shared},
    run::GateId,
    site::{Person, Site},
    store::{
        clock,
        delegations::{self, Delegation},
        gates, outbox,
    },
};
use axum::{extract::State, response::Html};
use serde::Serialize;
use serde_json::Value;

const NOTICES_MAX: i64 = 20;

#[derive(Serialize)]
struct Inbox {
    asked: Vec<Question>,
    told: Vec<Notice>,
}

#[derive(Serialize)]
struct Question {
    id: String,
    title: String,
    /// The role or person that is asked.
    asked: String,
    due: When,
    /// How many answers it offers, in words: `3 options`.
    offers: String,
    /// Passed on from somebody who did not answer.
    escalated: bool,
    /// Whose answer it is.
    for_whom: Option<String>,
    /// How far it is answered, where more than one must agree.
    progress: Option<String>,
}

#[derive(Serialize)]
struct Notice {
    title: String,
    body: String,
    run: String,
    at: When,
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    let site = &door.app.site;
    let roles = roles_of(site, &who.person);
    let topic = Topic::Inbox { roles: roles.clone(), person: who.person.id.clone() };
    let live = topic.live(&door).await?;
    let mut db = door.app.store.connection().await?;
    let clock = Clock { zone: site.time_zone, now: clock::now(&mut db).await? };
    let delegations = delegations::in_force(&mut db, clock.now).await?;
    let (all_roles, people) = asked_of(site, &who.person, &roles, &delegations);
    let open = gates::list_open(&mut db, Some(&all_roles), Some(&people)).await?;
    let told = outbox::notices(&mut db, &roles, &who.person.id, NOTICES_MAX).await?;
    let mut mine = Vec::new();
    for gate in &open {
        let votes = match gate.quorum {
            1 => Vec::new(),
            _ => gates::votes(&mut db, GateId(gate.id)).await?,
        };
        let asked = Asked { site, gate, votes: &votes, delegations: &delegations };
        if let Ok(standing) = asked.may_answer(&who.person, clock.now) {
            let for_whom = standing.on_behalf_of.map(|other| asked.name(&other));
            mine.push(question(gate, site, &clock, for_whom, progress(site, gate, &votes)));
        }
    }
    let inbox = Inbox { asked: mine, told: told.iter().map(|message| notice(message, &clock)).collect() };
    let frame = Frame::new(&door, &who, "inbox", "Inbox").live(live);
    Ok(render("inbox", frame, &inbox)?)
}

/// The roles a person has, also those that are theirs in another shift.
pub(super) fn roles_of(site: &Site, person: &Person) -> Vec<String> {
    let has = |role: &str, from: Option<&str>| {
        person.roles.iter().any(|held| held == role || Some(held.as_str()) == from)
    };
    let roles = site.roles.iter().filter(|(id, role)| has(id, role.from.as_deref()));
    roles.map(|(id, _)| id.clone()).collect()
}

/// The roles and people whose questions are this person's: their own, and what was handed to them.
fn asked_of(
    site: &Site,
    person: &Person,
    own: &[String],
    delegations: &[Delegation],
) -> (Vec<String>, Vec<String>) {
    let (mut roles, mut people) = (own.to_vec(), vec![person.id.clone()]);
    for given in delegations.iter().filter(|given| given.delegate == person.id) {
        let Some(other) = site.person(&given.person) else { continue };
        let theirs = roles_of(site, other);
        match &given.role {
            Some(handed) => roles.extend(theirs.into_iter().filter(|role| {
                role == handed || site.roles.get(role).is_some_and(|role| role.from.as_ref() == Some(handed))
            })),
            None => {
                roles.extend(theirs);
                people.push(other.id.clone());
            }
        }
    }
    (roles, people)
}

fn question(
    gate: &gates::Gate,
    site: &Site,
    clock: &Clock,
    for_whom: Option<String>,
    progress: Option<String>,
) -> Question {
    let options = gate.ask.get("options").and_then(Value::as_array).map_or(0, Vec::len);
    let items = gate.ask.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    let offers = match (gate.form.as_str(), options, items) {
        ("choose", options, _) => format!("{options} options"),
        ("acknowledge", _, 0) => "to acknowledge".to_owned(),
        ("acknowledge", _, 1) => "1 item to acknowledge".to_owned(),
        ("acknowledge", _, items) => format!("{items} items to acknowledge"),
        ("form", ..) if gate.ask.get("fields").is_some_and(Value::is_object) => {
            "a form to fill in".to_owned()
        }
        ("form", ..) => "a draft to approve".to_owned(),
        _ => "to approve".to_owned(),
    };
    Question {
        id: gate.id.to_string(),
        title: text(&gate.ask, "title").unwrap_or("A question").to_owned(),
        asked: addressee(gate, site),
        due: clock.when(gate.expires_at),
        offers,
        escalated: gate.rung > 0,
        for_whom,
        progress,
    }
}

fn notice(message: &outbox::Message, clock: &Clock) -> Notice {
    Notice {
        title: text(&message.message, "title").unwrap_or("A message").to_owned(),
        body: text(&message.message, "body").unwrap_or_default().to_owned(),
        run: message.run_id.to_string(),
        at: clock.when(message.created_at),
    }
}

/// Whom a gate asks, in words.
pub(super) fn addressee(gate: &gates::Gate, site: &Site) -> String {
    if let Some(role) = &gate.role {
        return site.role_title(role).to_owned();
    }
    let person = gate.person.as_deref().unwrap_or("nobody");
    site.person(person).map_or(person, |person| &person.name).to_owned()
}

/// A text field of a JSON object, if it is there.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}
