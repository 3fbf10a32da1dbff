use super::{
    blocks::{Block, Element},
    card::{CARD_CHARS_MAX, Card, chars},
    client::SlackClient,
    interaction::{Interaction, InteractionError, parse},
    modal, *,
};
use crate::notify::{
    Button, CONTENT_TOO_LONG, CardOption, Decided, Fact, Notice, OPEN_TO_READ, Press, Question, Settled,
};
use chrono_tz::America::Chicago;
use proptest::prelude::*;
use secrecy::SecretString;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use uuid::Uuid;
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{body_partial_json, header, method, path, query_param},
};

fn option(title: &str, rationale: &str, facts: [&str; 3]) -> CardOption {
    let fact = |(label, value): (&str, &str)| Fact { label: label.to_owned(), value: value.to_owned() };
    let facts = ["Late orders", "Setup", "Overtime"].into_iter().zip(facts).map(fact).collect();
    CardOption { title: title.to_owned(), rationale: rationale.to_owned(), facts }
}

fn question() -> Question {
    Question {
        title: "PRESS-4 down, hydraulic leak, about 3 h".to_owned(),
        body: "4 orders miss their date if nothing changes; 1 is tier A (PO-1188, Acme & Sons).".to_owned(),
        gate: Uuid::nil(),
        token: "5f1e".repeat(12),
        asked: "production supervisor, shift A: Sam, Mia".to_owned(),
        options: vec![
            option("Move 3 jobs to PRESS-6", "Fewest late orders.", ["0", "+35 min", "0 h"]),
            option("Split PO-1188 over 4 + 6", "Keeps PRESS-6 free.", ["1 (tier C)", "+10 min", "1.5 h"]),
            option("Wait for repair", "", ["4", "0 min", "0 h"]),
        ],
        allow: vec![Button::Choose, Button::Edit, Button::Reject],
        asked_at: "2026-11-23T12:12:00Z".parse().expect("a time"),
        expires_at: "2026-11-23T12:27:00Z".parse().expect("a time"),
        on_silence: "Without an answer the plant scheduler is asked. Silence never approves.".to_owned(),
        basis: vec![],
        progress: None,
        second: Some("PRESS-6 needs a second approval (scheduler)".to_owned()),
        sign: None,
        items: vec![],
        fields: None,
        filled: vec![],
        draft: None,
        reasons: vec![],
        url: Some("http://127.0.0.1:4000/gates/1?a=1&b=2".to_owned()),
        link: None,
    }
}

fn card(message: Message) -> Value {
    let card = Card::of(&message, Chicago);
    json!({ "text": card.text, "blocks": card.blocks })
}

#[test]
fn cards() {
    insta::assert_json_snapshot!("ask_choose", card(Message::Ask(question())));
    let acknowledge =
        Question { allow: vec![Button::Acknowledge], options: vec![], second: None, ..question() };
    insta::assert_json_snapshot!("ask_acknowledge", card(Message::Ask(acknowledge)));
    let notice =
        Notice { title: "PRESS-4 runs again".to_owned(), body: "Down for 2 h 48 min.".to_owned(), url: None };
    insta::assert_json_snapshot!("tell", card(Message::Tell(notice)));
    let settled = Settled::Answered {
        by: "Sam".to_owned(),
        button: Button::Choose,
        option: Some(1),
        at: "2026-11-23T12:18:00Z".parse().expect("a time"),
        channel: "slack".to_owned(),
        reason: None,
    };
    let decided = Decided {
        title: question().title,
        body: String::new(),
        settled,
        followed: vec!["Plex updated 06:20, 3 jobs moved.".to_owned()],
        url: question().url,
    };
    insta::assert_json_snapshot!("decided", card(Message::Decided(decided)));
}

#[test]
fn four_buttons_at_most_and_the_rest_on_the_page() {
    let labels = |question: Question| {
        let card = Card::of(&Message::Ask(question), Chicago);
        let buttons = card.blocks.into_iter().find_map(|block| match block {
            Block::Actions { elements, .. } => Some(elements),
            _ => None,
        });
        let label = |button: Element| match button {
            Element::Button { text: blocks::Text::PlainText { text, .. }, .. } => text,
            other => panic!("not a button: {other:?}"),
        };
        buttons.expect("buttons").into_iter().map(label).collect::<Vec<_>>()
    };
    assert_eq!(labels(question()), ["Choose 1", "Choose 2", "Choose 3", "Reject"]);
    let choose = Question { allow: vec![Button::Choose, Button::Reject], ..question() };
    assert_eq!(labels(choose.clone()), ["Choose 1", "Choose 2", "Choose 3", "Reject"]);
    let mut many = choose;
    many.options.extend(question().options);
    assert_eq!(labels(many), ["Open to choose", "Reject"]);
    let approve = Question { allow: vec![Button::Approve, Button::Reject], options: vec![], ..question() };
    assert_eq!(labels(approve), ["Approve", "Reject"]);
}

#[test]
fn what_is_approved_stands_in_the_card_or_is_read_on_the_page() {
    let asked = |draft: &str| {
        let question = Question {
            allow: vec![Button::Approve, Button::Reject],
            options: vec![],
            filled: vec![("Scrap pieces".to_owned(), "12".to_owned())],
            draft: Some(json!({ "summary": draft })),
            ..question()
        };
        card(Message::Ask(question))
    };
    let short = asked("~5~ <@U1> & *6*");
    let whole = "Scrap pieces: 12\nSummary: ~5~ <@U1> & *6*";
    let section =
        json!({ "type": "section", "text": { "type": "plain_text", "text": whole, "emoji": false } });
    assert!(short["blocks"].as_array().expect("blocks").contains(&section), "{short:#}");
    assert!(short.to_string().contains(":approve"), "{short:#}");
    let long = asked(&"a".repeat(2500)).to_string();
    assert!(long.contains(CONTENT_TOO_LONG) && long.contains(OPEN_TO_READ), "{long}");
    assert!(!long.contains(":approve") && long.contains(":reject") && !long.contains("aaa"), "{long}");
}

#[test]
fn nobody_is_mentioned_by_an_alarm_text() {
    let body = "<!channel> <@U1> <https://evil|click>".to_owned();
    let card = Card::of(&Message::Ask(Question { body: body.clone(), ..question() }), Chicago);
    let json = serde_json::to_string(&card.blocks).expect("JSON");
    assert!(!json.contains("<!") && !json.contains("<@") && !json.contains("<https://evil"), "{json}");
    let told = Card::of(&Message::Tell(Notice { title: body, ..Notice::default() }), Chicago);
    assert!(!told.text.contains('<'), "{}", told.text);
}

proptest! {
    // Long texts are slow to make in a debug build.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_card_fits_whatever_the_tools_said(
        texts in prop::collection::vec(".{0,2500}", 6),
        options in prop::collection::vec((".{0,400}", ".{0,400}", prop::collection::vec((".{0,90}", ".{0,90}"), 0..9)), 0..9),
        filled in prop::collection::vec((".{0,60}", ".{0,300}"), 0..6),
        draft in ".{0,2600}",
        shape in 0_usize..3,
    ) {
        let fact = |(label, value): (String, String)| Fact { label, value };
        let option = |(title, rationale, facts): (String, String, Vec<_>)| CardOption {
            title,
            rationale,
            facts: facts.into_iter().map(fact).collect(),
        };
        let question = Question {
            title: texts[0].clone(),
            body: texts[1].clone(),
            asked: texts[2].clone(),
            on_silence: texts[3].clone(),
            second: Some(texts[4].clone()),
            options: options.into_iter().map(option).collect(),
            allow: vec![Button::Approve, Button::Choose, Button::Edit, Button::Reject],
            filled,
            draft: match shape {
                0 => None,
                1 => Some(json!(draft)),
                _ => Some(json!({ "summary": draft, "open_points": ["a", "b"] })),
            },
            ..question()
        };
        let (content, is_approved_here) = (question.content(), question.takes(Button::Approve));
        let card = Card::of(&Message::Ask(question), Chicago);
        prop_assert!(chars(&card.blocks) <= CARD_CHARS_MAX);
        let blocks = serde_json::to_value(&card.blocks).expect("JSON");
        prop_assert_eq!(blocks.to_string().contains(":approve\""), is_approved_here);
        let blocks = blocks.as_array().expect("a list");
        prop_assert!(blocks.len() <= 50);
        let texts: Vec<&str> =
            blocks.iter().filter_map(|block| block.pointer("/text/text").and_then(Value::as_str)).collect();
        for fact in content.iter().filter(|_| is_approved_here) {
            prop_assert!(texts.iter().any(|text| text.contains(&fact.in_words())), "{fact:?}");
        }
        for block in blocks {
            if let Some(text) = block.pointer("/text/text").and_then(Value::as_str) {
                let max = if block["type"] == "header" { 150 } else { 3000 };
                prop_assert!((1..=max).contains(&text.chars().count()));
            }
            if block["type"] == "actions" {
                prop_assert!(block["elements"].as_array().expect("buttons").len() <= 4);
            }
        }
    }
}

/// As Slack documents it, with a `+` and a percent sign to decode.
fn form(payload: &Value) -> Vec<u8> {
    let mut url = reqwest::Url::parse("form:/").expect("a URL");
    url.query_pairs_mut().append_pair("payload", &payload.to_string());
    url.query().expect("a query").as_bytes().to_vec()
}

fn block_actions(value: &str) -> Value {
    json!({
        "type": "block_actions", "user": { "id": "U0SAM", "name": "sam+100%" }, "trigger_id": "1.2.3",
        "container": { "type": "message", "message_ts": "1503435956.000247", "channel_id": "C1" },
        "actions": [{ "action_id": "takt.choose.2", "type": "button", "value": value }],
    })
}

#[test]
fn reads_a_click() {
    let Interaction::Click(click) = parse(&form(&block_actions("tok:choose.2"))).expect("a click") else {
        panic!("not a click");
    };
    assert_eq!((click.gate_token.as_str(), click.button, click.option), ("tok", Button::Choose, Some(2)));
    assert_eq!((click.slack_user.as_str(), click.channel.as_deref()), ("U0SAM", Some("C1")));
    assert_eq!(
        (click.ts.as_deref(), click.trigger_id.as_deref()),
        (Some("1503435956.000247"), Some("1.2.3"))
    );
    assert!(!click.wants_reason());
}

#[test]
fn reads_the_dialog_that_a_rejection_opens() {
    let Interaction::Click(click) = parse(&form(&block_actions("tok:reject"))).expect("a click") else {
        panic!("not a click");
    };
    assert!(click.wants_reason());
    let reasons = site::Answering::default().reasons;
    let (channel, ts) = (click.channel.as_deref(), click.ts.as_deref());
    let view = modal::reason(&click.press(), &reasons, channel, ts, "PRESS-4 down", None);
    insta::assert_json_snapshot!("reject_dialog", view);
    let mut view = serde_json::to_value(view).expect("JSON");
    view["state"] = json!({ "values": {
        "code": { "code": { "type": "static_select", "selected_option": { "value": "not_now" } } },
        "reason": { "reason": { "type": "plain_text_input", "value": "  customer visit " } },
    } });
    let sent = json!({ "type": "view_submission", "user": { "id": "U0SAM" }, "view": view });
    let Interaction::Click(answer) = parse(&form(&sent)).expect("an answer") else { panic!("not a click") };
    assert_eq!(answer.reason_code.as_deref(), Some("not_now"));
    assert_eq!(answer.reason.as_deref(), Some("customer visit"));
    assert_eq!((answer.gate_token, answer.button), ("tok".to_owned(), Button::Reject));
    assert_eq!(answer.ts, click.ts);
    assert!(!answer.from_message);
}

#[test]
fn refuses_what_is_no_click_of_ours() {
    assert!(matches!(parse(b"payload=%7B"), Err(InteractionError::Shape(_))));
    assert!(matches!(parse(b"other=1"), Err(InteractionError::NoPayload)));
    assert!(matches!(parse(&[0xff, 0xfe]), Err(InteractionError::NoPayload)));
    let forged = parse(&form(&block_actions("tok:buy")));
    assert!(matches!(forged, Err(InteractionError::Press(_))));
    let mut link = block_actions("x");
    link["actions"][0] = json!({ "action_id": "takt.page", "type": "button" });
    assert_eq!(parse(&form(&link)).expect("harmless"), Interaction::Other);
    let closed = json!({ "type": "view_closed", "user": { "id": "U" }, "view": {} });
    assert_eq!(parse(&form(&closed)).expect("harmless"), Interaction::Other);
}

fn slack(server: &MockServer) -> site::Slack {
    site::Slack {
        base_url: format!("{}/api", server.uri()),
        bot_token: SecretString::from("xoxb-secret".to_owned()),
        signing_secret: Some(SecretString::from("signing-secret".to_owned())),
        app_token: Some(SecretString::from("xapp-secret".to_owned())),
        default_channel: "#takt".to_owned(),
    }
}

fn room() -> Destination {
    Destination::Room { id: "#takt".to_owned(), asked: vec![], later: vec![] }
}

fn sending<'a>(message: &'a Message, to: &'a Destination) -> Sending<'a> {
    Sending { message, to, id: Uuid::nil(), tried: false, reference: None }
}

#[tokio::test]
async fn posts_a_card_and_changes_it_in_place() {
    let server = MockServer::start().await;
    let posted = json!({ "ok": true, "channel": "C1", "ts": "1.2" });
    Mock::given(method("POST"))
        .and(path("/api/chat.postMessage"))
        .and(header("authorization", "Bearer xoxb-secret"))
        .and(body_partial_json(json!({ "channel": "#takt", "unfurl_links": false })))
        .respond_with(ResponseTemplate::new(200).set_body_json(posted))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/api/chat.update"))
        .and(body_partial_json(json!({ "channel": "C1", "ts": "1.2" })))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "ok": true })))
        .expect(1)
        .mount(&server)
        .await;
    let notifier = SlackNotifier::new(&slack(&server), Chicago).expect("a notifier");
    let receipt = notifier.send(&sending(&Message::Ask(question()), &room())).await.expect("posted");
    assert_eq!(receipt.0, json!({ "channel": "C1", "ts": "1.2" }));
    let notice = Message::Tell(Notice { title: "over".to_owned(), ..Notice::default() });
    notifier.update(&receipt, &notice).await.expect("changed");
    let sent: Value = server.received_requests().await.expect("recorded")[0].body_json().expect("JSON");
    assert_eq!(sent["metadata"]["event_payload"]["gate"], json!(Uuid::nil()));
    assert!(!sent.to_string().contains("hash"));
}

#[tokio::test]
async fn slacks_words_decide_about_another_try() {
    let cases = [
        (200, json!({ "ok": false, "error": "channel_not_found" }), false, "is the app in it"),
        (200, json!({ "ok": false, "error": "invalid_auth" }), false, "slack.bot_token"),
        (200, json!({ "ok": false, "error": "invalid_blocks" }), false, "invalid_blocks"),
        (200, json!({ "ok": false, "error": "internal_error" }), true, "internal_error"),
        (200, json!({ "ok": false, "error": "ratelimited" }), true, "ratelimited"),
        (429, json!({ "ok": false, "error": "ratelimited" }), true, "429"),
        (503, json!(null), true, "503"),
        (404, json!(null), false, "404"),
    ];
    for (status, body, retryable, says) in cases {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).insert_header("retry-after", "3").set_body_json(&body);
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let notifier = SlackNotifier::new(&slack(&server), Chicago).expect("a notifier");
        let error = notifier.send(&sending(&Message::Ask(question()), &room())).await.expect_err("refused");
        assert_eq!(error.retryable, retryable, "{body}: {error}");
        assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
        assert!(error.message.contains(says) && !error.message.contains("xoxb"), "{error}");
    }
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_found_and_not_repeated() {
    let server = MockServer::start().await;
    let seen = Arc::new(Mutex::new(Value::Null));
    let keep = seen.clone();
    Mock::given(method("POST"))
        .respond_with(move |request: &Request| {
            let body: Value = request.body_json().expect("JSON");
            *keep.lock().expect("lock") = body["metadata"].clone();
            ResponseTemplate::new(200).set_body_string("{\"ok\": tr")
        })
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/api/conversations.history"))
        .and(query_param("include_all_metadata", "true"))
        .respond_with(move |_: &Request| {
            let messages = json!([{ "ts": "1.1" }, { "ts": "1.2", "metadata": *seen.lock().expect("lock") }]);
            ResponseTemplate::new(200).set_body_json(json!({ "ok": true, "messages": messages }))
        })
        .mount(&server)
        .await;
    let client = SlackClient::new(&slack(&server)).expect("a client");
    let card = Card::of(&Message::Ask(question()), Chicago);
    let mark = Mark { id: Uuid::new_v4(), gate: None, tried: false };
    let place = Place { channel: "C1", thread: None };
    let posted = client.post(place, &card, mark).await.expect("found");
    assert_eq!((posted.channel.as_str(), posted.ts.as_str()), ("C1", "1.2"));
    // The next attempt looks before it posts: the server takes one post only.
    let posted = client.post(place, &card, Mark { tried: true, ..mark }).await.expect("found");
    assert_eq!((posted.channel.as_str(), posted.ts.as_str()), ("C1", "1.2"));
}

#[tokio::test]
async fn a_person_is_found_by_mail_address() {
    let server = MockServer::start().await;
    Mock::given(path("/api/users.lookupByEmail"))
        .and(query_param("email", "sam@plant1.example"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({ "ok": true, "user": { "id": "U0SAM" } })),
        )
        .mount(&server)
        .await;
    Mock::given(path("/api/chat.postMessage"))
        .and(body_partial_json(json!({ "channel": "U0SAM" })))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({ "ok": true, "channel": "D1", "ts": "1.2" })),
        )
        .expect(1)
        .mount(&server)
        .await;
    let notifier = SlackNotifier::new(&slack(&server), Chicago).expect("a notifier");
    let ask = Message::Ask(question());
    let by_mail = Contact { email: Some("sam@plant1.example".to_owned()), ..Contact::default() };
    notifier.send(&sending(&ask, &Destination::Person(by_mail))).await.expect("posted");
    let nobody = Destination::Person(Contact::default());
    assert!(!notifier.send(&sending(&ask, &nobody)).await.expect_err("no address").retryable);
}

#[test]
fn the_modal_for_an_edit_starts_with_the_draft() {
    let press = Press { token: "tok".to_owned(), button: Button::Edit, option: None };
    let reasons = site::Answering::default().reasons;
    let view = modal::reason(&press, &reasons, None, None, "Handover", Some("Draft"));
    let json = serde_json::to_value(view).expect("JSON");
    assert_eq!(json["blocks"][1]["element"]["initial_value"], "Draft");
}

#[tokio::test]
async fn a_channel_that_had_too_much_waits_and_others_go_on() {
    let server = MockServer::start().await;
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "30");
    Mock::given(path("/api/chat.postMessage"))
        .and(body_partial_json(json!({ "channel": "#takt" })))
        .respond_with(busy)
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(path("/api/chat.postMessage"))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({ "ok": true, "channel": "C2", "ts": "1.2" })),
        )
        .mount(&server)
        .await;
    let notifier = SlackNotifier::new(&slack(&server), Chicago).expect("a notifier");
    let ask = Message::Ask(question());
    let error = notifier.send(&sending(&ask, &room())).await.expect_err("too much");
    assert_eq!((error.waits, error.retry_after), (false, Some(Duration::from_secs(30))));
    // Not asked again before its time; that is no failed attempt.
    let error = notifier.send(&sending(&ask, &room())).await.expect_err("still too much");
    assert!(error.waits && error.retry_after > Some(Duration::from_secs(29)), "{error:?}");
    let other = Destination::Room { id: "#other".to_owned(), asked: vec![], later: vec![] };
    notifier.send(&sending(&ask, &other)).await.expect("another channel");
}

#[tokio::test]
async fn the_story_goes_below_the_card() {
    let server = MockServer::start().await;
    Mock::given(path("/api/chat.postMessage"))
        .and(body_partial_json(json!({ "channel": "C1", "thread_ts": "1.2" })))
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({ "ok": true, "channel": "C1", "ts": "1.3" })),
        )
        .expect(1)
        .mount(&server)
        .await;
    let notifier = SlackNotifier::new(&slack(&server), Chicago).expect("a notifier");
    let follow = crate::notify::Follow {
        lines: vec!["Written: plex.schedule.write".to_owned(), "Ended: <recovered>".to_owned()],
        thread: json!({ "channel": "C1", "ts": "1.2" }),
    };
    notifier.send(&sending(&Message::Follow(follow), &room())).await.expect("posted");
    let sent: Value = server.received_requests().await.expect("recorded")[0].body_json().expect("JSON");
    assert_eq!(sent["blocks"][0]["text"]["text"], "Written: plex.schedule.write\nEnded: &lt;recovered&gt;");
}

#[test]
fn what_is_signed_or_listed_is_answered_on_the_page() {
    let signed = Question { sign: Some("approved for release".to_owned()), ..question() };
    let listed = Question { allow: vec![Button::Acknowledge], items: vec![json!("a")], ..question() };
    for (question, label) in [(signed, "Open to sign"), (listed, "Open to answer")] {
        let json = card(Message::Ask(question));
        let elements =
            json["blocks"].as_array().and_then(|all| all.last()).expect("buttons")["elements"].clone();
        assert_eq!(
            (elements.as_array().map(Vec::len), &elements[0]["text"]["text"]),
            (Some(1), &json!(label))
        );
        assert!(elements[0]["value"].is_null(), "{elements}");
    }
    let text = Question {
        allow: vec![Button::Approve, Button::Edit, Button::Reject],
        draft: Some(json!("one")),
        ..question()
    };
    let json = card(Message::Ask(text)).to_string();
    assert!(
        json.contains(":edit") && !json.contains("More / edit"),
        "a short text is edited in a dialog: {json}"
    );
}
