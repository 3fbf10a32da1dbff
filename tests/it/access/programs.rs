//! What a program does in somebody's name says both, and what strangers are refused fills no trail.

use super::{call, service, token_of};
use crate::support::{
    console::{API_TOKEN, Console},
    seed,
};
use reqwest::StatusCode;
use serde_json::json;
use std::collections::BTreeSet;
use takt::{
    gate::{Answer, Decision, decide},
    run::GateId,
    site::{McpServer, Scope},
    store::{audit, events, gates},
};

async fn with_programs() -> Console {
    Console::with(|site| {
        site.access.service_accounts = vec![service("mes", &Scope::ALL), service("bare", &[Scope::Tools])];
        site.mcp = Some(McpServer { tools: vec![], mask: true, origins: vec![], requests_per_minute: 60 });
    })
    .await
}

async fn of_action(console: &Console, action: &str) -> Vec<audit::Entry> {
    let mut db = console.store.connection().await.expect("a connection");
    let filter = audit::Filter { action: Some(action.to_owned()), ..audit::Filter::default() };
    audit::list(&mut db, &filter, 100).await.expect("the trail")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_does_for_a_person_says_both() {
    let console = with_programs().await;
    let (run, gate) = seed::three_plans(&console).await;
    let (paused, _) = seed::three_plans(&console).await;
    let answer = json!({ "decision": "choose", "choice": 1, "proposal_hash": "hash-of-the-proposal" });
    let orders = [
        (format!("/api/runs/{paused}/pause"), "gus", json!({ "reason": "x" }), "run.pause"),
        (
            "/api/runs/bulk".into(),
            "gus",
            json!({ "action": "resume", "reason": "x", "filter": { "ids": [paused] } }),
            "run.resume",
        ),
        (
            "/api/workflows/customer_order_risk/runs".into(),
            "sam",
            json!({ "inputs": { "order": "SO-4001-1" } }),
            "run.start",
        ),
        (
            "/api/delegations".into(),
            "sam",
            json!({ "delegate": "lee", "until": "2036-12-01T00:00:00Z" }),
            "delegation_started",
        ),
        ("/api/schedules/shift_handover/pause".into(), "gus", json!({ "note": "x" }), "schedule.pause"),
    ];
    for (path, person, body, action) in orders {
        let page = call(&console, "POST", &path, &token_of("mes"), Some(person), body).await;
        assert!(page.status.is_success(), "{path}: {}", page.text);
        let entry =
            of_action(&console, action).await.into_iter().next().unwrap_or_else(|| panic!("{action}"));
        let said = (entry.actor.as_str(), entry.actor_kind.as_str(), entry.auth.as_deref());
        assert_eq!(said, (person, "person", Some("service:mes")), "{action}");
    }
    let path = format!("/api/gates/{gate}/answer");
    let page = call(&console, "POST", &path, &token_of("mes"), Some("sam"), answer).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let [named] = of_action(&console, "gate.answered_for").await.try_into().expect("one record");
    assert_eq!((named.actor.as_str(), named.actor_kind.as_str()), ("service:mes", "service"));
    assert_eq!((named.detail["for"].as_str(), named.run_id), (Some("sam"), Some(run.0)));
    let [chosen] = of_action(&console, "gate.choose").await.try_into().expect("one answer");
    let together = "select count(distinct xmin::text) from audit_record where id in ($1, $2)";
    let together = sqlx::query_scalar::<_, i64>(together).bind(chosen.id).bind(named.id);
    let transactions = together.fetch_one(console.store.pool()).await.expect("counting");
    assert_eq!(transactions, 1, "the answer and whose word it is");
    // In its own name it is a program.
    let started = json!({ "inputs": { "order": "SO-4001-1" } });
    call(&console, "POST", "/api/workflows/customer_order_risk/runs", &token_of("mes"), None, started).await;
    let entry = of_action(&console, "run.start").await.into_iter().next().expect("a start");
    let said = (entry.actor.as_str(), entry.actor_kind.as_str(), entry.auth.as_deref());
    assert_eq!(said, ("service:mes", "service", Some("service:mes")));
}

/// Two supervisors of a quorum, and a program that knows both of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_believed_for_one_person_of_a_question() {
    let console = Console::with(|site| {
        let lee = site.people.iter_mut().find(|person| person.id == "lee").expect("Lee");
        lee.roles.push("production_supervisor".into());
        site.access.service_accounts = vec![service("mes", &Scope::ALL), service("erp", &Scope::ALL)];
    })
    .await;
    let two = async |gate: GateId| {
        let two = sqlx::query("update gate set quorum = 2 where id = $1").bind(gate.0);
        two.execute(console.store.pool()).await.expect("a quorum");
    };
    let answer = async |gate: GateId, token: &str, person: &str| {
        let body = json!({ "decision": "choose", "choice": 1, "proposal_hash": "hash-of-the-proposal" });
        let page =
            call(&console, "POST", &format!("/api/gates/{gate}/answer"), token, Some(person), body).await;
        (page.status, page.text)
    };
    let (_, gate) = seed::three_plans(&console).await;
    two(gate).await;
    assert_eq!(answer(gate, &token_of("mes"), "sam").await.0, StatusCode::OK);
    assert_eq!(answer(gate, &token_of("mes"), "sam").await.0, StatusCode::OK, "the same answer once more");
    let (status, problem) = answer(gate, &token_of("mes"), "lee").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert!(problem.contains("the program `mes` has spoken for somebody else here already"), "{problem}");
    let refused = of_action(&console, "gate.refused").await.into_iter().next().expect("it is audited");
    assert_eq!((refused.actor.as_str(), &refused.detail["via"]), ("lee", &json!("service:mes")));
    let (status, said) = answer(gate, &token_of("erp"), "lee").await;
    assert_eq!(status, StatusCode::OK, "another program does not share its word: {said}");
    let mut db = console.store.connection().await.expect("a connection");
    assert_eq!(gates::get(&mut db, gate).await.expect("asking").expect("the gate").state, "answered");

    // Nor for one, and for who hands over to whom.
    let (_, gate) = seed::three_plans(&console).await;
    two(gate).await;
    let given = json!({ "delegate": "mia", "until": "2036-12-01T00:00:00Z" });
    let given = call(&console, "POST", "/api/delegations", &token_of("mes"), Some("sam"), given).await;
    assert_eq!(given.status, StatusCode::CREATED, "{}", given.text);
    assert_eq!(answer(gate, &token_of("mes"), "lee").await.0, StatusCode::OK);
    let by_herself =
        Answer { choice: Some(1), ..Answer::of(Decision::Choose, "web", "hash-of-the-proposal") };
    let refused = decide(&console.store, &console.site, gate, "mia", &by_herself).await;
    let said = refused.expect_err("Sam's voice rests on the word of `mes`, too").to_string();
    assert!(said.contains("the program `mes` has spoken for somebody else here already"), "{said}");
    let (status, said) = answer(gate, &token_of("erp"), "mia").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "nor with another program beside it: {said}");

    // The site's own token is one more program, and leaves its name as well.
    let (_, gate) = seed::three_plans(&console).await;
    two(gate).await;
    assert_eq!(answer(gate, API_TOKEN, "lee").await.0, StatusCode::OK);
    let named = of_action(&console, "gate.answered_for").await.into_iter().next().expect("a record");
    assert_eq!((named.actor.as_str(), named.actor_kind.as_str()), ("service:root", "service"));
    assert_eq!(named.detail["for"], json!("lee"));
    let (status, problem) = answer(gate, API_TOKEN, "sam").await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && problem.contains("`root`"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_over_mcp_take_the_scope_for_questions() {
    let console = with_programs().await;
    seed::three_plans(&console).await;
    let ask = |account: &'static str| {
        let console = &console;
        async move {
            let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                               "params": { "name": "takt.open_gates", "arguments": {} } });
            let client = reqwest::Client::new().post(format!("{}/mcp", console.url));
            let request = client.bearer_auth(token_of(account)).header("x-takt-person", "mia");
            let request = request.header("accept", "application/json, text/event-stream");
            let answer = request.header("mcp-protocol-version", "2025-06-18").json(&call).send().await;
            answer.expect("an answer").text().await.expect("a body")
        }
    };
    let refused = ask("bare").await;
    assert!(refused.contains("there is no tool of this name for you"), "{refused}");
    let told = ask("mes").await;
    assert!(told.contains("PRESS-4 down"), "{told}");
    let said: BTreeSet<(String, Option<String>)> =
        of_action(&console, "mcp").await.into_iter().map(|entry| (entry.actor, entry.auth)).collect();
    let both = |account: &str| ("mia".to_owned(), Some(format!("service:{account}")));
    assert_eq!(said, BTreeSet::from([both("bare"), both("mes")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_leave_one_record_a_minute_and_every_refusal_is_counted() {
    let console = Console::start().await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
    let client = client.expect("a client");
    for n in 0..40 {
        let hooks = [format!("/hooks/plant?{n}"), format!("/hooks/guess-{n}"), "/teams/messages".into()];
        for path in hooks {
            let url = format!("{}{path}", console.url);
            let answer = client.post(url).body("{}").send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
        let page = client.get(format!("{}/answer/x/y-{n}", console.url)).send().await.expect("an answer");
        assert_eq!(page.status(), StatusCode::NOT_FOUND);
    }
    let refused = of_action(&console, "event.refused").await;
    let objects: BTreeSet<&str> = refused.iter().filter_map(|entry| entry.object.as_deref()).collect();
    assert_eq!((refused.len(), objects), (3, BTreeSet::from(["plant", "teams", "unknown"])));
    assert_eq!(of_action(&console, "gate.refused").await.len(), 1);
    let mut db = console.store.connection().await.expect("a connection");
    let counted: i64 = events::rejections(&mut db).await.expect("counts").iter().map(|(_, _, n)| n).sum();
    assert_eq!(counted, 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_sessions_of_the_old_one_and_a_nul_is_no_fault_of_ours() {
    let console = Console::start().await;
    let mut sam = console.signed_in("sam").await;
    for path in ["/runs?workflow=%00", "/runs?q=a%00b", "/audit?actor=%00"] {
        let page = sam.get(path).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{path}: {}", page.text);
    }
    // As if `password_hash` had been another one when this session was opened.
    let other = "update session set password_mark = 'of another password'";
    sqlx::query(other).execute(console.store.pool()).await.expect("changed");
    assert_eq!(sam.get("/").await.status, StatusCode::SEE_OTHER);
}
