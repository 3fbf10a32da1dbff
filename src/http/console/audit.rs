//! The audit trail for people: who did what to what and when, and whether the chain holds. For those who may order
//! something of runs, as far as `reading` lets them.

use super::{
    PageError,
    link::query_value,
    template::{Frame, render},
    when::{Clock, When},
};
use crate::{
    http::{auth::SignedIn, problem::Cause, state::Shared},
    site::Site,
    store::{
        PgConnection, StoreError,
        audit::{self, Entry, Filter},
        clock, seals, upkeep,
    },
};
use axum::{
    extract::{Query, State},
    response::Html,
};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

const PAGE: usize = 50;
/// What the words of actions begin with, and what people call it.
const KINDS: [(&str, &str); 9] = [
    ("gate", "Questions and answers"),
    ("write", "Writes to other systems"),
    ("run", "Orders for runs"),
    ("schedule", "Schedules"),
    ("workflow", "Deployed workflows"),
    ("sign_in", "Sign-ins"),
    ("event", "Events"),
    ("retention", "Retention"),
    ("audit", "The trail itself"),
];

#[derive(Debug, Default, Clone, Deserialize)]
pub(in crate::http) struct Search {
    actor: Option<String>,
    action: Option<String>,
    q: Option<String>,
    run: Option<String>,
    /// Days of the site, both included.
    from: Option<String>,
    until: Option<String>,
    before: Option<String>,
}

#[derive(Serialize)]
struct Trail {
    state: Chain,
    q: String,
    from: String,
    until: String,
    run: Option<String>,
    actors: Vec<Choice>,
    actions: Vec<Choice>,
    records: Vec<Row>,
    older: Option<String>,
    is_filtered: bool,
}

/// How the chain stands.
#[derive(Serialize)]
struct Chain {
    /// What the nightly check found, in one sentence.
    broken: Option<String>,
    verified: Option<When>,
    records: String,
    waiting: i64,
    checkpoint: Option<When>,
    /// The site has a key, so checkpoints are to be expected.
    is_signed: bool,
}

#[derive(Serialize)]
struct Choice {
    value: String,
    label: String,
    current: bool,
}

#[derive(Serialize)]
struct Row {
    title: String,
    action: String,
    tone: &'static str,
    at: String,
    iso: String,
    who: String,
    through: Option<String>,
    run: Option<String>,
    about: Option<String>,
    seq: Option<i64>,
    detail: Option<String>,
    is_purged: bool,
}

fn text(field: Option<&String>) -> Option<String> {
    field.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

impl Search {
    fn day(field: Option<&String>) -> Option<NaiveDate> {
        text(field).and_then(|day| day.parse().ok())
    }

    fn filter(&self, zone: Tz) -> Filter {
        let until = Self::day(self.until.as_ref()).and_then(|day| day.checked_add_days(Days::new(1)));
        Filter {
            actor: text(self.actor.as_ref()),
            action: text(self.action.as_ref()),
            object: text(self.q.as_ref()),
            run: self.run.as_deref().and_then(|run| run.parse().ok()),
            from: Self::day(self.from.as_ref()).and_then(|day| begin_of(day, zone)),
            until: until.and_then(|day| begin_of(day, zone)),
            before: self.before.as_deref().and_then(|id| id.parse().ok()),
        }
    }

    /// The page after this one.
    fn older(&self, before: i64) -> String {
        let mut link = format!("/audit?before={before}");
        let fields = [
            ("actor", &self.actor),
            ("action", &self.action),
            ("q", &self.q),
            ("run", &self.run),
            ("from", &self.from),
            ("until", &self.until),
        ];
        for (name, field) in fields {
            if let Some(value) = text(field.as_ref()) {
                link.push_str(&format!("&{name}={}", query_value(&value)));
            }
        }
        link
    }
}

/// Midnight at the site; where clocks leave it out, the first moment after.
fn begin_of(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let midnight = day.and_time(NaiveTime::MIN);
    let at = zone.from_local_datetime(&midnight).earliest();
    let at = at.or_else(|| zone.from_local_datetime(&(midnight + chrono::TimeDelta::hours(1))).earliest());
    at.map(|at| at.with_timezone(&Utc))
}

pub(in crate::http) async fn page(
    State(door): State<Shared>,
    Query(search): Query<Search>,
    who: SignedIn,
) -> Result<Html<String>, PageError> {
    let site = &door.app.site;
    if !site.is_operator(&who.person) {
        return Err(PageError::new(Cause::NotPermitted));
    }
    let mut db = door.app.store.connection().await?;
    let clock = Clock { zone: site.time_zone, now: clock::now(&mut db).await? };
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut records = audit::list(&mut db, &search.filter(site.time_zone), limit).await?;
    let has_more = records.len() > PAGE;
    records.truncate(PAGE);
    let older = records.last().filter(|_| has_more).map(|last| search.older(last.id));
    let trail = Trail {
        state: state(&mut db, site).await?,
        older,
        actors: actors(site, search.actor.as_deref()),
        actions: actions(search.action.as_deref()),
        records: records.into_iter().map(|entry| row(entry, site, &clock)).collect(),
        is_filtered: search.older(0) != Search::default().older(0),
        q: text(search.q.as_ref()).unwrap_or_default(),
        from: text(search.from.as_ref()).unwrap_or_default(),
        until: text(search.until.as_ref()).unwrap_or_default(),
        run: text(search.run.as_ref()),
    };
    Ok(render("audit", Frame::new(&door, &who, "status", "Audit trail"), &trail)?)
}

async fn state(db: &mut PgConnection, site: &Site) -> Result<Chain, StoreError> {
    let head = seals::head(db).await?;
    // Seals, checkpoints and checks go by the real time, also where the site's clock was moved.
    let clock = Clock { zone: site.time_zone, now: seals::real_now(db).await? };
    let last = upkeep::last(db).await?;
    let verify = last.iter().find(|last| last.task == upkeep::Task::Verify.name());
    Ok(Chain {
        broken: verify
            .and_then(|verify| verify.findings().into_iter().next())
            .map(|finding| finding.sentence),
        verified: verify.and_then(|verify| verify.done_at).map(|at| clock.when(at)),
        records: thousands(head.seq),
        waiting: seals::waiting(db).await?,
        checkpoint: seals::last_checkpoint(db).await?.map(|checkpoint| clock.when(checkpoint.made_at)),
        is_signed: site.audit.signing_key.is_some(),
    })
}

fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn actors(site: &Site, current: Option<&str>) -> Vec<Choice> {
    let people = site.people.iter().map(|person| (person.id.clone(), person.name.clone()));
    let others = [("takt", "Takt itself"), ("webhook", "Webhooks"), ("nobody", "Nobody known")];
    let others = others.map(|(id, name)| (id.to_owned(), name.to_owned()));
    let choice = |(value, label): (String, String)| {
        let current = current == Some(value.as_str());
        Choice { value, label, current }
    };
    people.chain(others).map(choice).collect()
}

fn actions(current: Option<&str>) -> Vec<Choice> {
    let choice = |(value, label): (&str, &str)| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        current: current == Some(value),
    };
    KINDS.map(choice).into()
}

fn row(entry: Entry, site: &Site, clock: &Clock) -> Row {
    let who = site.person(&entry.actor).map_or_else(
        || match entry.actor.as_str() {
            "takt" => "Takt".to_owned(),
            other => other.to_owned(),
        },
        |person| person.name.clone(),
    );
    let tone = match entry.action.rsplit('.').next().unwrap_or_default() {
        "pending" | "escalated" => "accent",
        "refused" | "failed" | "unknown" | "reject" => "bad",
        "closed" => "warn",
        "done" | "choose" | "approve" | "acknowledge" | "edit" => "good",
        _ => "",
    };
    let has_detail = entry.detail.as_object().is_some_and(|fields| !fields.is_empty());
    let about = [entry.step.as_deref(), entry.system.as_deref(), entry.external_id.as_deref()];
    let about: Vec<&str> = about.into_iter().flatten().collect();
    Row {
        title: title(&entry, &who),
        action: entry.action.replace(['.', '_'], " "),
        tone,
        at: clock.exact(entry.at),
        iso: entry.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        who,
        through: entry.auth.clone(),
        run: entry.run_id.map(|run| run.to_string()),
        about: (!about.is_empty()).then(|| about.join(" · ")),
        seq: entry.seq,
        detail: has_detail.then(|| serde_json::to_string_pretty(&entry.detail).unwrap_or_default()),
        is_purged: entry.is_purged,
    }
}

/// Why, where it is still kept.
fn because(word: Option<&str>) -> String {
    word.map_or_else(String::new, |word| format!(": {word}"))
}

/// What was done, in a few words.
fn title(entry: &Entry, who: &str) -> String {
    let word = |pointer: &str| entry.detail.pointer(pointer).and_then(serde_json::Value::as_str);
    let object = entry.object.as_deref().unwrap_or_default();
    match entry.action.as_str() {
        "gate.pending" => format!("Asked: {}", word("/ask/title").unwrap_or(object)),
        "gate.escalated" => "Handed on to the next of the ladder".to_owned(),
        "gate.closed" => "Closed without an answer".to_owned(),
        "gate.refused" => format!("Answer of {who} not taken{}", because(word("/because"))),
        "gate.choose" => match word("/chosen/title") {
            Some(chosen) => format!("{who} chose: {chosen}"),
            None => format!("{who} chose"),
        },
        "gate.approve" => format!("{who} approved"),
        "gate.acknowledge" => format!("{who} acknowledged"),
        "gate.edit" => format!("{who} approved with changes"),
        "gate.reject" => format!("{who} rejected{}", because(word("/reason"))),
        "write.done" => match &entry.external_id {
            Some(id) => format!("Wrote with {object}: {id}"),
            None => format!("Wrote with {object}"),
        },
        "write.refused" | "write.failed" | "write.unknown" => {
            format!("Did not write with {object}{}", because(word("/because")))
        }
        "workflow.deploy" => format!("New version of {object}"),
        "sign_in" => format!("{who} signed in"),
        "audit.purge" => {
            format!("Details older than {} taken out", object.split('T').next().unwrap_or(object))
        }
        "retention.drop" => "History taken out by retention".to_owned(),
        _ if entry.run_id.is_some() && entry.action.starts_with("run.") => {
            format!("{who}: {} this run", entry.action.trim_start_matches("run."))
        }
        action => format!("{who}: {} {object}", action.replace(['.', '_'], " ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_the_site_s_midnight() {
        let search = Search {
            from: Some("2026-03-08".into()),
            until: Some("2026-03-08".into()),
            actor: Some(" ".into()),
            ..Search::default()
        };
        let filter = search.filter(chrono_tz::America::Chicago);
        let hours = filter.until.unwrap() - filter.from.unwrap();
        assert_eq!(filter.from.unwrap().to_rfc3339(), "2026-03-08T06:00:00+00:00");
        assert_eq!(hours.num_hours(), 23, "clocks were put forward that night");
        assert_eq!(filter.actor, None);
        assert_eq!(search.older(7), "/audit?before=7&from=2026-03-08&until=2026-03-08");
        // Midnight did not exist in Beirut on this day.
        assert!(begin_of(NaiveDate::from_ymd_opt(2022, 3, 27).unwrap(), chrono_tz::Asia::Beirut).is_some());
        assert_eq!([thousands(0), thousands(999), thousands(1_234_567)], ["0", "999", "1,234,567"]);
    }
}
