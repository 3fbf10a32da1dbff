use super::*;
use crate::gate::Answer;
use chrono::TimeDelta;
use serde_json::json;

fn gate(now: DateTime<Utc>) -> Gate {
    Gate {
        id: uuid::Uuid::nil(),
        run_id: uuid::Uuid::nil(),
        path: "approve".into(),
        form: "choose".into(),
        state: "open".into(),
        role: Some("production_supervisor".into()),
        person: None,
        excluded: vec!["lee".into()],
        ask: json!({ "allow": ["choose", "reject"], "options": [{}, {}] }),
        proposal_hash: "h".into(),
        rung: 0,
        opened_at: now,
        expires_at: now + TimeDelta::minutes(10),
    }
}

fn person(id: &str, role: &str) -> Person {
    Person {
        id: id.into(),
        name: id.into(),
        email: None,
        slack_id: None,
        roles: vec![role.into()],
        shifts: vec![],
        password_hash: None,
    }
}

fn choose(choice: usize) -> Answer {
    Answer {
        decision: Decision::Choose,
        choice: Some(choice),
        edited: None,
        items: vec![],
        reason: None,
        channel: "web".into(),
        proposal_hash: "h".into(),
    }
}

#[test]
fn only_the_asked_may_answer_and_only_once_each() {
    let now = Utc::now();
    let sam = person("sam", "production_supervisor");
    assert_eq!(check(&gate(now), &sam, &choose(1), now), Ok(()));
    let mia = person("mia", "maintenance");
    assert!(matches!(check(&gate(now), &mia, &choose(1), now), Err(Refusal::WrongRole { .. })));
    let lee = person("lee", "production_supervisor");
    assert_eq!(check(&gate(now), &lee, &choose(1), now), Err(Refusal::SamePerson));
}

#[test]
fn late_changed_or_unoffered_answers_are_refused() {
    let now = Utc::now();
    let sam = person("sam", "production_supervisor");
    assert_eq!(check(&gate(now), &sam, &choose(1), now + TimeDelta::minutes(11)), Err(Refusal::Expired));
    assert_eq!(check(&gate(now), &sam, &choose(3), now), Err(Refusal::NoSuchOption));
    assert_eq!(check(&gate(now), &sam, &choose(0), now), Err(Refusal::NoSuchOption));
    let changed = Answer { proposal_hash: "other".into(), ..choose(1) };
    assert_eq!(check(&gate(now), &sam, &changed, now), Err(Refusal::Changed));
    let approve = Answer { decision: Decision::Approve, ..choose(1) };
    assert_eq!(check(&gate(now), &sam, &approve, now), Err(Refusal::NotOffered));
    let reject = Answer { decision: Decision::Reject, reason: Some("  ".into()), ..choose(1) };
    assert_eq!(check(&gate(now), &sam, &reject, now), Err(Refusal::ReasonMissing));
    let closed = Gate { state: "answered".into(), ..gate(now) };
    assert_eq!(check(&closed, &sam, &choose(1), now), Err(Refusal::NotOpen));
}
