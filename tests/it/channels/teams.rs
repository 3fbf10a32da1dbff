//! Teams against keys, sign-in and Bot Connector of a stand-in whose tokens Microsoft's own SDK judges as well.

use super::{delivery, refusals, text, three_plans, vote};
use crate::support::{console::Console, node, peer::Peer, seed};
use chrono::Utc;
use reqwest::StatusCode;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use takt::{
    connector::teams::{TeamsNotifier, webhook::WebhookNotifier},
    gate::{Answer, Decision, decide},
    notify::{Button, Destination, Message, Notifier, Press, Sending},
    site::{Teams, TeamsWebhook},
    store::{audit, events, gates},
};

pub const APP: &str = "00000000-aaaa-bbbb-cccc-000000000001";
pub const TENANT: &str = "00000000-aaaa-bbbb-cccc-000000000002";
pub const ROOM: &str = "19:production@thread.tacv2";

pub fn settings(microsoft: &str) -> Teams {
    Teams {
        app_id: APP.into(),
        client_secret: SecretString::from("teams-secret".to_owned()),
        tenant: TENANT.into(),
        default_conversation: Some(ROOM.into()),
        service_urls: vec![microsoft.to_owned()],
        issuer: "https://api.botframework.com".into(),
        metadata_url: format!("{microsoft}/metadata"),
        token_url: format!("{microsoft}/token"),
    }
}

/// Claims of a good token, at this machine's time.
pub fn claims(service_url: &str) -> Value {
    let now = Utc::now().timestamp();
    json!({ "iss": "https://api.botframework.com", "aud": APP, "nbf": now - 60, "exp": now + 3600, "serviceurl": service_url })
}

/// What Teams says of a person in the room.
pub fn activity(service_url: &str, person: &str, more: &Value) -> Value {
    let mut activity = json!({
        "type": "message", "id": "1", "channelId": "msteams", "serviceUrl": service_url,
        "from": { "id": format!("29:{person}"), "name": person, "aadObjectId": format!("aad-{person}") },
        "recipient": { "id": format!("28:{APP}"), "name": "Takt" },
        "conversation": { "conversationType": "channel", "tenantId": TENANT, "id": ROOM },
        "channelData": { "tenant": { "id": TENANT } },
    });
    activity.as_object_mut().expect("fields").extend(more.as_object().expect("fields").clone());
    activity
}

pub fn execute(verb: &str, data: &Value) -> Value {
    json!({ "type": "invoke", "name": "adaptiveCard/action", "replyToId": "1",
        "value": { "action": { "type": "Action.Execute", "verb": verb, "data": data }, "trigger": "manual" } })
}

/// Posts an activity as Microsoft does.
pub async fn post(takt: &str, token: Option<&str>, activity: &Value) -> (StatusCode, Value) {
    let mut request = reqwest::Client::new().post(format!("{takt}/teams/messages")).json(activity);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.expect("an answer");
    let (status, text) = (answer.status(), answer.text().await.expect("a body"));
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

pub async fn signed(microsoft: &Peer, claims: &Value) -> String {
    let signed = microsoft.post("/_sign", &json!({ "key": "good", "claims": claims })).await;
    signed["token"].as_str().expect("a token").to_owned()
}

/// A token that differs from a good one in one thing, what Takt has to say to it, and what Microsoft's SDK does.
struct Case {
    name: &'static str,
    change: Value,
    sign: Value,
    status: u16,
    sdk: bool,
}

fn cases(url: &str) -> Vec<Case> {
    let now = Utc::now().timestamp();
    let case = |name, change, sign, status, sdk| Case { name, change, sign, status, sdk };
    let good = || json!({ "key": "good" });
    let none = || json!({});
    vec![
        case("good", none(), good(), 200, true),
        case("audience as an address", json!({ "aud": format!("api://{APP}") }), good(), 200, true),
        case("address with a slash", json!({ "serviceurl": format!("{url}/") }), good(), 200, true),
        case("just over its time", json!({ "exp": now - 200 }), good(), 200, true),
        case("expired", json!({ "exp": now - 400 }), good(), 401, false),
        case("not yet", json!({ "nbf": now + 400 }), good(), 401, false),
        case("another audience", json!({ "aud": "another-app" }), good(), 401, false),
        case("another issuer", json!({ "iss": "https://evil.example" }), good(), 401, false),
        case("another key of that name", none(), json!({ "key": "unpublished", "kid": "good" }), 401, false),
        case("a key nobody published", none(), json!({ "key": "unpublished" }), 401, false),
        case("a shared secret", none(), json!({ "key": "good", "alg": "HS256" }), 401, false),
        case("no signature", none(), json!({ "key": "good", "alg": "none" }), 401, false),
        case("another algorithm", none(), json!({ "key": "good", "alg": "RS512" }), 401, false),
        case("re-targeted", json!({ "serviceurl": "https://evil.example" }), good(), 403, false),
        case("no service address", json!({ "serviceurl": "" }), good(), 403, false),
        // The SDK leaves endorsements to its transport; the protocol asks for them.
        case("not endorsed for Teams", none(), json!({ "key": "unendorsed" }), 403, true),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_judged_as_microsofts_sdk_judges_them() {
    let microsoft = Peer::start("teams_service.py").await;
    let url = microsoft.url().to_owned();
    let console = Console::with(|site| site.teams = Some(settings(&url))).await;
    let news = activity(&url, "sam", &json!({ "type": "conversationUpdate" }));
    let mut refused = 0;
    for case in cases(&url) {
        let mut claims = claims(&url);
        claims.as_object_mut().expect("claims").extend(case.change.as_object().expect("claims").clone());
        let mut sign = case.sign.clone();
        sign["claims"] = claims;
        let token = microsoft.post("/_sign", &sign).await["token"].as_str().expect("a token").to_owned();
        let judged = json!({ "token": token, "service_url": url, "app_id": APP });
        let sdk = microsoft.post("/_judge", &judged).await;
        assert_eq!(sdk["accepted"], case.sdk, "{}: Microsoft's SDK", case.name);
        let (status, answer) = post(&console.url, Some(&token), &news).await;
        assert_eq!(status.as_u16(), case.status, "{}: {answer}", case.name);
        refused += usize::from(case.status != 200);
    }
    let token = signed(&microsoft, &claims(&url)).await;
    let (status, _) = post(&console.url, None, &news).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let others = activity(
        &url,
        "sam",
        &json!({ "type": "conversationUpdate",
        "conversation": { "id": ROOM, "tenantId": "another" } }),
    );
    assert_eq!(post(&console.url, Some(&token), &others).await.0, StatusCode::FORBIDDEN);
    let unreadable = post(&console.url, Some(&token), &json!({ "type": 7 })).await;
    assert_eq!(unreadable.0, StatusCode::BAD_REQUEST);
    refused += 3;

    // All of them are counted, and each cause is audited.
    let mut db = console.store.connection().await.expect("a connection");
    let counted: i64 = events::rejections(&mut db)
        .await
        .expect("counts")
        .iter()
        .filter(|(source, ..)| source == "teams")
        .map(|(.., count)| *count)
        .sum();
    assert_eq!(usize::try_from(counted).expect("a count"), refused);
    let audited = audit::recent(&mut db, 200).await.expect("the audit");
    let audited = audited
        .iter()
        .filter(|entry| entry.action == "event.refused" && entry.object.as_deref() == Some("teams"));
    let mut causes: Vec<&str> = audited.filter_map(|entry| entry.detail["cause"].as_str()).collect();
    causes.sort_unstable();
    let expected =
        ["malformed", "not-permitted", "signature-invalid", "signature-missing", "signature-too-old"];
    assert_eq!(causes, expected, "one record for each cause and minute");

    // A new key is fetched when a token names it; known ones are not fetched again.
    let before = microsoft.get("/_log").await["fetched"]["keys"].as_u64().expect("a count");
    assert_eq!(post(&console.url, Some(&token), &news).await.0, StatusCode::OK);
    microsoft.post("/_rotate", &json!({ "kid": "next" })).await;
    let signed = microsoft.post("/_sign", &json!({ "key": "next", "claims": claims(&url) })).await;
    assert_eq!(post(&console.url, signed["token"].as_str(), &news).await.0, StatusCode::OK);
    assert_eq!(microsoft.get("/_log").await["fetched"]["keys"], before + 1);
}

fn cards_in(calls: &Value) -> Vec<Value> {
    let all = calls["calls"].as_array().expect("calls").iter();
    all.filter_map(|call| call.pointer("/body/attachments/0/content").cloned()).collect()
}

/// What the cards that were sent say, item by item.
pub fn text_of_cards(calls: &Value) -> Vec<String> {
    let text = |item: &Value| -> String {
        let runs = item["inlines"].as_array().into_iter().flatten();
        runs.filter_map(|run| run["text"].as_str()).collect()
    };
    let words =
        |card: &Value| -> Vec<String> { card["body"].as_array().into_iter().flatten().map(text).collect() };
    cards_in(calls).iter().map(|card| words(card).join("\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told from its beginning to its end")]
async fn a_supervisor_answers_in_teams_and_everybody_sees_it() {
    let microsoft = Peer::start("teams_service.py").await;
    let url = microsoft.url().to_owned();
    let console = Console::with(|site| site.teams = Some(settings(&url))).await;
    // Teams knows people by their sign-in name; nobody has a `teams_id` in the sample site.
    let member = |id: &str| json!({ "id": format!("29:{id}"), "objectId": format!("aad-{id}"), "userPrincipalName": format!("{id}@plant1.example") });
    microsoft.post("/_members", &json!([member("sam"), member("mia"), member("eve")])).await;
    let gate = three_plans(&console, "teams").await;
    let notifier: Arc<dyn Notifier> =
        Arc::new(TeamsNotifier::new(&settings(&url), console.site.time_zone).expect("a notifier"));
    let running = delivery(&console, notifier);
    tokio::spawn(running.run(console.hints.subscribe(), console.stop.clone()));

    let sent = microsoft.until("/_log", "a card in the room", |log| cards_in(log).pop()).await;
    assert_eq!(sent["refresh"]["userIds"], json!(["29:sam"]), "{sent:#}");
    assert!(sent["actions"].is_null(), "others see how it stands");
    let token = signed(&microsoft, &claims(&url)).await;
    let did = async |person: &str, verb: &str, data: Value| {
        let (status, answer) =
            post(&console.url, Some(&token), &activity(&url, person, &execute(verb, &data))).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(answer["statusCode"], 200);
        answer
    };
    let look = sent["refresh"]["action"]["data"].clone();
    let for_sam = did("sam", "takt.look", look.clone()).await;
    assert_eq!(for_sam["type"], "application/vnd.microsoft.card.adaptive");
    let for_mia = did("mia", "takt.look", look).await;
    assert!(for_mia["value"]["actions"].is_null(), "Mia is not asked: {for_mia:#}");
    let press = for_sam["value"]["actions"][1]["data"].clone();
    assert_eq!(for_sam["value"]["actions"][1]["title"], "Choose 2");

    // Not asked, not known, re-targeted: kind words, an audit entry, no answer.
    let mia = did("mia", "takt.decide", press.clone()).await;
    assert!(text(&mia, "/value").contains("only Production supervisor can answer"), "{mia}");
    let stranger = did("stranger", "takt.decide", press.clone()).await;
    assert!(text(&stranger, "/value").contains("aad-stranger"), "{stranger}");
    let forged = did("sam", "takt.decide", json!({ "press": "of-another-gate:choose.1" })).await;
    assert!(text(&forged, "/value").contains("no longer known"), "{forged}");
    assert_eq!(refusals(&console, "no_such_person").await, 1);
    assert_eq!(refusals(&console, "no_such_gate").await, 1);
    assert!(vote(&console, gate).await.is_none());

    let taken = did("sam", "takt.decide", press.clone()).await;
    assert!(
        taken["value"].to_string().contains("Sam Carter chose 2 at ") && taken["value"]["actions"].is_null(),
        "{taken}"
    );
    let counted = vote(&console, gate).await.expect("an answer");
    assert_eq!((counted.person.as_str(), counted.channel.as_str()), ("sam", "teams"));
    // Caught on its way and sent once more: the same answer, it changes nothing, and the trail says so.
    did("sam", "takt.decide", press).await;
    let mut db = console.store.connection().await.expect("a connection");
    let repeated = audit::Filter { action: Some("gate.repeated".into()), ..audit::Filter::default() };
    let repeated = audit::list(&mut db, &repeated, 10).await.expect("the trail");
    assert_eq!((repeated.len(), repeated[0].actor.as_str()), (1, "sam"));
    assert_eq!(gates::votes(&mut db, gate).await.expect("votes").len(), 1);
    // Everybody else's card is changed in place.
    let changed = microsoft.until("/_log", "the room's card to change", |log| {
        log["calls"].as_array()?.iter().find(|call| call["method"] == "PUT").cloned()
    });
    let changed = changed.await;
    assert!(changed["body"].to_string().contains("Sam Carter chose 2 at "), "{changed:#}");
    // Late: by a button of today, and by one of an old client, which gets a message.
    let late = Press { token: seed::button_token(gate), button: Button::Choose, option: Some(1) }.value();
    let again = did("sam", "takt.decide", json!({ "press": late })).await;
    assert!(
        again["value"].to_string().contains("Sam Carter chose 2 at ")
            && again["value"].to_string().contains("(teams)")
    );
    let old = activity(&url, "sam", &json!({ "type": "message", "value": { "press": late } }));
    assert_eq!(post(&console.url, Some(&token), &old).await.0, StatusCode::OK);
    let personal = json!({ "text": "hi", "conversation": { "conversationType": "personal", "tenantId": TENANT, "id": "a:sam" } });
    assert_eq!(post(&console.url, Some(&token), &activity(&url, "sam", &personal)).await.0, StatusCode::OK);
    microsoft
        .until("/_log", "an answer to a message", |log| {
            log["calls"]
                .as_array()?
                .iter()
                .find(|call| text(call, "/body/text").contains("Takt knows you"))
                .cloned()
        })
        .await;
    let log = microsoft.get("/_log").await;
    assert_eq!(
        log["fetched"]["token"], 2,
        "one token for the sender's messages, one for the door's: {log:#}"
    );

    let mut cards = cards_in(&log);
    cards.extend([for_sam, for_mia, taken].map(|answer| answer["value"].clone()));
    let judged = node::ask("adaptive_cards.js", &json!({ "cards": cards }));
    for (card, said) in cards.iter().zip(judged.as_array().expect("answers")) {
        assert_eq!(said["wrong"], json!([]), "{card:#}");
        assert_eq!(
            said["items"].as_u64().and_then(|n| usize::try_from(n).ok()),
            card["body"].as_array().map(Vec::len)
        );
    }
    assert_eq!(
        judged[judged.as_array().map_or(0, Vec::len) - 3]["inputs"],
        2,
        "the reason's two fields: {judged}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_closed_before_enough_agreed_names_nobody_as_its_answer() {
    let microsoft = Peer::start("teams_service.py").await;
    let url = microsoft.url().to_owned();
    let console = Console::with(|site| {
        site.teams = Some(settings(&url));
        let lee = site.people.iter_mut().find(|person| person.id == "lee").expect("Lee");
        lee.roles.push("production_supervisor".into());
    })
    .await;
    let member = json!({ "id": "29:lee", "objectId": "aad-lee", "userPrincipalName": "lee@plant1.example" });
    microsoft.post("/_members", &json!([member])).await;
    let gate = three_plans(&console, "teams").await;
    sqlx::query("update gate set quorum = 2 where id = $1")
        .bind(gate.0)
        .execute(console.store.pool())
        .await
        .expect("a quorum");
    let answer = Answer { choice: Some(1), ..Answer::of(Decision::Choose, "mail", "hash-of-the-proposal") };
    let first = decide(&console.store, &console.site, gate, "sam", &answer).await.expect("taken");
    assert_eq!(first.progress.as_deref(), Some("1 of 2 chose 1: Sam Carter"));
    let mut db = console.store.connection().await.expect("a connection");
    gates::close(&mut db, &[gate.0]).await.expect("closed");

    let token = signed(&microsoft, &claims(&url)).await;
    let look = execute("takt.look", &json!({ "gate": seed::button_token(gate) }));
    let (status, seen) = post(&console.url, Some(&token), &activity(&url, "lee", &look)).await;
    assert_eq!(status, StatusCode::OK, "{seen}");
    let seen = seen["value"].to_string();
    assert!(
        seen.contains("nobody has to answer this any more") && !seen.contains("Sam Carter chose"),
        "{seen}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bots_token_goes_to_allowed_addresses_only_and_is_fetched_again_when_taken_back() {
    let microsoft = Peer::start("teams_service.py").await;
    let url = microsoft.url().to_owned();
    let notifier = TeamsNotifier::new(&settings(&url), chrono_tz::UTC).expect("a notifier");
    let told: Message =
        serde_json::from_value(json!({ "kind": "tell", "title": "PRESS-4 runs again" })).expect("a message");
    let to = Destination::Room { id: ROOM.into(), asked: vec![], later: vec![] };
    let sending = Sending { message: &told, to: &to, id: uuid::Uuid::nil(), tried: false, reference: None };
    for _ in 0..3 {
        notifier.send(&sending).await.expect("sent");
    }
    assert_eq!(microsoft.get("/_log").await["fetched"]["token"], 1);
    microsoft.post("/_revoke", &json!({})).await;
    notifier.send(&sending).await.expect("sent with a new token");
    assert_eq!(microsoft.get("/_log").await["fetched"]["token"], 2);
    let elsewhere = json!({ "service_url": "http://127.0.0.1:9", "conversation": ROOM });
    let error = notifier
        .send(&Sending { reference: Some(&elsewhere), ..sending.clone() })
        .await
        .expect_err("not there");
    assert!(!error.retryable && error.message.contains("not among teams.service_urls"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workflows_webhook_gets_a_card_that_only_links() {
    let microsoft = wiremock::MockServer::start().await;
    wiremock::Mock::given(wiremock::matchers::method("POST"))
        .respond_with(wiremock::ResponseTemplate::new(202))
        .mount(&microsoft)
        .await;
    let url = SecretString::from(format!("{}/workflows/s3cret", microsoft.uri()));
    let webhook = TeamsWebhook { url, roles: std::collections::BTreeMap::new() };
    let console = Console::start().await;
    three_plans(&console, "teams_webhook").await;
    let notifier: Arc<dyn Notifier> =
        Arc::new(WebhookNotifier::new(&webhook, console.site.time_zone).expect("a notifier"));
    let sent = delivery(&console, notifier.clone()).pass(notifier.as_ref()).await.expect("a pass");
    assert_eq!(sent, 1);
    let body: Value = microsoft.received_requests().await.expect("recorded")[0].body_json().expect("JSON");
    let card = &body["attachments"][0]["content"];
    assert_eq!((&body["type"], &body["attachments"][0]["contentUrl"]), (&json!("message"), &Value::Null));
    assert_eq!(
        (card["actions"].as_array().map(Vec::len), text(card, "/actions/0/type")),
        (Some(1), "Action.OpenUrl")
    );
    assert!(!card.to_string().contains("token-of") && text(card, "/actions/0/url").starts_with(&console.url));
    assert_eq!(node::ask("adaptive_cards.js", &json!({ "cards": [card] }))[0]["wrong"], json!([]));
}
