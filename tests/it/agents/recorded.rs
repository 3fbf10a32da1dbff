//! `takt eval record` on the run of a real binary: a case of the same name is not overwritten unless that is asked for.

use super::{plant_with, run_of, stop};
use crate::support::wire::{Said, Wire, answer, tool_calls};
use serde_json::json;
use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

#[tokio::test]
async fn a_case_that_is_there_is_only_replaced_when_asked() {
    let wire = Wire::start(|seen| {
        let messages = seen.body["messages"].as_array().cloned().unwrap_or_default();
        match messages.iter().any(|message| message["role"] == "tool") {
            false => Said::json(200, &tool_calls(&[("cmms__asset_history", json!({ "asset": "EQ-4" }))])),
            true => Said::json(200, &answer(&json!({ "summary": "A leak of oil." }))),
        }
    })
    .await;
    let mut plant = plant_with(&wire).await;
    plant.serve(None).await;
    stop(&plant, "recorded").await;
    let run = run_of(&plant, "recorded").await;
    assert_eq!(plant.to_the_end(run).await, "done");
    let site = plant.own_folder();
    let record = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_takt"))
            .args(["eval", "record", &run.0.to_string(), "--name", "oil", "--with-personal-data", "--site"])
            .arg(&site)
            .args(more)
            .env_clear()
            .env("DATABASE_URL", &plant.database.url)
            .output()
            .expect("takt runs");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code().expect("ends by itself"), said.into_owned())
    };
    let (code, said) = record(&[]);
    assert_eq!(code, 0, "{said}");
    let folder = site.join("evals/agent_sample");
    let files = || -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
    };
    let written = files();
    assert_eq!(written.len(), 3, "a case, its world and its tape: {:?}", written.keys());
    let case = folder.join("oil.case.yaml");

    // Somebody has worked on it since.
    let own = [written[&case].as_slice(), b"# worked on\n"].concat();
    fs::write(&case, &own).expect("written");
    let (code, said) = record(&[]);
    assert_ne!(code, 0, "{said}");
    assert!(said.contains(" is there already: --replace takes the new case for it"), "{said}");
    assert_eq!(fs::read(&case).expect("a case"), own, "nobody touched it");
    // One of its files is enough.
    fs::remove_file(&case).expect("removed");
    let (code, said) = record(&[]);
    assert!(code != 0 && said.contains("is there already"), "{said}");
    assert!(!case.exists());

    let (code, said) = record(&["--replace"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(files(), written);
}
