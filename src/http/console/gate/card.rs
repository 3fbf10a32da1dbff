//! What a question's card shows: the proposal, who is asked and until when, or what was answered.

use super::{
    Asker,
    answer::Typed,
    draft::{self, DraftField},
    evidence, form,
};
use crate::{
    gate::{is_intact, review_of, settled_by, via, who},
    http::console::{
        inbox::{addressee, text},
        runs::title_of,
        when::{Clock, When},
    },
    notify::{Fact, draft_content, filled_in},
    run::RunId,
    schedule::gantt::{self, Plan},
    site::{OTHER, Site},
    store::{
        gates::{Gate, Vote},
        signatures::Signature,
        summaries::Summary,
    },
    workflow::form::in_words,
};
use serde::Serialize;
use serde_json::Value;

/// Everything read for one card.
pub(super) struct Seen {
    pub clock: Clock,
    pub gate: Gate,
    pub vote: Option<Vote>,
    pub signatures: Vec<Signature>,
    /// When the person looking proved who they are once more, for this question.
    pub signed_in_again: Option<chrono::DateTime<chrono::Utc>>,
    pub run: Option<Summary>,
    pub others: Vec<Gate>,
    /// Whether the person looking may answer, or why not.
    pub may: Result<(), String>,
    /// Whose answer they would give.
    pub for_whom: Option<String>,
    pub may_override: bool,
    pub votes: Vec<Vote>,
    pub progress: Option<String>,
    pub stand_ins: Vec<String>,
    pub evidence: Vec<evidence::Line>,
}

#[derive(Serialize)]
pub(super) struct Card {
    id: String,
    proposal: String,
    pub title: String,
    /// Paragraphs and lists as the workflow's message wrote them.
    body: Option<String>,
    why: String,
    asked: String,
    asked_people: String,
    escalated: bool,
    due: When,
    state: &'static str,
    may: bool,
    why_not: Option<String>,
    /// They answer in place of somebody.
    for_whom: Option<String>,
    /// They may decide alone.
    may_override: bool,
    /// "1 of 2 approved: Sam Carter".
    progress: Option<String>,
    /// Who answers for somebody asked, and until when.
    stand_ins: Vec<String>,
    reasons: Vec<Reason>,
    form: Vec<form::Input>,
    /// What was filled in: by the answer, or by the first of two.
    filled: Vec<Fact>,
    options: Vec<OptionCard>,
    /// Facts that do not tell the options apart.
    same: Vec<Fact>,
    items: Vec<Item>,
    /// What can be typed over it.
    draft: Vec<DraftField>,
    /// The draft as it stands: what a yes agrees to.
    standing_draft: Vec<Fact>,
    has_draft: bool,
    allow: Allow,
    on_silence: Option<String>,
    /// What the question rests on that is not as usual.
    basis: Vec<String>,
    /// What the run had found out when it asked.
    evidence: Vec<evidence::Line>,
    /// Until the time is over; a script counts it down.
    seconds_left: i64,
    sign: Option<String>,
    signed_in_again: Option<When>,
    /// Where the forms go.
    action: String,
    answer: Option<Given>,
    others: Vec<Other>,
    run: String,
    run_title: Option<String>,
    error: Option<String>,
    typed: Typed,
}

#[derive(Serialize)]
struct OptionCard {
    number: usize,
    title: String,
    rationale: Option<String>,
    facts: Vec<Fact>,
    chart: Option<String>,
    chosen: bool,
}

#[derive(Serialize)]
struct Item {
    number: usize,
    title: String,
    detail: Option<String>,
    acknowledged: bool,
    note: Option<String>,
    /// It was sent without an answer to this one.
    missing: bool,
}

#[derive(Default, Serialize)]
struct Allow {
    acknowledge: bool,
    approve: bool,
    choose: bool,
    edit: bool,
    reject: bool,
}

/// A reason somebody can give.
#[derive(Serialize)]
struct Reason {
    code: String,
    title: String,
    chosen: bool,
}

/// The answer that counts.
#[derive(Serialize)]
struct Given {
    /// Decided alone.
    overrides: bool,
    /// The run that looks at it.
    review: String,
    name: String,
    did: String,
    at: When,
    via: String,
    reason: Option<String>,
    signatures: Vec<Signed>,
}

/// A signature as every readable form shows it.
#[derive(Serialize)]
struct Signed {
    name: String,
    meaning: String,
    /// Date and time with the zone, whatever day it is read on.
    at: String,
    how: &'static str,
    /// The beginning of the record's hash.
    hash: String,
    /// Answer and signature are still the ones that were signed.
    is_intact: bool,
}

/// Another question of the same run: the second approval, an earlier step.
#[derive(Serialize)]
struct Other {
    id: String,
    title: String,
    state: &'static str,
}

impl Card {
    pub(super) fn new(
        site: &Site,
        mut seen: Seen,
        asker: &Asker,
        error: Option<String>,
        typed: Typed,
    ) -> Self {
        let evidence = std::mem::take(&mut seen.evidence);
        let seen = &seen;
        let (gate, ask) = (&seen.gate, &seen.gate.ask);
        let asked = text(ask, "role_title").map_or_else(|| addressee(gate, site), str::to_owned);
        let asked = if gate.rung > 0 { addressee(gate, site) } else { asked };
        let chosen = seen.vote.as_ref().and_then(|vote| vote.body.get("choice")).and_then(Value::as_u64);
        let owned = |field| text(ask, field).filter(|text| !text.trim().is_empty()).map(str::to_owned);
        let whole = text(ask, "body").unwrap_or_default().trim();
        // The first line says why it matters; where there is a reason already, it stays with the rest.
        let (first, body) = match (owned("why"), whole.split_once('\n')) {
            (None, Some((first, rest))) => (Some(first.trim().to_owned()), Some(rest.trim())),
            (None, None) if !whole.is_empty() => (Some(whole.to_owned()), None),
            _ => (None, Some(whole)),
        };
        let mut options = options(ask, chosen);
        let same = take_same(&mut options);
        let is_open = gate.state == "open" && gate.expires_at > seen.clock.now;
        Self {
            id: gate.id.to_string(),
            proposal: gate.proposal_hash.clone(),
            title: owned("title").unwrap_or_else(|| "A question".into()),
            body: body.map(str::to_owned).filter(|body| !body.is_empty()),
            why: owned("why").or(first).unwrap_or_else(|| why(gate, &asked)),
            asked_people: people(gate),
            asked,
            escalated: gate.rung > 0,
            due: seen.clock.when(gate.expires_at),
            state: state(gate, &seen.clock),
            may: seen.may.is_ok() && is_open,
            why_not: seen.may.as_ref().err().cloned(),
            for_whom: seen.for_whom.clone().filter(|_| is_open),
            // Where one answer is enough and it is theirs, there is nothing to override.
            may_override: seen.may_override
                && is_open
                && (seen.may.is_err() || gate.quorum > 1 && !ask.get("fields").is_some_and(Value::is_object)),
            progress: seen.progress.clone().filter(|_| gate.state != "closed"),
            stand_ins: seen.stand_ins.clone(),
            reasons: reasons(site, &typed),
            form: form::inputs(ask.get("fields").filter(|schema| schema.is_object()), &typed),
            filled: filled(ask, seen.vote.as_ref()),
            options,
            same,
            items: items(ask, seen.vote.as_ref(), &typed),
            draft: draft::fields(ask.get("draft"), &typed),
            standing_draft: draft_content(ask.get("draft")),
            has_draft: ask.get("draft").is_some_and(|draft| !draft.is_null()),
            allow: allowed(ask),
            on_silence: owned("on_silence"),
            basis: sentences(ask.get("basis")),
            evidence,
            seconds_left: (gate.expires_at - seen.clock.now).num_seconds().max(0),
            sign: owned("sign"),
            signed_in_again: seen.signed_in_again.map(|at| seen.clock.when(at)),
            action: asker.action.clone(),
            answer: seen.vote.as_ref().map(|vote| given(vote, seen, site)),
            others: seen.others.iter().map(|other| sibling(other, &seen.clock)).collect(),
            run: gate.run_id.to_string(),
            run_title: seen.run.as_ref().map(title_of),
            error,
            typed,
        }
    }
}

fn why(gate: &Gate, asked: &str) -> String {
    let asked = asked.to_lowercase();
    match (&gate.role, gate.rung) {
        (Some(_), 0) => format!("You are asked as {asked}."),
        (Some(_), _) => format!("Nobody answered before, so you are asked as {asked}."),
        (None, 0) => "You are asked by name.".to_owned(),
        (None, _) => "Nobody answered before, so you are asked by name.".to_owned(),
    }
}

/// The names of those who are asked now, if they are few.
fn people(gate: &Gate) -> String {
    if gate.role.is_none() {
        return String::new();
    }
    let names: Vec<String> = gate.asked_people().into_iter().map(|person| person.name).collect();
    names.join(", ")
}

fn state(gate: &Gate, clock: &Clock) -> &'static str {
    match gate.state.as_str() {
        "open" if gate.expires_at <= clock.now => "overdue",
        "open" => "open",
        "answered" => "answered",
        _ => "closed",
    }
}

fn list<'a>(ask: &'a Value, field: &str) -> &'a [Value] {
    ask.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn options(ask: &Value, chosen: Option<u64>) -> Vec<OptionCard> {
    let card = |(index, option): (usize, &Value)| OptionCard {
        number: index + 1,
        title: text(option, "title").map_or_else(|| format!("Option {}", index + 1), str::to_owned),
        rationale: text(option, "rationale").map(str::to_owned),
        facts: list(option, "facts").iter().map(fact).collect(),
        chart: chart(option, index + 1),
        chosen: chosen == u64::try_from(index + 1).ok(),
    };
    list(ask, "options").iter().enumerate().map(card).collect()
}

/// Facts with the same value in every option; the columns then show only what differs.
fn take_same(options: &mut [OptionCard]) -> Vec<Fact> {
    let Some((first, others)) = options.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Vec::new();
    };
    let is_same = |fact: &&Fact| others.iter().all(|option| option.facts.contains(fact));
    let same: Vec<Fact> = first.facts.iter().filter(is_same).cloned().collect();
    for option in options {
        option.facts.retain(|fact| !same.contains(fact));
    }
    same
}

/// The plan before and after, where the option carries both.
fn chart(option: &Value, number: usize) -> Option<String> {
    let plan = |which: &str| -> Option<Plan> {
        serde_json::from_value(option.get("gantt")?.get(which)?.clone())
            .inspect_err(|error| tracing::warn!(%error, "an option's plan cannot be drawn"))
            .ok()
    };
    let options = gantt::Options {
        id: format!("gantt-{number}"),
        title: format!("Schedule of option {number}, before and after"),
        ..gantt::Options::default()
    };
    Some(gantt::svg(&plan("before")?, &plan("after")?, &options))
}

fn fact(fact: &Value) -> Fact {
    let value = match fact.get("value") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "–".to_owned(),
    };
    Fact { label: text(fact, "label").unwrap_or_default().to_owned(), value }
}

fn items(ask: &Value, vote: Option<&Vote>, typed: &Typed) -> Vec<Item> {
    let was_sent = typed.decision.as_deref() == Some("acknowledge");
    let answers = vote.map(|vote| list(&vote.body, "items")).unwrap_or_default();
    let item = |(index, item): (usize, &Value)| {
        let number = index + 1;
        let answer = answers.get(index);
        let title = item.as_str().or_else(|| text(item, "title")).unwrap_or("An item");
        let (tick, words) = (typed.of(&format!("item-{number}")), typed.of(&format!("note-{number}")));
        let is_empty = tick.is_none() && words.is_none_or(|words| words.trim().is_empty());
        Item {
            number,
            title: title.to_owned(),
            detail: text(item, "detail").map(str::to_owned),
            missing: answer.is_none() && was_sent && is_empty,
            acknowledged: match answer {
                Some(answer) => answer.get("acknowledged") == Some(&Value::Bool(true)),
                None => tick.is_some(),
            },
            note: match answer {
                Some(answer) => text(answer, "note").map(str::to_owned),
                None => words.map(str::to_owned),
            },
        }
    };
    list(ask, "items").iter().enumerate().map(item).collect()
}

fn allowed(ask: &Value) -> Allow {
    let has = |word: &str| list(ask, "allow").iter().any(|allowed| allowed == word);
    Allow {
        acknowledge: has("acknowledge"),
        approve: has("approve"),
        choose: has("choose"),
        edit: has("edit"),
        reject: has("reject"),
    }
}

fn reasons(site: &Site, typed: &Typed) -> Vec<Reason> {
    let reason = |reason: &crate::site::Reason| Reason {
        code: reason.code.clone(),
        title: reason.title.clone(),
        chosen: typed.reason_code.as_ref() == Some(&reason.code),
    };
    site.answering.reasons.iter().map(reason).collect()
}

/// What the form was filled in with: now, or by the first of two.
fn filled(ask: &Value, vote: Option<&Vote>) -> Vec<Fact> {
    let fact = |(label, value)| Fact { label, value };
    if ask.get("filled").is_some() {
        return filled_in(ask);
    }
    match (ask.get("fields"), vote.and_then(|vote| vote.body.get("fields"))) {
        (Some(schema), Some(filled)) => in_words(schema, filled).into_iter().map(fact).collect(),
        _ => Vec::new(),
    }
}

fn given(vote: &Vote, seen: &Seen, site: &Site) -> Given {
    let (ask, clock) = (&seen.gate.ask, &seen.clock);
    let agreed = settled_by(&seen.gate, &seen.votes).unwrap_or_default();
    let names: Vec<String> = agreed.iter().map(|vote| who(site, vote)).collect();
    let choice = vote.body.get("choice").and_then(Value::as_u64);
    let choice = choice.and_then(|choice| usize::try_from(choice).ok());
    let signatures = agreed.iter().flat_map(|vote| {
        let own = seen.signatures.iter().filter(|one| one.person == vote.person);
        own.map(|one| signed(vote, one, clock))
    });
    Given {
        overrides: vote.overrides,
        review: review_of(RunId(seen.gate.run_id), vote.gate_id).to_string(),
        name: if names.is_empty() { who(site, vote) } else { names.join(" and ") },
        did: did(&vote.decision, choice, ask),
        at: clock.when(vote.at),
        via: via(&vote.channel),
        reason: reason_words(site, vote),
        signatures: signatures.collect(),
    }
}

/// A signature as every readable form shows it.
fn signed(vote: &Vote, one: &Signature, clock: &Clock) -> Signed {
    Signed {
        name: one.name.clone(),
        meaning: one.meaning.clone(),
        at: one.at.with_timezone(&clock.zone).format("%d %b %Y, %H:%M:%S %Z").to_string(),
        how: if one.method == "oidc" { "signed in again" } else { "name and password" },
        hash: one.record_hash.chars().take(16).collect(),
        is_intact: is_intact(vote, one),
    }
}

/// An answer in words.
pub(super) fn did(decision: &str, choice: Option<usize>, ask: &Value) -> String {
    let title = choice.and_then(|choice| list(ask, "options").get(choice.checked_sub(1)?));
    let title = title.and_then(|option| text(option, "title"));
    match (decision, choice, title) {
        ("choose", Some(choice), Some(title)) => format!("chose {choice}: {title}"),
        ("choose", Some(choice), None) => format!("chose {choice}"),
        ("approve", ..) => "approved".into(),
        ("acknowledge", ..) => "acknowledged".into(),
        ("edit", ..) => "approved with changes".into(),
        ("reject", ..) => "rejected".into(),
        (other, ..) => other.to_owned(),
    }
}

/// The reason's title, and what was added to it.
pub(in crate::http::console) fn reason_words(site: &Site, vote: &Vote) -> Option<String> {
    let code = vote.reason_code.as_deref();
    let title = code.filter(|code| *code != OTHER || vote.reason.is_none());
    let title = title.map(|code| site.answering.reason(code).map_or(code, |reason| &reason.title).to_owned());
    match (title, vote.reason.clone()) {
        (Some(title), Some(words)) => Some(format!("{title}: {words}")),
        (title, words) => title.or(words),
    }
}

fn sibling(gate: &Gate, clock: &Clock) -> Other {
    Other {
        id: gate.id.to_string(),
        title: text(&gate.ask, "title").unwrap_or("A question").to_owned(),
        state: state(gate, clock),
    }
}

fn sentences(list: Option<&serde_json::Value>) -> Vec<String> {
    let items = list.and_then(serde_json::Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
