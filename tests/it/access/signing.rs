//! Signatures with name and password: what they need, what they leave, and what cannot stand in for them.

use super::{call, newest, release};
use crate::support::console::{API_TOKEN, Console, PASSWORD, Page, Visitor};
use reqwest::StatusCode;
use serde_json::{Value, json};
use takt::{
    audit::{
        SigningKey,
        bundle::{Exporter, check},
        generate,
    },
    gate::{Answer, DecideError, Decision, Refusal, Signature, decide, is_intact},
    run::{AuditRecord, GateId, RunId, TAKT},
    store::{audit, gates, signatures},
};

async fn post(visitor: &mut Visitor, gate: GateId, fields: &[(&str, &str)]) -> Page {
    let path = format!("/gates/{gate}");
    let csrf = visitor.get(&path).await.field("csrf");
    let own = [("csrf", csrf.as_str()), ("proposal", "hash-of-the-proposal")];
    visitor.post(&format!("{path}/answer"), &[&own, fields].concat()).await
}

async fn vote(console: &Console, gate: GateId) -> Option<gates::Vote> {
    let mut db = console.store.connection().await.expect("a connection");
    gates::vote(&mut db, gate).await.expect("asking")
}

#[tokio::test(flavor = "multi_thread")]
async fn name_and_password_are_asked_again_and_bound_to_the_answer() {
    let console = Console::start().await;
    let gate = release(&console).await;
    let mut sam = console.signed_in("sam").await;
    let page = sam.get(&format!("/gates/{gate}")).await;
    assert!(
        page.text.contains("Your answer here is signed: I release this lot for shipment"),
        "{}",
        page.text
    );

    let dialog = post(&mut sam, gate, &[("decision", "approve")]).await;
    for words in
        ["Sign your answer", "approved", "I release this lot for shipment", "Sam Carter", "sign-password"]
    {
        assert!(dialog.text.contains(words), "{words}: {}", dialog.text);
    }
    assert_eq!(dialog.field("decision"), "approve", "the answer is carried along");
    // Wrong in one component, or those of another person: nothing is signed.
    for (name, password) in [("sam", "wrong"), ("mia", PASSWORD), ("", PASSWORD)] {
        let fields = [("decision", "approve"), ("sign-name", name), ("sign-password", password)];
        let page = post(&mut sam, gate, &fields).await;
        assert!(page.text.contains("Sign your answer"), "{name}: {}", page.text);
        assert!(vote(&console, gate).await.is_none(), "{name}");
    }
    let (actor, action, _) = newest(&console).await;
    assert_eq!((actor.as_str(), action.as_str()), ("sam", "sign.refused"));

    let fields = [("decision", "approve"), ("sign-name", "sam"), ("sign-password", PASSWORD)];
    let page = post(&mut sam, gate, &fields).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let given = vote(&console, gate).await.expect("an answer");
    let mut db = console.store.connection().await.expect("a connection");
    let signed = signatures::of_gate(&mut db, gate).await.expect("signatures").pop().expect("one");
    assert_eq!(signed.meaning, "I release this lot for shipment");
    assert_eq!((signed.name.as_str(), signed.at), ("Sam Carter", given.at));
    assert!(is_intact(&given, &signed));

    let page = sam.get(&format!("/gates/{gate}")).await.text;
    assert!(
        page.contains("Signed by <strong>Sam Carter</strong>") && page.contains("matches the answer"),
        "{page}"
    );
    let api = call(&console, "GET", &format!("/api/gates/{gate}"), API_TOKEN, None, Value::Null).await;
    let api: Value = serde_json::from_str(&api.text).expect("JSON");
    assert_eq!(api["signatures"][0]["meaning"], "I release this lot for shipment");
    assert_eq!(api["signatures"][0]["record_hash"].as_str(), Some(signed.record_hash.as_str()));
    nothing_of_it_changes(&console, &given, &signed).await;
}

/// The row cannot be changed, and a changed answer no longer fits its signature.
async fn nothing_of_it_changes(console: &Console, given: &gates::Vote, signed: &signatures::Signature) {
    let other = "update gate_signature set meaning = 'something else'";
    assert!(sqlx::query(other).execute(console.store.pool()).await.is_err(), "a signature is final");
    type Change = fn(&mut gates::Vote);
    let changes: [Change; 4] = [
        |vote| vote.decision = "reject".into(),
        |vote| vote.reason = Some("x".into()),
        |vote| vote.proposal_hash = "another".into(),
        |vote| vote.body["choice"] = json!(2),
    ];
    for change in changes {
        let mut vote = given.clone();
        change(&mut vote);
        assert!(!is_intact(&vote, signed), "{vote:?}");
    }
    let moved = signatures::Signature { gate_id: uuid::Uuid::nil(), ..signed.clone() };
    assert!(!is_intact(given, &moved), "it cannot be moved to another answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_shows_who_signed_what_and_a_changed_signature_is_found() {
    let console = Console::start().await;
    let gate = release(&console).await;
    let mut sam = console.signed_in("sam").await;
    let fields = [("decision", "approve"), ("sign-name", "sam"), ("sign-password", PASSWORD)];
    assert_eq!(post(&mut sam, gate, &fields).await.status, StatusCode::SEE_OTHER);
    let mut db = console.store.connection().await.expect("a connection");
    let asked = gates::get(&mut db, gate).await.expect("asking").expect("a gate");
    let run = RunId(asked.run_id);
    for question in gates::of_run(&mut db, run).await.expect("questions") {
        let pending = AuditRecord::new(TAKT, "gate.pending").of_run(run, Some(&question.path));
        let pending = pending.object(question.id.to_string());
        let pending = AuditRecord { correlation: Some(question.proposal_hash), ..pending };
        audit::append(&mut db, &[pending]).await.expect("appending");
    }
    let (private, public) = generate().expect("a key");
    let key = SigningKey::from_pem(&private).expect("our own key");
    let exporter = Exporter { site: "Plant 1", zone: chrono_tz::America::Chicago, key: &key, folder: None };
    let bundle = exporter.export(&mut db, run).await.expect("a bundle");
    check(&bundle, &[public]).expect("sound");
    let signed = signatures::of_gate(&mut db, gate).await.expect("signatures").pop().expect("one");
    let text = String::from_utf8_lossy(&bundle);
    for words in ["<th>Signed by</th>", "Sam Carter", "I release this lot for shipment", &signed.record_hash]
    {
        assert!(text.contains(words), "{words}");
    }
    let other = "alter table gate_signature disable trigger user;
                 update gate_signature set meaning = 'I was here'";
    sqlx::raw_sql(other).execute(console.store.pool()).await.expect("the owner may");
    let refused = exporter.export(&mut db, run).await.expect_err("it was changed");
    assert!(refused.to_string().contains("another signature"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_door_answers_without_a_signature() {
    let console = Console::start().await;
    let gate = release(&console).await;
    let mut db = console.store.connection().await.expect("a connection");
    let asked = gates::get(&mut db, gate).await.expect("asking").expect("a gate");
    drop(db);
    let body = json!({ "decision": "approve", "proposal_hash": asked.proposal_hash });
    let path = format!("/api/gates/{gate}/answer");
    let page = call(&console, "POST", &path, API_TOKEN, Some("sam"), body).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("needs your signature"), "{}", page.text);

    let sam = console.site.person("sam").expect("a person");
    let mia = console.site.person("mia").expect("a person");
    let now = takt::store::clock::now(&mut console.store.connection().await.expect("a connection")).await;
    let now = now.expect("the time");
    let old = now - chrono::TimeDelta::minutes(6);
    let wrong = [
        (None, Refusal::SignatureMissing),
        (Some(Signature::by_provider(mia, gate.0, now)), Refusal::SignatureForeign),
        (Some(Signature::by_provider(sam, uuid::Uuid::nil(), now)), Refusal::SignatureForeign),
        (Some(Signature::by_provider(sam, gate.0, old)), Refusal::SignatureStale),
    ];
    for (signature, expected) in wrong {
        let answer = Answer { signature, ..Answer::of(Decision::Approve, "slack", &asked.proposal_hash) };
        match decide(&console.store, &console.site, gate, "sam", &answer).await {
            Err(DecideError::Refused { refusal, .. }) => assert_eq!(refusal, expected),
            other => panic!("{expected:?}: {other:?}"),
        }
    }
    assert!(vote(&console, gate).await.is_none());
}

#[test]
fn the_documentation_claims_no_more_than_support() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = std::fs::read_to_string(docs.join("access.md")).expect("docs/access.md");
    assert!(page.contains("supports 21 CFR Part 11"));
    for entry in std::fs::read_dir(docs).expect("docs") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a page").to_lowercase();
        for claim in ["part 11 compliant", "part 11-compliant", "part 11 compliance", "part 11 certified"] {
            assert!(!text.contains(claim), "{}: {claim}", path.display());
        }
    }
}
