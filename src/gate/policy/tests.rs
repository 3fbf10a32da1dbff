#![expect(clippy::disallowed_methods, reason = "a test's own time")]

use super::*;
use crate::gate::Answer;
use crate::site::{Environment, Overrides};
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
        quorum: 1,
        opened_at: now,
        expires_at: now + TimeDelta::minutes(10),
    }
}

fn site() -> Site {
    let yaml = "
name: Plant
time_zone: UTC
shifts: [{ id: A, starts: '00:00', ends: '00:00' }]
roles:
  production_supervisor: { title: Production supervisor }
  maintenance: { title: Maintenance }
people:
  - { id: sam, name: Sam, roles: [production_supervisor] }
  - { id: lee, name: Lee, roles: [production_supervisor] }
  - { id: mia, name: Mia, roles: [maintenance] }
";
    Site::parse("takt.yaml", yaml, &Environment::of([]), &Overrides::default()).expect("a good site")
}

fn checked(gate: &Gate, person: &str, answer: &Answer, now: DateTime<Utc>) -> Result<(), Refusal> {
    let site = site();
    let person = site.person(person).expect("a person");
    let asked = Asked { site: &site, gate, votes: &[], delegations: &[] };
    check(&asked, person, answer, now).map(|_| ())
}

fn choose(choice: usize) -> Answer {
    Answer { choice: Some(choice), ..Answer::of(Decision::Choose, "web", "h") }
}

#[test]
fn only_the_asked_may_answer_and_only_once_each() {
    let now = Utc::now();
    assert_eq!(checked(&gate(now), "sam", &choose(1), now), Ok(()));
    assert!(matches!(checked(&gate(now), "mia", &choose(1), now), Err(Refusal::WrongRole { .. })));
    assert_eq!(checked(&gate(now), "lee", &choose(1), now), Err(Refusal::SamePerson));
}

#[test]
fn late_changed_or_unoffered_answers_are_refused() {
    let now = Utc::now();
    assert_eq!(checked(&gate(now), "sam", &choose(1), now + TimeDelta::minutes(11)), Err(Refusal::Expired));
    assert_eq!(checked(&gate(now), "sam", &choose(3), now), Err(Refusal::NoSuchOption));
    assert_eq!(checked(&gate(now), "sam", &choose(0), now), Err(Refusal::NoSuchOption));
    let changed = Answer { proposal_hash: "other".into(), ..choose(1) };
    assert_eq!(checked(&gate(now), "sam", &changed, now), Err(Refusal::Changed));
    let approve = Answer { decision: Decision::Approve, ..choose(1) };
    assert_eq!(checked(&gate(now), "sam", &approve, now), Err(Refusal::NotOffered));
    let reject = |code: Option<&str>, words: &str| {
        let answer = Answer {
            reason_code: code.map(str::to_owned),
            reason: Some(words.into()),
            ..Answer::of(Decision::Reject, "web", "h")
        };
        checked(&gate(now), "sam", &answer, now)
    };
    assert!(matches!(reject(None, "too risky"), Err(Refusal::ReasonMissing { .. })));
    assert!(matches!(reject(Some("mood"), "x"), Err(Refusal::NoSuchReason { .. })));
    assert_eq!(reject(Some("other"), "  "), Err(Refusal::WordsMissing));
    assert_eq!(reject(Some("other"), "too risky"), Ok(()));
    assert_eq!(reject(Some("not_now"), ""), Ok(()));
    let closed = Gate { state: "answered".into(), ..gate(now) };
    assert_eq!(checked(&closed, "sam", &choose(1), now), Err(Refusal::NotOpen));
}

#[test]
fn a_changed_draft_keeps_its_fields_and_their_kinds() {
    let now = Utc::now();
    let ask =
        json!({ "allow": ["approve", "edit"], "draft": { "summary": "one", "points": ["a"], "note": null } });
    let gate = Gate { ask, ..gate(now) };
    let edit = |edited: Value| Answer {
        decision: Decision::Edit,
        edited: Some(edited),
        reason_code: Some("other".into()),
        reason: Some("better".into()),
        ..choose(1)
    };
    let unfit = [
        json!({ "summary": "two", "points": ["b"] }),
        json!({ "summary": "two", "points": ["b"], "note": "x", "order": "PO-999" }),
        json!({ "summary": 2, "points": ["b"], "note": "x" }),
        json!({ "summary": "two", "points": (0..70).fold(json!([]), |value, _| json!([value])), "note": "x" }),
        json!("two"),
    ];
    for edited in unfit {
        assert_eq!(checked(&gate, "sam", &edit(edited.clone()), now), Err(Refusal::UnfitDraft), "{edited}");
    }
    let fit = edit(json!({ "summary": "two", "points": [], "note": "x" }));
    assert_eq!(checked(&gate, "sam", &fit, now), Ok(()));
    let hidden = Answer { decision: Decision::Approve, ..fit };
    assert_eq!(checked(&gate, "sam", &hidden, now), Err(Refusal::NotOffered));
}
