//! Signed webhooks: what is taken, what is refused, and what a refusal leaves behind.

use crate::support::console::{Console, Page};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use std::time::{SystemTime, UNIX_EPOCH};
use takt::{
    site::{Source, Verification},
    store::{audit, events},
};

fn now() -> i64 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    i64::try_from(seconds).expect("a time")
}

/// The official library, with the secret of the sample site's source.
fn signer(console: &Console) -> Webhook {
    let Verification::StandardWebhooks { secret } = &console.site.sources["plant"].verify;
    Webhook::new(secret.expose_secret()).expect("a secret")
}

fn event() -> Value {
    json!({
        "specversion": "1.0", "id": "evt-1", "source": "plex", "type": "plex.work_center_status", "subject": "PRESS-4",
        "time": "2036-11-24T12:10:00Z", "data": { "work_center": "PRESS-4", "status": "DOWN" }
    })
}

/// A request signed at a time.
fn signed(console: &Console, body: &[u8], at: i64) -> RequestBuilder {
    let signature = signer(console).sign("msg_1", at, body).expect("a signature");
    let request = reqwest::Client::new().post(format!("{}/hooks/plant", console.url));
    let request = request
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", at)
        .header("webhook-signature", signature);
    request.header("content-type", "application/cloudevents+json").body(body.to_vec())
}

async fn send(request: RequestBuilder) -> Page {
    Page::of(request.send().await.expect("an answer")).await
}

/// The refusal is a problem body, one count and, once a minute, one audit line; nothing else is stored.
async fn assert_refused(console: &Console, request: RequestBuilder, status: StatusCode, cause: &str) {
    let mut db = console.store.connection().await.expect("a connection");
    let before = audit::recent(&mut db, 100).await.expect("the audit").len();
    let page = send(request).await;
    assert_eq!(page.status, status, "{cause}: {}", page.text);
    assert_eq!(page.headers["content-type"], "application/problem+json", "{cause}");
    let problem: Value = serde_json::from_str(&page.text).expect("a problem");
    assert_eq!(problem["type"], json!(format!("urn:takt:problem:{cause}")));
    assert!(events::list(&mut db, false, 10).await.expect("events").is_empty(), "{cause}");
    let rejections = events::rejections(&mut db).await.expect("counts");
    assert!(rejections.iter().any(|(_, reason, _)| reason == cause), "{cause}: {rejections:?}");
    let audited = audit::recent(&mut db, 100).await.expect("the audit");
    let is_told = |entry: &&audit::Entry| entry.action == "event.refused" && entry.detail["cause"] == cause;
    assert_eq!(audited.iter().filter(is_told).count(), 1, "{cause}: one record a minute");
    assert!(audited.len() <= before + 1, "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_event_is_stored_before_it_is_acknowledged_and_kept_once() {
    let console = Console::start().await;
    let body = event().to_string();
    let page = send(signed(&console, body.as_bytes(), now())).await;
    assert_eq!(page.status, StatusCode::ACCEPTED, "{}", page.text);
    assert_eq!(
        serde_json::from_str::<Value>(&page.text).expect("JSON"),
        json!({ "id": "evt-1", "source": "plex", "duplicate": false })
    );
    let again = send(signed(&console, body.as_bytes(), now())).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert!(again.text.contains(r#""duplicate":true"#), "{}", again.text);
    let mut db = console.store.connection().await.expect("a connection");
    let stored = events::list(&mut db, false, 10).await.expect("events");
    assert_eq!(stored.len(), 1);
    assert_eq!(
        (stored[0].r#type.as_str(), stored[0].subject.as_deref()),
        ("plex.work_center_status", Some("PRESS-4"))
    );
    assert_eq!((&stored[0].data["status"], stored[0].state.as_str()), (&json!("DOWN"), "new"));
    assert!(events::rejections(&mut db).await.expect("counts").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_postgresql_cannot_keep_is_refused_as_malformed() {
    let console = Console::start().await;
    let mut event = event();
    event["data"]["reason_text"] = json!("hydraulic\u{0}pressure");
    let page = send(signed(&console, event.to_string().as_bytes(), now())).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.text);
    assert!(page.text.contains("NUL"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_no_index_can_hold_is_refused_as_malformed() {
    let console = Console::start().await;
    let mut event = event();
    for field in ["id", "source"] {
        // Characters of four bytes that do not compress.
        let letters = (0..500u32).map(|n| char::from_u32(0x1_0000 + n * 2_089 % 0x8_0000).unwrap_or('x'));
        event[field] = json!(letters.collect::<String>());
    }
    let page = send(signed(&console, event.to_string().as_bytes(), now())).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.text);
    assert!(page.text.contains("1024 bytes"), "{}", page.text);
}

/// With other headers in place of those it was sent with; the signature stays.
async fn sent_again(request: RequestBuilder, headers: &[(&'static str, &str)]) -> Page {
    let mut request = request.build().expect("a request");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a header"));
    }
    Page::of(reqwest::Client::new().execute(request).await.expect("an answer")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_body_cannot_be_made_another_event() {
    let console = Console::start().await;
    let (body, at) = (event().to_string(), now());
    let request = || signed(&console, body.as_bytes(), at);
    assert_eq!(send(request()).await.status, StatusCode::ACCEPTED);
    let attributes = [
        ("ce-specversion", "1.0"),
        ("ce-id", "forged-2"),
        ("ce-source", "plant/other"),
        ("ce-type", "partner.order_answered"),
        ("ce-subject", "PO-7704"),
    ];
    for kind in ["application/json", "text/plain", ""] {
        let again = sent_again(request(), &[&[("content-type", kind)], &attributes[..]].concat()).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST, "{kind}: {}", again.text);
        assert!(again.text.contains("not under the signature"), "{}", again.text);
    }
    let beside = sent_again(request(), &attributes).await;
    assert!(beside.text.contains(r#""duplicate":true"#) && beside.text.contains("evt-1"), "{}", beside.text);
    let mut db = console.store.connection().await.expect("a connection");
    assert_eq!(events::list(&mut db, false, 10).await.expect("events").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_speaks_only_for_its_own_sources() {
    let from = |from: &[&str]| from.iter().map(|from| (*from).to_owned()).collect::<Vec<_>>();
    let console = Console::with(|site| {
        let plant = site.sources.get_mut("plant").expect("a source");
        plant.from = from(&["plex", "/plants/1"]);
        let mes = Source { from: from(&["/plants/1/mes"]), ..plant.clone() };
        site.sources.insert("mes".into(), mes);
    })
    .await;
    let of = |field: &str, value: &str| {
        let mut event = event();
        event[field] = json!(value);
        event.to_string()
    };
    for body in [
        of("source", "partner/acme"),
        of("source", "erp"),
        of("source", "/plants/10"),
        of("source", "plexus"),
    ] {
        let request = signed(&console, body.as_bytes(), now());
        assert_refused(&console, request, StatusCode::FORBIDDEN, "not-permitted").await;
    }
    let answer = of("type", "partner.order_answered");
    let answer = signed(&console, answer.as_bytes(), now());
    assert_refused(&console, answer, StatusCode::FORBIDDEN, "not-permitted").await;
    let own = of("source", "/plants/1/plex");
    assert_eq!(send(signed(&console, own.as_bytes(), now())).await.status, StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_spoken_for_by_no_sender_even_where_there_is_only_one() {
    let console = Console::start().await;
    let mut forged = event();
    forged["source"] = json!("partner/acme");
    let request = signed(&console, forged.to_string().as_bytes(), now());
    assert_refused(&console, request, StatusCode::FORBIDDEN, "not-permitted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_as_declared_is_refused() {
    let console = Console::start().await;
    let body = event().to_string();
    let url = format!("{}/hooks/plant", console.url);
    let unsigned = reqwest::Client::new().post(&url).body(body.clone());
    assert_refused(&console, unsigned, StatusCode::UNAUTHORIZED, "signature-missing").await;

    let other = Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
    let stolen = other.sign("msg_1", now(), body.as_bytes()).expect("a signature");
    let forged =
        reqwest::Client::new().post(&url).header("webhook-id", "msg_1").header("webhook-timestamp", now());
    let forged = forged.header("webhook-signature", stolen).body(body.clone());
    assert_refused(&console, forged, StatusCode::UNAUTHORIZED, "signature-invalid").await;

    let changed = signed(&console, body.as_bytes(), now()).body(body.replace("DOWN", "RUNNING"));
    assert_refused(&console, changed, StatusCode::UNAUTHORIZED, "signature-invalid").await;
    let old = signed(&console, body.as_bytes(), now() - 400);
    assert_refused(&console, old, StatusCode::UNAUTHORIZED, "signature-too-old").await;
    let early = signed(&console, body.as_bytes(), now() + 400);
    assert_refused(&console, early, StatusCode::UNAUTHORIZED, "signature-too-old").await;

    let unknown = reqwest::Client::new().post(format!("{}/hooks/nobody", console.url)).body(body);
    assert_refused(&console, unknown, StatusCode::UNAUTHORIZED, "unknown-source").await;
    let mut db = console.store.connection().await.expect("a connection");
    let counts = events::rejections(&mut db).await.expect("counts");
    let expected = [
        ("plant", "signature-invalid", 2),
        ("plant", "signature-missing", 1),
        ("plant", "signature-too-old", 2),
        ("unknown", "unknown-source", 1),
    ];
    assert_eq!(counts, expected.map(|(source, reason, count)| (source.to_owned(), reason.to_owned(), count)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_signatures_needs_one_that_fits() {
    let console = Console::start().await;
    let body = event().to_string();
    let right = signer(&console).sign("msg_1", now(), body.as_bytes()).expect("a signature");
    let request = signed(&console, body.as_bytes(), now()).build().expect("a request");
    let mut request = request;
    let list = format!("v1,AAAA v1a,BBBB {right}");
    request.headers_mut().insert("webhook-signature", list.parse().expect("a header"));
    let answer = reqwest::Client::new().execute(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_or_is_too_large_is_refused() {
    let console = Console::with(|site| site.limits.event_bytes_max = 1024).await;
    let mut large = event();
    large["data"]["text"] = json!("x".repeat(2048));
    let large = large.to_string();
    assert_refused(
        &console,
        signed(&console, large.as_bytes(), now()),
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
    )
    .await;
    let change = |field: &str, value: Value| {
        let mut event = event();
        event[field] = value;
        event.to_string()
    };
    let malformed = [
        "{ not json".to_owned(),
        "[]".to_owned(),
        change("specversion", json!("0.3")),
        change("specversion", Value::Null),
        change("id", json!("")),
        change("source", json!("x".repeat(600))),
        change("type", Value::Null),
        change("time", json!("yesterday")),
        change("data", json!({ "text": "a\u{0}b" })),
        // The journal could not be read again.
        change("data", (0..70).fold(json!([]), |value, _| json!([value]))),
        change("data_base64", json!("AAAA")),
    ];
    for body in malformed {
        assert_refused(
            &console,
            signed(&console, body.as_bytes(), now()),
            StatusCode::BAD_REQUEST,
            "malformed",
        )
        .await;
    }
}
