//! What the run's page shows, put together from what was read.

use super::{
    Read, inputs,
    orders::{self, Orders},
    steps::{self, StepView, shown},
    timeline, version,
};
use crate::{
    gate::via,
    http::console::{
        gate::card::reason_words,
        inbox::{addressee, text},
        runs::{in_queue, outcome_words, title_of},
        when::{Clock, When, words},
    },
    run::{Change, Record, StepPath, story},
    site::Site,
    store::{
        gates::{Gate, Vote},
        summaries::Summary,
    },
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Serialize)]
pub(super) struct RunPage {
    id: String,
    pub title: String,
    pub is_open: bool,
    /// What is going on now, or how it ended, in one sentence.
    headline: String,
    tone: &'static str,
    /// Of the workflow that new runs start on; absent when there is none any more.
    workflow: Option<String>,
    workflow_title: String,
    version: Option<String>,
    started: When,
    started_words: String,
    lasted: Option<String>,
    /// The gate that a person can answer now.
    asks: Vec<Asked>,
    story: Vec<Told>,
    timeline: Option<String>,
    steps: Vec<StepView>,
    gates: Vec<Asked>,
    parent: Option<Linked>,
    children: Vec<Linked>,
    event: Option<EventView>,
    trigger: Option<String>,
    inputs: Option<String>,
    records: usize,
    /// What this person may order; absent for those who may not.
    orders: Option<Orders>,
    /// Why an order was not carried out.
    refused: Option<String>,
}

#[derive(Serialize)]
struct Told {
    at: String,
    iso: String,
    mark: &'static str,
    sign: &'static str,
    text: String,
    authored: bool,
    anchor: Option<String>,
}

#[derive(Serialize)]
struct Asked {
    id: String,
    title: String,
    asked: String,
    due: When,
    state: String,
    answer: Option<String>,
}

#[derive(Serialize)]
struct Linked {
    id: String,
    title: String,
    state: String,
}

#[derive(Serialize)]
struct EventView {
    id: String,
    kind: String,
    subject: Option<String>,
    source: String,
    at: String,
}

impl RunPage {
    pub(super) fn new(
        read: &Read,
        site: &Site,
        is_known: bool,
        orders: Option<Orders>,
        refused: Option<String>,
    ) -> Self {
        let (clock, summary) = (&read.clock, &read.summary);
        let is_open = summary.ended_at.is_none();
        let given =
            read.definition.as_ref().map(|definition| inputs::of_steps(definition, &read.records, site));
        let steps = steps::views(&read.records, &given.unwrap_or_default(), clock);
        let gates: Vec<Asked> =
            read.gates.iter().map(|(gate, vote)| asked(gate, vote.as_ref(), site, clock)).collect();
        let asks = read.gates.iter().filter(|(gate, _)| gate.state == "open");
        let start = read.records.first().and_then(|record| match &record.change {
            Change::RunStarted(start) => Some(start),
            _ => None,
        });
        let authored: BTreeSet<StepPath> = read.records.iter().filter_map(authored_step).collect();
        let (headline, tone) = headline(read, site, &steps);
        Self {
            id: summary.id.to_string(),
            title: title_of(summary),
            is_open,
            headline,
            tone,
            workflow: is_known.then(|| summary.workflow.clone()),
            workflow_title: read
                .definition
                .as_ref()
                .map_or_else(|| summary.workflow.clone(), |definition| definition.workflow.title.clone()),
            version: version(&read.records).map(|sha256| sha256.chars().take(12).collect()),
            started: clock.when(summary.started_at),
            started_words: clock.exact(summary.started_at),
            lasted: summary.ended_at.map(|ended| words(ended - summary.started_at)),
            asks: asks.map(|(gate, vote)| asked(gate, vote.as_ref(), site, clock)).collect(),
            story: read.story().iter().map(|line| told(line, clock, &authored)).collect(),
            timeline: timeline::svg(&read.records, clock, is_open),
            steps,
            gates,
            parent: read.parent.as_ref().map(linked),
            children: read.children.iter().map(linked).collect(),
            event: read.event.as_ref().map(|event| EventView {
                id: event.id.to_string(),
                kind: event.r#type.clone(),
                subject: event.subject.clone(),
                source: event.source.clone(),
                at: clock.exact(event.received_at),
            }),
            trigger: start.and_then(|start| shown(&start.trigger)),
            inputs: start.and_then(|start| shown(&start.inputs)),
            records: read.records.len(),
            orders,
            refused,
        }
    }
}

fn headline(read: &Read, site: &Site, steps: &[StepView]) -> (String, &'static str) {
    let summary = &read.summary;
    if let Some(ended) = summary.ended_at {
        let (outcome, tone) = outcome_words(summary.outcome.as_deref().unwrap_or("done"));
        return (format!("Ended: {outcome}, after {}", words(ended - summary.started_at)), tone);
    }
    if let Some(held) = read.target.as_ref().and_then(orders::held) {
        return held;
    }
    let open: Vec<&Gate> =
        read.gates.iter().map(|(gate, _)| gate).filter(|gate| gate.state == "open").collect();
    if let Some(first) = open.iter().min_by_key(|gate| gate.expires_at) {
        let left = read.clock.when(first.expires_at);
        let time = if left.is_past { "time is over".to_owned() } else { format!("{} left", left.distance) };
        let more = match open.len() {
            0 | 1 => String::new(),
            2 => " (and 1 more question)".to_owned(),
            count => format!(" (and {} more questions)", count - 1),
        };
        return (format!("Waiting for {}, {time}{more}", who(first, site)), "accent");
    }
    let of = |status: &str| {
        let paths: Vec<&str> =
            steps.iter().filter(|step| step.status == status).map(|step| step.path.as_str()).collect();
        (!paths.is_empty()).then(|| paths.join(", "))
    };
    if let Some(paths) = of("working") {
        return (format!("Working on {paths}"), "accent");
    }
    if let Some(paths) = of("will be tried again") {
        return (format!("{paths} failed and will be tried again"), "warn");
    }
    if let Some(queued) = &read.queued {
        return (in_queue(queued), "accent");
    }
    if let Some(at) = read.not_before {
        let text = format!("Waiting for its turn: it begins at {}", read.clock.when(at).local);
        return (text, "accent");
    }
    match of("waiting").or_else(|| summary.waiting_for.clone()) {
        Some(what) => (format!("Waiting: {what}"), "accent"),
        None => ("About to go on".to_owned(), "accent"),
    }
}

/// The people a gate asks, by first name if they are few, else the role.
fn who(gate: &Gate, site: &Site) -> String {
    let Some(role) = &gate.role else { return addressee(gate, site) };
    let asked = gate.asked_people();
    let names: Vec<&str> =
        asked.iter().map(|person| person.name.split(' ').next().unwrap_or(&person.name)).collect();
    let title = site.role_title(role).to_lowercase();
    if names.is_empty() || names.len() > 3 { title } else { format!("{} ({title})", names.join(" or ")) }
}

/// A step whose answer was played from a hand-written transcript.
fn authored_step(record: &Record) -> Option<StepPath> {
    let Change::Done { output } = &record.change else { return None };
    let is_authored = output.get("authored") == Some(&Value::Bool(true));
    record.path.clone().filter(|_| is_authored)
}

fn told(line: &story::Line, clock: &Clock, authored: &BTreeSet<StepPath>) -> Told {
    let (mark, sign) = match line.mark {
        story::Mark::Began => ("began", "▶"),
        story::Mark::Fact => ("fact", "·"),
        story::Mark::Thought => ("thought", "✦"),
        story::Mark::Asked => ("asked", "?"),
        story::Mark::Answered => ("answered", "✓"),
        story::Mark::Wrote => ("wrote", "✎"),
        story::Mark::Waits => ("waits", "…"),
        story::Mark::Trouble => ("trouble", "!"),
        story::Mark::Ended => ("ended", "■"),
    };
    Told {
        at: clock.exact(line.at),
        iso: clock.when(line.at).iso,
        mark,
        sign,
        text: line.text.clone(),
        authored: line.mark == story::Mark::Thought
            && line.path.as_ref().is_some_and(|path| authored.contains(path)),
        anchor: line.path.as_ref().map(|path| path.as_str().replace(['.', '[', ']'], "-")),
    }
}

fn asked(gate: &Gate, vote: Option<&Vote>, site: &Site, clock: &Clock) -> Asked {
    let answer = vote.map(|vote| {
        let name = crate::gate::who(site, vote);
        let at = clock.when(vote.at).local;
        let reason = reason_words(site, vote).map_or(String::new(), |reason| format!(": “{reason}”"));
        let alone = if vote.overrides { ", alone" } else { "" };
        format!("{name}: {}{alone} at {at} {}{reason}", vote.decision, via(&vote.channel))
    });
    Asked {
        id: gate.id.to_string(),
        title: text(&gate.ask, "title").unwrap_or("A question").to_owned(),
        asked: addressee(gate, site),
        due: clock.when(gate.expires_at),
        state: gate.state.clone(),
        answer,
    }
}

fn linked(summary: &Summary) -> Linked {
    let state = match (&summary.outcome, summary.ended_at) {
        (Some(outcome), _) => outcome_words(outcome).0,
        (None, Some(_)) => "ended".to_owned(),
        (None, None) => "open".to_owned(),
    };
    Linked { id: summary.id.to_string(), title: title_of(summary), state }
}
