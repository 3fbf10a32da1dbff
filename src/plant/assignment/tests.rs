use super::*;
use proptest::prelude::*;

fn at(hour: i64) -> DateTime<Utc> {
    "2026-11-23T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + Duration::hours(hour)
}

fn job(id: &str, skill: &str) -> Job {
    let (work_center, skill) = (Some(id.to_owned()), skill.to_owned());
    Job { id: id.into(), work_center, skill, level: 0, from: at(6), to: at(14), priority: 0 }
}

fn operator(id: &str, skills: &[&str]) -> Operator {
    let certificate = |skill: &&str| Certificate { skill: (*skill).into(), level: 0, until: None };
    Operator {
        id: id.into(),
        certified: skills.iter().map(certificate).collect(),
        present: vec![Presence { from: at(6), to: at(14) }],
        last_worked: None,
        hours: 0.0,
        at: None,
        recent: Vec::new(),
        tends: 1,
    }
}

fn assigned(jobs: &[Job], operators: &[Operator]) -> Assignment {
    assign(jobs, operators, &Settings::default()).unwrap()
}

fn pairs(assignment: &Assignment) -> Vec<(&str, &str)> {
    assignment.assigned.iter().map(|pair| (pair.job.as_str(), pair.operator.as_str())).collect()
}

#[test]
fn who_can_do_less_is_not_left_over() {
    let found = assigned(
        &[job("WELD-1", "weld"), job("PRESS-1", "press")],
        &[operator("ANN", &["weld", "press"]), operator("BOB", &["weld"])],
    );
    assert_eq!(pairs(&found), [("WELD-1", "BOB"), ("PRESS-1", "ANN")]);
    assert_eq!((found.open, found.shortage), (Vec::new(), None));
}

#[test]
fn an_expert_stays_free_and_people_stay_where_they_are() {
    let mut expert = operator("ANN", &[]);
    expert.certified = vec![Certificate { skill: "weld".into(), level: 3, until: None }];
    let mut other = operator("BOB", &["weld"]);
    other.at = Some("PRESS-2".into());
    let found = assigned(&[job("WELD-1", "weld")], &[expert, other]);
    assert_eq!(pairs(&found), [("WELD-1", "BOB")]);
    assert_eq!(found.assigned[0].addends, [Addend { factor: Factor::Move, value: 5 }]);
    assert_eq!(found.cost, 5);
}

#[test]
fn each_rule_keeps_people_away_and_is_counted() {
    let spoil = |change: fn(&mut Operator)| {
        let mut operator = operator("X", &["weld"]);
        change(&mut operator);
        assigned(&[job("WELD-1", "weld")], &[operator]).open[0].why.clone()
    };
    assert_eq!(spoil(|o| o.certified[0].skill = "press".into()), "1 is not certified");
    assert_eq!(
        spoil(|o| o.certified[0].until = Some(at(13))),
        "1 has a certificate that ends before the job does"
    );
    assert_eq!(spoil(|o| o.present[0].to = at(13)), "1 is not there all the time");
    assert_eq!(spoil(|o| o.last_worked = Some(at(-4))), "1 has not rested long enough");
    assert_eq!(spoil(|o| o.hours = 41.0), "1 would work too many hours this week");
    let rested = {
        let mut operator = operator("X", &["weld"]);
        operator.last_worked = Some(at(-5));
        assigned(&[job("WELD-1", "weld")], &[operator])
    };
    assert_eq!(rested.open, []);
}

#[test]
fn jobs_that_compete_for_too_few_people_are_named_and_the_urgent_one_is_done() {
    let mut urgent = job("WELD-2", "weld");
    urgent.priority = 50;
    let jobs = [job("WELD-1", "weld"), urgent, job("PRESS-1", "press")];
    let found = assigned(&jobs, &[operator("ANN", &["weld"]), operator("BOB", &["press"])]);
    assert_eq!(pairs(&found), [("WELD-2", "ANN"), ("PRESS-1", "BOB")]);
    let shortage = found.shortage.unwrap();
    assert_eq!(shortage.jobs, ["WELD-1", "WELD-2"]);
    assert_eq!(shortage.text, "WELD-1 and WELD-2 are 2 jobs; only ANN can do any of them, 1 at a time");
    assert_eq!(found.open[0].why, "1 is not certified; ANN could but is needed elsewhere");
}

#[test]
fn an_operator_tends_as_many_as_they_can() {
    let mut ann = operator("ANN", &["weld"]);
    ann.tends = 2;
    let found = assigned(&[job("WELD-1", "weld"), job("WELD-2", "weld")], &[ann]);
    assert_eq!(pairs(&found), [("WELD-1", "ANN"), ("WELD-2", "ANN")]);
}

#[test]
fn questions_that_make_no_sense_are_refused() {
    let refused = |jobs: &[Job], operators: &[Operator]| {
        assign(jobs, operators, &Settings::default()).unwrap_err().to_string()
    };
    assert_eq!(refused(&[job("A", "x"), job("A", "x")], &[]), "the id `A` is used twice; ids must be unique");
    assert_eq!(refused(&[Job { to: at(6), ..job("A", "x") }], &[]), "job A ends before it begins");
    let odd = Operator { hours: f64::NAN, ..operator("O", &[]) };
    assert_eq!(refused(&[], &[odd]), "operator O: hours must be 0 to 168");
    assert_eq!(assigned(&[job("A", "x")], &[]).open[0].why, "there are no operators");
}

proptest! {
    #[test]
    fn addends_sum_and_nobody_does_more_than_they_can(
        skills in prop::collection::vec((0usize..3, 0u32..100), 1..7),
        people in prop::collection::vec((prop::collection::vec(0usize..3, 0..3), 0.0f64..48.0, 1u32..3), 0..6),
    ) {
        let name = |skill: usize| ["weld", "press", "paint"][skill];
        let jobs: Vec<Job> = skills
            .iter()
            .enumerate()
            .map(|(n, &(skill, priority))| Job { priority, ..job(&format!("J-{n}"), name(skill)) })
            .collect();
        let operators: Vec<Operator> = people
            .iter()
            .enumerate()
            .map(|(n, (skills, hours, tends))| {
                let skills: Vec<&str> = skills.iter().map(|&skill| name(skill)).collect();
                Operator { hours: *hours, tends: *tends, ..operator(&format!("O-{n}"), &skills) }
            })
            .collect();
        let found = assigned(&jobs, &operators);
        prop_assert_eq!(found.assigned.len() + found.open.len(), jobs.len());
        prop_assert_eq!(found.shortage.is_some(), !found.open.is_empty());
        prop_assert_eq!(found.assigned.iter().map(|pair| pair.cost).sum::<i64>(), found.cost);
        for pair in &found.assigned {
            prop_assert_eq!(pair.addends.iter().map(|addend| addend.value).sum::<i64>(), pair.cost);
        }
        for operator in &operators {
            let done = found.assigned.iter().filter(|pair| pair.operator == operator.id).count();
            prop_assert!(done <= operator.tends as usize);
        }
    }
}
