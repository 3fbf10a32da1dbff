//! Official Python libraries judge what Takt and its Slack simulator put on the wire.

use crate::support::{
    node,
    python::{ask, interpreter, script},
    slack::{BOT_TOKEN, SIGNING_SECRET, Workspace},
};
use chrono::{DateTime, Utc};
use chrono_tz::America::Chicago;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::process::Stdio;
use takt::{
    connector::{
        slack::{
            SlackNotifier,
            card::Card,
            interaction::{Click, Interaction, parse},
            modal, signature,
        },
        teams::card::{self as teams, Viewer},
    },
    notify::{Button, Destination, Message, Notifier, Press, Sending},
    simulator,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdout, Command},
};

fn question() -> Value {
    let fact = |label: &str, value: &str| json!({ "label": label, "value": value });
    let option = |title: &str, late: &str| json!({ "title": title, "rationale": "Few late orders.", "facts": [fact("Late", late), fact("Setup", "+35 min")] });
    json!({
        "kind": "ask", "title": "PRESS-4 down: hydraulic \"leak\" & smoke <now>", "body": "4 orders are late.",
        "gate": "01890a5d-ac96-774b-bcce-b302099a8057", "token": "5f1e5f1e5f1e5f1e5f1e5f1e5f1e5f1e5f1e5f1e5f1e5f1e",
        "asked": "production supervisor: Sam", "allow": ["choose", "edit", "reject"],
        "options": [option("Move 3 jobs", "0"), option("Split PO-1188", "1"), option("Wait", "4")],
        "asked_at": "2026-11-23T12:12:00Z", "expires_at": "2026-11-23T12:27:00Z",
        "on_silence": "Without an answer the plant scheduler is asked.", "url": "http://127.0.0.1:4000/gates/1",
    })
}

fn message(json: Value) -> Message {
    serde_json::from_value(json).expect("a message")
}

fn reject() -> Press {
    Press { token: "5f1e".to_owned(), button: Button::Reject, option: None }
}

#[test]
fn slack_sdk_accepts_our_signatures_and_no_changed_ones() {
    let now: DateTime<Utc> = "2026-11-23T12:10:00Z".parse().expect("a time");
    let payload = json!({ "type": "block_actions", "user": { "name": "Zoë & co" } });
    let (body, [_, (_, timestamp), (_, signature)]) = simulator::slack::signed(SIGNING_SECRET, &payload, now);
    let secret = SecretString::from(SIGNING_SECRET.to_owned());
    assert_eq!(signature::sign(&secret, now.timestamp(), body.as_bytes()), signature);
    let request = |timestamp: &str, signature: &str, body: &str, now: i64| json!({ "timestamp": timestamp, "signature": signature, "body": body, "now": now });
    let at = now.timestamp();
    let answers = ask(
        "slack_verify.py",
        &json!({ "secret": SIGNING_SECRET, "requests": [
            request(&timestamp, &signature, &body, at),
            request(&timestamp, &signature, &body.replace("Zo", "Zu"), at),
            request(&(at + 1).to_string(), &signature, &body, at),
            request(&timestamp, &signature.replace("v0=", "v0=0"), &body, at),
            request(&timestamp, &signature, &body, at + 400),
        ] }),
    );
    assert_eq!(answers, json!([true, false, false, false, false]));
}

#[test]
fn slack_sdk_knows_every_block_we_send() {
    let settled = json!({ "answered": { "by": "Sam", "button": "choose", "option": 1,
        "at": "2026-11-23T12:18:00Z", "channel": "slack" } });
    let messages = [
        question(),
        json!({ "kind": "tell", "title": "PRESS-4 runs again", "body": "Down for 2 h 48 min." }),
        json!({ "kind": "decided", "title": "PRESS-4 down", "settled": settled, "followed": ["Plex updated"] }),
    ];
    let cards: Vec<_> = messages.map(|json| Card::of(&message(json), Chicago).blocks).into();
    let edit = Press { button: Button::Edit, ..reject() };
    let reasons = takt::site::Answering::default().reasons;
    let views = [
        modal::reason(&reject(), &reasons, Some("C1"), Some("1.2"), "PRESS-4 down", None),
        modal::reason(&edit, &reasons, None, None, "Handover", Some("Draft")),
    ];
    let answer = ask("slack_blocks.py", &json!({ "cards": cards, "views": views }));
    assert_eq!(answer, json!({ "cards": 3, "views": 2 }));
}

#[test]
fn a_click_signed_by_slack_sdk_is_one_that_takt_reads() {
    let now: DateTime<Utc> = "2026-11-23T12:10:00Z".parse().expect("a time");
    let signed = ask(
        "slack_click.py",
        &json!({ "secret": SIGNING_SECRET, "token": "tok", "button": "choose.2", "user": "U0SAM",
            "timestamp": now.timestamp() }),
    );
    let header = |name: &str| signed["headers"][name].as_str();
    let body = signed["body"].as_str().expect("a body").as_bytes();
    let secret = SecretString::from(SIGNING_SECRET.to_owned());
    let (timestamp, signature) = (header("x-slack-request-timestamp"), header("x-slack-signature"));
    signature::verify(&secret, timestamp, signature, body, now).expect("a good signature");
    let Interaction::Click(Click { gate_token, option, slack_user, .. }) = parse(body).expect("a click")
    else {
        panic!("not a click");
    };
    assert_eq!((gate_token.as_str(), option, slack_user.as_str()), ("tok", Some(2), "U0SAM"));
}

#[test]
fn standardwebhooks_signs_the_specifications_example() {
    let question = json!({ "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "timestamp": 1_614_265_330, "body": "{\"test\": 2432232314}" });
    let answer = ask("webhook_sign.py", &question);
    assert_eq!(answer["headers"]["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[tokio::test]
async fn a_bolt_app_takes_the_simulators_clicks_and_no_forged_ones() {
    let workspace = Workspace::start(None).await;
    let port = free_port();
    let callback = format!("http://127.0.0.1:{port}/slack");
    let mut app = Command::new(interpreter())
        .arg(script("slack_bolt_app.py"))
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the app starts");
    let settings =
        json!({ "secret": SIGNING_SECRET, "token": BOT_TOKEN, "api": format!("{}/api", workspace.base_url) });
    let mut stdin = app.stdin.take().expect("piped");
    stdin.write_all(format!("{settings}\n").as_bytes()).await.expect("the app reads");
    let mut said = BufReader::new(app.stdout.take().expect("piped")).lines();
    // slack_sdk's client asked our simulator who it is.
    assert_eq!(line(&mut said).await, json!({ "ready": "Plant 1" }));
    listening(port).await;

    let notifier = SlackNotifier::new(&workspace.settings(), Chicago).expect("a notifier");
    let to = Destination::Room { id: "#takt".to_owned(), asked: vec![], later: vec![] };
    let (message, id) = (message(question()), uuid::Uuid::new_v4());
    let sending = Sending { message: &message, to: &to, id, tried: false, reference: None };
    let receipt = notifier.send(&sending).await.expect("posted").0;
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let press = json!({ "ts": receipt["ts"], "user": "U0SAM", "button": "Choose 2", "callback": callback });
    let click = http.post(format!("{}/click", workspace.base_url)).json(&press);
    let clicked: Value = click.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(clicked["status"], 200, "{clicked}");
    let heard = line(&mut said).await;
    assert_eq!((&heard["user"], &heard["action_id"]), (&json!("U0SAM"), &json!("takt.choose.2")));
    let press: Press = heard["value"].as_str().expect("a value").parse().expect("our value");
    assert_eq!((press.button, press.option), (Button::Choose, Some(2)));

    let payload = json!({ "type": "block_actions" });
    let (body, headers) = simulator::slack::signed("another secret", &payload, Utc::now());
    let mut forged = http.post(&callback).body(body);
    for (name, value) in headers {
        forged = forged.header(name, value);
    }
    assert_eq!(forged.send().await.expect("an answer").status(), 401);
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = lines.next_line().await.expect("readable").expect("the app lives");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Bolt says nothing when it begins to listen.
async fn listening(port: u16) {
    let within = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(std::time::Instant::now() < within, "the Bolt app does not listen");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The question with something else in it.
fn asked(more: Value) -> Value {
    let mut whole = question();
    // As they are added when it is sent.
    whole["reasons"] = json!(takt::site::Answering::default().reasons);
    whole.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
    whole
}

fn long(length: usize) -> String {
    "Wörter & <mehr> ".repeat(length / 16 + 1)
}

/// Forms, what was filled in and drafts, up to more than a card shows.
fn with_content() -> Vec<Value> {
    let yes_or_no = json!(["approve", "reject"]);
    let fields = json!({ "type": "object", "properties": { "pieces": { "type": "integer" } } });
    let filled = json!([["Cause", "tool"], ["Note", "two\nlines & <more> \"so\""], ["Empty", ""], ["", ""]]);
    let draft = json!({ "summary": long(1_500), "points": ["b", "c"], "count": { "pieces": 2 }, "": "" });
    let basis = json!(["Fill in the form on its page"]);
    let many: Vec<[String; 2]> = (0..24).map(|at| [format!("Field {at}"), long(32)]).collect();
    vec![
        asked(json!({ "allow": yes_or_no, "options": [], "fields": fields, "basis": basis })),
        asked(json!({ "allow": yes_or_no, "options": [], "fields": null, "filled": filled })),
        asked(json!({ "allow": yes_or_no, "options": [], "filled": many })),
        asked(json!({ "allow": yes_or_no, "options": [], "filled": [["Note", long(3_000)]] })),
        asked(json!({ "allow": ["approve", "edit", "reject"], "options": [], "draft": draft })),
    ]
}

/// One of each message that goes out, in all its forms and up to more than any card takes.
fn every_kind() -> Vec<Value> {
    let options = |count: usize, text: &str| {
        let fact = json!({ "label": text, "value": text });
        json!(vec![json!({ "title": text, "rationale": text, "facts": vec![fact; 12] }); count])
    };
    let all = json!(["acknowledge", "approve", "choose", "edit", "reject"]);
    let mut kinds = vec![
        asked(json!({})),
        asked(json!({ "allow": ["approve", "reject"], "options": [] })),
        asked(json!({ "allow": ["approve", "edit", "reject"], "options": [], "draft": "Say it so." })),
        asked(
            json!({ "allow": ["approve", "edit"], "options": [], "draft": { "summary": "a", "points": ["b"] } }),
        ),
        asked(
            json!({ "allow": ["acknowledge"], "options": [], "items": ["The guard is closed", { "title": "Clean" }] }),
        ),
        asked(json!({ "sign": "I release this lot for shipment" })),
        asked(
            json!({ "progress": "1 of 2 chose 1: Sam Carter", "second": "2 people have to give the same answer" }),
        ),
        asked(
            json!({ "link": "http://127.0.0.1:4000/answer/1/x", "asked": "", "on_silence": "", "body": "" }),
        ),
        asked(json!({ "allow": all, "options": options(3, "Wait"), "draft": "Say it so." })),
        asked(json!({ "title": " ", "url": null, "token": "" })),
        json!({ "kind": "tell", "title": "PRESS-4 runs again", "body": "Down for 2 h 48 min." }),
        json!({ "kind": "tell", "title": long(400), "body": long(9_000), "url": "http://127.0.0.1:4000/runs/1" }),
        json!({ "kind": "follow", "lines": ["Plex updated", long(900), "Ended"], "thread": {} }),
    ];
    kinds.extend(with_content());
    // Each step of what is left out when it would be too much.
    for size in [100, 300, 900, 3_000] {
        let text = long(size);
        kinds.push(asked(json!({
            "title": text, "body": long(size * 10), "allow": all, "options": options(12, &text), "asked": text,
            "on_silence": text, "basis": vec![text.clone(); 9], "progress": text, "second": text, "draft": text,
        })));
    }
    let at = "2026-11-23T12:18:00Z";
    let mut ends = vec![
        json!({ "passed_on": { "to": "Plant scheduler", "at": at } }),
        json!({ "closed": { "why": "The run was cancelled.", "at": at } }),
    ];
    for button in ["acknowledge", "approve", "choose", "edit", "reject"] {
        let option = (button == "choose").then_some(2);
        ends.push(
            json!({ "answered": { "by": "Sam", "button": button, "option": option, "at": at, "channel": "web",
            "reason": "no parts" } }),
        );
    }
    for settled in ends {
        let followed = vec![long(500); 9];
        kinds.push(
            json!({ "kind": "decided", "title": "PRESS-4 down", "body": long(5_000), "settled": settled,
            "followed": followed, "url": "http://127.0.0.1:4000/gates/1" }),
        );
    }
    kinds
}

/// Whoever looks at it, in whatever size: Microsoft's own parser has nothing to say, and the Teams SDK's models keep every word.
#[test]
fn adaptivecards_and_the_teams_sdk_read_every_kind_of_card_for_every_viewer() {
    let someone = || vec!["29:sam".to_owned(), "29:noor".to_owned()];
    let viewers = [
        Viewer::Asked,
        Viewer::Own(someone()),
        Viewer::Room(vec![]),
        Viewer::Room(someone()),
        Viewer::Outbound,
    ];
    let mut cards = Vec::new();
    for kind in every_kind() {
        let message = message(kind);
        cards.extend(viewers.iter().map(|viewer| json!(teams::card(&message, Chicago, viewer))));
    }
    let read = ask("teams_cards.py", &json!({ "cards": cards }));
    assert_eq!(read, json!({ "cards": cards.len() }));
    let judged = node::ask("adaptive_cards.js", &json!({ "cards": cards }));
    let judged = judged.as_array().expect("answers");
    assert_eq!(judged.len(), cards.len());
    for (card, said) in cards.iter().zip(judged) {
        assert_eq!(said["wrong"], json!([]), "{card:#}");
        let (items, actions) = (card["body"].as_array().map_or(0, Vec::len), card["actions"].as_array());
        assert_eq!(said["items"], json!(items), "{card:#}");
        assert_eq!(said["actions"], json!(actions.map_or(0, Vec::len)), "{card:#}");
        assert!(
            actions.is_none_or(|actions| actions.len() <= 4)
                && card.to_string().len() <= teams::CARD_BYTES_MAX
        );
    }
}

#[test]
fn slack_sdk_reads_every_kind_of_card_and_dialog() {
    let kinds = every_kind();
    let cards: Vec<_> = kinds.iter().map(|kind| Card::of(&message(kind.clone()), Chicago).blocks).collect();
    let edit = Press { button: Button::Edit, ..reject() };
    let mut reasons = takt::site::Answering::default().reasons;
    let known = reasons.clone();
    let more = (0..130).flat_map(|_| known.clone());
    reasons.extend(more);
    let long = "Wörter & mehr ".repeat(400);
    let mut views = Vec::new();
    for (press, draft) in [(reject(), None), (edit.clone(), Some("Draft")), (edit, Some(long.as_str()))] {
        for title in ["PRESS-4 down", "", long.as_str()] {
            views.push(modal::reason(&press, &reasons, Some("C1"), Some("1.2"), title, draft));
        }
    }
    let answer = ask("slack_blocks.py", &json!({ "cards": cards, "views": views }));
    assert_eq!(answer, json!({ "cards": kinds.len(), "views": views.len() }));
}
