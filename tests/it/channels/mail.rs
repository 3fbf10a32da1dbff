//! Mail: sent to a server of others, read by a parser of others, and links that a scanner may follow as often as it likes.

use super::{delivery, queue, refusals, three_plans, vote};
use crate::support::{
    browser::{Browser, PHONE},
    console::{Console, Visitor},
    peer::Peer,
    seed,
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use takt::{
    connector::mail::MailNotifier,
    gate::{Answer, Decision, HandOver, decide, hand_over},
    notify::Notifier,
    run::GateId,
    site::{Encryption, Mail, Site},
    store::{
        clock,
        delegations::{self, Delegation},
        events, gates,
    },
    workflow::GateForm,
};

async fn plant() -> (Peer, Console, Arc<dyn Notifier>) {
    plant_with(|_| {}).await
}

async fn plant_with(change: impl FnOnce(&mut Site)) -> (Peer, Console, Arc<dyn Notifier>) {
    let server = Peer::start("mail_server.py").await;
    let port = u16::try_from(server.ready.as_u64().expect("a port")).expect("a port");
    let mail = Mail {
        host: "127.0.0.1".into(),
        port,
        encryption: Encryption::None,
        credentials: None,
        from: "Takt <takt@plant1.example>".into(),
        notices: false,
    };
    let notifier = MailNotifier::new(&mail, "Plant 1", chrono_tz::America::Chicago).expect("a notifier");
    let console = Console::with(|site| {
        site.mail = Some(mail);
        change(site);
    })
    .await;
    (server, console, Arc::new(notifier))
}

/// The path of the link for an answer.
fn link(mail: &Value, console: &Console, answer: &str) -> String {
    let text = mail["text"].as_str().expect("text");
    let line = text.lines().map(str::trim).find(|line| line.ends_with(&format!("?answer={answer}")));
    let line = line.unwrap_or_else(|| panic!("no link for {answer}: {text}"));
    line.strip_prefix(&console.url).expect("our address").to_owned()
}

async fn mailed(console: &Console, server: &mut Peer, notifier: &Arc<dyn Notifier>) -> Value {
    let sent = delivery(console, notifier.clone()).pass(notifier.as_ref()).await.expect("a pass");
    assert_eq!(sent, 1);
    server.line().await
}

async fn follow(visitor: &mut Visitor, path: &str) -> (StatusCode, String) {
    let page = visitor.get(path).await;
    (page.status, page.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_shows_and_only_its_button_decides_once() {
    let (mut server, console, notifier) = plant().await;
    let gate = three_plans(&console, "mail").await;
    let mail = mailed(&console, &mut server, &notifier).await;
    assert_eq!((&mail["to"], &mail["defects"]), (&json!(["sam@plant1.example"]), &json!([])));
    assert!(mail["subject"].as_str().is_some_and(|subject| subject.contains("PRESS-4 down")), "{mail}");
    assert_eq!(mail["auto"], "auto-generated");
    for form in ["text", "html"] {
        assert!(mail[form].as_str().is_some_and(|text| text.contains("Silence never approves")), "{mail}");
    }
    let path = link(&mail, &console, "choose.2");
    let mut visitor = console.visitor();
    // Scanners look at every link, more than once, and some send HEAD.
    for _ in 0..2 {
        let (status, page) = follow(&mut visitor, &path).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        assert!(page.contains("You answer as Sam Carter") && page.contains(r#"value="choose.2""#), "{page}");
        let first = page.find(r#"value="choose.2""#) < page.find(r#"value="choose.1""#);
        assert!(first, "the answer whose link was followed comes first");
    }
    let head = reqwest::Client::new().head(format!("{}{path}", console.url)).send().await.expect("an answer");
    assert_eq!(head.status(), StatusCode::OK);
    assert!(vote(&console, gate).await.is_none(), "looking decides nothing");

    let rejected = visitor.post(&path, &[("answer", "reject")]).await;
    assert_eq!(rejected.status, StatusCode::CONFLICT);
    assert!(rejected.text.contains("say why") && vote(&console, gate).await.is_none());
    let thanks = visitor.post(&path, &[("answer", "choose.2")]).await;
    assert!(
        thanks.status == StatusCode::OK && thanks.text.contains("Your answer counts: chose 2."),
        "{}",
        thanks.text
    );
    let taken = vote(&console, gate).await.expect("an answer");
    assert_eq!(
        (taken.person.as_str(), taken.channel.as_str(), &taken.body["choice"]),
        ("sam", "mail", &json!(2))
    );

    // Once: by GET and by POST, also for the other answers of the same mail.
    let (status, page) = follow(&mut visitor, &path).await;
    assert!(status == StatusCode::GONE && page.contains("Too late. Sam Carter answered this at "), "{page}");
    let again = visitor.post(&link(&mail, &console, "choose.1"), &[("answer", "choose.1")]).await;
    assert_eq!(again.status, StatusCode::GONE);
    assert_eq!(vote(&console, gate).await.expect("an answer").body["choice"], 2);
    assert_eq!(refusals(&console, "link_used").await, 1, "once a minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_re_targeted_changed_and_expired_links_get_a_kind_page_and_an_audit_entry() {
    let (mut server, console, notifier) = plant().await;
    let (run, gate) = seed::three_plans(&console).await;
    queue(&console, run, gate, "mail").await;
    let mail = mailed(&console, &mut server, &notifier).await;
    let path = link(&mail, &console, "choose.1");
    let mut visitor = console.visitor();
    let ask = json!({ "title": "Release lot 7", "allow": ["approve"], "role_title": "Production supervisor",
        "on_silence": "Without an answer it counts as rejected.", "sign": "approved for release" });
    let question = seed::Question {
        path: "release",
        form: GateForm::Approve,
        role: "production_supervisor",
        ask,
        minutes: 15,
    };
    let signed = seed::ask(&console, run, question).await;

    let token = path.split(['/', '?']).nth(3).expect("a token");
    for (path, cause) in [
        (format!("/answer/{gate}/{}", "0".repeat(token.len())), "no_such_link"),
        (format!("/answer/{signed}/{token}"), "link_of_another_gate"),
    ] {
        for page in [visitor.get(&path).await, visitor.post(&path, &[("answer", "choose.1")]).await] {
            assert!(
                page.status == StatusCode::NOT_FOUND && page.text.contains("This link is not known"),
                "{}",
                page.text
            );
        }
        assert_eq!(refusals(&console, cause).await, 1, "once a minute");
    }
    // What is signed gets no link that answers.
    queue(&console, run, signed, "mail").await;
    let letter = mailed(&console, &mut server, &notifier).await;
    assert!(
        !letter.to_string().contains("/answer/") && letter.to_string().contains("Open to sign"),
        "{letter}"
    );

    // The proposal moved on.
    sqlx::query("update gate set proposal_hash = 'another' where id = $1")
        .bind(gate.0)
        .execute(console.store.pool())
        .await
        .expect("changed");
    let changed = visitor.post(&path, &[("answer", "choose.1")]).await;
    assert!(changed.status == StatusCode::GONE && changed.text.contains("has changed"), "{}", changed.text);
    let mut db = console.store.connection().await.expect("a connection");
    clock::set(&mut db, seed::at(16 * 60)).await.expect("later");
    drop(db);
    let late = visitor.post(&path, &[("answer", "choose.1")]).await;
    assert!(
        late.status == StatusCode::GONE && late.text.contains("The time to answer is over"),
        "{}",
        late.text
    );
    assert_eq!(refusals(&console, "link_expired").await, 1);
    assert!(vote(&console, gate).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_by_mail_reads_who_was_faster_and_where() {
    let (mut server, console, notifier) = plant().await;
    let gate = three_plans(&console, "mail").await;
    let mail = mailed(&console, &mut server, &notifier).await;
    let hash = proposal(&console, gate).await;
    let answer = Answer { choice: Some(3), ..Answer::of(Decision::Choose, "teams", &hash) };
    decide(&console.store, &console.site, gate, "sam", &answer).await.expect("taken");
    let page = console.visitor().get(&link(&mail, &console, "choose.1")).await;
    assert!(
        page.text.contains("Too late. Sam Carter answered this at ")
            && page.text.contains(" in Teams: chose 3."),
        "{}",
        page.text
    );
    let mut db = console.store.connection().await.expect("a connection");
    assert!(events::rejections(&mut db).await.expect("counts").is_empty());
}

async fn proposal(console: &Console, gate: GateId) -> String {
    let mut db = console.store.connection().await.expect("a connection");
    gates::get(&mut db, gate).await.expect("asking").expect("a gate").proposal_hash
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stands_in_for_somebody_gets_a_link_of_their_own() {
    let (mut server, console, notifier) = plant().await;
    let gate = three_plans(&console, "mail").await;
    let mut db = console.store.connection().await.expect("a connection");
    let now = clock::now(&mut db).await.expect("the time");
    let handed_over = Delegation {
        id: uuid::Uuid::new_v4(),
        person: "sam".into(),
        delegate: "mia".into(),
        role: None,
        starts_at: now,
        until: now + chrono::TimeDelta::days(1),
        ended_at: None,
        named_by: None,
    };
    delegations::start(&mut db, &handed_over).await.expect("handed over");
    drop(db);
    let first = mailed(&console, &mut server, &notifier).await;
    let second = server.line().await;
    assert_eq!(
        (&first["to"], &second["to"]),
        (&json!(["sam@plant1.example"]), &json!(["mia@plant1.example"]))
    );
    let path = link(&second, &console, "choose.2");
    let (status, page) = follow(&mut console.visitor(), &path).await;
    assert!(status == StatusCode::OK && page.contains("You answer as Mia Novak"), "{page}");
    assert_ne!(link(&first, &console, "choose.2"), path);
    assert!(vote(&console, gate).await.is_none());
}

/// They heard nothing of a question that was open already.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_handed_an_open_question_gets_it_then() {
    let (mut server, console, notifier) = plant().await;
    let gate = three_plans(&console, "mail").await;
    let first = mailed(&console, &mut server, &notifier).await;
    let mut db = console.store.connection().await.expect("a connection");
    let sam = console.site.person("sam").expect("Sam").clone();
    let until = clock::now(&mut db).await.expect("the time") + chrono::TimeDelta::days(1);
    drop(db);
    let wish = HandOver { delegate: "mia".into(), role: None, until, via: "web".into(), named_by: None };
    hand_over(&console.store, &console.site, &sam, &wish).await.expect("handed over");
    let second = mailed(&console, &mut server, &notifier).await;
    assert_eq!(second["to"], json!(["mia@plant1.example"]), "and Sam is not asked once more");
    let subject = second["subject"].as_str().unwrap_or_default();
    assert!(subject.contains("Sam Carter has handed this to you: PRESS-4"), "{subject}");
    let path = link(&second, &console, "choose.2");
    assert_ne!(link(&first, &console, "choose.2"), path);
    let (_, page) = follow(&mut console.visitor(), &path).await;
    assert!(page.contains("You answer as Mia Novak"), "{page}");
    assert!(vote(&console, gate).await.is_none());
}

/// Only who may answer it, for whoever handed it over, and only they: not others who stand in for somebody, nor for a yes
/// that has been given.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_question_is_handed_to_nobody_else_and_not_where_it_would_be_refused() {
    let (mut server, console, notifier) = plant_with(|site| {
        let lee = site.people.iter_mut().find(|person| person.id == "lee").expect("Lee");
        lee.roles.push("production_supervisor".into());
    })
    .await;
    let gate = three_plans(&console, "mail").await;
    let two = sqlx::query("update gate set quorum = 2 where id = $1").bind(gate.0);
    two.execute(console.store.pool()).await.expect("a quorum");
    let hand = async |person: &str, delegate: &str| {
        let mut db = console.store.connection().await.expect("a connection");
        let until = clock::now(&mut db).await.expect("the time") + chrono::TimeDelta::days(1);
        let wish =
            HandOver { delegate: delegate.into(), role: None, until, via: "web".into(), named_by: None };
        let person = console.site.person(person).expect("a person").clone();
        hand_over(&console.store, &console.site, &person, &wish).await.expect("handed over")
    };
    let pass = async || delivery(&console, notifier.clone()).pass(notifier.as_ref()).await.expect("a pass");
    assert_eq!(pass().await, 1, "to Sam and Lee");
    for asked in ["sam", "lee"] {
        assert_eq!(server.line().await["to"], json!([format!("{asked}@plant1.example")]));
    }
    hand("lee", "ana").await;
    assert_eq!(pass().await, 1);
    assert_eq!(server.line().await["to"], json!(["ana@plant1.example"]));
    hand("sam", "mia").await;
    assert_eq!(pass().await, 1);
    let mia = server.line().await;
    let subject = mia["subject"].as_str().unwrap_or_default();
    assert_eq!(mia["to"], json!(["mia@plant1.example"]), "Ana has hers");
    assert_eq!(subject.matches("has handed this to you").count(), 1, "{subject}");

    // Once Sam has answered, there is nothing left of it to hand over, and Sam answers it for nobody else.
    let ended = sqlx::query("update delegation set ended_at = takt_now(), ended_by = person");
    ended.execute(console.store.pool()).await.expect("ended");
    let answer = Answer { choice: Some(1), ..Answer::of(Decision::Choose, "web", "hash-of-the-proposal") };
    decide(&console.store, &console.site, gate, "sam", &answer).await.expect("the first of two");
    while pass().await > 0 {}
    hand("lee", "sam").await;
    assert_eq!(pass().await, 0, "to Sam, who has answered");
    hand("sam", "mia").await;
    assert_eq!(pass().await, 0, "from Sam, who has answered");
}

/// In a real browser, with a thumb.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_mail_fits_a_phone_and_one_tap_answers() {
    let (mut server, console, notifier) = plant().await;
    let gate = three_plans(&console, "mail").await;
    let path = link(&mailed(&console, &mut server, &notifier).await, &console, "choose.2");
    let browser = Browser::open(&console.url, PHONE).await;
    browser.go(&path).await;
    let words = browser.see("main").await;
    assert!(words.contains("You answer as Sam Carter"), "{words}");
    let width = browser.page_width().await;
    assert!(width <= f64::from(PHONE.width), "it is {width} wide");
    let buttons = browser.places("main form button").await;
    assert!(!buttons.is_empty() && buttons.iter().all(|button| button.height >= 44.0), "{buttons:?}");
    browser.picture("mail-1-answer").await;
    browser.tap("main form button").await;
    let answered = browser.see(".notice-page").await;
    assert!(answered.contains("Your answer counts: chose 2."), "{answered}");
    browser.picture("mail-2-answered").await;
    browser.close().await;
    assert!(vote(&console, gate).await.is_some());
}
