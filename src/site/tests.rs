use super::*;
use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;
use std::{path::Path, time::Duration};

fn demo() -> Site {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    Site::load(folder, &Environment::default(), &Overrides::default()).unwrap()
}

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

fn names(people: Vec<&Person>) -> Vec<&str> {
    people.into_iter().map(|person| person.id.as_str()).collect()
}

const SMALL: &str = r#"name: Small
time_zone: America/Chicago
shifts:
  - { id: A, starts: "06:00", ends: "14:00" }
roles:
  lead: { title: Lead, ladder: up }
people:
  - { id: ann, name: Ann, roles: [lead] }
ladders:
  up: [{ person: ann, within: 5m }]
systems:
  plex:
    base_url: https://connect.plex.com
    secrets: { api_key: "${env:PLEX_API_KEY}" }
"#;

fn parse(text: &str) -> Result<Site, SiteError> {
    Site::parse("takt.yaml", text, &Environment::of([("PLEX_API_KEY", "k-1")]), &Overrides::default())
}

/// What is wrong after one change in the small site.
fn wrong(from: &str, to: &str) -> String {
    assert!(SMALL.contains(from), "{from}");
    parse(&SMALL.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn the_sample_site_loads_without_any_variable() {
    let site = demo();
    assert_eq!(site.systems["plex"].base_url, "http://127.0.0.1:8421/plex");
    assert!(site.systems.values().all(|system| system.simulator));
    assert!(site.models.is_empty() && site.slack.is_none());
    assert_eq!(
        site.notices,
        [
            "model openai is off: the environment variable OPENAI_API_KEY is not set",
            "Slack is off: the environment variable SLACK_BOT_TOKEN is not set"
        ]
    );
    for role in site.roles.keys() {
        assert_eq!(site.uncovered_shifts(role), Vec::<&Shift>::new(), "{role}");
    }
}

#[test]
fn the_demo_password_is_the_documented_one() {
    let site = demo();
    let sam = site.person("sam").unwrap();
    assert!(sam.verify_password("takt-demo"));
    assert!(!sam.verify_password("takt-demo "));
    let nobody = Person { password_hash: None, ..sam.clone() };
    assert!(!nobody.verify_password("takt-demo"));
}

#[test]
fn variables_and_overrides_win() {
    let environment = Environment::of([("OPENAI_API_KEY", "sk-1"), ("PLEX_API_KEY", "real")]);
    let overrides = Overrides { simulator: Some("http://127.0.0.1:9/".into()), ..Overrides::default() };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let site = Site::load(folder, &environment, &overrides).unwrap();
    assert_eq!(site.systems["erp"].base_url, "http://127.0.0.1:9/erp");
    assert_eq!(site.systems["plex"].secrets["api_key"].expose_secret(), "real");
    assert_eq!(site.models[0].api_key.expose_secret(), "sk-1");
    assert!(!format!("{site:?}").contains("sk-1"));
}

#[test]
fn a_real_system_is_not_redirected_to_the_simulator() {
    let overrides = Overrides { simulator: Some("http://127.0.0.1:9".into()), ..Overrides::default() };
    let environment = Environment::of([("PLEX_API_KEY", "k-1")]);
    let site = Site::parse("takt.yaml", SMALL, &environment, &overrides).unwrap();
    assert_eq!(site.systems["plex"].base_url, "https://connect.plex.com");
}

#[test]
fn roles_follow_the_shifts() {
    let site = demo();
    // 06:10 in Chicago: shift A has just begun, C has just ended.
    let morning = at("2026-11-23T12:10:00Z");
    assert_eq!(names(site.people_in_role("production_supervisor", morning)), ["sam"]);
    assert_eq!(names(site.people_in_role("maintenance_on_call", morning)), ["mia"]);
    assert_eq!(names(site.people_in_role("outgoing_shift_lead", morning)), ["kai"]);
    assert_eq!(names(site.people_in_role("incoming_shift_lead", morning)), ["ivo"]);
    for minutes_around_two in ["2026-11-23T19:45:00Z", "2026-11-23T20:20:00Z"] {
        assert_eq!(names(site.people_in_role("outgoing_shift_lead", at(minutes_around_two))), ["ivo"]);
        assert_eq!(names(site.people_in_role("incoming_shift_lead", at(minutes_around_two))), ["noor"]);
    }
    assert!(site.holds_role("noor", "production_supervisor", at("2026-11-23T20:00:00Z")));
    assert!(!site.holds_role("sam", "production_supervisor", at("2026-11-23T20:00:00Z")));
    assert_eq!(site.person_by_slack("U0LEE").map(|person| person.id.as_str()), Some("lee"));
}

#[test]
fn shifts_cross_midnight() {
    let site = demo();
    let shift = |time| site.shift_at(at(time)).map(|shift| shift.id.as_str());
    assert_eq!(shift("2026-11-23T11:59:59Z"), Some("C"));
    assert_eq!(shift("2026-11-23T12:00:00Z"), Some("A"));
    assert_eq!(shift("2026-11-24T04:00:00Z"), Some("C"));
}

#[test]
fn the_night_shift_is_an_hour_longer_or_shorter_when_the_clocks_change() {
    let site = demo();
    let hours = |time| {
        let span = site.shift_span_at(at(time)).unwrap();
        (span.shift.id.clone(), (span.ends - span.starts).num_hours())
    };
    assert_eq!(hours("2026-11-01T06:30:00Z"), ("C".into(), 9), "the hour from 1 to 2 comes twice");
    assert_eq!(hours("2026-11-01T07:30:00Z"), ("C".into(), 9), "and is still shift C the second time");
    assert_eq!(hours("2026-03-08T08:30:00Z"), ("C".into(), 7), "the hour from 2 to 3 is skipped");
    assert_eq!(hours("2026-11-23T08:30:00Z"), ("C".into(), 8));
}

#[test]
fn shifts_that_start_inside_a_clock_change_leave_no_gap() {
    let shifts = r#"
  - { id: N, starts: "02:30", ends: "10:30" }
  - { id: D, starts: "10:30", ends: "18:30" }
  - { id: E, starts: "18:30", ends: "02:30" }"#;
    let site =
        parse(&SMALL.replacen("\n  - { id: A, starts: \"06:00\", ends: \"14:00\" }", shifts, 1)).unwrap();
    for night in ["2026-03-08T00:00:00Z", "2026-11-01T00:00:00Z"] {
        for minutes in (0..36 * 60).step_by(10) {
            let time = at(night) + chrono::Duration::minutes(minutes);
            assert!(site.shift_at(time).is_some(), "{time}");
        }
    }
}

#[test]
fn nobody_is_on_shift_when_the_plant_is_closed() {
    let site = parse(SMALL).unwrap();
    assert!(site.shift_at(at("2026-11-23T03:00:00Z")).is_none());
    assert_eq!(names(site.people_in_role("lead", at("2026-11-23T03:00:00Z"))), ["ann"]);
    assert!(site.people_in_role("boss", at("2026-11-23T12:00:00Z")).is_empty());
    assert_eq!(site.uncovered_shifts("boss").len(), 1);
}

/// Two crews have the same hours on other days.
#[test]
fn a_weekend_has_its_own_crew_and_a_day_off_the_people_of_its_hours() {
    let weekend = ", days: [mon, tue, wed, thu, fri] }\n  - { id: W, starts: \"06:00\", ends: \"18:00\", days: [sat], overtime: [sun] }\n";
    let site = parse(&SMALL.replacen(" }\n", weekend, 1)).unwrap();
    let shift = |time: &str| site.shift_at(at(time)).map(|shift| shift.id.as_str());
    let (saturday, sunday, friday) = ("2026-11-28", "2026-11-29", "2026-11-27");
    for (day, id) in [(saturday, "W"), (sunday, "W"), (friday, "A")] {
        assert_eq!(shift(&format!("{day}T12:00:00-06:00")), Some(id), "{day}");
    }
    let weekdays = parse(&SMALL.replacen(" }\n", ", days: [mon] }\n", 1)).unwrap();
    let sunday = at("2026-11-29T12:00:00-06:00");
    assert_eq!(weekdays.shift_at(sunday).map(|shift| shift.id.as_str()), Some("A"), "somebody is asked");
}

#[test]
fn a_shift_that_nobody_would_ever_be_asked_in_is_refused() {
    let more = |shift: &str| wrong("\nroles:", &format!("\n  - {shift}\nroles:"));
    let said = more("{ id: B, starts: \"08:00\", ends: \"12:00\" }");
    assert!(said.contains("takt.yaml:5:5: the shift `B` has no time of its own"), "{said}");
    let said = more("{ id: B, starts: \"14:00\", ends: \"22:00\", days: [] }");
    assert!(said.contains("takt.yaml:5:5: the shift `B` has no day"), "{said}");
    let handover = "\n  - { id: B, starts: \"13:45\", ends: \"22:00\" }\nroles:";
    assert!(parse(&SMALL.replacen("\nroles:", handover, 1)).is_ok(), "shifts overlap where they hand over");
}

#[test]
fn expressions_see_the_shifts_and_values() {
    let scope = demo().scope();
    assert_eq!(scope["shifts"][2], serde_json::json!({ "id": "C", "starts": "22:00", "ends": "06:00" }));
    assert_eq!(scope["time_zone"], "America/Chicago");
    assert_eq!(scope["values"]["frozen_minutes"], 15);
}

#[test]
fn mistakes_are_shown_at_their_place() {
    for (from, to, message) in [
        (
            "roles: [lead]",
            "rolls: [lead]",
            "takt.yaml:8:27: there is no key `rolls` here: did you mean `roles`?",
        ),
        ("roles: [lead]", "roles: [led]", "takt.yaml:8:35: there is no role `led`: did you mean `lead`?"),
        ("roles: [lead]", "roles: [lead], shifts: [Z]", "takt.yaml:8:51: there is no shift `Z`"),
        ("ladder: up", "ladder: upp", "takt.yaml:6:32: there is no ladder `upp`: did you mean `up`?"),
        ("name: Small\n", "", "the key `name` is missing"),
        (
            "ends: \"14:00\"",
            "ends: \"14:00\", days: [mon, tus]",
            "takt.yaml:4:58: `tus` is no day of the week",
        ),
        ("America/Chicago", "America/Gotham", "takt.yaml:2:12: `America/Gotham` is no IANA time zone"),
        ("\"06:00\"", "6am", "takt.yaml:4:22: `6am` is no time of day"),
        ("within: 5m", "within: 5 minutes", "takt.yaml:10:31: `5 minutes` is not a length of time"),
        ("person: ann", "ask: lead", "the ladder `up` must end at a person"),
        ("person: ann", "person: bob", "there is no person `bob`"),
        ("person: ann", "person: ann, ask: lead", "a rung asks either a role (`ask:`) or a person"),
        ("${env:PLEX_API_KEY}", "abc", "takt.yaml:14:25: a secret does not belong in this file"),
        (
            "${env:PLEX_API_KEY}",
            "${env:NO_KEY}",
            "takt.yaml:14:25: the environment variable NO_KEY is not set",
        ),
        ("https://connect.plex.com", "plex", "base_url must be a whole address"),
        (
            "name: Ann,",
            "name: Ann, password_hash: hunter2,",
            "the password_hash of `ann` is not an Argon2 hash",
        ),
        ("people:\n", "people:\n  - { id: ann, name: Two, roles: [lead] }\n", "two people have the id `ann`"),
    ] {
        let said = wrong(from, to);
        assert!(said.contains(message), "{to}: {said}");
        assert!(said.starts_with("takt.yaml:"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn every_mistake_is_reported_at_once() {
    let text = SMALL.replace("roles: [lead]", "roles: [led]").replace("person: ann", "person: bob");
    assert_eq!(parse(&text).unwrap_err().to_string().lines().count(), 2);
}

#[test]
fn checking_a_site_needs_no_secrets() {
    let overrides = Overrides { without_secrets: true, ..Overrides::default() };
    assert!(Site::parse("takt.yaml", SMALL, &Environment::default(), &overrides).is_ok());
    assert!(Site::parse("takt.yaml", SMALL, &Environment::default(), &Overrides::default()).is_err());
}

#[test]
fn a_folder_without_a_site_says_what_to_do() {
    let nowhere = Path::new("/no/such/site");
    let error = Site::load(nowhere, &Environment::default(), &Overrides::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        "/no/such/site/takt.yaml cannot be read (entity not found): run takt in a site folder or name one with --site"
    );
}

#[test]
fn ladders_and_limits_are_read() {
    let site = demo();
    let ladder = &site.ladders["maintenance_ladder"];
    assert_eq!(ladder.rungs[0].ask, Addressee::Role("production_supervisor".into()));
    assert_eq!(ladder.rungs[0].within, Duration::from_secs(600));
    assert_eq!(site.limits.webhook_age_max, Duration::from_secs(300));
}

#[test]
fn history_is_kept_as_long_as_the_file_says() {
    let retention = demo().retention;
    let days = |n: u64| Some(Duration::from_secs(n * 24 * 3600));
    assert_eq!((retention.journal, retention.runs), (days(90), None));
    let said = wrong("systems:\n", "retention: { journal: 90d, events: 2h, runs: 30d }\nsystems:\n");
    assert!(
        said.contains("history is kept in whole days") && said.contains("must outlast their history"),
        "{said}"
    );
    let said = wrong("systems:\n", "retention: { logs: 90d }\nsystems:\n");
    assert!(said.contains("there is no key `logs` here"), "{said}");
}

#[test]
fn calendars_count_days_or_shifts() {
    let calendars = "calendars:\n  days: { holidays: [2026-11-26], shutdowns: [{ from: 2026-12-24, to: 2027-01-01 }] }\n  early: { shifts: [A] }\nroles:";
    let shifts = "ends: \"14:00\", days: [mon, tue, wed, thu, fri] }";
    let text = SMALL.replace("roles:\n", &format!("{calendars}\n")).replace("ends: \"14:00\" }", shifts);
    let site = parse(&text).unwrap();
    let works = |calendar: &str, time: &str| site.works(&site.calendars[calendar], at(time));
    assert!(works("days", "2026-11-25T03:00:00-06:00"));
    assert!(!works("early", "2026-11-25T03:00:00-06:00"));
    assert!(works("early", "2026-11-25T13:59:00-06:00"));
    assert!(!works("early", "2026-11-25T14:00:00-06:00"));
    for closed in ["2026-11-26T08:00:00-06:00", "2026-11-28T08:00:00-06:00", "2026-12-24T08:00:00-06:00"] {
        assert!(!works("days", closed), "{closed}");
    }
    assert!(!works("days", "2027-01-01T23:59:00-06:00"));
    assert!(works("days", "2027-01-04T00:00:00-06:00"));
}

#[test]
fn a_calendar_that_cannot_be_is_refused() {
    let wrong_calendar =
        |calendar: &str| wrong("roles:\n", &format!("calendars:\n  days: {calendar}\nroles:\n"));
    assert!(wrong_calendar("{ shifts: [B] }").contains("there is no shift `B`"));
    assert!(wrong_calendar("{ holidays: [26.11.2026] }").contains("is no date"));
    let reversed = wrong_calendar("{ shutdowns: [{ from: 2027-01-01, to: 2026-12-24 }] }");
    assert!(reversed.contains("before it begins"), "{reversed}");
    assert!(wrong_calendar("{ holiday: [] }").contains("did you mean `holidays`"));
}

#[test]
fn the_audit_is_signed_with_a_key_from_elsewhere() {
    let audit = |lines: &str| parse(&format!("{SMALL}audit:\n{lines}"));
    let key = "  signing_key: ${env:PLEX_API_KEY}\n";
    let site = audit("  details: 400d\n  details_before: 30d\n").unwrap();
    assert_eq!(site.audit.kept_at_least(), Some(Duration::from_secs(30 * 24 * 3600)));
    let site = audit(&format!("{key}  checkpoints: /mnt/worm\n  details: 400d\n")).unwrap();
    assert_eq!(site.audit.kept_at_least(), site.audit.details);
    assert_eq!(site.audit.signing_key.unwrap().expose_secret(), "k-1");
    assert_eq!(site.audit.details, Some(Duration::from_secs(400 * 24 * 3600)));
    let wrong = |lines: &str| audit(lines).unwrap_err().to_string();
    assert!(wrong("  signing_key: in plain sight\n").contains("a secret does not belong in this file"));
    assert!(wrong("  checkpoints: /mnt/worm\n").contains("`takt audit key` makes one"));
    assert!(wrong(&format!("{key}  checkpoints: here\n")).contains("write the whole path"));
    assert!(wrong("  details: 3h\n").contains("at least 1d"));
    assert!(wrong("  sign: x\n").contains("signing_key"));
}

#[test]
fn what_no_model_may_read_is_declared_by_word_and_by_pattern() {
    let agents = |lines: &str| parse(&format!("{SMALL}agents:\n{lines}"));
    let site = agents(
        "  dictionary: { customer: [Nordwerk GmbH], part: [BR-2100] }\n  patterns: { badge: \"B-\\\\d{5}\" }\n",
    )
    .unwrap();
    let words: Vec<(&str, String)> =
        site.known_words().into_iter().map(|(class, word)| (class.word(), word)).collect();
    let wanted = [
        ("employee", "Ann"),
        ("employee", "ann"),
        ("customer", "Nordwerk GmbH"),
        ("proprietary", "BR-2100"),
        ("proprietary", "\0B-\\d{5}"),
    ];
    assert_eq!(words, wanted.map(|(class, word)| (class, word.to_owned())));
    assert_eq!(site.known_names().len(), 1);
    for (lines, message) in [
        (
            "  dictionary: { machine: [PRESS-4] }\n",
            "takt.yaml:16:26: `machine` is no class of words: write one of",
        ),
        ("  dictionary: { part: [A, B] }\n", "takt.yaml:16:24: `A` cannot be looked for"),
        (
            "  patterns: { badge: 'B-(\\d' }\n",
            "takt.yaml:16:22: `B-(\\d` is no regular expression: unclosed group",
        ),
        ("  patterns: { badge: 'x*' }\n", "takt.yaml:16:22: `x*` also finds nothing at all"),
        ("  patterns: { badge: [B] }\n", "takt.yaml:16:"),
        ("  words: { part: [BR-2100] }\n", "there is no key `words` here"),
    ] {
        let said = agents(lines).unwrap_err().to_string();
        assert!(said.contains(message), "{lines}: {said}");
    }
}

#[test]
fn what_a_model_may_be_asked_is_a_rate() {
    let model = |rate: &str| {
        format!(
            "models:\n  - {{ name: m, base_url: 'http://m.example', model: s, api_key: '${{env:MODEL_KEY:-k}}', \
             usd_per_million_input: 0, usd_per_million_output: 0, rate: {rate} }}\nsystems:\n"
        )
    };
    let site = parse(&SMALL.replacen("systems:\n", &model("{ requests: 60 per 1m }"), 1)).unwrap();
    let options = &site.models[0].options;
    let rate = options.requests.expect("a rate");
    assert_eq!((rate.calls.get(), rate.period, options.tokens), (60, Duration::from_secs(60), None));
    let said = wrong("systems:\n", &model("{ tokens: many }"));
    assert!(said.contains("`many` is not a rate: write `200 per 1m`"), "{said}");
}
