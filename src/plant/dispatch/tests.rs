use super::*;
use proptest::prelude::*;

fn now() -> DateTime<Utc> {
    "2026-11-23T06:00:00Z".parse().unwrap()
}

fn job(id: &str, work_center: &str, score: f64) -> Job {
    Job {
        id: id.into(),
        work_center: work_center.into(),
        score,
        expedite: false,
        minutes: 60.0,
        kilowatts: 10.0,
        missing: Vec::new(),
        tool: None,
        operator_ready: true,
        behind_frozen: None,
        loop_id: None,
    }
}

fn place(id: &str) -> WorkCenter {
    WorkCenter { id: id.into(), busy_until: None, maintenance: Vec::new() }
}

fn rule(change: impl FnOnce(&mut Job, &mut WorkCenter)) -> (Rule, String) {
    let (mut job, mut place) = (job("J-1", "M1", 1.0), place("M1"));
    change(&mut job, &mut place);
    let found = dispatch(&[job], &[place], &Limits::default(), now()).unwrap();
    (found.held[0].rule, found.held[0].why.clone())
}

#[test]
fn the_first_broken_rule_is_said() {
    let tool = |until: i64| {
        Some(Tool {
            id: "T-7".into(),
            calibrated_until: Some(now() + Duration::minutes(until)),
            in_repair: false,
        })
    };
    let pm = |from: i64| Window {
        from: now() + Duration::minutes(from),
        to: now() + Duration::minutes(from + 30),
        why: "PM-17".into(),
    };
    type Spoil = Box<dyn Fn(&mut Job, &mut WorkCenter)>;
    let cases: [(Rule, &str, Spoil); 7] = [
        (Rule::UnknownWorkCenter, "M9 is not", Box::new(|job, _| job.work_center = "M9".into())),
        (Rule::ComponentsMissing, "not staged: COIL", Box::new(|job, _| job.missing = vec!["COIL".into()])),
        (
            Rule::ToolNotReady,
            "tool T-7 is out of calibration from 2026-11-23 06:59 UTC on",
            Box::new(move |job, _| job.tool = tool(59)),
        ),
        (Rule::NoOperator, "no certified operator", Box::new(|job, _| job.operator_ready = false)),
        (
            Rule::Maintenance,
            "PM-17 from 2026-11-23 06:50",
            Box::new(move |_, place| place.maintenance = vec![pm(50)]),
        ),
        (Rule::FrozenFirst, "J-9 is promised", Box::new(|job, _| job.behind_frozen = Some("J-9".into()))),
        (
            Rule::WorkCenterBusy,
            "M1 is busy until",
            Box::new(|_, place| place.busy_until = Some(now() + Duration::minutes(1))),
        ),
    ];
    for (expected, words, change) in &cases {
        let (found, why) = rule(change);
        assert_eq!(found, *expected);
        assert!(why.starts_with(words), "{why}");
    }
    let (first, _) = rule(|job, place| {
        job.operator_ready = false;
        job.missing = vec!["COIL".into()];
        place.busy_until = Some(now() + Duration::hours(1));
    });
    assert_eq!(first, Rule::ComponentsMissing, "only the first one is said");
}

#[test]
fn one_job_a_work_center_by_score_and_expedite_first() {
    let jobs = [
        job("A", "M1", 1.0),
        job("B", "M1", 9.0),
        Job { expedite: true, ..job("C", "M2", -5.0) },
        job("D", "M2", 8.0),
    ];
    let found = dispatch(&jobs, &[place("M1"), place("M2")], &Limits::default(), now()).unwrap();
    let released: Vec<&str> = found.released.iter().map(|released| released.job.as_str()).collect();
    assert_eq!(released, ["C", "B"]);
    assert_eq!(found.held[0].why, "C goes first on M2");
    assert_eq!(found.held[1].rule, Rule::OtherJobFirst);
}

#[test]
fn loops_are_not_filled_beyond_their_limit() {
    let looped = |id: &str, place: &str| Job { loop_id: Some("L".into()), ..job(id, place, 1.0) };
    let limits = Limits { loops: vec![Loop { id: "L".into(), limit: 3, running: 2 }], ..Limits::default() };
    let found =
        dispatch(&[looped("A", "M1"), looped("B", "M2")], &[place("M1"), place("M2")], &limits, now())
            .unwrap();
    assert_eq!(found.released.len(), 1);
    assert_eq!(found.held[0].why, "loop L has 3 jobs of 3");
}

#[test]
fn a_job_that_would_end_right_before_maintenance_ranks_lower() {
    let mut busy = place("M1");
    let from = now() + Duration::minutes(60);
    busy.maintenance = vec![Window { from, to: from + Duration::hours(1), why: "PM".into() }];
    let limits = Limits { maintenance_penalty: 1.0, ..Limits::default() };
    let shorter = Job { minutes: 15.0, ..job("SHORT", "M1", 4.5) };
    let found = dispatch(&[job("LONG", "M1", 5.0), shorter], &[busy], &limits, now()).unwrap();
    assert_eq!(found.released[0].job, "SHORT");
    assert_eq!(found.released[0].rank, 4.5 - 1.25);
}

#[test]
fn numbers_without_meaning_are_refused() {
    let refused =
        |job: Job, limits: Limits| dispatch(&[job], &[place("M1")], &limits, now()).unwrap_err().to_string();
    assert!(refused(job("A", "M1", f64::NAN), Limits::default()).starts_with("job A: score is NaN"));
    assert!(refused(Job { minutes: 0.0, ..job("A", "M1", 1.0) }, Limits::default()).contains("minutes is 0"));
    let limits = Limits { kilowatts: Some(-1.0), ..Limits::default() };
    assert!(refused(job("A", "M1", 1.0), limits).starts_with("kilowatts is -1"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_energy_cap_is_never_exceeded_and_expedited_jobs_go_first(
        all in prop::collection::vec((0usize..6, -5.0f64..5.0, any::<bool>(), 5.0f64..200.0, 0.0f64..60.0), 1..15),
        drawn in prop::collection::vec(0.0f64..40.0, 0..8),
        limit in 40.0f64..150.0,
    ) {
        let jobs: Vec<Job> = all
            .iter()
            .enumerate()
            .map(|(n, &(place, score, expedite, minutes, kilowatts))| {
                Job { expedite, minutes, kilowatts, ..job(&format!("J-{n}"), &format!("M{place}"), score) }
            })
            .collect();
        let places: Vec<WorkCenter> = (0..6).map(|n| place(&format!("M{n}"))).collect();
        let limits = Limits { kilowatts: Some(limit), drawn: drawn.clone(), ..Limits::default() };
        let found = dispatch(&jobs, &places, &limits, now()).unwrap();
        prop_assert_eq!(found.released.len() + found.held.len(), jobs.len());
        let of = |id: &str| jobs.iter().find(|job| job.id == id).unwrap();
        for quarter in 0..16 {
            let base = drawn.get(quarter).or(drawn.last()).copied().unwrap_or(0.0);
            let on = found.released.iter().map(|released| of(&released.job));
            let sum: f64 = on.filter(|job| job.minutes > quarter as f64 * 15.0).map(|job| job.kilowatts).sum();
            prop_assert!(sum == 0.0 || base + sum <= limit + 1e-9, "{} of {limit}", base + sum);
        }
        for held in found.held.iter().filter(|held| held.rule == Rule::OtherJobFirst) {
            let first = found.released.iter().find(|released| released.work_center == of(&held.job).work_center).unwrap();
            prop_assert!(of(&first.job).expedite >= of(&held.job).expedite);
        }
    }
}
