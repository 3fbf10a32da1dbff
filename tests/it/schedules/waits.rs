//! A wait finds an event that came before it, once, and nothing falls between looking back and waiting.

use crate::support::{pg, plant::Plant};
use serde_json::{Value, json};
use std::time::Duration;
use takt::{
    engine::{Past, Since, Sought, StoredPast},
    run::{Change, EventId, Record, RunId, Signal, StepPath},
    store::{Store, clock, events, hints},
    workflow::PastAnswers,
};

/// The machine may run again while the run still waits for something else.
const REPAIR: &str = r#"workflow: repair
title: Repair
owner: me
trigger: { event: test.machine_down }
steps:
  - { id: answered, wait: 1h }
  - id: runs_again
    wait: test.machine_up
    subject: trigger.subject
    where: event.speed > 10
    timeout: 12h
  - { id: late, if: steps.runs_again.timed_out, end: timed_out }
  - { id: found, end: "came" }
"#;

/// Two waits of one run for the same kind of event.
const TWICE: &str = r#"workflow: twice
title: Twice
owner: me
trigger: { event: test.begin }
steps:
  - { id: answered, wait: 1h }
  - { id: first, wait: test.part, subject: trigger.subject, timeout: 12h }
  - { id: second, wait: test.part, subject: trigger.subject, timeout: 12h }
  - { id: third, wait: test.part, subject: trigger.subject, look_back: 0s, timeout: 1h }
  - { id: over, if: steps.third.timed_out, end: third_waited }
"#;

async fn plant(workflow: &str, yaml: &str) -> Plant {
    let mut plant = Plant::new().await;
    let site = plant.own_site();
    std::fs::write(site.join(format!("workflows/{workflow}.yaml")), yaml).expect("a workflow");
    plant.serve(None).await;
    plant
}

fn event(id: &str, kind: &str, subject: &str, data: Value) -> Value {
    json!({ "id": id, "type": kind, "subject": subject, "data": data })
}

async fn runs(plant: &Plant, workflow: &str) -> Vec<RunId> {
    let ids: Vec<uuid::Uuid> =
        sqlx::query_scalar("select id from run_summary where workflow = $1 order by subject")
            .bind(workflow)
            .fetch_all(plant.store.pool())
            .await
            .expect("runs");
    ids.into_iter().map(RunId).collect()
}

/// Whether a step of the run is done or waits.
async fn is_at(plant: &Plant, run: RunId, step: &str) -> bool {
    let waits = |record: &Record| {
        record.path.as_ref().is_some_and(|path| path.as_str() == step)
            && matches!(record.change, Change::Waiting { .. })
    };
    plant.records(run).await.iter().any(waits)
}

async fn outcome(plant: &Plant, run: RunId) -> String {
    plant
        .until("the run to end", async || match plant.records(run).await.pop()?.change {
            Change::RunEnded { outcome } => Some(outcome),
            _ => None,
        })
        .await
}

/// What a step put out, and how often it did.
async fn outputs(plant: &Plant, run: RunId, step: &str) -> Vec<Value> {
    let records = plant.records(run).await;
    let of_step = records.into_iter().filter(|r| r.path.as_ref().is_some_and(|path| path.as_str() == step));
    let outputs = of_step.filter_map(|record| match record.change {
        Change::Done { output } => Some(output),
        _ => None,
    });
    outputs.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_came_before_the_wait_is_found_once() {
    let plant = plant("repair", REPAIR).await;
    // Before the trigger, of another machine, and one that does not fit: none of these is it.
    plant.store_event(&event("1", "test.machine_up", "PRESS-1", json!({ "speed": 99 }))).await;
    plant.store_event(&event("2", "test.machine_down", "PRESS-1", json!({}))).await;
    let run = plant.until("a run", async || runs(&plant, "repair").await.first().copied()).await;
    plant.until("the first wait", async || is_at(&plant, run, "answered").await.then_some(())).await;
    plant.store_event(&event("3", "test.machine_up", "PRESS-2", json!({ "speed": 98 }))).await;
    plant.store_event(&event("4", "test.machine_up", "PRESS-1", json!({ "speed": 5 }))).await;
    plant.store_event(&event("5", "test.machine_up", "PRESS-1", json!({ "speed": 50 }))).await;
    plant.store_event(&event("6", "test.machine_up", "PRESS-1", json!({ "speed": 60 }))).await;
    plant.advance(Duration::from_secs(3601)).await;
    assert_eq!(outcome(&plant, run).await, "came");
    let found = outputs(&plant, run, "runs_again").await;
    assert_eq!((found.len(), &found[0]["speed"], &found[0]["timed_out"]), (1, &json!(50), &json!(false)));
    let heard = plant.records(run).await.iter().filter(|r| matches!(r.change, Change::Signalled(_))).count();
    assert_eq!(heard, 1, "the journal says which event it was");
    let left: i64 = sqlx::query_scalar("select count(*) from subscription")
        .fetch_one(plant.store.pool())
        .await
        .expect("a count");
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_waits_of_a_run_do_not_take_the_same_event() {
    let plant = plant("twice", TWICE).await;
    plant.store_event(&event("1", "test.begin", "L1", json!({}))).await;
    let run = plant.until("a run", async || runs(&plant, "twice").await.first().copied()).await;
    plant.until("the first wait", async || is_at(&plant, run, "answered").await.then_some(())).await;
    plant.store_event(&event("2", "test.part", "L1", json!({ "n": 1 }))).await;
    plant.store_event(&event("3", "test.part", "L1", json!({ "n": 2 }))).await;
    plant.store_event(&event("4", "test.part", "L1", json!({ "n": 3 }))).await;
    plant.advance(Duration::from_secs(3601)).await;
    plant.until("the third wait", async || is_at(&plant, run, "third").await.then_some(())).await;
    assert_eq!(outputs(&plant, run, "first").await[0]["n"], 1);
    assert_eq!(outputs(&plant, run, "second").await[0]["n"], 2);
    plant.advance(Duration::from_secs(3601)).await;
    assert_eq!(outcome(&plant, run).await, "third_waited", "with `look_back: 0s` only what comes now counts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whenever_the_event_comes_around_the_begin_of_the_wait_it_is_found() {
    const RUNS: usize = 40;
    let plant = plant("repair", REPAIR).await;
    for n in 0..RUNS {
        let subject = format!("M-{n:02}");
        plant.store_event(&event(&format!("down-{n}"), "test.machine_down", &subject, json!({}))).await;
    }
    let ready = async || {
        let all = runs(&plant, "repair").await;
        let parked: i64 = sqlx::query_scalar("select count(*) from run where state = 'parked'")
            .fetch_one(plant.store.pool())
            .await
            .expect("a count");
        (parked == RUNS as i64).then_some(all)
    };
    let all = plant.until("every run to wait", ready).await;
    // Every run begins to wait now, and its event comes at about that time: some before, some after, some while.
    let come = async {
        for n in 0..RUNS {
            let subject = format!("M-{n:02}");
            let up = event(&format!("up-{n}"), "test.machine_up", &subject, json!({ "speed": 100 + n }));
            plant.store_event(&up).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(plant.advance(Duration::from_secs(3601)), come);
    for (n, run) in all.into_iter().enumerate() {
        assert_eq!(outcome(&plant, run).await, "came");
        let found = outputs(&plant, run, "runs_again").await;
        assert_eq!((found.len(), &found[0]["speed"]), (1, &json!(100 + n)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_being_routed_while_a_wait_subscribes_is_seen_from_one_side_at_least() {
    let database = pg::database().await;
    let store = Store::from_pool(database.pool.clone());
    let mut db = store.connection().await.expect("a connection");
    let began = clock::now(&mut db).await.expect("the time");
    let new = |id: &str| events::NewEvent {
        id: EventId::new(),
        source: "plant".into(),
        source_id: id.into(),
        kind: "test.machine_up".into(),
        subject: Some("PRESS-1".into()),
        time: None,
        data: json!({}),
        trace: None,
        plant: None,
    };
    let sought = Sought {
        event: "test.machine_up".into(),
        subject: Some("PRESS-1".into()),
        since: Since::Time(began),
    };
    let (run, path) = (RunId::new(), StepPath::root("runs_again"));
    let past = StoredPast(store.clone());

    // The router has asked for subscribers and found none, but not committed, when the wait subscribes.
    let routed = new("1");
    events::insert(&mut db, &routed).await.expect("an event");
    let mut router = store.begin().await.expect("a transaction");
    let locked = events::lock_new(&mut router, 10).await.expect("events");
    assert_eq!(locked.len(), 1);
    let subscribers = events::subscribers(&mut router, "test.machine_up", Some("PRESS-1")).await;
    assert_eq!(subscribers.expect("subscribers"), []);
    events::mark(&mut router, routed.id.0, "ignored", None).await.expect("marked");
    events::subscribe(&mut db, run, &path, "test.machine_up", Some("PRESS-1")).await.expect("subscribed");
    let found = past.page(&sought, None).await.expect("a page");
    assert_eq!(found.iter().map(|event| event.id).collect::<Vec<_>>(), [routed.id.0]);
    router.commit().await.expect("committed");

    // The other way round the router sees the subscription; both sides then send one and the same signal.
    let later = new("2");
    events::insert(&mut db, &later).await.expect("an event");
    let mut router = store.begin().await.expect("a transaction");
    let locked = events::lock_new(&mut router, 10).await.expect("events");
    let subscribers = events::subscribers(&mut router, "test.machine_up", Some("PRESS-1")).await;
    assert_eq!(subscribers.expect("subscribers"), [(run, path.clone())]);
    let found = past.page(&sought, found.last()).await.expect("a page");
    let by_router = Signal::of_event(locked[0].id, run, path.clone(), locked[0].seen());
    assert_eq!(by_router, Signal::of_event(found[0].id, run, path, found[0].body.clone()));
    router.commit().await.expect("committed");
    assert!(past.page(&sought, found.last()).await.expect("a page").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_back_reads_an_index_and_not_the_table() {
    let database = pg::database().await;
    let store = Store::from_pool(database.pool.clone());
    let fill = "insert into event (id, source, source_id, type, subject, time, data, state)
                select gen_random_uuid(), 's', n::text, 'test.kind_' || n % 50, 'M-' || n % 1000, now(), '{}', 'ignored'
                from generate_series(1, 20000) as n";
    sqlx::query(fill).execute(store.pool()).await.expect("events");
    sqlx::query("analyze event").execute(store.pool()).await.expect("analyze");
    for (filter, index) in [
        ("type = 'test.kind_3'", "event_type"),
        ("type = 'test.kind_3' and subject = 'M-3'", "event_subject"),
    ] {
        let explain = format!(
            "explain select id from event where {filter} and (received_at, id) > \
             (now() - interval '1 hour', '00000000-0000-0000-0000-000000000000') order by received_at, id limit 200"
        );
        let plan: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(explain)).fetch_all(store.pool()).await.expect("a plan");
        assert!(plan.iter().any(|line| line.contains(index)), "{plan:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_timers_fire_once_each_after_an_outage_of_days() {
    let mut plant = plant("repair", REPAIR).await;
    for n in 0..10 {
        let down = event(&format!("down-{n}"), "test.machine_down", &format!("M-{n}"), json!({}));
        plant.store_event(&down).await;
    }
    let parked = async || -> Option<()> {
        let parked: i64 = sqlx::query_scalar("select count(*) from run where state = 'parked'")
            .fetch_one(plant.store.pool())
            .await
            .expect("a count");
        (parked == 10).then_some(())
    };
    plant.until("every run to wait", parked).await;
    plant.kill();
    plant.advance(Duration::from_secs(5 * 86_400)).await;
    // The event came while nobody was there; the second wait begins days later and still finds it.
    plant.store_event(&event("up-3", "test.machine_up", "M-3", json!({ "speed": 50 }))).await;
    plant.serve(None).await;
    let all = runs(&plant, "repair").await;
    assert_eq!(outcome(&plant, all[3]).await, "came");
    let others: Vec<RunId> = all.iter().copied().filter(|run| *run != all[3]).collect();
    for run in &others {
        plant.until("the second wait", async || is_at(&plant, *run, "runs_again").await.then_some(())).await;
    }
    plant.advance(Duration::from_secs(12 * 3600 + 1)).await;
    hints::send(&plant.store).await.expect("a hint");
    for run in others {
        assert_eq!(outcome(&plant, run).await, "timed_out");
        assert_eq!(outputs(&plant, run, "answered").await.len(), 1);
        assert_eq!(outputs(&plant, run, "runs_again").await, [json!({ "timed_out": true })]);
    }
}

/// What an `auto_if` may rest on: only first questions count, of this gate, of the last three months.
#[tokio::test]
async fn the_past_of_a_gate_is_counted() {
    let database = pg::database().await;
    let store = Store::from_pool(database.pool.clone());
    let mut db = store.connection().await.expect("a connection");
    let answered = [
        ("move", "approve", "choose", "1", false, 1),
        ("move", "approve", "choose", "1", false, 2),
        ("move", "approve", "choose", "2", false, 3),
        ("move", "approve", "approve", "null", false, 4),
        ("move", "approve", "edit", "null", false, 5),
        ("move", "approve", "approve", "null", true, 6),
        ("move", "approve", "reject", "null", true, 7),
        ("move", "approve", "approve", "null", false, 91),
        ("move", "other", "approve", "null", false, 1),
        ("stay", "approve", "approve", "null", false, 1),
    ];
    for (workflow, path, decision, choice, is_second, days) in answered {
        let mut ask = json!({ "workflow": workflow });
        if is_second {
            ask["first"] = json!({ "by": "sam" });
        }
        let choice: Value = choice.parse().expect("JSON");
        let (gate, body) = (uuid::Uuid::now_v7(), json!({ "choice": choice }));
        sqlx::query(
            "insert into gate (id, run_id, path, form, state, ask, proposal_hash, token_hash, opened_at, expires_at)
             values ($1, $1, $2, 'approve', 'answered', $3, 'h', $1::text, takt_now() - make_interval(days => $4), takt_now())",
        )
        .bind(gate)
        .bind(path)
        .bind(ask)
        .bind(days)
        .execute(&mut *db)
        .await
        .expect("a gate");
        sqlx::query(
            "insert into gate_vote (gate_id, person, decision, body, channel, proposal_hash, at)
             values ($1, 'ann', $2, $3, 'web', 'h', takt_now())",
        )
        .bind(gate)
        .bind(decision)
        .bind(body)
        .execute(&mut *db)
        .await
        .expect("a vote");
    }
    let past = StoredPast(store.clone());
    let counted = past.answers("move", "approve").await.expect("counted");
    assert_eq!(
        counted,
        PastAnswers { answers: 5, accepted: 2 },
        "three taken, one of them refused by a second"
    );
    assert_eq!(past.answers("move", "nobody").await.expect("counted"), PastAnswers::default());
}
