//! A workflow whose agent uses a tool of an MCP server, end to end with the real binary; and the same plant asked by an
//! assistant of others, who reads no employee's name.

use super::{CONNECTOR, Library, accept, free_port, with_system};
use crate::support::{
    plant::Plant,
    wire::{Said, Wire, answer, tool_calls},
};
use serde_json::{Value, json};
use std::fs;
use takt::{
    run::{Change, RunId},
    site::{Environment, Overrides, Site},
    store::summaries,
};

const WORKFLOW: &str = r#"workflow: reading
title: Reading
owner: tests
autonomy: assist
trigger: { event: test.read, key: event.ref }
steps:
  - id: read
    agent: prompts/reading.hbs
    tools: [library.find_document]
    with: { asked: leaks }
    output: schemas/reading.json
    limits: { turns: 6, time: 10m }
    fallback: { document: none, author: nobody }
"#;

const SCHEMA: &str = r#"{ "type": "object", "additionalProperties": false, "required": ["document", "author"],
  "properties": { "document": { "type": "string", "x-takt-entity": "document" }, "author": { "type": "string" } } }"#;

/// The word in the data that stands for the author.
fn token(request: &Value) -> String {
    let text = request.to_string();
    // The first is the example in the rules.
    let at = text.rfind("EMP_").expect("a token");
    text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

async fn plant_with_library(wire: &Wire) -> (Plant, Library) {
    let port = free_port();
    let library = Library::start(port, "both", "first").await;
    let mut plant = Plant::new().await;
    let folder = plant.own_site();
    let takt_yaml = fs::read_to_string(folder.join("takt.yaml")).expect("takt.yaml");
    let takt_yaml = with_system(&takt_yaml, &format!("http://127.0.0.1:{port}"));
    let door = "mcp: { tools: [plex.*, library.*] }\n";
    fs::write(folder.join("takt.yaml"), format!("{takt_yaml}\n{door}")).expect("written");
    for (path, text) in [
        ("connectors/library.yaml", CONNECTOR),
        ("workflows/reading.yaml", WORKFLOW),
        ("prompts/reading.hbs", "Find a document."),
        ("schemas/reading.json", SCHEMA),
    ] {
        fs::write(folder.join(path), text).expect("written");
    }
    let site = Site::load(&folder, &Environment::default(), &Overrides::default()).expect("the site");
    accept(&folder, &site).await;
    plant.environment.push(("OPENAI_BASE_URL", wire.url.clone()));
    plant.environment.push(("OPENAI_API_KEY", "sk-test".to_owned()));
    plant.environment.push(("TAKT_API_TOKEN", "assistant".to_owned()));
    plant.serve(None).await;
    (plant, library)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reads_with_a_tool_of_an_mcp_server_and_sees_what_it_may() {
    let wire = Wire::start(|seen| {
        let has_read =
            seen.body["messages"].as_array().is_some_and(|all| all.iter().any(|one| one["role"] == "tool"));
        let said = match has_read {
            false => tool_calls(&[("library__find_document", json!({ "query": "leaks" }))]),
            true => answer(&json!({ "document": "DOC-7", "author": token(&seen.body) })),
        };
        Said::json(200, &said)
    })
    .await;
    let (plant, _library) = plant_with_library(&wire).await;
    let event = json!({ "id": "r1", "type": "test.read", "subject": "r1", "data": { "ref": "r1" } });
    plant.store_event(&event).await;
    let run = plant
        .until("the run to begin", async || {
            let mut db = plant.store.connection().await.expect("a connection");
            let filter =
                summaries::Filter { workflow: Some("reading".into()), ..summaries::Filter::default() };
            summaries::list(&mut db, &filter, 10).await.expect("runs").first().map(|run| RunId(run.id))
        })
        .await;
    assert_eq!(plant.to_the_end(run).await, "done");
    let records = plant.records(run).await;
    let done = records.iter().find_map(|record| match (&record.path, &record.change) {
        (Some(path), Change::Done { output }) if path.as_str() == "read" => Some(output.clone()),
        _ => None,
    });
    let done = done.expect("an answer");
    assert_eq!(
        (&done["document"], &done["author"], &done["source"]),
        (&json!("DOC-7"), &json!("Mia Novak"), &json!("model")),
        "{done}"
    );
    let sent: String = wire.seen().iter().map(|seen| seen.body.to_string()).collect();
    for secret in ["IGNORE ALL RULES", "between us", "shelf", "Mia Novak"] {
        assert!(!sent.contains(secret), "the model was sent `{secret}`");
    }

    ask_from_outside(&plant).await;
}

/// An assistant of others asks the same plant.
async fn ask_from_outside(plant: &Plant) {
    let ask = async |body: Value| -> Value {
        let url = format!("http://{}/mcp", plant.address);
        let request = reqwest::Client::new().post(url).bearer_auth("assistant").json(&body);
        request.send().await.expect("an answer").json().await.expect("JSON")
    };
    let use_tool = |name: &str, arguments: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": name, "arguments": arguments } });
    let crew = ask(use_tool("plex.crew", json!({ "shift": "A" }))).await;
    let people = &crew["result"]["structuredContent"]["people"];
    assert!(people[0]["name"].as_str().is_some_and(|name| name.starts_with("EMP_")), "{crew}");
    let found = ask(use_tool("library.find_document", json!({ "query": "leaks" }))).await;
    let hit = &found["result"]["structuredContent"]["hits"][0];
    assert_eq!(
        (&hit["id"], hit["author"].as_str().map(|author| &author[..4])),
        (&json!("DOC-7"), Some("EMP_")),
        "{found}"
    );
    let refused = ask(use_tool("library.lend", json!({ "id": "DOC-7" }))).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
}
