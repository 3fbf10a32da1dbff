//! Socket Mode against a server that slack_sdk's own client takes for Slack.

use super::vote;
use crate::support::{console::Console, peer::Peer, seed, slack::BOT_TOKEN};
use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};
use takt::{
    notify::{Button, Press},
    run::GateId,
    site::Slack,
};

fn click(envelope: &str, gate: GateId, button: Button, option: Option<usize>) -> Value {
    let value = Press { token: seed::button_token(gate), button, option }.value();
    let payload = json!({
        "type": "block_actions", "user": { "id": "U0SAM" }, "trigger_id": "1.2.abc",
        "container": { "type": "message", "message_ts": "1548261231.000200", "channel_id": "C1" },
        "actions": [{ "action_id": "takt.choose.1", "block_id": "b", "type": "button", "value": value }],
    });
    json!({ "envelope_id": envelope, "type": "interactive", "payload": payload, "accepts_response_payload": false,
        "retry_attempt": 0, "retry_reason": "" })
}

fn dialog(envelope: &str, gate: GateId, reason: Value) -> Value {
    let carried =
        json!({ "value": format!("{}:reject", seed::button_token(gate)), "channel": "C1", "ts": "1.2" });
    let payload = json!({ "type": "view_submission", "user": { "id": "U0SAM" }, "view": {
        "callback_id": "takt.answer", "private_metadata": carried.to_string(),
        "state": { "values": { "reason": { "reason": { "value": reason } } } } } });
    json!({ "envelope_id": envelope, "type": "interactive", "payload": payload, "accepts_response_payload": true })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plant_that_lets_nothing_in_answers_over_its_own_connection() {
    let slack = Peer::start("slack_socket.py").await;
    let base_url = format!("{}/api", slack.url());
    // Slack's own client takes this server for Slack, and answers a frame as Takt has to.
    let frame = json!({ "envelope_id": "e-0", "type": "interactive", "payload": { "type": "block_actions" },
        "accepts_response_payload": false });
    assert_eq!(slack.post("/_official", &frame).await, json!({ "envelope_id": "e-0" }));
    let before = slack.until("/_state", "the client to leave", |state| {
        (state["connections"] == 0).then(|| state["opened"].as_u64())
    });
    let before = before.await.expect("a number");

    let console = Console::with(|site| {
        site.slack = Some(Slack {
            base_url,
            bot_token: SecretString::from(BOT_TOKEN.to_owned()),
            signing_secret: None,
            app_token: Some(SecretString::from("xapp-test".to_owned())),
            default_channel: "#takt".into(),
        });
    })
    .await;
    let opened = |count: u64| {
        move |state: &Value| {
            (state["opened"] == before + count && state["connections"].as_u64() >= Some(1)).then_some(())
        }
    };
    slack.until("/_state", "a connection", opened(1)).await;
    let (_, gate) = seed::three_plans(&console).await;

    // A rejection: the dialog opens, an empty one is sent back, and nothing is decided yet.
    assert_eq!(
        slack.post("/_send", &click("e-1", gate, Button::Reject, None)).await,
        json!({ "envelope_id": "e-1" })
    );
    slack
        .until("/_state", "a dialog", |state| {
            (state["views"][0]["view"]["callback_id"] == "takt.answer").then_some(())
        })
        .await;
    let sent_back = slack.post("/_send", &dialog("e-2", gate, Value::Null)).await;
    assert_eq!(sent_back["payload"]["response_action"], "errors", "{sent_back}");
    assert!(vote(&console, gate).await.is_none());

    // Slack replaces the connection: the click comes over the new one, and its repetition changes nothing.
    slack.post("/_disconnect", &json!({ "reason": "refresh_requested" })).await;
    slack.until("/_state", "another connection", opened(2)).await;
    for envelope in ["e-3", "e-3-again"] {
        let said = slack.post("/_send", &click(envelope, gate, Button::Choose, Some(2))).await;
        assert_eq!(said, json!({ "envelope_id": envelope }));
    }
    let taken = vote(&console, gate).await.expect("an answer");
    assert_eq!(
        (taken.person.as_str(), taken.channel.as_str(), &taken.body["choice"]),
        ("sam", "slack", &json!(2))
    );

    // The network goes away: it comes back by itself, and a late click is told so.
    slack.post("/_drop", &json!({})).await;
    slack.until("/_state", "a connection after the loss", opened(3)).await;
    slack.post("/_send", &click("e-4", gate, Button::Choose, Some(1))).await;
    let whisper = slack
        .until("/_state", "a kind word", |state| Some(state["whispers"][0]["text"].as_str()?.to_owned()));
    assert!(whisper.await.starts_with("Too late. Sam Carter answered this at "));

    // The HTTP door stays shut where there is no signing secret.
    let posted =
        reqwest::Client::new().post(format!("{}/slack/interactions", console.url)).body("payload=%7B%7D");
    assert_eq!(posted.send().await.expect("an answer").status(), StatusCode::UNAUTHORIZED);
}
