//! From the written file to the checked [`Site`]: collects every problem instead of stopping at the first.

mod access;
mod accounts;
mod agents;
mod address;
mod answering;
mod audit;
mod channels;
mod mcp;
mod models;
mod on_call;
mod people;
mod shifts;
mod sources;
mod systems;

use super::{
    Calendar, Environment, Mention, Mentioned, Overrides, ReferenceError, Shutdown, SiteProblem,
    environment::{is_reference, resolve},
    file::*,
    load::did_you_mean,
    model::*,
    parse_duration,
};
use chrono::{NaiveDate, NaiveTime, Weekday};
use secrecy::SecretString;
use serde_saphyr::{Location, Spanned};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

const EVENT_BYTES_MIN: usize = 1024;
const AGE_MAX: Duration = Duration::from_secs(3600);

pub(super) struct Reading<'a> {
    path: &'a str,
    environment: &'a Environment,
    overrides: &'a Overrides,
    problems: Vec<SiteProblem>,
    mentions: Vec<Mention>,
    notices: Vec<String>,
}

/// The words that other parts of the file may refer to.
struct Names {
    roles: BTreeSet<String>,
    people: BTreeSet<String>,
    shifts: BTreeSet<String>,
    ladders: BTreeSet<String>,
    lines: BTreeSet<String>,
    /// Those that stand on a line.
    work_centers: BTreeSet<String>,
    modules: BTreeSet<String>,
}

impl Names {
    fn of(file: &SiteFile) -> Self {
        Self {
            roles: file.roles.keys().cloned().collect(),
            people: file.people.iter().map(|person| person.value.id.value.clone()).collect(),
            shifts: file.shifts.iter().map(|shift| shift.value.id.clone()).collect(),
            ladders: file.ladders.keys().cloned().collect(),
            lines: file.lines.keys().cloned().collect(),
            work_centers: file
                .lines
                .values()
                .flat_map(|line| &line.value.work_centers)
                .map(|at| at.value.clone())
                .collect(),
            modules: file.modules.keys().cloned().collect(),
        }
    }
}

impl<'a> Reading<'a> {
    pub(super) fn new(path: &'a str, environment: &'a Environment, overrides: &'a Overrides) -> Self {
        Self { path, environment, overrides, problems: Vec::new(), mentions: Vec::new(), notices: Vec::new() }
    }

    pub(super) fn site(self, file: SiteFile) -> Result<Site, Vec<SiteProblem>> {
        let (site, problems) = self.draft(file);
        if problems.is_empty() { Ok(site) } else { Err(problems) }
    }

    /// The site as far as it is understood, and what is wrong with it.
    pub(super) fn draft(mut self, file: SiteFile) -> (Site, Vec<SiteProblem>) {
        self.not_empty(&file.name, "`name` is what people read at the top of every page");
        let names = Names::of(&file);
        let time_zone = self.time_zone(&file.time_zone);
        let shifts = self.shifts(file.shifts);
        let calendars = self.calendars(file.calendars, &shifts, &names);
        let roles: BTreeMap<_, _> =
            file.roles.into_iter().map(|(id, role)| (id.clone(), self.role(&id, role, &names))).collect();
        let mut people = self.people(file.people, &names);
        people::give_derived_roles(&mut people, &roles);
        let on_call = self.on_call(file.on_call, &people, &names, time_zone);
        let ladders = self.ladders(file.ladders, &names);
        let operators = self.operators(file.operators, &names);
        let answering = self.answering(file.reasons, file.overrides, file.override_review, &names, &roles);
        let access = self.access(
            access::AccessFile {
                lines: file.lines,
                modules: file.modules,
                reading: file.reading,
                sign_in: file.sign_in,
                service_accounts: file.service_accounts,
                partners: file.partners,
                embed: file.embed,
            },
            &people,
            &names,
        );
        let (limits, retention, audit) =
            (self.limits(file.limits), self.retention(file.retention), self.audit(file.audit));
        let models = match &self.overrides.models {
            Some(models) => models.clone(),
            None => file.models.into_iter().filter_map(|model| self.model(model.value)).collect(),
        };
        let slack = file.slack.and_then(|slack| self.slack(slack.value));
        let mcp = file.mcp.map(|mcp| self.mcp(mcp));
        let teams = file.teams.and_then(|teams| self.teams(teams.value));
        let teams_webhook = file.teams_webhook.and_then(|hook| self.teams_webhook(hook.value, &names.roles));
        let mail = file.mail.and_then(|mail| self.mail(mail.value));
        let sources = self.sources(file.sources);
        let systems = file.systems.into_iter().map(|(name, system)| (name, self.system(system))).collect();
        let site = Site {
            folder: PathBuf::new(),
            name: file.name.value,
            time_zone,
            people,
            roles,
            shifts,
            on_call,
            calendars,
            ladders,
            models,
            agents: self.agents(file.agents),
            slack,
            mcp,
            teams,
            teams_webhook,
            mail,
            sources,
            systems,
            limits,
            operators,
            access,
            retention,
            answering,
            audit,
            values: file.values,
            mentions: self.mentions,
            notices: self.notices,
        };
        (site, self.problems)
    }

    fn problem(&mut self, at: Location, message: impl Into<String>) {
        let (path, message) = (self.path.to_owned(), message.into());
        self.problems.push(SiteProblem { path, line: at.line(), column: at.column(), message });
    }

    fn not_empty(&mut self, text: &Text, what: &str) {
        if text.value.trim().is_empty() {
            self.problem(text.referenced, format!("this is empty: {what}"));
        }
    }

    fn known(&mut self, kind: &str, word: &Text, names: &BTreeSet<String>) {
        if !names.contains(&word.value) {
            let hint = did_you_mean(&word.value, names.iter().map(String::as_str));
            self.problem(word.referenced, format!("there is no {kind} `{}`{hint}", word.value));
        }
    }

    /// Where a site has lines, whoever is limited to a work center is limited to one of theirs.
    fn known_work_center(&mut self, at: Location, word: &str, names: &Names) {
        if !names.work_centers.is_empty() && !names.work_centers.contains(word) {
            let hint = did_you_mean(word, names.work_centers.iter().map(String::as_str));
            self.problem(at, format!("no line has a work center `{word}`{hint}"));
        }
    }

    fn mention(&mut self, text: &Text, of: Mentioned) {
        let at = text.referenced;
        self.mentions.push(Mention { of, line: at.line(), column: at.column() });
    }

    fn mention_workflows(&mut self, workflows: &[Text]) {
        workflows.iter().for_each(|id| self.mention(id, Mentioned::Workflow(id.value.clone())));
    }

    fn time_zone(&mut self, name: &Text) -> chrono_tz::Tz {
        name.value.parse().unwrap_or_else(|_| {
            let message = format!("`{}` is no IANA time zone: write one like America/Chicago", name.value);
            self.problem(name.referenced, message);
            chrono_tz::UTC
        })
    }

    fn calendars(
        &mut self,
        calendars: BTreeMap<String, Spanned<CalendarFile>>,
        shifts: &[Shift],
        names: &Names,
    ) -> BTreeMap<String, Calendar> {
        let read = |(id, calendar): (String, Spanned<CalendarFile>)| {
            let calendar = self.calendar(&id, calendar, shifts, names);
            (id, calendar)
        };
        calendars.into_iter().map(read).collect()
    }

    fn calendar(
        &mut self,
        id: &str,
        calendar: Spanned<CalendarFile>,
        shifts: &[Shift],
        names: &Names,
    ) -> Calendar {
        let CalendarFile { shifts: own, holidays, shutdowns } = calendar.value;
        own.iter().for_each(|shift| self.known("shift", shift, &names.shifts));
        let own: Vec<String> = own.into_iter().map(|shift| shift.value).collect();
        let counts = |shift: &&Shift| own.is_empty() || own.contains(&shift.id);
        let days: Vec<Weekday> =
            shifts.iter().filter(counts).flat_map(|shift| shift.days.iter().copied()).collect();
        if days.is_empty() {
            let message = format!("the calendar `{id}` has no working day: give its shifts `days`");
            self.problem(calendar.referenced, message);
        }
        let holidays = holidays.iter().filter_map(|day| self.date(day)).collect();
        let shutdowns = shutdowns.into_iter().filter_map(|shutdown| self.shutdown(&shutdown)).collect();
        Calendar { shifts: own, days, holidays, shutdowns }
    }

    fn shutdown(&mut self, shutdown: &Spanned<ShutdownFile>) -> Option<Shutdown> {
        let (from, to) = (self.date(&shutdown.value.from), self.date(&shutdown.value.to));
        let (from, to) = from.zip(to)?;
        if to < from {
            self.problem(
                shutdown.referenced,
                format!("this shutdown ends on {to}, before it begins on {from}"),
            );
        }
        Some(Shutdown { from, to })
    }

    fn date(&mut self, text: &Text) -> Option<NaiveDate> {
        let read = NaiveDate::parse_from_str(&text.value, "%Y-%m-%d").ok();
        if read.is_none() {
            let message = format!("`{}` is no date: write one like 2026-12-24", text.value);
            self.problem(text.referenced, message);
        }
        read
    }

    fn duration(&mut self, text: &Text) -> Duration {
        parse_duration(&text.value).unwrap_or_else(|error| {
            self.problem(text.referenced, error.to_string());
            Duration::ZERO
        })
    }

    fn role(&mut self, id: &str, role: Spanned<RoleFile>, names: &Names) -> Role {
        let RoleFile { title, from, shift, ladder, slack_channel, teams_conversation } = role.value;
        if let Some(from) = &from {
            self.known("role", from, &names.roles);
            if from.value == id {
                self.problem(from.referenced, format!("`{id}` is made from itself: name another role"));
            }
        }
        if let Some(ladder) = &ladder {
            self.known("ladder", ladder, &names.ladders);
        }
        Role {
            title,
            from: from.map(|from| from.value),
            shift: shift.unwrap_or_default(),
            ladder: ladder.map(|ladder| ladder.value),
            slack_channel,
            teams_conversation,
        }
    }

    fn operators(&mut self, roles: Vec<Text>, names: &Names) -> Vec<String> {
        roles.iter().for_each(|role| self.known("role", role, &names.roles));
        roles.into_iter().map(|role| role.value).collect()
    }

    fn ladders(
        &mut self,
        ladders: BTreeMap<String, Spanned<Vec<Spanned<RungFile>>>>,
        names: &Names,
    ) -> BTreeMap<String, Ladder> {
        let read = |(id, rungs): (String, Spanned<Vec<Spanned<RungFile>>>)| {
            let ladder = self.ladder(&id, rungs, names);
            (id, ladder)
        };
        ladders.into_iter().map(read).collect()
    }

    fn ladder(&mut self, id: &str, rungs: Spanned<Vec<Spanned<RungFile>>>, names: &Names) -> Ladder {
        let rungs_at = rungs.referenced;
        let rungs: Vec<_> = rungs.value.into_iter().filter_map(|rung| self.rung(rung, names)).collect();
        if !matches!(rungs.last(), Some(Rung { ask: Addressee::Person(_), .. })) {
            let message = format!("the ladder `{id}` must end at a person, so that somebody is always asked");
            self.problem(rungs_at, message);
        }
        Ladder { rungs }
    }

    fn rung(&mut self, rung: Spanned<RungFile>, names: &Names) -> Option<Rung> {
        let at = rung.referenced;
        let within = self.duration(&rung.value.within);
        if within.is_zero() && parse_duration(&rung.value.within.value).is_ok() {
            self.problem(rung.value.within.referenced, "nobody answers in no time: give a rung at least 1m");
        }
        let (ask, name, kind, known) = match (rung.value.ask, rung.value.person) {
            (Some(role), None) => (Addressee::Role(role.clone()), role, "role", &names.roles),
            (None, Some(person)) => (Addressee::Person(person.clone()), person, "person", &names.people),
            _ => {
                self.problem(at, "a rung asks either a role (`ask:`) or a person (`person:`)");
                return None;
            }
        };
        if !known.contains(&name) {
            let hint = did_you_mean(&name, known.iter().map(String::as_str));
            self.problem(at, format!("there is no {kind} `{name}`{hint}"));
        }
        Some(Rung { ask, within })
    }

    fn limits(&mut self, file: LimitsFile) -> Limits {
        let default = Limits::default();
        Limits {
            event_bytes_max: file
                .event_bytes_max
                .map_or(default.event_bytes_max, |bytes| self.event_bytes_max(&bytes)),
            payload_bytes_max: file.payload_bytes_max.unwrap_or(default.payload_bytes_max),
            run_bytes_max: file.run_bytes_max.unwrap_or(default.run_bytes_max),
            webhook_age_max: file.webhook_age_max.map_or(default.webhook_age_max, |age| self.age_max(&age)),
        }
    }

    fn event_bytes_max(&mut self, bytes: &Spanned<usize>) -> usize {
        if bytes.value < EVENT_BYTES_MIN {
            let message = format!("no event would fit: write at least {EVENT_BYTES_MIN}");
            self.problem(bytes.referenced, message);
        }
        bytes.value
    }

    /// An event whose signature is older is one that somebody may have kept.
    fn age_max(&mut self, text: &Text) -> Duration {
        let age = self.duration(text);
        if age.is_zero() || age > AGE_MAX {
            self.problem(text.referenced, "signatures are good for a time between 1s and 1h");
        }
        age
    }
}

impl Reading<'_> {
    fn retention(&mut self, file: RetentionFile) -> Retention {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let mut kept = |text: Option<Text>| {
            let text = text?;
            let time = self.duration(&text);
            if time < DAY {
                self.problem(text.referenced, "history is kept in whole days: write at least 1d");
            }
            Some(time)
        };
        let runs_at = file.runs.as_ref().map(|text| text.referenced);
        let retention = Retention {
            journal: kept(file.journal),
            events: kept(file.events),
            messages: kept(file.messages),
            runs: kept(file.runs),
        };
        // A journal whose run is in no list could not be found any more.
        let journal = retention.journal.unwrap_or(Duration::MAX);
        if let (Some(runs), Some(at)) = (retention.runs, runs_at)
            && runs < journal
        {
            self.problem(at, "`runs` is shorter than `journal`: the list of runs must outlast their history");
        }
        retention
    }
}

/// What holds references into the environment.
impl Reading<'_> {
    /// Whether every variable and file that a text names is there; where not, that has been said already.
    fn is_resolved(&self, text: &Text) -> bool {
        resolve(&text.value, self.environment).is_ok()
    }

    fn secret(&mut self, text: &Text) -> SecretString {
        if !is_reference(&text.value) {
            let message = "a secret does not belong in this file: write ${env:NAME} or ${file:/path}";
            self.problem(text.referenced, message);
        }
        self.text(text).into()
    }

    fn text(&mut self, text: &Text) -> String {
        match resolve(&text.value, self.environment) {
            Ok(value) => value,
            Err(ReferenceError::Unset(_) | ReferenceError::Unreadable { .. })
                if self.overrides.without_secrets =>
            {
                String::new()
            }
            Err(error) => {
                self.problem(text.referenced, error.to_string());
                String::new()
            }
        }
    }
}
