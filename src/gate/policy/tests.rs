#![expect(clippy::disallowed_methods, reason = "a test's own time")]

use super::*;
use crate::gate::Answer;
use crate::site::{Environment, Overrides};
use crate::store::delegations::Delegation;
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
        asked_at: now,
        expires_at: now + TimeDelta::minutes(10),
        people: None,
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

/// The second of two is another person, and not by the word of the program that named the first one.
#[test]
fn who_named_the_first_one_names_no_second() {
    let now = Utc::now();
    let first = json!({ "by": "lee", "named_by": ["mes"] });
    let ask = json!({ "allow": ["approve", "reject"], "first": first });
    let second = Gate { ask, ..gate(now) };
    let by = |program: Option<&str>| Answer {
        named_by: program.map(str::to_owned),
        ..Answer::of(Decision::Approve, "api", "h")
    };
    let program = "mes".to_owned();
    assert_eq!(checked(&second, "sam", &by(Some("mes")), now), Err(Refusal::SameProgram { program }));
    assert_eq!(checked(&second, "sam", &by(Some("erp")), now), Ok(()));
    assert_eq!(checked(&second, "sam", &by(None), now), Ok(()));
}

/// Nor does it say who handed over to whom.
#[test]
fn who_named_one_hands_over_for_no_other() {
    let now = Utc::now();
    let ask = json!({ "allow": ["approve"], "first": { "by": "lee", "named_by": ["mes"] } });
    let (site, gate) = (plant(), Gate { ask, role: Some("lead".into()), ..gate(now) });
    let by_herself = Answer::of(Decision::Approve, "web", "h");
    let standing = |program: Option<&str>| {
        let given = Delegation {
            id: uuid::Uuid::nil(),
            person: "ann".into(),
            delegate: "eve".into(),
            role: None,
            starts_at: now,
            until: now + TimeDelta::hours(8),
            ended_at: None,
            named_by: program.map(str::to_owned),
        };
        let asked = Asked { site: &site, gate: &gate, votes: &[], delegations: std::slice::from_ref(&given) };
        super::check(&asked, site.person("eve").expect("Eve"), &by_herself, now)
    };
    let program = "mes".to_owned();
    assert_eq!(standing(Some("mes")), Err(Refusal::SameProgram { program }));
    let for_ann = |program: Option<&str>| Standing {
        on_behalf_of: Some("ann".into()),
        handed_over_by: program.map(str::to_owned),
    };
    assert_eq!(standing(Some("erp")), Ok(for_ann(Some("erp"))));
    assert_eq!(standing(None), Ok(for_ann(None)));
    let vote = by_herself.vote(&gate, site.person("eve").expect("Eve"), for_ann(Some("erp")), now);
    assert_eq!(vote.named_by.as_deref(), Some("erp"), "the next one counts it");
}

/// Nor does a program that began the run in somebody's name approve it in another's.
#[test]
fn who_named_the_requester_names_nobody_who_approves() {
    let now = Utc::now();
    let answer = |via: &str, program: Option<&str>, decision| {
        let ask = json!({ "allow": ["approve", "acknowledge"], "requested_by": "lee", "requested_via": via });
        let answer = Answer { named_by: program.map(str::to_owned), ..Answer::of(decision, "api", "h") };
        checked(&Gate { ask, ..gate(now) }, "sam", &answer, now)
    };
    let refused = |program: &str| Err(Refusal::SameProgram { program: program.to_owned() });
    assert_eq!(answer("service:mes", Some("mes"), Decision::Approve), refused("mes"));
    assert_eq!(answer("api", Some(ROOT_ACCOUNT), Decision::Approve), refused(ROOT_ACCOUNT));
    for (via, program) in [("service:mes", Some("erp")), ("service:mes", None), ("web", Some("mes"))] {
        assert_eq!(answer(via, program, Decision::Approve), Ok(()), "{via} {program:?}");
    }
    for decision in [Decision::Acknowledge, Decision::Reject] {
        let refusal = answer("service:mes", Some("mes"), decision).err();
        assert!(!matches!(refusal, Some(Refusal::SameProgram { .. })), "{decision:?}: {refusal:?}");
    }
}

#[test]
fn late_changed_or_unoffered_answers_are_refused() {
    let now = Utc::now();
    assert_eq!(checked(&gate(now), "sam", &choose(1), now + TimeDelta::minutes(11)), Err(Refusal::Expired));
    assert_eq!(checked(&gate(now), "sam", &choose(3), now), Err(Refusal::NoSuchOption));
    assert_eq!(checked(&gate(now), "sam", &choose(0), now), Err(Refusal::NoSuchOption));
    let changed = Answer { proposal_hash: "other".into(), ..choose(1) };
    assert_eq!(checked(&gate(now), "sam", &changed, now), Err(Refusal::Changed));
    let approve = Answer::of(Decision::Approve, "web", "h");
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
        ..Answer::of(Decision::Edit, "web", "h")
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
    let missing = Answer { edited: None, ..fit.clone() };
    assert_eq!(checked(&gate, "sam", &missing, now), Err(Refusal::DraftMissing));
    let hidden = Answer { decision: Decision::Approve, ..fit };
    assert_eq!(checked(&gate, "sam", &hidden, now), Err(Refusal::NotOffered));
}

/// Three people who may answer; `boss` may override on line L1 only, `chief` everywhere.
fn plant() -> Site {
    let yaml = "
name: Plant
time_zone: UTC
shifts: [{ id: A, starts: '00:00', ends: '00:00' }]
lines: { L1: { title: One, work_centers: [PRESS-4] }, L2: { title: Two, work_centers: [WELD-1] } }
modules: { upkeep: { title: Maintenance, workflows: [downtime] } }
roles:
  lead: { title: Lead, ladder: up }
  manager: { title: Manager }
  visitor: { title: Visitor }
overrides: [manager]
override_review: lead
ladders:
  up: [{ person: chief, within: 5m }]
people:
  - { id: ann, name: Ann, roles: [lead] }
  - { id: bob, name: Bob, roles: [lead] }
  - { id: eve, name: Eve, roles: [visitor] }
  - { id: boss, name: Boss, roles: [{ role: manager, lines: [L1] }] }
  - { id: keeper, name: Keeper, roles: [{ role: manager, modules: [upkeep] }] }
  - { id: chief, name: Chief, roles: [manager] }
";
    Site::parse("takt.yaml", yaml, &Environment::of([]), &Overrides::default()).expect("a good site")
}

#[test]
fn an_override_counts_where_its_role_does() {
    let (site, now) = (plant(), Utc::now());
    let may = |person: &str, ask: Value| {
        let gate = Gate { role: Some("lead".into()), ask, ..gate(now) };
        let asked = Asked { site: &site, gate: &gate, votes: &[], delegations: &[] };
        asked.may_override(site.person(person).expect("a person"), now)
    };
    assert_eq!(may("boss", json!({ "work_center": "PRESS-4" })), Ok(()));
    assert_eq!(may("boss", json!({ "subject": "PRESS-4" })), Ok(()));
    assert_eq!(may("boss", json!({ "work_center": "WELD-1" })), Err(Refusal::NoOverride));
    assert_eq!(may("boss", json!({})), Err(Refusal::NoOverride), "nobody knows where it is");
    assert_eq!(may("keeper", json!({ "workflow": "downtime" })), Ok(()));
    assert_eq!(may("keeper", json!({ "workflow": "release" })), Err(Refusal::NoOverride));
    assert_eq!(may("keeper", json!({})), Err(Refusal::NoOverride));
    assert_eq!(may("chief", json!({})), Ok(()));
}

#[test]
fn items_are_answered_each_in_its_place() {
    let now = Utc::now();
    let gate = Gate { ask: json!({ "allow": ["acknowledge"], "items": [{}, {}, {}] }), ..gate(now) };
    let answered = |items: &[(bool, Option<&str>)]| {
        let item = |(acknowledged, note): &(bool, Option<&str>)| crate::gate::ItemAnswer {
            acknowledged: *acknowledged,
            note: note.map(str::to_owned),
        };
        let items = items.iter().map(item).collect();
        checked(&gate, "sam", &Answer { items, ..Answer::of(Decision::Acknowledge, "api", "h") }, now)
    };
    let (yes, no) = ((true, None), (false, None));
    assert_eq!(answered(&[yes, yes, (false, Some("unclear"))]), Ok(()));
    assert_eq!(
        answered(&[no, yes, yes, yes]),
        Err(Refusal::TooManyItems { asked: 3 }),
        "the first was left out"
    );
    assert_eq!(answered(&[yes, yes]), Err(Refusal::ItemsMissing));
    assert_eq!(answered(&[yes, yes, no]), Err(Refusal::ItemsMissing));
    assert_eq!(
        answered(&[yes, yes, (false, Some(" "))]),
        Err(Refusal::ItemsMissing),
        "a blank note says nothing"
    );
}

#[test]
fn an_answer_has_no_parts_of_another_one() {
    let now = Utc::now();
    let gate = Gate { ask: json!({ "allow": ["approve", "choose"], "options": [{}, {}] }), ..gate(now) };
    let approve = || Answer::of(Decision::Approve, "api", "h");
    let check = |answer: Answer| checked(&gate, "sam", &answer, now);
    assert_eq!(check(approve()), Ok(()));
    assert_eq!(check(Answer { choice: Some(77), ..approve() }), Err(Refusal::NotOffered));
    assert_eq!(check(Answer { choice: Some(1), ..approve() }), Err(Refusal::NotOffered));
    let items = vec![crate::gate::ItemAnswer { acknowledged: true, note: None }];
    assert_eq!(check(Answer { items, ..approve() }), Err(Refusal::NotOffered));
    let coded = |code: &str| Answer { reason_code: Some(code.into()), ..approve() };
    assert!(matches!(check(coded("<script>")), Err(Refusal::NoSuchReason { .. })));
    assert_eq!(check(coded("not_now")), Ok(()));
    assert_eq!(check(choose(2)), Ok(()));
}

#[test]
fn whoever_is_asked_answers_in_their_own_right_whatever_was_handed_to_them() {
    let (site, now) = (plant(), Utc::now());
    let given = |person: &str, delegate: &str| Delegation {
        id: uuid::Uuid::nil(),
        person: person.into(),
        delegate: delegate.into(),
        role: None,
        starts_at: now,
        until: now + TimeDelta::hours(8),
        ended_at: None,
        named_by: None,
    };
    // Eve, who started the run, has handed everything to Bob; Ann to Bob and to Eve.
    let delegations = [given("eve", "bob"), given("ann", "bob"), given("ann", "eve")];
    let gate = Gate { role: Some("lead".into()), excluded: vec!["eve".into()], quorum: 2, ..gate(now) };
    let may = |person: &str, votes: &[crate::store::gates::Vote]| {
        let asked = Asked { site: &site, gate: &gate, votes, delegations: &delegations };
        asked.may_answer(site.person(person).expect("a person"), now)
    };
    assert_eq!(may("bob", &[]), Ok(Standing::default()), "what Eve did keeps nobody else from answering");
    assert_eq!(may("eve", &[]), Err(Refusal::SamePerson), "who started it answers for nobody");
    let vote = choose(1).vote(&gate, site.person("bob").expect("Bob"), Standing::default(), now);
    assert_eq!(may("ann", std::slice::from_ref(&vote)), Ok(Standing::default()), "two people, two answers");
    assert!(matches!(may("bob", &[vote]), Err(Refusal::Counted { .. })), "and none of them twice");
}

#[test]
fn an_answer_for_somebody_counts_both() {
    let (site, now) = (plant(), Utc::now());
    let given = |person: &str| Delegation {
        id: uuid::Uuid::nil(),
        person: person.into(),
        delegate: "eve".into(),
        role: Some("lead".into()),
        starts_at: now,
        until: now + TimeDelta::hours(8),
        ended_at: None,
        named_by: None,
    };
    let delegations = [given("ann"), given("bob")];
    let open = |excluded: &[&str]| Gate {
        role: Some("lead".into()),
        excluded: excluded.iter().map(|out| (*out).to_owned()).collect(),
        ..gate(now)
    };
    let may = |person: &str, gate: &Gate, votes: &[crate::store::gates::Vote]| {
        let asked = Asked { site: &site, gate, votes, delegations: &delegations };
        asked.may_answer(site.person(person).expect("a person"), now)
    };
    let for_whom = |whom: &str| Standing { on_behalf_of: Some(whom.to_owned()), handed_over_by: None };
    assert_eq!(may("eve", &open(&[]), &[]), Ok(for_whom("ann")));
    assert_eq!(may("eve", &open(&["ann"]), &[]), Ok(for_whom("bob")), "Ann may not, so nobody may for her");
    assert_eq!(may("eve", &open(&["ann", "bob"]), &[]), Err(Refusal::SamePerson));
    let eve = site.person("eve").expect("Eve");
    let vote = choose(1).vote(&open(&[]), eve, for_whom("ann"), now);
    for person in ["ann", "eve"] {
        let again = may(person, &open(&[]), std::slice::from_ref(&vote));
        assert!(matches!(again, Err(Refusal::Counted { .. })), "{person}");
    }
    assert_eq!(may("bob", &open(&[]), &[vote]), Ok(Standing::default()));
}

/// Asked in shift A, and passed on after its end: whom the rung stands for is asked as of then.
#[test]
fn after_it_was_passed_on_only_who_was_there_then_or_is_now_is_asked() {
    let yaml = "
name: Plant
time_zone: UTC
shifts:
  - { id: A, starts: '06:00', ends: '14:00' }
  - { id: B, starts: '14:00', ends: '22:00' }
  - { id: C, starts: '22:00', ends: '06:00' }
roles: { shift_lead: { title: Shift lead }, other: { title: Other } }
people:
  - { id: ada, name: Ada, roles: [shift_lead], shifts: [A] }
  - { id: ben, name: Ben, roles: [shift_lead], shifts: [B] }
  - { id: cyd, name: Cyd, roles: [shift_lead], shifts: [C] }
  - { id: dot, name: Dot, roles: [other] }
";
    let site = Site::parse("takt.yaml", yaml, &Environment::of([]), &Overrides::default());
    let site = site.expect("a good site");
    let at = |time: &str| -> DateTime<Utc> { format!("2026-11-27T{time}:00Z").parse().expect("a time") };
    let passed_on = Gate {
        role: Some("shift_lead".into()),
        excluded: Vec::new(),
        rung: 1,
        asked_at: at("14:20"),
        expires_at: at("23:00"),
        people: Some(json!([{ "id": "ben", "name": "Ben" }])),
        ..gate(at("13:50"))
    };
    let given = Delegation {
        id: uuid::Uuid::nil(),
        person: "cyd".into(),
        delegate: "dot".into(),
        role: None,
        starts_at: at("14:00"),
        until: at("23:30"),
        ended_at: None,
        named_by: None,
    };
    let asked =
        Asked { site: &site, gate: &passed_on, votes: &[], delegations: std::slice::from_ref(&given) };
    let may = |time: &str| {
        let may = |person: &&Person| asked.may_answer(person, at(time)).is_ok();
        site.people.iter().filter(may).map(|person| person.id.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(may("14:30"), ["ben"], "Ada went home before it was passed on, and was not asked");
    assert_eq!(may("22:30"), ["ben", "cyd", "dot"]);
    let came = |time: &str| {
        asked.newcomers(at(time)).into_iter().map(|person| person.id.as_str()).collect::<Vec<_>>()
    };
    assert!(came("14:30").is_empty(), "Ben was asked");
    assert_eq!(came("22:30"), ["cyd", "dot"], "who comes on shift, and who stands in for them");
}
