//! From an alarm to a bundle, with the real binary: the question stands in the trail before its message, what is exported
//! leads from the change in the ERP back to the event, and holds offline.

use super::{Folder, check};
use crate::support::plant::Plant;
use std::{path::PathBuf, process::Command};
use takt::{
    audit::PublicKey,
    store::audit::{self, Entry, Filter},
};

fn takt(plant: &Plant, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_takt"));
    command.arg("audit").args(arguments).env_clear().env("DATABASE_URL", &plant.database.url);
    let done = command.output().expect("running takt audit");
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.code().unwrap_or(-1), text)
}

async fn trail(plant: &Plant, run: takt::run::RunId) -> Vec<Entry> {
    let mut db = plant.store.connection().await.expect("a connection");
    let filter = Filter { run: Some(run.0), ..Filter::default() };
    let mut all = audit::list(&mut db, &filter, 100).await.expect("the trail");
    all.reverse();
    all
}

/// A site that signs its trail: its folder, the public key, the folder of checkpoints.
fn site_with_a_key(plant: &mut Plant, folder: &Folder) -> (PathBuf, PathBuf, PathBuf) {
    let site = plant.own_site();
    let (private, public) = (folder.0.join("audit.key"), folder.0.join("audit.key.pub"));
    let (code, said) = takt(plant, &["key", "--out", &private.display().to_string()]);
    assert_eq!(code, 0, "{said}");
    assert_ne!(
        takt(plant, &["key", "--out", &private.display().to_string()]).0,
        0,
        "a key is never written over"
    );
    let checkpoints = folder.0.join("checkpoints");
    let declared = format!(
        "\naudit:\n  signing_key: \"${{file:{}}}\"\n  checkpoints: {}\n",
        private.display(),
        checkpoints.display()
    );
    let file = site.join("takt.yaml");
    let text = std::fs::read_to_string(&file).expect("takt.yaml");
    std::fs::write(&file, text + &declared).expect("takt.yaml");
    (site, public, checkpoints)
}

/// Question, message and record are rows of one transaction: none can be seen without the others.
async fn cards_with_and_without_their_record(plant: &Plant) -> (i64, i64) {
    sqlx::query_as(
        "select count(record.id), count(*) filter (where record.id is null) from outbox message
         left join audit_record record on record.object = message.gate_id::text
           and record.action = 'gate.pending' and record.xmin = message.xmin
         where gate_id is not null and message ->> 'kind' = 'ask' and channel = 'console'",
    )
    .fetch_one(&plant.database.pool)
    .await
    .expect("a count")
}

#[tokio::test]
async fn from_the_change_back_to_the_alarm() {
    let mut plant = Plant::new().await;
    let folder = Folder::new();
    let (site, public, checkpoints) = site_with_a_key(&mut plant, &folder);
    plant.serve(None).await;
    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    plant.wait_for_gate("approve").await;

    let (with, without) = cards_with_and_without_their_record(&plant).await;
    assert!(with >= 2 && without == 0, "{with} with, {without} without");
    let pending = trail(&plant, run).await;
    let pending = pending
        .iter()
        .find(|entry| entry.action == "gate.pending" && entry.step.as_deref() == Some("approve"));
    let pending = pending.expect("the question stands in the trail");
    assert_eq!(pending.decision.as_deref(), Some("PENDING_APPROVAL"));
    assert!(
        pending.detail["ask"]["options"].as_array().is_some_and(|options| !options.is_empty()),
        "{pending:?}"
    );

    assert_eq!(plant.to_the_end(run).await, "done");
    let all = trail(&plant, run).await;
    let written =
        all.iter().find(|entry| entry.action == "write.done" && entry.step.as_deref() == Some("push"));
    let written = written
        .unwrap_or_else(|| panic!("no write among {:?}", all.iter().map(|e| &e.action).collect::<Vec<_>>()));
    let first = written.detail["input"]["sequence"][0].as_object().expect("an operation");
    let job = first.values().find_map(|value| value.as_str()).expect("an id of the ERP").to_owned();
    assert_eq!(written.system.as_deref(), Some("plex"));
    assert!(
        written.detail["approved"]["by"].is_string() && written.detail["input"].is_object(),
        "{written:?}"
    );
    let answered = all.iter().find(|entry| {
        entry.object == pending.object && entry.action.starts_with("gate.") && entry.id > pending.id
    });
    assert!(answered.is_some_and(|entry| entry.actor_kind == "person"), "{all:?}");

    let (site, out) = (site.display().to_string(), folder.0.join("evidence.tar").display().to_string());
    let (code, said) = takt(&plant, &["export", "--site", &site, "--change", &job, "--out", &out]);
    assert_eq!(code, 0, "{said}");
    let key = public.display().to_string();
    let (code, said) = takt(&plant, &["verify", "--bundle", &out, "--public-key", &key]);
    assert!(code == 0 && said.starts_with("sound: run "), "{said}");
    let bundle = std::fs::read(&out).expect("the bundle");
    let text = String::from_utf8_lossy(&bundle);
    for part in ["event.json", "definition.json", "prompt_sha", "request_hash", "PENDING_APPROVAL", &job] {
        assert!(text.contains(part), "{part} is not in the bundle");
    }
    let mut forged = bundle.clone();
    let at = bundle.len() / 2;
    forged[at] ^= 4;
    std::fs::write(&out, forged).expect("writing");
    let (code, said) = takt(&plant, &["verify", "--bundle", &out, "--public-key", &key]);
    assert!(code == 1 && said.starts_with("broken: "), "{said}");

    let (code, said) = takt(&plant, &["verify", "--site", &site]);
    assert!(code == 0 && said.contains("checkpoints agree"), "{said}");
    let mut db = plant.store.connection().await.expect("a connection");
    let keys = [PublicKey::from_pem(&std::fs::read_to_string(&public).expect("the key")).expect("a key")];
    assert_eq!(check(&mut db, &keys, Some(&checkpoints)).await.expect("a verdict").broken, None);
    let metrics = reqwest::get(format!("http://{}/metrics", plant.address)).await.expect("an answer");
    let metrics = metrics.text().await.expect("a text");
    assert!(metrics.contains("takt_audit_broken 0"), "{metrics}");
    assert!(metrics.contains("takt_audit_checkpoint_age_seconds "), "{metrics}");
    assert!(std::fs::read_dir(&checkpoints).expect("the folder").count() > 0);
}
