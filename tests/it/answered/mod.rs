//! What becomes of a question over hours and by whose word, through the real binary: passed on, reminded of, confirmed by
//! a second person, looked at again after somebody decided alone.

mod alone;
mod ladder;
mod second;

use crate::support::plant::Plant;
use reqwest::StatusCode;
use serde_json::{Value, json};
use takt::{
    gate::hash_of,
    run::GateId,
    store::{Store, gates},
};

const TOKEN: &str = "answered-api-token";
const MES: &str = "answered-mes-token";

/// A plant with one workflow and nothing else that runs, and `takt.yaml` as the test wants it.
async fn plant_with(workflow: &str, change: impl FnOnce(String) -> String) -> Plant {
    let mut plant = Plant::new().await;
    let site = plant.own_site();
    for file in std::fs::read_dir(site.join("workflows")).expect("a folder") {
        let path = file.expect("a file").path();
        let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        removed.expect("removed");
    }
    std::fs::write(site.join("workflows/asks.yaml"), workflow).expect("written");
    let yaml = std::fs::read_to_string(site.join("takt.yaml")).expect("takt.yaml");
    std::fs::write(site.join("takt.yaml"), change(yaml)).expect("written");
    plant.environment = vec![("TAKT_API_TOKEN", TOKEN.into()), ("MES_TOKEN_HASH", hash_of(MES))];
    plant
}

/// One part of takt.yaml is put in the place of another, which has to be there.
fn replaced(yaml: &str, from: &str, to: &str) -> String {
    assert!(yaml.contains(from), "takt.yaml has no {from}");
    yaml.replace(from, to)
}

async fn begin(plant: &Plant, name: &str) {
    let event = json!({ "id": name, "type": "test.ask", "subject": name, "data": {} });
    plant.store_event(&event).await;
}

/// The open question of the site, once there is one that fits.
async fn open(plant: &Plant, what: &str, fits: impl Fn(&gates::Gate) -> bool) -> gates::Gate {
    plant
        .until(what, async || {
            let mut db = plant.store.connection().await.expect("a connection");
            gates::list_open(&mut db, None, None).await.expect("gates").into_iter().find(&fits)
        })
        .await
}

async fn answer(
    plant: &Plant,
    token: &str,
    gate: &gates::Gate,
    person: &str,
    answer: Value,
) -> (StatusCode, String) {
    let mut body = answer;
    body["proposal_hash"] = json!(gate.proposal_hash);
    let url = format!("http://{}/api/gates/{}/answer", plant.address, gate.id);
    let request = reqwest::Client::new().post(url).bearer_auth(token).header("x-takt-person", person);
    let said = request.json(&body).send().await.expect("an answer");
    (said.status(), said.text().await.expect("a body"))
}

async fn gate_now(store: &Store, gate: &gates::Gate) -> gates::Gate {
    let mut db = store.connection().await.expect("a connection");
    gates::get(&mut db, GateId(gate.id)).await.expect("asking").expect("the gate")
}

/// Titles and other texts of what was told about a gate in the console, first to last.
async fn told(store: &Store, gate: &gates::Gate) -> Vec<Value> {
    let told = "select message from outbox where gate_id = $1 and channel = 'console' order by created_at";
    sqlx::query_scalar(told).bind(gate.id).fetch_all(store.pool()).await.expect("messages")
}
