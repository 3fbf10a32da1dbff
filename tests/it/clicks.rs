//! Clicks in Slack that are not taken: forged, late, by somebody else. The taken ones are in `journey`.

use crate::support::{
    console::{Console, Page},
    seed::{self, Question},
    slack::{BOT_TOKEN, SIGNING_SECRET},
};
use chrono::Utc;
use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};
use takt::{
    connector::slack::signature,
    notify::{Button, Press},
    run::GateId,
    site::{Site, Slack},
    store::{audit, events, gates},
    workflow::GateForm,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

/// A console whose Slack is a server that takes everything.
async fn console(slack: &MockServer) -> Console {
    console_with(slack, |_| {}).await
}

async fn console_with(slack: &MockServer, change: impl FnOnce(&mut Site)) -> Console {
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "ok": true })))
        .mount(slack)
        .await;
    let base_url = slack.uri();
    let secret = |text: &str| SecretString::from(text.to_owned());
    Console::with(|site| {
        site.slack = Some(Slack {
            base_url,
            bot_token: secret(BOT_TOKEN),
            signing_secret: Some(secret(SIGNING_SECRET)),
            app_token: None,
            default_channel: "#takt".into(),
        });
        change(site);
    })
    .await
}

pub fn click(user: &str, gate: GateId, button: Button, option: Option<usize>) -> Value {
    let value = Press { token: seed::button_token(gate), button, option }.value();
    json!({
        "type": "block_actions", "user": { "id": user }, "trigger_id": "1.2.abc",
        "container": { "type": "message", "message_ts": "1548261231.000200", "channel_id": "C1" },
        "actions": [{ "action_id": "takt.choose.1", "block_id": "b", "type": "button", "value": value }]
    })
}

/// Posts a payload as Slack does, signed at a time.
pub async fn post(console: &Console, payload: &Value, at: i64) -> Page {
    post_signed(console, payload, payload, SIGNING_SECRET, at).await
}

/// Posts a payload with the signature that `signed` would have with this secret.
async fn post_signed(console: &Console, payload: &Value, signed: &Value, secret: &str, at: i64) -> Page {
    let body_of = |payload: &Value| {
        let form = reqwest::Url::parse_with_params("form:/", [("payload", payload.to_string())]);
        form.expect("a form").query().unwrap_or_default().to_owned()
    };
    let body = body_of(payload);
    let sign = signature::sign(&SecretString::from(secret.to_owned()), at, body_of(signed).as_bytes());
    let request = reqwest::Client::new().post(format!("{}/slack/interactions", console.url));
    let request = request.header("x-slack-request-timestamp", at).header("x-slack-signature", sign);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    Page::of(request.send().await.expect("an answer")).await
}

async fn vote(console: &Console, gate: GateId) -> Option<gates::Vote> {
    let mut db = console.store.connection().await.expect("a connection");
    gates::vote(&mut db, gate).await.expect("asking")
}

/// Waits until Slack was asked for something that fits, and gives the last of it.
async fn asked(slack: &MockServer, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let requests = slack.received_requests().await.expect("recorded requests");
        let asked = requests.iter().filter(|request| request.url.path() == path);
        let mut bodies = asked.filter_map(|request| request.body_json::<Value>().ok());
        if let Some(last) = bodies.rfind(&fits) {
            return last;
        }
        assert!(std::time::Instant::now() < until, "{path} was not asked for");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// What somebody was told last.
async fn whispered(slack: &MockServer, user: &str) -> String {
    let told = asked(slack, "/chat.postEphemeral", |body| body["user"] == user).await;
    told["text"].as_str().expect("words").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_or_old_click_leaves_a_count_and_nothing_else() {
    let slack = MockServer::start().await;
    let console = console(&slack).await;
    let (_, gate) = seed::three_plans(&console).await;
    let payload = click("U0SAM", gate, Button::Choose, Some(1));
    let old = post(&console, &payload, Utc::now().timestamp() - 400).await;
    assert_eq!(old.status, StatusCode::UNAUTHORIZED, "{}", old.text);
    let unsigned =
        reqwest::Client::new().post(format!("{}/slack/interactions", console.url)).body("payload=%7B%7D");
    assert_eq!(unsigned.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
    let unreadable = post(&console, &json!({ "type": "block_actions" }), Utc::now().timestamp()).await;
    assert_eq!(unreadable.status, StatusCode::BAD_REQUEST);
    // By another workspace, and changed on its way.
    let now = Utc::now().timestamp();
    let other = click("U0SAM", gate, Button::Choose, Some(2));
    for (signed, secret) in [(&payload, "another secret"), (&other, SIGNING_SECRET)] {
        let page = post_signed(&console, &payload, signed, secret, now).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{}", page.text);
    }
    assert!(vote(&console, gate).await.is_none());
    let mut db = console.store.connection().await.expect("a connection");
    let counts = events::rejections(&mut db).await.expect("counts");
    let causes: Vec<_> =
        counts.iter().map(|(source, cause, count)| (source.as_str(), cause.as_str(), *count)).collect();
    assert_eq!(
        causes,
        [
            ("slack", "malformed", 1),
            ("slack", "signature-invalid", 2),
            ("slack", "signature-missing", 1),
            ("slack", "signature-too-old", 1)
        ]
    );
    let trail = audit::recent(&mut db, 50).await.expect("the audit");
    for cause in ["malformed", "signature-invalid", "signature-missing", "signature-too-old"] {
        let is_so = |entry: &&audit::Entry| entry.detail["cause"] == cause;
        assert!(trail.iter().any(|entry| is_so(&entry)), "{cause} is audited: {trail:#?}");
    }
}

/// Asked in Slack by the address that Slack knows them by; they click, and Slack says whose click it was.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_known_by_a_mail_address_alone_answers_too() {
    let slack = MockServer::start().await;
    let user = json!({ "ok": true, "user": { "id": "U9SAM", "profile": { "email": "Sam@plant1.example" } } });
    let info = Mock::given(path("/users.info")).and(wiremock::matchers::query_param("user", "U9SAM"));
    info.respond_with(ResponseTemplate::new(200).set_body_json(user)).with_priority(1).mount(&slack).await;
    let console = console_with(&slack, |site| {
        for person in &mut site.people {
            person.slack_id = person.slack_id.take().filter(|_| person.id != "sam");
        }
    })
    .await;
    let (_, gate) = seed::three_plans(&console).await;
    let page = post(&console, &click("U9SAM", gate, Button::Choose, Some(1)), Utc::now().timestamp()).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert_eq!(vote(&console, gate).await.map(|vote| vote.person), Some("sam".to_owned()));
    // Somebody else with the address of one who has a Slack id is not taken for them.
    let (_, gate) = seed::three_plans(&console).await;
    post(&console, &click("U9LEE", gate, Button::Choose, Some(1)), Utc::now().timestamp()).await;
    assert!(whispered(&slack, "U9LEE").await.contains("does not know you"));
    assert!(vote(&console, gate).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_counts_once_and_others_are_told() {
    let slack = MockServer::start().await;
    let console = console(&slack).await;
    let (_, gate) = seed::three_plans(&console).await;
    let now = Utc::now().timestamp();
    let stranger = post(&console, &click("U0NOBODY", gate, Button::Choose, Some(1)), now).await;
    assert_eq!((stranger.status, stranger.text.as_str()), (StatusCode::OK, ""));
    assert!(whispered(&slack, "U0NOBODY").await.contains("Takt does not know you"));
    post(&console, &click("U0MIA", gate, Button::Choose, Some(1)), now).await;
    assert!(whispered(&slack, "U0MIA").await.contains("only Production supervisor can answer"));
    assert!(vote(&console, gate).await.is_none());

    let taken = post(&console, &click("U0SAM", gate, Button::Choose, Some(2)), now).await;
    assert_eq!(taken.status, StatusCode::OK);
    let vote = vote(&console, gate).await.expect("an answer");
    assert_eq!(
        (vote.person.as_str(), vote.channel.as_str(), &vote.body["choice"]),
        ("sam", "slack", &json!(2))
    );
    // The same request once more, as whoever caught it on its way would send it.
    let again = post(&console, &click("U0SAM", gate, Button::Choose, Some(2)), now).await;
    assert_eq!(again.status, StatusCode::OK);
    let mut db = console.store.connection().await.expect("a connection");
    let filter = audit::Filter { action: Some("gate.repeated".into()), ..audit::Filter::default() };
    let trail = audit::list(&mut db, &filter, 10).await.expect("the trail");
    let [repeated] = trail.as_slice() else { panic!("one record of it: {trail:#?}") };
    assert_eq!((repeated.actor.as_str(), repeated.auth.as_deref()), ("sam", Some("slack")));
    assert_eq!(gates::votes(&mut db, gate).await.expect("votes").len(), 1);
    post(&console, &click("U0SAM", gate, Button::Choose, Some(1)), now).await;
    assert!(whispered(&slack, "U0SAM").await.contains("Sam Carter answered this at"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_asks_for_its_reason_first() {
    let slack = MockServer::start().await;
    Mock::given(path("/views.open"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "ok": true })))
        .expect(1)
        .mount(&slack)
        .await;
    let console = console(&slack).await;
    let (_, gate) = seed::three_plans(&console).await;
    let now = Utc::now().timestamp();
    let opened = post(&console, &click("U0SAM", gate, Button::Reject, None), now).await;
    assert_eq!((opened.status, vote(&console, gate).await.is_none()), (StatusCode::OK, true));
    let carried =
        json!({ "value": format!("{}:reject", seed::button_token(gate)), "channel": "C1", "ts": "1.2" });
    let dialog = |code: &str, reason: Value| {
        json!({ "type": "view_submission", "user": { "id": "U0SAM" }, "view": {
            "callback_id": "takt.answer", "private_metadata": carried.to_string(),
            "state": { "values": {
                "code": { "code": { "selected_option": { "value": code } } },
                "reason": { "reason": { "value": reason } },
            } } } })
    };
    let blank = post(&console, &dialog("other", Value::Null), now).await;
    assert!(
        blank.text.contains("\"response_action\":\"errors\"") && blank.text.contains("say why"),
        "{}",
        blank.text
    );
    let sent = post(&console, &dialog("facts_wrong", json!("the tool is fixed")), now).await;
    assert_eq!(sent.text, r#"{"response_action":"clear"}"#);
    let vote = vote(&console, gate).await.expect("an answer");
    let words = (vote.decision.as_str(), vote.reason_code.as_deref(), vote.reason.as_deref());
    assert_eq!(words, ("reject", Some("facts_wrong"), Some("the tool is fixed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_text_goes_through_its_dialog() {
    let slack = MockServer::start().await;
    let console = console(&slack).await;
    let (run, _) = seed::three_plans(&console).await;
    let ask = json!({ "title": "Note", "allow": ["approve", "edit"], "draft": "PRESS-4 is down",
        "role_title": "Production supervisor", "on_silence": "It counts as rejected." });
    let (form, role) = (GateForm::Approve, "production_supervisor");
    let gate = seed::ask(&console, run, Question { path: "note", form, role, ask, minutes: 15 }).await;
    let now = Utc::now().timestamp();
    assert_eq!(post(&console, &click("U0SAM", gate, Button::Edit, None), now).await.status, StatusCode::OK);
    let view = asked(&slack, "/views.open", |_| true).await["view"].clone();
    let text =
        view["blocks"].as_array().and_then(|blocks| blocks.iter().find(|one| one["block_id"] == "draft"));
    assert_eq!(text.expect("a field")["element"]["initial_value"], "PRESS-4 is down", "{view:#}");
    let sent = json!({ "type": "view_submission", "user": { "id": "U0SAM" }, "view": {
        "callback_id": view["callback_id"], "private_metadata": view["private_metadata"],
        "state": { "values": {
            "draft": { "draft": { "value": "PRESS-4 is down: a hose" } },
            "code": { "code": { "selected_option": { "value": "facts_wrong" } } },
            "reason": { "reason": { "value": null } },
        } } } });
    assert_eq!(post(&console, &sent, now).await.text, r#"{"response_action":"clear"}"#);
    let vote = vote(&console, gate).await.expect("an answer");
    assert_eq!((vote.decision.as_str(), vote.reason_code.as_deref()), ("edit", Some("facts_wrong")));
    assert_eq!(vote.body["edited"], "PRESS-4 is down: a hose");
}

/// Slack shows people an error after three seconds, so the acknowledgement does not wait for a database that is held up;
/// the answer is taken behind it, and who was not heard is told then.
#[tokio::test(flavor = "multi_thread")]
async fn a_click_is_acknowledged_in_time_while_the_database_is_held_up() {
    let slack = MockServer::start().await;
    let console = console(&slack).await;
    let now = Utc::now().timestamp();
    let (_, on_card) = seed::three_plans(&console).await;
    let (_, in_dialog) = seed::three_plans(&console).await;
    let mut held = console.store.pool().begin().await.expect("a transaction");
    sqlx::query("select 1 from gate for update").execute(&mut *held).await.expect("both gates are held");

    let carried =
        json!({ "value": format!("{}:reject", seed::button_token(in_dialog)), "channel": "C1", "ts": "1.2" });
    let dialog = json!({ "type": "view_submission", "user": { "id": "U0SAM" }, "view": {
        "callback_id": "takt.answer", "private_metadata": carried.to_string(),
        "state": { "values": { "code": { "code": { "selected_option": { "value": "not_now" } } },
                               "reason": { "reason": { "value": "a visit" } } } } } });
    let timed = async |payload: Value| {
        let begun = std::time::Instant::now();
        let page = post(&console, &payload, now).await;
        (page, begun.elapsed())
    };
    let (on_card_said, in_dialog_said, not_asked_said) = tokio::join!(
        timed(click("U0SAM", on_card, Button::Choose, Some(2))),
        timed(dialog),
        timed(click("U0MIA", on_card, Button::Choose, Some(1))),
    );
    for (what, (page, took)) in
        [("a click", &on_card_said), ("a dialog", &in_dialog_said), ("another one", &not_asked_said)]
    {
        assert_eq!(page.status, StatusCode::OK, "{what}: {}", page.text);
        assert!(*took < std::time::Duration::from_secs(3), "{what} was acknowledged after {took:?}");
        assert!(*took > std::time::Duration::from_secs(2), "{what} was held up by nothing: {took:?}");
    }
    assert_eq!(in_dialog_said.0.text, r#"{"response_action":"clear"}"#, "the dialog closes");
    assert!(vote(&console, on_card).await.is_none() && vote(&console, in_dialog).await.is_none());

    held.commit().await.expect("let go");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    for (gate, decision) in [(on_card, "choose"), (in_dialog, "reject")] {
        let taken = loop {
            if let Some(taken) = vote(&console, gate).await {
                break taken;
            }
            assert!(std::time::Instant::now() < until, "{decision} was lost");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        assert_eq!((taken.person.as_str(), taken.decision.as_str()), ("sam", decision));
    }
    assert!(!whispered(&slack, "U0MIA").await.is_empty(), "who was not heard is told why");
}
