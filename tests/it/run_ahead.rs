//! What waits for the disk and what does not: a step that may change something begins only when everything before it
//! is durable; steps that only read go on meanwhile, and what they saw is written before anybody is told.

use async_trait::async_trait;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{Arc, Mutex},
    task::Poll,
};
use takt::{
    engine::{
        Caps, Clock, Commit, CommitError, Driven, Driver, Execute, Executors, Journal, Outcome, Services,
        StepContext,
    },
    run::{Change, Record, RunId, StartedRun, State, Task},
    workflow::{Bundle, Definition},
};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// What happened, in order: steps that began, and commits that became durable with the steps they say are done.
type Log = Arc<Mutex<Vec<String>>>;

/// A disk that is asked for each commit and answers when the test lets it.
struct SlowDisk {
    log: Log,
    permits: Semaphore,
    refuses: bool,
}

#[async_trait]
impl Journal for SlowDisk {
    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        self.permits.acquire().await.expect("the disk is there").forget();
        if self.refuses {
            return Err(CommitError::Fenced);
        }
        let done = commit.records.iter().filter(|record| matches!(record.change, Change::Done { .. }));
        let done: Vec<&str> =
            done.filter_map(|record| record.path.as_ref().map(takt::run::StepPath::as_str)).collect();
        self.log.lock().expect("the log").push(format!("durable: {}", done.join(" ")));
        Ok(())
    }
}

/// Steps whose names begin with `write` may change something; `quick` ones need no waiting; `lost` loses its run.
struct Steps(Log);

#[async_trait]
impl Execute for Steps {
    async fn execute(&self, task: &Task, _: &StepContext) -> Outcome {
        self.0.lock().expect("the log").push(task.path.to_string());
        let mut is_ready = task.path.as_str().starts_with("quick");
        poll_fn(|context| {
            if is_ready {
                return Poll::Ready(());
            }
            is_ready = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        if task.path.as_str() == "lost" { Outcome::Lost } else { Outcome::done(json!({})) }
    }

    fn runs_ahead(&self, task: &Task) -> bool {
        !task.path.as_str().starts_with("write")
    }
}

struct Lab {
    log: Log,
    disk: Arc<SlowDisk>,
    driver: Driver,
}

fn lab(steps: &[&str], refuses: bool) -> Lab {
    let mut text = "workflow: w\ntitle: W\nowner: w\ntrigger: manual\nsteps:\n".to_owned();
    for step in steps {
        text.push_str(&format!("  - {{ id: {step}, call: plant.look }}\n"));
    }
    let path = "workflows/w.yaml".to_owned();
    let bundle = Bundle { files: BTreeMap::from([(path.clone(), text)]), path };
    let definition = Arc::new(Definition::compile(bundle).expect("it loads"));
    let log = Log::default();
    let disk = Arc::new(SlowDisk { log: log.clone(), permits: Semaphore::new(0), refuses });
    let now = chrono::DateTime::UNIX_EPOCH;
    let services = Services {
        journal: disk.clone(),
        clock: Arc::new(Clock::standing(now)),
        lease: Arc::default(),
        executors: Executors::from([("call", Arc::new(Steps(log.clone())) as Arc<dyn Execute>)]),
        ladders: Arc::new(()),
        site: json!({}),
        caps: Caps { payload_bytes_max: 1024, run_bytes_max: 1024 * 1024 },
        brakes: Arc::default(),
    };
    let start = StartedRun {
        workflow: "w".to_owned(),
        sha256: definition.sha256.clone(),
        trigger: Value::Null,
        inputs: json!({}),
        parent: None,
        approved: false,
        shadow: false,
        started_by: None,
        trace: None,
        rank: takt::run::Rank::default(),
    };
    let first =
        Record { seq: 0, at: now, path: None, attempt: 0, change: Change::RunStarted(Box::new(start)) };
    let state = State::fold(&[first]).expect("a state");
    let driver = Driver::new(Arc::new(services), definition, RunId(Uuid::from_u128(7)), state, 0);
    Lab { log, disk, driver }
}

fn logged(log: &Log) -> Vec<String> {
    log.lock().expect("the log").clone()
}

#[tokio::test]
async fn steps_that_read_go_on_while_the_disk_works_and_a_write_waits_for_it() {
    let Lab { log, disk, driver } = lab(&["read1", "read2", "write1", "read3"], false);
    let mut driving = Box::pin(driver.drive(Vec::new()));
    assert!(futures::poll!(&mut driving).is_pending());
    assert_eq!(logged(&log), ["read1", "read2"], "both run ahead, the write waits");
    // The first commit was on its way before the reads ended.
    disk.permits.add_permits(1);
    assert!(futures::poll!(&mut driving).is_pending());
    assert_eq!(logged(&log), ["read1", "read2", "durable: "], "what they gave is not durable yet");
    disk.permits.add_permits(1);
    assert!(futures::poll!(&mut driving).is_pending());
    let written = ["read1", "read2", "durable: ", "durable: read1 read2", "write1"];
    assert_eq!(logged(&log)[..5], written, "then the write begins");
    disk.permits.add_permits(9);
    assert!(matches!(driving.await, Driven::Ended { .. }));
    let log = logged(&log);
    assert!(log.contains(&"read3".to_owned()));
    let durable = log.iter().filter_map(|line| line.strip_prefix("durable: ")).collect::<Vec<_>>().join(" ");
    for step in ["read1", "read2", "write1", "read3"] {
        assert_eq!(durable.matches(step).count(), 1, "{step} is durable once: {log:?}");
    }
    assert!(
        log.last().is_some_and(|line| line.starts_with("durable: ")),
        "the run ends with its last commit"
    );
}

#[tokio::test]
async fn a_run_of_steps_that_need_no_waiting_is_one_commit() {
    let Lab { log, disk, driver } = lab(&["quick1", "quick2", "quick3"], false);
    let mut driving = Box::pin(driver.drive(Vec::new()));
    assert!(futures::poll!(&mut driving).is_pending(), "nobody is told before the disk has it");
    assert_eq!(logged(&log), ["quick1", "quick2", "quick3"]);
    disk.permits.add_permits(1);
    assert!(matches!(driving.await, Driven::Ended { .. }));
    assert_eq!(logged(&log).last().map(String::as_str), Some("durable: quick1 quick2 quick3"));
}

#[tokio::test]
async fn many_quick_steps_are_written_on_the_way() {
    let steps: Vec<String> = (0..300).map(|step| format!("quick{step}")).collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let Lab { log, disk, driver } = lab(&steps, false);
    disk.permits.add_permits(99);
    assert!(matches!(driver.drive(Vec::new()).await, Driven::Ended { .. }));
    let commits = logged(&log).iter().filter(|line| line.starts_with("durable: ")).count();
    assert!((3..=9).contains(&commits), "{commits} commits of 600 records");
}

#[tokio::test]
async fn a_run_that_was_taken_over_writes_nothing_more() {
    let Lab { log, disk, driver } = lab(&["read1", "read2", "write1"], true);
    disk.permits.add_permits(9);
    assert!(matches!(driver.drive(Vec::new()).await, Driven::Lost(CommitError::Fenced)));
    assert!(!logged(&log).contains(&"write1".to_owned()), "{:?}", logged(&log));
}

#[tokio::test]
async fn a_run_is_given_up_only_when_its_commit_is_answered() {
    // A step that loses its run while the commit before it is under way.
    let Lab { log, disk, driver } = lab(&["read1", "read2", "lost"], false);
    let mut driving = Box::pin(driver.drive(Vec::new()));
    assert!(futures::poll!(&mut driving).is_pending(), "the commit is not answered yet");
    assert_eq!(logged(&log), ["read1", "read2", "lost"]);
    disk.permits.add_permits(9);
    assert!(matches!(driving.await, Driven::Lost(CommitError::LeaseOver)));
    assert_eq!(logged(&log).last().map(String::as_str), Some("durable: "));
}
