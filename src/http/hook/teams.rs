//! What Teams posts to Takt: proven by its token, then answered through `gate::decide`. The card that comes back is for
//! whoever clicked; everybody else's is changed by the outbox.

use super::{
    answering::{self, Said, answer_of, settled},
    refuse, unread, wall_clock,
};
use crate::{
    connector::teams::{
        CHANNEL, Inbound,
        activity::{Activity, Did},
        card::{Viewer, card},
        client::twin,
        replaced, said,
        token::TokenError,
    },
    gate::{Asked, hash_of, progress, stranger_refused},
    http::{
        problem::{Cause, Problem},
        refusals::note,
        state::Shared,
    },
    notify::{Button, Decided, Message, Press, Question, Settled},
    run::GateId,
    site::Person,
    store::{cards, clock, conversations, delegations, gates},
};
use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

pub(in crate::http) async fn messages(
    State(door): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    match read(&door, &headers, body).await {
        Ok((teams, activity)) => take(&door, teams, &activity).await,
        // Ours, not the sender's: there is nothing to count against it.
        Err(problem) if problem.cause == Cause::Unavailable => Err(problem),
        Err(problem) => {
            refuse(&door, CHANNEL, true, problem.cause).await?;
            Err(problem)
        }
    }
}

async fn read<'a>(
    door: &'a Shared,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(&'a Inbound, Activity), Problem> {
    let undeclared = || Problem::new(Cause::UnknownSource, "there is no `teams` in takt.yaml");
    let teams = door.teams.as_ref().ok_or_else(undeclared)?;
    let body = body.map_err(|rejection| unread(&rejection, door.app.site.limits.event_bytes_max))?;
    let activity: Activity = serde_json::from_slice(&body)
        .map_err(|error| Problem::new(Cause::Malformed, format!("this is no activity: {error}")))?;
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    teams.verifier.verify(given, &activity, wall_clock().into()).await.map_err(|error| {
        let cause = match &error {
            TokenError::Missing => Cause::SignatureMissing,
            TokenError::Time => Cause::SignatureTooOld,
            TokenError::Endorsement | TokenError::ServiceUrl | TokenError::Tenant => Cause::NotPermitted,
            TokenError::Keys(_) => Cause::Unavailable,
            TokenError::Malformed
            | TokenError::Algorithm
            | TokenError::UnknownKey
            | TokenError::Signature
            | TokenError::Issuer
            | TokenError::Audience => Cause::SignatureInvalid,
        };
        if let TokenError::Keys(error) = &error {
            tracing::warn!(%error, "a request from Teams could not be checked");
        }
        Problem::new(cause, error.to_string())
    })?;
    Ok((teams, activity))
}

async fn take(door: &Shared, teams: &Inbound, activity: &Activity) -> Result<Response, Problem> {
    let person = whose(door, teams, activity).await;
    remember(door, activity, person).await?;
    let Some(did) = activity.did() else {
        if activity.kind == "message" {
            greet(door, activity, person);
        }
        return Ok(StatusCode::OK.into_response());
    };
    let words = match (did, person) {
        (_, None) => {
            let id = activity.from.aad_object_id.as_deref().unwrap_or("unknown");
            note(door, stranger_refused(CHANNEL, id, None, "no_such_person")).await?;
            said(&unknown(activity))
        }
        (Did::Looked { token }, Some(person)) => look(door, activity, person, &token).await?,
        (Did::Pressed { press, code, reason }, Some(person)) => {
            let said = Said { choice: press.option, code, reason, edited: None };
            decide(door, activity, person, &press, said).await?
        }
    };
    if activity.kind == "invoke" {
        return Ok(Json(words).into_response());
    }
    // An old client's button arrives as a message, whose answer is another message.
    let told = words["value"].as_str().unwrap_or("Your answer is taken.").to_owned();
    speak(door, activity, told);
    Ok(StatusCode::OK.into_response())
}

/// Who did this: by object id, else by the sign-in name that the organisation vouches for.
async fn whose<'a>(door: &'a Shared, teams: &Inbound, activity: &Activity) -> Option<&'a Person> {
    let site = &door.app.site;
    let id = activity.from.aad_object_id.as_deref();
    if let Some(person) = site.person_by_teams(id, None) {
        return Some(person);
    }
    let matters = activity.did().is_some() || activity.is_personal();
    if !matters || activity.from.id.is_empty() {
        return None;
    }
    let (service_url, conversation) = (&activity.service_url, activity.conversation_id());
    let member = teams.client.member(service_url, conversation, &activity.from.id).await?;
    site.person_by_teams(None, member.user_principal_name.as_deref())
}

/// Keeps where this conversation is, so that it can be written to later.
async fn remember(door: &Shared, activity: &Activity, person: Option<&Person>) -> Result<(), Problem> {
    let id = activity.conversation_id();
    if id.is_empty() {
        return Ok(());
    }
    let mut db = door.app.store.connection().await?;
    if activity.kind == "installationUpdate" && activity.action.as_deref() == Some("remove") {
        conversations::forget(&mut db, CHANNEL, id).await?;
        return Ok(());
    }
    let person = person.filter(|_| activity.is_personal()).map(|person| person.id.as_str());
    conversations::keep(&mut db, CHANNEL, id, person, &activity.reference()).await?;
    Ok(())
}

async fn gate_of(door: &Shared, token: &str) -> Result<Option<gates::Gate>, Problem> {
    let mut db = door.app.store.connection().await?;
    let Some(id) = gates::by_token(&mut db, &hash_of(token)).await? else { return Ok(None) };
    Ok(gates::get(&mut db, id).await?)
}

/// A card that Teams has and Takt never heard of follows its question from now on, like the one that was sent after it.
async fn adopt(door: &Shared, activity: &Activity, gate: &gates::Gate) -> Result<(), Problem> {
    let card = activity.reply_to_id.as_deref().unwrap_or_default();
    let conversation = activity.conversation_id();
    let mut db = door.app.store.connection().await?;
    Ok(cards::take_in(&mut db, gate.id, CHANNEL, |known| twin(known, conversation, card)).await?)
}

/// The card as it is for this person now: with buttons for those who may answer.
async fn look(door: &Shared, activity: &Activity, person: &Person, token: &str) -> Result<Value, Problem> {
    let Some(gate) = gate_of(door, token).await? else {
        return Ok(said("This question is no longer known."));
    };
    adopt(door, activity, &gate).await?;
    let mut db = door.app.store.connection().await?;
    let now = clock::now(&mut db).await?;
    if gate.state != "open" {
        let decided = gates::vote(&mut db, GateId(gate.id)).await?;
        drop(db);
        let settled = decided.map_or_else(|| Settled::closed(now), |vote| settled(door, &vote));
        return Ok(settled_reply(door, &gate, settled));
    }
    let votes = gates::votes(&mut db, GateId(gate.id)).await?;
    let delegations = delegations::in_force(&mut db, now).await?;
    drop(db);
    let url = format!("{}/gates/{}", door.app.base_url, gate.id);
    let site = &*door.app.site;
    let question = Question::of_gate(&gate, token, &site.answering.reasons, url).map_err(|error| {
        tracing::error!(%error, "a question cannot be shown in Teams");
        Problem::new(Cause::Internal, "this question cannot be shown; see the log")
    })?;
    let question = Question { progress: progress(site, &gate, &votes), ..question };
    let asked = Asked { site, gate: &gate, votes: &votes, delegations: &delegations };
    let viewer = match asked.may_answer(person, now) {
        Ok(_) => Viewer::Asked,
        Err(_) => Viewer::Room(vec![String::new()]),
    };
    let mut card = card(&Message::Ask(question), site.time_zone, &viewer);
    card.refresh = None;
    Ok(replaced(&card))
}

async fn decide(
    door: &Shared,
    activity: &Activity,
    person: &Person,
    press: &Press,
    told: Said,
) -> Result<Value, Problem> {
    let Some(gate) = gate_of(door, &press.token).await? else {
        note(door, stranger_refused(CHANNEL, &person.id, None, "no_such_gate")).await?;
        return Ok(said("This question is no longer known."));
    };
    adopt(door, activity, &gate).await?;
    if press.button == Button::Edit {
        return Ok(said("A draft is changed on the question's page."));
    }
    let answer = answer_of(press.button, told, CHANNEL, &gate.proposal_hash);
    match answering::answer(door, &gate, &person.id, &answer).await? {
        Ok(decided) => match decided.progress {
            Some(progress) => Ok(said(&format!("Your answer is taken. {progress}."))),
            None => Ok(settled_reply(door, &gate, settled(door, &decided.vote))),
        },
        Err(not_taken) => match not_taken.settled {
            Some(settled) => Ok(settled_reply(door, &gate, settled)),
            None => Ok(said(&not_taken.words)),
        },
    }
}

fn settled_reply(door: &Shared, gate: &gates::Gate, settled: Settled) -> Value {
    let url = format!("{}/gates/{}", door.app.base_url, gate.id);
    let decided = Message::Decided(Decided::now(&gate.ask, settled, url));
    replaced(&card(&decided, door.app.site.time_zone, &Viewer::Room(Vec::new())))
}

fn unknown(activity: &Activity) -> String {
    let id = activity.from.aad_object_id.as_deref().unwrap_or("unknown");
    format!("Takt does not know you: ask for your Teams id to be added to takt.yaml. It is {id}.")
}

/// Whoever writes to the bot learns whether Takt knows them; questions come by themselves.
fn greet(door: &Shared, activity: &Activity, person: Option<&Person>) {
    let words = match person {
        Some(person) => {
            format!("{}, Takt knows you and asks you here when there is something to answer.", person.name)
        }
        None => unknown(activity),
    };
    speak(door, activity, words);
}

fn speak(door: &Shared, activity: &Activity, words: String) {
    let (door, service_url) = (door.clone(), activity.service_url.clone());
    let conversation = activity.conversation.id.clone();
    tokio::spawn(async move {
        let Some(teams) = door.teams.as_ref() else { return };
        if let Err(error) = teams.client.say(&service_url, &conversation, &words).await {
            tracing::warn!(%error, "somebody in Teams could not be answered");
        }
    });
}
