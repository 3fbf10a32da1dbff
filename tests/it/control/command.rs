//! Orders on the command line: `takt run migrate` and `takt run rerun`.

use super::{SAMPLE, approve, done_steps, ended, plant_with, start, state, waits_at};
use crate::support::plant::Plant;
use std::process::Command;

/// Whether it was ordered, and what was printed.
fn order(plant: &Plant, args: &[&str]) -> (bool, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_takt"))
        .arg("run")
        .args(args)
        .args(["--by", "sam", "--reason", "a test"])
        .env_clear()
        .env("DATABASE_URL", &plant.database.url)
        .output()
        .expect("takt runs");
    (done.status.success(), String::from_utf8(done.stdout).expect("UTF-8"))
}

#[tokio::test]
async fn a_run_is_moved_and_done_again_from_the_command_line() {
    let mut plant = plant_with(&[("control_sample.yaml", SAMPLE)]).await;
    let file = plant.own_site().join("workflows/control_sample.yaml");
    plant.serve(None).await;
    let run = start(&mut plant, "one").await;
    waits_at(&plant, run, "ask").await;
    let id = run.to_string();
    assert!(!order(&plant, &["migrate", &id]).0, "it has the newest version");
    let published = plant.log().matches("published edited workflows").count();
    std::fs::write(&file, SAMPLE.replace("note: done", "note: done in the new version")).expect("editing");
    let log = async || (plant.log().matches("published edited workflows").count() > published).then_some(());
    plant.until("the edited file to be published", log).await;
    let rehearsed = order(&plant, &["migrate", &id, "--dry-run"]);
    assert_eq!(rehearsed, (true, format!("{id}: migrate is possible\n")));
    assert_eq!(order(&plant, &["migrate", &id]), (true, format!("{id}: migrate ordered\n")));
    approve(&plant, run).await;
    assert_eq!(ended(&plant, run).await, "done");
    let after = state(&plant, run).await;
    assert_ne!(after.sha256, after.start.sha256, "the run is pinned to the newer version");
    let first = ["rerun", &id, "--from", "last", "--to-version", &after.start.sha256];
    assert_eq!(order(&plant, &first), (true, format!("{id}: rerun ordered\n")));
    let again = async || (done_steps(&plant.records(run).await).len() == 6).then_some(());
    plant.until("the end of what is done again", again).await;
    let again = state(&plant, run).await;
    assert_eq!(again.sha256, again.start.sha256, "in the first version once more");
}
