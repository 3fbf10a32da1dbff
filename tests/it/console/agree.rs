//! Several people, people for others, one person alone, and forms: through the pages and the API, on a phone.

use crate::support::{
    browser::{Browser, PHONE},
    console::{API_TOKEN, Console, PASSWORD, Page, Visitor},
    seed::{self, Question},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use takt::{
    gate::review_of,
    run::{GateId, RunId},
    store::{audit, gates, summaries},
    workflow::GateForm,
};

/// Lee is a supervisor too, and the plant manager may decide alone.
async fn console() -> Console {
    Console::with(|site| {
        let lee = site.people.iter_mut().find(|person| person.id == "lee").expect("Lee");
        lee.roles.push("production_supervisor".into());
        site.answering.overrides = vec!["plant_manager".into()];
        site.answering.override_review = Some("shift_lead".into());
    })
    .await
}

async fn two_must_agree(console: &Console) -> GateId {
    let (_, gate) = seed::three_plans(console).await;
    let two = format!("update gate set quorum = 2 where id = '{gate}'");
    sqlx::query(sqlx::AssertSqlSafe(two)).execute(console.store.pool()).await.expect("a quorum");
    gate
}

async fn scrap_form(console: &Console) -> GateId {
    let (run, _) = seed::three_plans(console).await;
    let schema: Value =
        serde_json::from_str(include_str!("../../data/gates/schemas/scrap.json")).expect("a schema");
    let ask = json!({
        "title": "Scrap at PRESS-4 · lot L-7", "body": "The press rejected a whole pallet.\nSay what you found.",
        "options": [], "items": [], "draft": null, "allow": ["approve", "reject"], "fields": schema,
        "on_silence": "Without an answer it counts as rejected.", "role_title": "Production supervisor"
    });
    let question =
        Question { path: "report", form: GateForm::Form, role: "production_supervisor", ask, minutes: 60 };
    seed::ask(console, run, question).await
}

async fn votes(console: &Console, gate: GateId) -> Vec<gates::Vote> {
    let mut db = console.store.connection().await.expect("a connection");
    gates::votes(&mut db, gate).await.expect("votes")
}

async fn state(console: &Console, gate: GateId) -> String {
    let mut db = console.store.connection().await.expect("a connection");
    gates::get(&mut db, gate).await.expect("asking").expect("the gate").state
}

async fn answer(visitor: &mut Visitor, gate: GateId, fields: &[(&str, &str)]) -> Page {
    let path = format!("/gates/{gate}");
    let csrf = visitor.get(&path).await.field("csrf");
    let fields = [&[("csrf", csrf.as_str()), ("proposal", "hash-of-the-proposal")], fields].concat();
    visitor.post(&format!("{path}/answer"), &fields).await
}

async fn hand_over(visitor: &mut Visitor, fields: &[(&str, &str)]) -> Page {
    let csrf = visitor.get("/delegations").await.field("csrf");
    visitor.post("/delegations", &[&[("csrf", csrf.as_str())], fields].concat()).await
}

async fn call(console: &Console, path: &str, person: &str, body: Value) -> (StatusCode, Value) {
    let request = reqwest::Client::new().post(format!("{}{path}", console.url)).bearer_auth(API_TOKEN);
    let answer = request.header("x-takt-person", person).json(&body).send().await.expect("an answer");
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

async fn audited(console: &Console, action: &str) -> usize {
    let mut db = console.store.connection().await.expect("a connection");
    let rows = audit::recent(&mut db, 50).await.expect("the audit");
    rows.iter().filter(|row| row.action == action).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_have_to_choose_the_same() {
    let console = console().await;
    let gate = two_must_agree(&console).await;
    let mut sam = console.signed_in("sam").await;
    let mut lee = console.signed_in("lee").await;
    assert!(sam.get("/").await.text.contains("2 people have to give the same answer"));
    assert_eq!(
        answer(&mut sam, gate, &[("decision", "choose"), ("choice", "1")]).await.status,
        StatusCode::SEE_OTHER
    );
    let page = sam.get(&format!("/gates/{gate}")).await.text;
    assert!(page.contains("1 of 2 chose 1: Sam Carter"), "{page}");
    assert!(page.contains("Sam Carter has answered already") && !page.contains("Choose 1"), "{page}");
    let again = answer(&mut sam, gate, &[("decision", "choose"), ("choice", "1")]).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "a double tap is the same answer");
    let other = answer(&mut sam, gate, &[("decision", "choose"), ("choice", "2")]).await;
    assert!(
        other.status == StatusCode::CONFLICT && other.text.contains("another one must agree"),
        "{}",
        other.text
    );
    assert_eq!((votes(&console, gate).await.len(), state(&console, gate).await.as_str()), (1, "open"));

    answer(&mut lee, gate, &[("decision", "choose"), ("choice", "1")]).await;
    assert_eq!(state(&console, gate).await, "answered");
    let page = lee.get(&format!("/gates/{gate}")).await.text;
    assert!(page.contains("Sam Carter and Lee Tanaka chose 1: Least late"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_answers_for_somebody_until_a_time() {
    let console = console().await;
    let (_, gate) = seed::three_plans(&console).await;
    let mut sam = console.signed_in("sam").await;
    let mut mia = console.signed_in("mia").await;
    let over = hand_over(&mut sam, &[("delegate", "mia"), ("role", ""), ("until", "2036-11-24T06:00")]).await;
    assert!(
        over.status == StatusCode::CONFLICT && over.text.contains("must be later than now"),
        "{}",
        over.text
    );
    let gap = hand_over(&mut sam, &[("delegate", "mia"), ("role", ""), ("until", "2037-03-08T02:30")]).await;
    assert!(gap.text.contains("a time that exists"), "{}", gap.text);
    let wish = [("delegate", "mia"), ("role", "production_supervisor"), ("until", "2036-11-30T18:00")];
    assert_eq!(hand_over(&mut sam, &wish).await.status, StatusCode::SEE_OTHER);
    let (status, problem) = call(
        &console,
        "/api/delegations",
        "sam",
        json!({ "delegate": "lee", "until": "2036-11-30T18:00:00Z" }),
    )
    .await;
    assert_eq!(
        (status, problem["detail"].as_str()),
        (StatusCode::CONFLICT, Some("you have handed this over already: end that first"))
    );

    assert!(mia.get("/").await.text.contains("for Sam Carter"), "it is in the delegate's inbox");
    let page = mia.get(&format!("/gates/{gate}")).await.text;
    assert!(page.contains("Mia Novak for Sam Carter until 30 Nov 18:00"), "{page}");
    assert!(page.contains("You answer for Sam Carter"), "{page}");
    answer(&mut mia, gate, &[("decision", "choose"), ("choice", "2")]).await;
    let given = votes(&console, gate).await;
    assert_eq!((given[0].person.as_str(), given[0].on_behalf_of.as_deref()), ("mia", Some("sam")));
    let late = answer(&mut sam, gate, &[("decision", "choose"), ("choice", "1")]).await;
    assert!(
        late.text.contains("Mia Novak for Sam Carter answered this at 06:10 in the console: chose 2."),
        "{}",
        late.text
    );

    let (_, other) = seed::three_plans(&console).await;
    let listed = mia.get("/delegations").await.text;
    let id =
        listed.split("/delegations/").nth(1).and_then(|rest| rest.split('/').next()).expect("one in force");
    let path = format!("/api/delegations/{id}/end");
    assert_eq!(call(&console, &path, "ana", json!({})).await.0, StatusCode::NOT_FOUND, "it is none of hers");
    assert_eq!(call(&console, &path, "mia", json!({})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(call(&console, &path, "mia", json!({})).await.0, StatusCode::CONFLICT);
    let refused = answer(&mut mia, other, &[("decision", "choose"), ("choice", "1")]).await;
    assert!(refused.text.contains("Only Production supervisor can answer this"), "{}", refused.text);
    assert_eq!(
        (audited(&console, "delegation_started").await, audited(&console, "delegation_ended").await),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plant_manager_decides_alone_and_is_reviewed() {
    let console = console().await;
    let gate = two_must_agree(&console).await;
    let manager =
        console.site.people.iter().find(|person| person.roles.contains(&"plant_manager".to_owned()));
    let manager = manager.expect("a plant manager").clone();
    let mut sam = console.signed_in("sam").await;
    let mut boss = console.signed_in(&manager.id).await;
    assert!(!sam.get(&format!("/gates/{gate}")).await.text.contains("Decide this alone"));
    assert!(boss.get(&format!("/gates/{gate}")).await.text.contains("Decide this alone"));
    let alone = |reason| [("decision", "choose"), ("choice", "2"), ("override", "on"), ("reason", reason)];
    let silent = answer(&mut boss, gate, &alone(" ")).await;
    assert!(silent.text.contains("Say in a few words why you decide this alone."), "{}", silent.text);
    let not_hers = answer(&mut sam, gate, &alone("quick")).await;
    assert!(not_hers.text.contains("You may not decide this alone"), "{}", not_hers.text);
    assert!(votes(&console, gate).await.is_empty());
    assert_eq!(
        answer(&mut boss, gate, &alone("The customer's line stands")).await.status,
        StatusCode::SEE_OTHER
    );
    let given = votes(&console, gate).await;
    assert!(given.len() == 1 && given[0].overrides && state(&console, gate).await == "answered");
    let page = boss.get(&format!("/gates/{gate}")).await.text;
    assert!(page.contains("decided alone") && page.contains("The customer&#x27;s line stands"), "{page}");

    let mut db = console.store.connection().await.expect("a connection");
    let run = RunId(gates::get(&mut db, gate).await.expect("asking").expect("the gate").run_id);
    let review = review_of(run, gate.0);
    assert_eq!(review.0.as_bytes()[..6], run.0.as_bytes()[..6], "in the same partition");
    let review = summaries::get(&mut db, review).await.expect("asking").expect("a review was begun");
    assert_eq!(review.workflow, "override_review");
    let row = audit::recent(&mut db, 20).await.expect("the audit");
    let row = row.into_iter().find(|row| row.action == "gate_overridden").expect("it is audited");
    assert_eq!((row.actor, &row.detail["reason"]), (manager.id, &json!("The customer's line stands")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_keeps_what_was_typed_and_takes_typed_values() {
    let console = console().await;
    let gate = scrap_form(&console).await;
    let mut sam = console.signed_in("sam").await;
    assert!(sam.get("/").await.text.contains("a form to fill in"));
    let wrong =
        [("decision", "approve"), ("field.cause", "tool"), ("field.pieces", "900"), ("field.note", "wet")];
    let page = answer(&mut sam, gate, &wrong).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(page.text.contains("Scrapped pieces is a whole number from 1 to 500"), "{}", page.text);
    assert!(
        page.text.contains(r#"<option value="tool" selected>"#) && page.text.contains(">wet</textarea>"),
        "{}",
        page.text
    );
    let right = [
        ("decision", "approve"),
        ("field.cause", "tool"),
        ("field.pieces", "12"),
        ("field.stop", "on"),
        ("field.due", "2036-12-24"),
    ];
    assert_eq!(answer(&mut sam, gate, &right).await.status, StatusCode::SEE_OTHER);
    let fields = votes(&console, gate).await[0].body["fields"].clone();
    assert_eq!(fields, json!({ "cause": "tool", "pieces": 12, "stop": true, "due": "2036-12-24" }));
    let page = sam.get(&format!("/gates/{gate}")).await.text;
    assert!(page.contains("<dt>Scrapped pieces</dt><dd>12</dd>"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_everything_fits() {
    let console = console().await;
    let (form, gate) = (scrap_form(&console).await, two_must_agree(&console).await);
    let mut sam = console.signed_in("sam").await;
    answer(&mut sam, gate, &[("decision", "choose"), ("choice", "1")]).await;
    let until = "2036-11-30T18:00";
    hand_over(&mut sam, &[("delegate", "mia"), ("role", "production_supervisor"), ("until", until)]).await;
    let manager =
        console.site.people.iter().find(|person| person.roles.contains(&"plant_manager".to_owned()));
    let manager = manager.expect("a plant manager").id.clone();
    for (person, pages) in [
        ("lee", vec![("form", format!("/gates/{form}")), ("quorum", format!("/gates/{gate}"))]),
        ("sam", vec![("delegation", "/delegations".to_owned())]),
        (manager.as_str(), vec![("override", format!("/gates/{gate}#override"))]),
    ] {
        let browser = Browser::open(&console.url, PHONE).await;
        browser.go("/").await;
        browser.sign_in(person, PASSWORD).await;
        for (name, path) in pages {
            browser.go(&path).await;
            browser.see("main h1").await;
            if name == "override" {
                browser.tap("#override summary").await;
            }
            browser.picture(&format!("gates-{name}")).await;
            let width = browser.page_width().await;
            assert!(width <= 390.0, "{name} is {width} px wide");
        }
        browser.close().await;
    }
}
