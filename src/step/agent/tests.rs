//! Two agent steps of one run, driven in memory. There is no model: each says with what it would have masked.

use super::*;
use crate::{
    engine::{Brakes, Caps, Clock, Driven, Driver, Executors, MemoryJournal, Services},
    run::{Change, Rank, Record, RunId, StartedRun, State, StepPath},
    workflow::{Definition, tests::support::compile},
};

const WORKFLOW: &str = "workflow: w\nowner: me\ntrigger: manual\nsteps:\n  - { id: one, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: 1 }, fallback: { severity: low } }\n  - { id: two, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: 2 }, fallback: { severity: low } }\non_failure:\n  - { id: told, call: notify.role, with: { role: lead, message: messages/f.hbs } }\n";

fn begun(definition: &Definition, at: DateTime<Utc>) -> Record {
    let start = StartedRun {
        workflow: "w".to_owned(),
        sha256: definition.sha256.clone(),
        trigger: json!({ "work_center": "PRESS-4" }),
        inputs: json!({}),
        parent: None,
        approved: false,
        shadow: false,
        started_by: None,
        trace: None,
        rank: Rank::default(),
    };
    Record { seq: 0, at, path: None, attempt: 0, change: Change::RunStarted(Box::new(start)) }
}

/// Goes on from these records to the end; gives what came after them.
async fn go_on(records: &[Record], definition: &Arc<Definition>, mask_keys: MaskKeys) -> Vec<Record> {
    let journal = Arc::new(MemoryJournal::default());
    let settings = AgentSettings { mask_keys, ..AgentSettings::default() };
    let mut executors = Executors::new();
    executors.insert("agent", Arc::new(AgentExecutor { tools: Registry::default(), settings }));
    let services = Arc::new(Services {
        journal: journal.clone(),
        clock: Arc::new(Clock::standing(records[0].at)),
        lease: Arc::default(),
        executors,
        ladders: Arc::new(()),
        site: json!({}),
        caps: Caps { payload_bytes_max: 1 << 20, run_bytes_max: 1 << 20 },
        brakes: Arc::new(Brakes::default()),
    });
    let state = State::fold(records).expect("a journal that folds");
    let driver = Driver::new(services, definition.clone(), RunId(Uuid::from_u128(7)), state, 0);
    let driven = driver.drive(Vec::new()).await;
    assert!(matches!(driven, Driven::Ended { .. }), "{driven:?}");
    journal.take().into_iter().flat_map(|commit| commit.records).collect()
}

fn keys(records: &[Record]) -> BTreeMap<String, Value> {
    let key = |record: &Record| match &record.change {
        Change::Noted { note } => {
            Some((record.path.as_ref()?.to_string(), note.pointer("/masking/key")?.clone()))
        }
        _ => None,
    };
    records.iter().filter_map(key).collect()
}

fn start() -> (Arc<Definition>, Vec<Record>) {
    let definition = Arc::new(compile(WORKFLOW).expect("compiles"));
    let at = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
    let first = begun(&definition, at);
    (definition, vec![first])
}

#[tokio::test]
async fn all_agent_steps_of_a_run_mask_with_one_key() {
    let (definition, mut records) = start();
    let whole = go_on(&records, &definition, MaskKeys::Random).await;
    records.extend(whole);
    let kept = keys(&records);
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert_eq!(kept["one"], kept["two"]);
    // The first step was done by a process whose keys are others.
    let second = Some(StepPath::root("two"));
    let cut = records.iter().position(|record| record.path == second).expect("it began");
    records.truncate(cut);
    let foreign = serde_json::to_value(MaskKey::random()).expect("a text");
    for record in &mut records {
        if let Change::Noted { note } = &mut record.change
            && let Some(key) = note.pointer_mut("/masking/key")
        {
            *key = foreign.clone();
        }
    }
    let rest = go_on(&records, &definition, MaskKeys::Random).await;
    assert_eq!(keys(&rest), BTreeMap::from([("two".to_owned(), foreign)]));
}

#[tokio::test]
async fn a_replay_has_the_keys_that_were_recorded_for_its_steps() {
    let (definition, records) = start();
    let recorded = MaskKey::random();
    let fixed = MaskKeys::Fixed(Arc::new(BTreeMap::from([("one".to_owned(), recorded)])));
    let kept = keys(&go_on(&records, &definition, fixed).await);
    let text = |key| serde_json::to_value(key).expect("a text");
    assert_eq!(kept["one"], text(recorded));
    assert_eq!(kept["two"], text(MaskKey::of_run(Uuid::from_u128(7))));
}
