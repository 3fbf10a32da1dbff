//! Links that stand for somebody: the embedded question and the partner's order, and that they open nothing else.

use super::{call, release, service, token_of};
use crate::support::{
    console::{API_TOKEN, Console, PASSWORD, Page},
    seed,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use takt::{
    site::{Embed, Partner, Scope},
    store::{audit, events, gates},
};

const PLEX: &str = "https://plant1.on.plex.example";

pub(super) async fn console() -> Console {
    Console::with(|site| {
        site.access.embed = Some(Embed { frame_ancestors: vec![PLEX.to_owned()] });
        site.access.partners =
            BTreeMap::from([("acme".to_owned(), Partner { name: "Acme Castings".to_owned() })]);
        site.access.service_accounts =
            vec![service("plex", &[Scope::GatesAnswer]), service("portal", &[Scope::Partners])];
    })
    .await
}

/// The address a program was given, without its origin.
pub(super) fn link(page: &Page) -> String {
    assert_eq!(page.status, StatusCode::CREATED, "{}", page.text);
    let made: Value = serde_json::from_str(&page.text).expect("JSON");
    super::oidc::path_of(made["url"].as_str().expect("an address"))
}

async fn expire(console: &Console) {
    let statement = "update access_link set expires_at = clock_timestamp()";
    sqlx::query(statement).execute(console.store.pool()).await.expect("links expire");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_question_is_answered_without_a_cookie_by_the_person_it_is_for() {
    let console = console().await;
    let (_, gate) = seed::three_plans(&console).await;
    let make = format!("/api/gates/{gate}/embed");
    let plex = token_of("plex");
    let page = call(&console, "POST", &make, &plex, None, json!({})).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "for whom? {}", page.text);
    let sams = link(&call(&console, "POST", &make, &plex, Some("sam"), json!({})).await);
    let mias = link(&call(&console, "POST", &make, &plex, Some("mia"), json!({})).await);

    let mut frame = console.visitor();
    let page = frame.get(&sams).await;
    let policy = page.headers["content-security-policy"].to_str().expect("a policy").to_owned();
    assert!(policy.ends_with(&format!("frame-ancestors {PLEX}")), "{policy}");
    assert!(page.text.contains("Choose 1") && !page.text.contains("href=\"/runs"), "{}", page.text);
    let other = frame.get("/sign-in").await.headers["content-security-policy"].clone();
    assert!(other.to_str().expect("a policy").ends_with("frame-ancestors 'none'"), "only that page");
    assert!(frame.cookies.iter().all(|(name, _)| name != "takt_session"), "{:?}", frame.cookies);
    frame.cookies.clear();

    let choice = [("proposal", "hash-of-the-proposal"), ("decision", "choose"), ("choice", "2")];
    let page = frame.post(&mias, &choice).await;
    assert_eq!(page.status, StatusCode::CONFLICT, "Mia is not asked: {}", page.text);
    let page = frame.post(&sams, &choice).await;
    assert_eq!((page.status, page.location.as_deref()), (StatusCode::SEE_OTHER, Some(sams.as_str())));
    let mut db = console.store.connection().await.expect("a connection");
    let vote = gates::vote(&mut db, gate).await.expect("asking").expect("an answer");
    assert_eq!((vote.person.as_str(), vote.channel.as_str()), ("sam", "embed"));
    assert_eq!(
        vote.named_by.as_deref(),
        Some("plex"),
        "by the word of the program, which speaks for one person only"
    );
    assert!(frame.get(&sams).await.text.contains("on an embedded page"));

    expire(&console).await;
    assert_eq!(frame.get(&sams).await.status, StatusCode::GONE);
    assert_eq!(frame.post(&sams, &choice).await.status, StatusCode::GONE);
    let guess = format!("/embed/{}", "0".repeat(48));
    assert_eq!(frame.get(&guess).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_question_wants_name_and_password_in_the_frame_too() {
    let console = console().await;
    let gate = release(&console).await;
    let make = format!("/api/gates/{gate}/embed");
    let path = link(&call(&console, "POST", &make, &token_of("plex"), Some("sam"), json!({})).await);
    let mut frame = console.visitor();
    let answer = [("proposal", "hash-of-the-proposal"), ("decision", "approve")];
    let dialog = frame.post(&path, &answer).await;
    assert!(dialog.text.contains("sign-password"), "{}", dialog.text);
    assert!(dialog.headers["content-security-policy"].to_str().expect("a policy").contains(PLEX));
    let mut db = console.store.connection().await.expect("a connection");
    assert!(gates::vote(&mut db, gate).await.expect("asking").is_none());
    let signed = [&answer[..], &[("sign-name", "sam"), ("sign-password", PASSWORD)]].concat();
    assert_eq!(frame.post(&path, &signed).await.status, StatusCode::SEE_OTHER);
    assert!(gates::vote(&mut db, gate).await.expect("asking").is_some());
}

/// How often a door refused for a cause, by the trail.
async fn refusals(console: &Console, action: &str, because: &str) -> usize {
    let mut db = console.store.connection().await.expect("a connection");
    let entries = audit::recent(&mut db, 200).await.expect("the audit");
    let is_so = |entry: &&audit::Entry| entry.action == action && entry.detail["because"] == because;
    entries.iter().filter(is_so).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_are_guessed_or_over_are_refused_and_audited() {
    let console = console().await;
    let (_, gate) = seed::three_plans(&console).await;
    let make = format!("/api/gates/{gate}/embed");
    let embedded = link(&call(&console, "POST", &make, &token_of("plex"), Some("sam"), json!({})).await);
    let wish = json!({ "partner": "acme", "order": "PO-1", "title": "When does it come?" });
    let partners = link(&call(&console, "POST", "/api/partner-links", &token_of("portal"), None, wish).await);
    expire(&console).await;
    let mut visitor = console.visitor();
    for path in ["/embed/guessed", "/partner/guessed"] {
        assert_eq!(visitor.get(path).await.status, StatusCode::NOT_FOUND);
    }
    for path in [embedded, partners] {
        assert_eq!(visitor.get(&path).await.status, StatusCode::GONE);
    }
    for action in ["gate.refused", "partner_link.refused"] {
        for because in ["no_such_link", "link_is_over"] {
            assert_eq!(refusals(&console, action, because).await, 1, "{action} {because}");
        }
    }
}

async fn answers(console: &Console) -> Vec<events::StoredEvent> {
    let mut db = console.store.connection().await.expect("a connection");
    let mut all = events::list(&mut db, false, 50).await.expect("events");
    all.retain(|event| event.r#type == "partner.order_answered");
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_answers_about_one_order_once_and_reaches_nothing_else() {
    let console = console().await;
    let (run, gate) = seed::three_plans(&console).await;
    let ask = json!({ "partner": "acme", "order": "PO-7704", "title": "When do the castings come?",
                      "question": "The line needs 400 pieces by Friday.", "expires_in": "3d" });
    let portal = token_of("portal");
    let make = |body: Value| call(&console, "POST", "/api/partner-links", &portal, None, body);
    let path = link(&make(ask.clone()).await);
    let mut other_order = ask.clone();
    other_order["order"] = json!("PO-9000");
    link(&make(other_order).await);
    let mut unknown = ask.clone();
    unknown["partner"] = json!("nobody");
    assert_eq!(make(unknown).await.status, StatusCode::BAD_REQUEST);

    let mut acme = console.visitor();
    let page = acme.get(&path).await;
    assert!(page.text.contains("PO-7704") && page.text.contains("Acme Castings"), "{}", page.text);
    assert!(!page.text.contains("PO-9000") && !page.text.contains("PRESS-4"), "only their order");
    let token = path.rsplit('/').next().expect("a token");
    let elsewhere = [
        "/".to_owned(),
        "/runs".into(),
        format!("/runs/{run}"),
        format!("/gates/{gate}"),
        format!("/embed/{token}"),
        "/api/runs".into(),
    ];
    for path in elsewhere {
        let page = acme.get(&path).await;
        assert!(!page.status.is_success(), "{path}: {}", page.status);
        let bearer = call(&console, "GET", &path, token, None, Value::Null).await;
        assert!(!bearer.status.is_success() && bearer.status != StatusCode::OK, "{path} as a bearer");
    }

    let wrong = acme.post(&path, &[("confirmed_date", "soon"), ("note", "kept")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("Write the date") && wrong.text.contains("kept"), "{}", wrong.text);
    let answer = [("confirmed_date", "2036-11-28"), ("quantity", "380,5"), ("note", "rest on Monday")];
    assert!(acme.post(&path, &answer).await.text.contains("Your answer has arrived"));
    assert!(acme.post(&path, &answer).await.text.contains("Your answer has arrived"));
    let arrived = answers(&console).await;
    assert_eq!(arrived.len(), 1, "one answer");
    assert_eq!(
        (arrived[0].source.as_str(), arrived[0].subject.as_deref()),
        ("partner/acme", Some("PO-7704"))
    );
    let data = json!({ "confirmed_date": "2036-11-28", "quantity": 380.5, "note": "rest on Monday",
                       "partner": "acme", "order": "PO-7704" });
    assert_eq!(arrived[0].data, data);
    let schema = std::fs::read_to_string(console.site.folder.join("events/partner.order_answered.json"));
    let schema: Value = serde_json::from_str(&schema.expect("a schema")).expect("JSON");
    assert!(jsonschema::is_valid(&schema, &data), "the event is of its declared type");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_link_can_be_revoked_and_expires() {
    let console = console().await;
    let ask = json!({ "partner": "acme", "order": "PO-1", "title": "When?" });
    let make = || call(&console, "POST", "/api/partner-links", API_TOKEN, Some("gus"), ask.clone());
    let page = make().await;
    let (path, made) = (link(&page), serde_json::from_str::<Value>(&page.text).expect("JSON"));
    let revoke = format!("/api/partner-links/{}/revoke", made["id"].as_str().expect("an id"));
    let may_not = call(&console, "POST", &revoke, API_TOKEN, Some("mia"), json!({})).await;
    assert_eq!(may_not.status, StatusCode::FORBIDDEN);
    let answer = [("confirmed_date", "2036-11-28")];
    let mut acme = console.visitor();
    assert_eq!(call(&console, "POST", &revoke, API_TOKEN, Some("gus"), json!({})).await.status, 204);
    assert_eq!(acme.get(&path).await.status, StatusCode::GONE);
    assert_eq!(acme.post(&path, &answer).await.status, StatusCode::GONE);
    let path = link(&make().await);
    expire(&console).await;
    assert_eq!(acme.post(&path, &answer).await.status, StatusCode::GONE);
    assert!(answers(&console).await.is_empty());
}
