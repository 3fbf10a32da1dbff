//! Takt's side of Slack against the simulated workspace: a card, a click, a dialog, the card changed.

use crate::support::slack::{SIGNING_SECRET, Workspace};
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use chrono::Utc;
use chrono_tz::America::Chicago;
use secrecy::SecretString;
use serde_json::{Value, json};
use takt::{
    connector::slack::{
        SlackNotifier,
        interaction::{Click, Interaction, parse},
        modal, signature,
    },
    notify::{Button, Contact, Destination, Message, Notifier, NotifyError, Receipt, Sending},
};
use tokio::sync::mpsc;

/// A callback that checks and reads every request as Takt does, and passes the click on.
async fn callback(clicks: mpsc::UnboundedSender<Click>) -> String {
    async fn receive(
        State(clicks): State<mpsc::UnboundedSender<Click>>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(), axum::http::StatusCode> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (timestamp, sign) = (header("x-slack-request-timestamp"), header("x-slack-signature"));
        let secret = SecretString::from(SIGNING_SECRET.to_owned());
        signature::verify(&secret, timestamp, sign, &body, Utc::now())
            .map_err(|_| axum::http::StatusCode::UNAUTHORIZED)?;
        let Ok(Interaction::Click(click)) = parse(&body) else {
            return Err(axum::http::StatusCode::BAD_REQUEST);
        };
        clicks.send(click).map_err(|_| axum::http::StatusCode::INTERNAL_SERVER_ERROR)
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().route("/slack", post(receive)).with_state(clicks);
    tokio::spawn(axum::serve(listener, router).into_future());
    format!("http://{address}/slack")
}

async fn read(url: String) -> Value {
    reqwest::get(url).await.expect("an answer").json().await.expect("JSON")
}

async fn tell(url: String, body: &Value) -> Value {
    reqwest::Client::new().post(url).json(body).send().await.expect("an answer").json().await.expect("JSON")
}

fn message(json: Value) -> Message {
    serde_json::from_value(json).expect("a message")
}

fn by_mail(email: &str) -> Destination {
    Destination::Person(Contact { email: Some(email.to_owned()), ..Contact::default() })
}

async fn send(notifier: &SlackNotifier, message: &Message, to: &Destination) -> Result<Receipt, NotifyError> {
    let id = uuid::Uuid::new_v4();
    notifier.send(&Sending { message, to, id, tried: false, reference: None }).await
}

#[tokio::test]
async fn a_rejection_goes_through_its_dialog_and_the_card_loses_its_buttons() {
    let (heard, mut clicks) = mpsc::unbounded_channel();
    let workspace = Workspace::start(Some(callback(heard).await)).await;
    let at = |path: &str| format!("{}/{path}", workspace.base_url);
    let notifier = SlackNotifier::new(&workspace.settings(), Chicago).expect("a notifier");
    let question = message(json!({
        "kind": "ask", "title": "PRESS-4 down", "gate": "01890a5d-ac96-774b-bcce-b302099a8057", "token": "tok",
        "allow": ["approve", "reject"], "asked_at": "2026-11-23T12:12:00Z", "expires_at": "2026-11-23T12:27:00Z",
        "on_silence": "Without an answer it counts as rejected.",
    }));
    let receipt = send(&notifier, &question, &by_mail("sam@plant1.example")).await.expect("posted");
    assert_eq!(receipt.0["channel"], "U0SAM");

    let press = json!({ "ts": receipt.0["ts"], "user": "U0SAM", "button": "Reject" });
    assert_eq!(tell(at("click"), &press).await["ok"], true);
    let click = clicks.recv().await.expect("a click");
    assert!(click.wants_reason());
    let (channel, ts) = (click.channel.as_deref(), click.ts.as_deref());
    let reasons = takt::site::Answering::default().reasons;
    let view = modal::reason(&click.press(), &reasons, channel, ts, "PRESS-4 down", None);
    let trigger = click.trigger_id.as_deref().expect("a trigger");
    notifier.client().open_view(trigger, &view).await.expect("opened");
    let again = notifier.client().open_view(trigger, &view).await.expect_err("a trigger is good once");
    assert!(!again.retryable);

    let opened = read(at("views")).await;
    let values = json!({ "code": "not_now", "reason": "customer visit" });
    let filled = json!({ "view": opened[0]["id"], "user": "U0SAM", "values": values });
    assert_eq!(tell(at("submit"), &filled).await["ok"], true);
    let answer = clicks.recv().await.expect("an answer");
    assert_eq!((answer.gate_token.as_str(), answer.button), ("tok", Button::Reject));
    assert_eq!(answer.reason_code.as_deref(), Some("not_now"));
    assert_eq!(answer.reason.as_deref(), Some("customer visit"));

    let settled = json!({ "answered": { "by": "Sam", "button": "reject", "at": "2026-11-23T12:18:00Z",
        "channel": "slack", "reason": answer.reason } });
    let decided = message(json!({ "kind": "decided", "title": "PRESS-4 down", "settled": settled }));
    notifier.update(&receipt, &decided).await.expect("changed");
    let messages = read(at("messages")).await;
    let blocks = messages[0]["blocks"].to_string();
    assert!(blocks.contains("Sam rejected at 06:18 (slack): customer visit"), "{blocks}");
    assert!(!blocks.contains("button") && !blocks.contains("tok"), "{blocks}");
    assert_eq!(messages.as_array().map(Vec::len), Some(1), "changed in place");
}

#[tokio::test]
async fn the_workspace_refuses_what_slack_refuses() {
    let workspace = Workspace::start(None).await;
    let mut settings = workspace.settings();
    settings.bot_token = SecretString::from("xoxb-stolen".to_owned());
    let notifier = SlackNotifier::new(&settings, Chicago).expect("a notifier");
    let told = message(json!({ "kind": "tell", "title": "hello" }));
    let room = Destination::Room { id: "#takt".to_owned(), asked: vec![], later: vec![] };
    let error = send(&notifier, &told, &room).await.expect_err("refused");
    assert_eq!(
        error.message,
        "slack refused chat.postMessage: invalid_auth: check slack.bot_token in takt.yaml"
    );
    let notifier = SlackNotifier::new(&workspace.settings(), Chicago).expect("a notifier");
    let error = send(&notifier, &told, &by_mail("nobody@plant1.example")).await.expect_err("refused");
    assert!(error.message.contains("nobody in Slack has this mail address"), "{error}");
}
