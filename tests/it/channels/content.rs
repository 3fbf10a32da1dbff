//! What a yes agrees to stands where the yes is given: the draft as it is now, and what was filled in. What is too long for a
//! card takes its yes on the page only, through whichever door somebody tries.

use super::{
    doors::{Places, until},
    everywhere::{connect, slack_card},
    queue, refusals,
    teams::{activity, execute, post, text_of_cards},
    vote,
};
use crate::{
    clicks,
    support::{
        peer::Peer,
        plant::Plant,
        seed::{self, Question},
        slack::Workspace,
    },
};
use chrono::Utc;
use reqwest::StatusCode;
use serde_json::{Value, json};
use takt::{
    gate::{Answer, Decision, decide},
    notify::{Button, OPEN_TO_READ, Press},
    run::GateId,
    store::gates,
    workflow::GateForm,
};

const TOKEN: &str = "content-test-token";

/// A draft that the first one changes, and a form that the first one fills in; a second one confirms each.
const NOTE: &str = r#"workflow: shown_note
title: Shown note
owner: tests
trigger: { event: test.note }
steps:
  - id: note
    gate: approve
    ask: production_supervisor
    draft: { summary: "${{ trigger.name }}", open_points: [Seal kit, Coil 7] }
    allow: [approve, edit, reject]
    second: { ask: plant_scheduler }
    expires: 12h
    on_expire: fail
  - id: report
    gate: form
    ask: plant_scheduler
    fields: { type: object, required: [scrap_pieces], properties: { scrap_pieces: { type: integer }, cause: { type: string, maxLength: 80 } } }
    second: { ask: production_supervisor }
    expires: 12h
    on_expire: fail
"#;

async fn open(plant: &Plant, step: &str, is_second: bool) -> gates::Gate {
    plant
        .until("a question", async || {
            let mut db = plant.store.connection().await.expect("a connection");
            let open = gates::list_open(&mut db, None, None).await.expect("gates");
            open.into_iter().find(|gate| {
                gate.ask["step"] == step && gate.ask.get("first").is_some_and(Value::is_object) == is_second
            })
        })
        .await
}

/// Waits until Slack, Teams and a mail show all these lines; gives the card in Slack and the mail.
async fn shown_everywhere(
    plant: &Plant,
    workspace: &Workspace,
    microsoft: &Peer,
    mails: &mut Peer,
    lines: &[&str],
) -> (Value, Value) {
    let in_slack = plant.until("a card in Slack", async || {
        let card = slack_card(workspace, lines.first()?).await?;
        let sections = card["blocks"].as_array()?.iter().filter_map(|block| block["text"]["text"].as_str());
        let words = sections.collect::<Vec<_>>().join("\n");
        lines.iter().all(|line| words.contains(line)).then_some(card)
    });
    let card = in_slack.await;
    let in_teams = microsoft.until("/_log", "a card in Teams", |log| {
        let all = text_of_cards(log);
        all.iter().any(|card| lines.iter().all(|line| card.contains(line))).then_some(())
    });
    in_teams.await;
    loop {
        let mail = mails.line().await;
        let words = mail["text"].as_str().unwrap_or_default().replace("\r\n", "\n");
        if lines.iter().all(|line| words.contains(line)) {
            return (card, mail);
        }
    }
}

/// The link of a mail for an answer.
fn link(mail: &Value, answer: &str) -> Option<String> {
    let lines = mail["text"].as_str().unwrap_or_default().lines().map(str::trim);
    lines
        .filter(|line| line.contains("/answer/"))
        .find(|line| line.ends_with(&format!("?answer={answer}")))
        .map(str::to_owned)
}

async fn answer(plant: &Plant, gate: &gates::Gate, person: &str, body: Value) {
    let url = format!("http://{}/api/gates/{}/answer", plant.address, gate.id);
    let mut body = body;
    body["proposal_hash"] = json!(gate.proposal_hash);
    let request = reqwest::Client::new().post(url).bearer_auth(TOKEN).header("x-takt-person", person);
    let answer = request.json(&body).send().await.expect("an answer");
    let (status, said) = (answer.status(), answer.text().await.expect("a body"));
    assert_eq!(status, StatusCode::OK, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_a_changed_draft_and_a_filled_in_form_stand_wherever_a_yes_is_given() {
    let mut plant = Plant::new().await;
    let (workspace, microsoft, mut mails) = connect(&mut plant).await;
    std::fs::write(plant.own_folder().join("workflows/shown_note.yaml"), NOTE).expect("a workflow");
    plant.environment.push(("TAKT_API_TOKEN", TOKEN.to_owned()));
    plant.serve(None).await;
    let supervisor = plant.on_shift("production_supervisor").await;
    let event = json!({ "id": "note-1", "type": "test.note", "subject": "note-1",
        "data": { "name": "PRESS-4 was down for 3 h." } });
    plant.store_event(&event).await;

    let first = open(&plant, "note", false).await;
    let lines = ["Summary: PRESS-4 was down for 3 h.", "Open points:\nSeal kit\nCoil 7"];
    let (_, mail) = shown_everywhere(&plant, &workspace, &microsoft, &mut mails, &lines).await;
    let page = reqwest::get(link(&mail, "approve").expect("a link")).await.expect("a page");
    let page = page.text().await.expect("a body");
    assert!(page.contains("<h3>Summary</h3>") && page.contains("PRESS-4 was down for 3 h."), "{page}");

    // Changed: the second one sees what it is now, and approves that with one tap.
    let edited = json!({ "summary": "PRESS-4 was down for 2 h.", "open_points": ["Oil"] });
    let change = json!({ "decision": "edit", "edited": edited, "reason_code": "facts_wrong" });
    answer(&plant, &first, &supervisor.id, change).await;
    open(&plant, "note", true).await;
    let lines = ["Summary: PRESS-4 was down for 2 h.", "Open points: Oil"];
    let (card, _) = shown_everywhere(&plant, &workspace, &microsoft, &mut mails, &lines).await;
    let press = json!({ "ts": card["ts"], "user": "U0LEE", "button": "Approve" });
    plant.post(&format!("{}/click", workspace.base_url), &press).await;

    // Filled in: the second one sees with what.
    let report = open(&plant, "report", false).await;
    let fields = json!({ "scrap_pieces": 12, "cause": "worn tool" });
    answer(&plant, &report, "lee", json!({ "decision": "approve", "fields": fields })).await;
    let lines = ["Scrap pieces: 12", "Cause: worn tool"];
    let (_, mail) = shown_everywhere(&plant, &workspace, &microsoft, &mut mails, &lines).await;
    let link = link(&mail, "approve").expect("a link");
    let page = reqwest::get(&link).await.expect("a page").text().await.expect("a body");
    assert!(page.contains("<h3>Scrap pieces</h3>") && page.contains("worn tool"), "{page}");
    let sent = reqwest::Client::new().post(&link).form(&[("answer", "approve")]).send().await;
    let thanks = sent.expect("a page").text().await.expect("a body");
    assert!(thanks.contains("Your answer counts"), "{thanks}");
}

/// A question of a note, asked in all channels.
async fn ask(places: &Places, draft: &str) -> GateId {
    let console = &places.console;
    let run = seed::run(console, "shift_handover", "Shift handover A", json!({ "type": "cron" })).await;
    let ask = json!({ "title": "Handover note", "allow": ["approve", "reject"], "draft": { "summary": draft },
        "role_title": "Production supervisor", "on_silence": "Without an answer it counts as rejected." });
    let question = Question {
        path: "approve",
        form: GateForm::Approve,
        role: "production_supervisor",
        ask,
        minutes: 15,
    };
    let gate = seed::ask(console, run, question).await;
    for channel in ["slack", "teams", "mail"] {
        queue(console, run, gate, channel).await;
    }
    console.hints.tell();
    gate
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_for_a_card_is_approved_through_no_door_but_its_page() {
    let mut places = Places::with(|_| {}).await;
    let gate = ask(&places, &"note ".repeat(600)).await;
    let card = until("a card in Slack", async || {
        let cards = places.slack().await;
        cards.into_iter().find(|card| card.to_string().contains(OPEN_TO_READ))
    });
    let card = card.await.to_string();
    assert!(!card.contains(":approve") && card.contains(":reject") && !card.contains("note note"), "{card}");
    let mail = places.mails.line().await;
    assert!(link(&mail, "approve").is_none() && mail["text"].to_string().contains(OPEN_TO_READ), "{mail:#}");

    let click = clicks::click("U0SAM", gate, Button::Approve, None);
    let taken = clicks::post(&places.console, &click, Utc::now().timestamp()).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.text);
    let press = Press { token: seed::button_token(gate), button: Button::Approve, option: None }.value();
    let did = execute("takt.decide", &json!({ "press": press }));
    let did = activity(places.microsoft.url(), "sam", &did);
    let (_, said) = post(&places.console.url, Some(&places.teams_token), &did).await;
    assert!(said["value"].to_string().contains("Read it all on its page"), "{said}");
    let link = link(&mail, "reject").expect("a link for a no");
    let page = reqwest::get(&link).await.expect("a page").text().await.expect("a body");
    assert!(page.contains(OPEN_TO_READ) && !page.contains(r#"value="approve""#), "{page}");
    let sent = reqwest::Client::new().post(&link).form(&[("answer", "approve")]).send().await;
    let refused = sent.expect("a page");
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert!(refused.text().await.expect("a body").contains("Read it all on its page"));
    assert!(vote(&places.console, gate).await.is_none());
    assert!(refusals(&places.console, "not_shown_whole").await >= 1, "it is in the audit");

    // On the page it stands whole, and is approved there.
    let mut sam = places.console.signed_in("sam").await;
    let page = sam.get(&format!("/gates/{gate}")).await.text;
    assert!(page.contains(&"note ".repeat(600)) && page.contains(r#"value="approve""#), "{page}");
    let yes = Answer::of(Decision::Approve, "web", "hash-of-the-proposal");
    decide(&places.console.store, &places.console.site, gate, "sam", &yes).await.expect("taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_mail_says_how_far_a_question_is_answered() {
    let mut places = Places::with(|site| {
        let lee = site.people.iter_mut().find(|person| person.id == "lee").expect("Lee");
        lee.roles.push("production_supervisor".into());
    })
    .await;
    let gate = ask(&places, "PRESS-4 runs.").await;
    let two = sqlx::query("update gate set quorum = 2 where id = $1").bind(gate.0);
    two.execute(places.console.store.pool()).await.expect("a quorum");
    let mut mail = places.mails.line().await;
    while mail["to"] != json!(["lee@plant1.example"]) {
        mail = places.mails.line().await;
    }
    let link = link(&mail, "approve").expect("a link");
    let read = async || reqwest::get(&link).await.expect("a page").text().await.expect("a body");
    let before = read().await;
    assert!(before.contains("nobody has answered yet"), "{before}");
    let yes = Answer::of(Decision::Approve, "web", "hash-of-the-proposal");
    decide(&places.console.store, &places.console.site, gate, "sam", &yes).await.expect("taken");
    let after = read().await;
    assert!(after.contains("1 of 2 approved: Sam Carter"), "{after}");
}
