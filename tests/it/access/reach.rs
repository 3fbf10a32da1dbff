//! Roles on some lines only, reading rights, and how long a session holds.

use super::two_lines;
use crate::support::{
    console::{Console, PASSWORD},
    seed::{self, Question},
};
use reqwest::StatusCode;
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};
use takt::{
    run::GateId,
    site::{Environment, Overrides, Section, Site},
    store::{audit, gates},
    workflow::GateForm,
};

/// A question about this work center, or about none.
async fn question(console: &Console, path: &'static str, work_center: Option<&str>) -> GateId {
    let (run, _) = seed::three_plans(console).await;
    let mut ask = json!({
        "title": format!("A plan for {path}"), "body": "", "options": [], "items": [], "draft": null,
        "allow": ["approve", "reject"], "workflow": "downtime_escalation", "step": path,
        "role_title": "Production supervisor",
    });
    if let Some(work_center) = work_center {
        ask["work_center"] = json!(work_center);
    }
    let question =
        Question { path, form: GateForm::Approve, role: "production_supervisor", ask, minutes: 15 };
    seed::ask(console, run, question).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_on_one_line_answers_for_that_line_only() {
    let console = Console::with(two_lines).await;
    let press = question(&console, "press", Some("PRESS-4")).await;
    let weld = question(&console, "weld", Some("WELD-1")).await;
    let nowhere = question(&console, "nowhere", None).await;
    let mut noor = console.signed_in("noor").await;
    let inbox = noor.get("/").await.text;
    assert!(inbox.contains("A plan for weld"), "{inbox}");
    assert!(!inbox.contains("A plan for press") && !inbox.contains("A plan for nowhere"), "{inbox}");
    for (gate, may) in [(press, false), (nowhere, false), (weld, true)] {
        let page = noor.get(&format!("/gates/{gate}")).await;
        assert_eq!(page.text.contains(r#"value="approve""#), may, "{}", page.text);
        let csrf = page.field("csrf");
        let fields = [("csrf", csrf.as_str()), ("proposal", "hash-of-the-proposal"), ("decision", "approve")];
        let page = noor.post(&format!("/gates/{gate}/answer"), &fields).await;
        assert_eq!(page.status == StatusCode::SEE_OTHER, may, "{}", page.text);
        let mut db = console.store.connection().await.expect("a connection");
        assert_eq!(gates::vote(&mut db, gate).await.expect("asking").is_some(), may);
    }
    // Who holds the role everywhere is asked about every line.
    let inbox = console.signed_in("sam").await.get("/").await.text;
    assert!(inbox.contains("A plan for press") && inbox.contains("A plan for nowhere"), "{inbox}");
    let me = noor.get("/me").await.text;
    assert!(me.contains("Weld line"), "{me}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_of_one_line_orders_nothing_of_another() {
    let console = Console::with(two_lines).await;
    let (press, _) = seed::three_plans(&console).await;
    let trigger = json!({ "work_center": "WELD-1", "subject": "WELD-1" });
    let weld = seed::run(&console, "downtime_escalation", "WELD-1 down", trigger).await;
    let mut noor = console.signed_in("noor").await;
    let csrf = noor.get("/").await.field("csrf");
    let fields = [("csrf", csrf.as_str()), ("reason", "a test")];
    let page = noor.post(&format!("/runs/{press}/pause"), &fields).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    assert!(!noor.get(&format!("/runs/{press}")).await.text.contains("Stop, hold or repeat"));
    let page = noor.post(&format!("/runs/{weld}/pause"), &fields).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let many = [&fields[..], &[("action", "cancel"), ("workflow", "downtime_escalation")]].concat();
    assert_eq!(noor.post("/runs/bulk", &many).await.status, StatusCode::FORBIDDEN, "many are of all lines");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_console_can_be_kept_for_some_roles() {
    let console = Console::with(|site| {
        site.access.reading = BTreeMap::from([
            (Section::Runs, vec!["plant_manager".to_owned()]),
            (Section::Events, vec!["plant_manager".to_owned()]),
        ]);
    })
    .await;
    let (run, gate) = seed::three_plans(&console).await;
    let (mut sam, mut gus) = (console.signed_in("sam").await, console.signed_in("gus").await);
    let kept = ["/runs".to_owned(), format!("/runs/{run}"), "/events".into(), "/attention".into()];
    for path in kept.iter().map(String::as_str).chain(["/api/runs", "/api/events", "/live/runs?seen=x"]) {
        assert_eq!(sam.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    for path in &kept {
        assert_eq!(gus.get(path).await.status, StatusCode::OK, "{path}");
    }
    for path in ["/".to_owned(), "/schedules".into(), format!("/gates/{gate}")] {
        assert_eq!(sam.get(&path).await.status, StatusCode::OK, "{path}: what one is asked stays open");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_itself_by_disuse_and_everywhere_at_once() {
    let console = Console::with(|site| site.access.sign_in.idle = Duration::from_secs(3600)).await;
    let age = |column: &'static str, hours: i32| {
        let pool = console.store.pool().clone();
        let statement =
            format!("update session set {column} = clock_timestamp() - make_interval(hours => $1)");
        async move {
            let aged = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(hours).execute(&pool).await;
            aged.expect("sessions age");
        }
    };
    // Signing in again changes the secret and ends the former session.
    let mut sam = console.signed_in("sam").await;
    let former = sam.cookies.clone();
    sam.sign_in("sam", PASSWORD).await;
    assert_ne!(sam.cookies, former);
    let mut old = console.visitor();
    old.cookies = former;
    assert_eq!(old.get("/").await.status, StatusCode::SEE_OTHER, "the former secret is worth nothing");

    age("used_at", 2).await;
    assert_eq!(sam.get("/").await.status, StatusCode::SEE_OTHER, "not used for two hours");
    sam.sign_in("sam", PASSWORD).await;
    age("expires_at", 1).await;
    assert_eq!(sam.get("/").await.status, StatusCode::SEE_OTHER, "over after its length");

    let (mut one, mut two) = (console.signed_in("sam").await, console.signed_in("sam").await);
    let mut mia = console.signed_in("mia").await;
    let page = one.get("/me").await;
    assert!(page.text.contains("In 2 browsers"), "{}", page.text);
    one.post("/sign-out", &[("csrf", &page.field("csrf")), ("everywhere", "yes")]).await;
    assert_eq!(two.get("/").await.status, StatusCode::SEE_OTHER);
    assert_eq!(mia.get("/").await.status, StatusCode::OK, "others stay");
    let mut db = console.store.connection().await.expect("a connection");
    let entries = audit::recent(&mut db, 3).await.expect("the audit");
    let entry = entries.iter().find(|entry| entry.action == "sign_out.everywhere").expect("audited");
    assert_eq!(entry.detail, json!({ "sessions": 2 }));
}

const SMALL: &str = "name: Small
time_zone: UTC
shifts: [{ id: A, starts: '06:00', ends: '14:00' }]
roles: { lead: { title: Lead }, second: { title: Second, from: lead } }
people:
  - { id: ann, name: Ann, email: ann@x.example, roles: [{ role: lead, lines: [L1] }] }
lines: { L1: { title: One, work_centers: [A-1] } }
modules: { upkeep: { title: Maintenance, workflows: [downtime] } }
reading: { evals: [lead] }
service_accounts: { mes: { title: MES, token_hash: '${env:HASH}', scopes: ['runs:read'], lines: [L1] } }
partners: { acme: { name: Acme } }
embed: { frame_ancestors: ['https://plex.example'] }
sign_in: { idle: 30m, oidc: { issuer: 'https://login.example', client_id: takt, client_secret: '${env:SECRET}', claim: email } }
";

fn parse(text: &str) -> Result<Site, String> {
    let hash = "ab".repeat(32);
    let environment = Environment::of([("HASH", hash.as_str()), ("SECRET", "s"), ("SHORT", "abc")]);
    Site::parse("takt.yaml", text, &environment, &Overrides::default()).map_err(|error| error.to_string())
}

#[test]
fn takt_yaml_says_who_reaches_what_and_each_mistake_is_named() {
    let site = parse(SMALL).expect("a good site");
    let ann = site.person("ann").expect("a person");
    assert!(ann.reach["second"].lines.contains("L1"), "a derived role is held in the same places");
    assert_eq!(site.access.sign_in.idle, Duration::from_secs(1800));
    assert!(site.may_read(ann, Section::Evals) && site.may_read(ann, Section::Runs));
    let mistakes = [
        ("lines: [L1] }]", "lines: [L2] }]", "there is no line `L2`"),
        (
            "role: lead, lines: [L1]",
            "role: laed, lines: [L1]",
            "there is no role `laed`: did you mean `lead`?",
        ),
        ("{ role: lead, lines: [L1] }", "{ role: lead }", "say where `lead` is held"),
        ("{ role: lead, lines: [L1] }", "lead, lead", "is given twice"),
        ("{ role: lead, lines: [L1] }", "{ role: lead, line: [L1] }", "there is no key `line`"),
        ("lines: [L1] }]", "lines: [L1], modules: [x] }]", "there is no module `x`"),
        ("[A-1] }", "[A-1] }, L2: { title: Two, work_centers: [A-1] }", "`A-1` is on the line `L1` already"),
        ("'runs:read'], lines: [L1]", "'runs:read'], lines: [L9]", "there is no line `L9`"),
        ("evals: [lead]", "evals: [boss]", "there is no role `boss`"),
        ("['runs:read']", "['runs:raed']", "there is no scope `runs:raed`: did you mean `runs:read`?"),
        ("${env:HASH}", "${env:SHORT}", "no SHA-256"),
        ("'${env:HASH}'", "abc", "a secret does not belong in this file"),
        ("https://plex.example", "https://plex.example/x", "is no origin"),
        ("https://plex.example", "https://plex.example; script-src *", "is no origin"),
        ("https://login.example", "http://login.example", "must be an https:// address"),
        ("idle: 30m", "local: false, idle: 30m", ""),
        ("idle: 30m", "proxies: [127.0.0.1, '::1'], idle: 30m", ""),
        ("idle: 30m", "proxies: [proxy.example], idle: 30m", "`proxy.example` is no address"),
        ("sign_in: { idle: 30m, oidc", "sign_in: { local: false, ocid", "there is no key `ocid`"),
    ];
    for (from, to, expected) in mistakes {
        assert!(SMALL.contains(from), "{from}");
        match parse(&SMALL.replacen(from, to, 1)) {
            Ok(_) => assert_eq!(expected, "", "{to} is taken"),
            Err(error) => assert!(!expected.is_empty() && error.contains(expected), "{to}: {error}"),
        }
    }
    let (before, _) = SMALL.split_once("sign_in:").expect("a section");
    let nobody = parse(&format!("{before}sign_in: {{ local: false }}\n")).expect_err("nobody could sign in");
    assert!(nobody.contains("nobody could sign in"), "{nobody}");
}
