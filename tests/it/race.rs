//! A thousand double clicks over two channels, with the server dying among them: each question is decided once, and
//! what it lets out is done once.

use crate::support::{plant::Plant, slack::SIGNING_SECRET};
use chrono::Utc;
use futures::{StreamExt, stream};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use takt::{
    connector::slack::signature,
    gate::settled_by,
    notify::{Button, Press},
    run::{Change, GateId, RunId, State, StepPath},
    store::gates,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

const TOKEN: &str = "race-api-token";
const GATES: usize = 20;
const CLICKS: usize = 1000;
const AT_ONCE: usize = 8;
const PEOPLE: [(&str, &str); 3] = [("mia", "U0MIA"), ("lee", "U0LEE"), ("ana", "U0ANA")];

/// Two questions of a kind: one answer is enough, or two of three people must agree.
fn workflow(id: &str, quorum: usize) -> String {
    WORKFLOW.replace("KIND", id).replace("QUORUM", &quorum.to_string())
}

const WORKFLOW: &str = "
workflow: KIND
title: Clicks
owner: test
trigger: { event: test.KIND }
steps:
  - id: choose
    gate: choose
    ask: clicker
    quorum: QUORUM
    options: \"${{ [{'title': 'one'}, {'title': 'two'}] }}\"
    expires: 20h
    on_expire: reject
  - id: stopped
    if: steps.choose.decision == 'reject'
    end: rejected
  - id: order
    call: cmms.create_work_order
    with:
      asset: EQ-4
      title: \"${{ trigger.subject }}\"
      description: \"${{ steps.choose.chosen.title }}\"
      priority: LOW
on_failure:
  - id: told
    call: notify.role
    with: { role: clicker, message: messages/run_failed.hbs }
";

async fn plant(slack: &MockServer) -> Plant {
    Mock::given(any())
        .respond_with(
            ResponseTemplate::new(200).set_body_json(json!({ "ok": true, "channel": "C1", "ts": "1.2" })),
        )
        .mount(slack)
        .await;
    let mut plant = Plant::new().await;
    let site = plant.own_site();
    std::fs::write(site.join("workflows/single.yaml"), workflow("single", 1)).expect("written");
    std::fs::write(site.join("workflows/double.yaml"), workflow("double", 2)).expect("written");
    let mut yaml = std::fs::read_to_string(site.join("takt.yaml")).expect("takt.yaml");
    yaml = yaml.replacen("roles:\n", "roles:\n  clicker: { title: Clicker }\n", 1);
    yaml = yaml.replacen("slack:\n", &format!("slack:\n  base_url: {}\n", slack.uri()), 1);
    for roles in ["[maintenance_on_call]", "[plant_scheduler]", "[material_planner, customer_service]"] {
        let more = roles.replacen('[', "[clicker, ", 1);
        yaml = yaml.replacen(&format!("roles: {roles}"), &format!("roles: {more}"), 1);
    }
    std::fs::write(site.join("takt.yaml"), yaml).expect("written");
    plant.environment = vec![
        ("TAKT_API_TOKEN", TOKEN.into()),
        ("SLACK_BOT_TOKEN", "xoxb-race".into()),
        ("SLACK_SIGNING_SECRET", SIGNING_SECRET.into()),
        // Every run shares the deaths of its workers here; none is to be blamed for them.
        ("TAKT_TAKEOVERS_MAX", "30000".into()),
    ];
    plant
}

struct Asked {
    gate: GateId,
    run: RunId,
    hash: String,
    token: String,
    quorum: i16,
}

async fn ask(plant: &Plant) -> Vec<Asked> {
    for number in 0..GATES {
        let kind = if number % 2 == 0 { "test.single" } else { "test.double" };
        let event = json!({ "id": format!("race-{number}"), "type": kind, "subject": format!("race {number}"), "data": {} });
        plant.store_event(&event).await;
    }
    plant
        .until("every question", async || {
            let mut db = plant.store.connection().await.expect("a connection");
            let open = gates::list_open(&mut db, None, None).await.expect("gates");
            (open.len() == GATES).then_some(())
        })
        .await;
    let mut db = plant.store.connection().await.expect("a connection");
    let mut asked = Vec::new();
    for gate in gates::list_open(&mut db, None, None).await.expect("gates") {
        let token: String = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "select message ->> 'token' from outbox where gate_id = '{}' and channel = 'slack' and message ->> 'kind' = 'ask'",
            gate.id
        )))
        .fetch_one(plant.store.pool())
        .await
        .expect("its card");
        let (gate_id, run) = (GateId(gate.id), RunId(gate.run_id));
        asked.push(Asked { gate: gate_id, run, hash: gate.proposal_hash, token, quorum: gate.quorum });
    }
    asked
}

struct Clicker {
    client: reqwest::Client,
    url: String,
    /// Clicks that a dying or dead server gave no answer to, and that were made again.
    repeated: AtomicUsize,
}

impl Clicker {
    async fn until_answered(&self, request: impl Fn() -> reqwest::RequestBuilder) -> u16 {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match request().send().await {
                Ok(answer) => return answer.status().as_u16(),
                Err(error) => {
                    assert!(Instant::now() < until, "the server stays away: {error}");
                    self.repeated.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn in_the_api(&self, asked: &Asked, person: &str, choice: usize) -> u16 {
        let body = json!({ "decision": "choose", "choice": choice, "proposal_hash": asked.hash });
        let url = format!("{}/api/gates/{}/answer", self.url, asked.gate);
        let request =
            || self.client.post(&url).bearer_auth(TOKEN).header("x-takt-person", person).json(&body);
        self.until_answered(request).await
    }

    async fn in_slack(&self, asked: &Asked, user: &str, choice: usize) -> u16 {
        let press = Press { token: asked.token.clone(), button: Button::Choose, option: Some(choice) };
        let payload = json!({
            "type": "block_actions", "user": { "id": user }, "trigger_id": "1.2.abc",
            "container": { "type": "message", "message_ts": "1.2", "channel_id": "C1" },
            "actions": [{ "action_id": "takt.choose.1", "block_id": "b", "type": "button", "value": press.value() }]
        });
        let form =
            reqwest::Url::parse_with_params("form:/", [("payload", payload.to_string())]).expect("a form");
        let body = form.query().unwrap_or_default().to_owned();
        let request = || {
            let at = Utc::now().timestamp();
            let sign = signature::sign(&SecretString::from(SIGNING_SECRET.to_owned()), at, body.as_bytes());
            let request = self.client.post(format!("{}/slack/interactions", self.url));
            let request = request.header("x-slack-request-timestamp", at).header("x-slack-signature", sign);
            request.header("content-type", "application/x-www-form-urlencoded").body(body.clone())
        };
        self.until_answered(request).await
    }

    /// Two people at the same moment, on two channels, and not of one mind.
    async fn double_click(&self, asked: &Asked, number: usize) {
        let (api, slack) = (PEOPLE[number % 3], PEOPLE[(number / 3 + 1) % 3]);
        let choice = 1 + number % 2;
        let (first, second) =
            tokio::join!(self.in_the_api(asked, api.0, choice), self.in_slack(asked, slack.1, 3 - choice));
        assert!([200, 409, 422].contains(&first), "the API said {first}");
        assert_eq!(second, 200, "Slack is always told that its click has come in");
    }
}

async fn decided_once(plant: &Plant, asked: &Asked) {
    let mut db = plant.store.connection().await.expect("a connection");
    let gate = gates::get(&mut db, asked.gate).await.expect("asking").expect("the gate");
    let votes = gates::votes(&mut db, asked.gate).await.expect("votes");
    drop(db);
    assert_eq!(gate.state, "answered");
    let quorum = usize::try_from(asked.quorum).expect("a quorum");
    let agreed = settled_by(&gate, &votes).expect("settled");
    assert_eq!(agreed.len(), quorum, "{votes:?}");
    let people: BTreeSet<&str> = votes.iter().map(|vote| vote.person.as_str()).collect();
    assert_eq!(people.len(), votes.len(), "one answer each");
    assert!(votes.len() <= if quorum == 1 { 1 } else { 3 }, "nothing was taken after the end: {votes:?}");
    let records = plant.records(asked.run).await;
    let state = State::fold(&records).expect("a journal that folds");
    for step in ["choose", "order"] {
        let path = StepPath::root(step);
        let done = |record: &&takt::run::Record| {
            record.path.as_ref() == Some(&path) && matches!(record.change, Change::Done { .. })
        };
        assert_eq!(records.iter().filter(done).count(), 1, "{step} is done once");
    }
    let output = &state.step(&StepPath::root("choose")).expect("the answer").output;
    assert_eq!(output["choice"], agreed[0].body["choice"]);
    assert_eq!(output["agreed"].as_array().map(Vec::len), Some(quorum), "{output:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_double_clicks_and_three_deaths_decide_and_apply_once() {
    let slack = MockServer::start().await;
    let mut plant = plant(&slack).await;
    plant.serve(None).await;
    let asked = ask(&plant).await;
    plant.kill();
    plant.serve(Some("before_answer:5")).await;
    let client = reqwest::Client::builder().pool_max_idle_per_host(AT_ONCE).build().expect("a client");
    let clicker = Clicker { client, url: format!("http://{}", plant.address), repeated: AtomicUsize::new(0) };
    let (asked, clicker) = (Arc::new(asked), Arc::new(clicker));
    let (made, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let clicks = {
        let (asked, clicker, made, is_over) = (asked.clone(), clicker.clone(), made.clone(), is_over.clone());
        tokio::spawn(async move {
            stream::iter(0..CLICKS)
                .for_each_concurrent(AT_ONCE, |number| {
                    let (asked, clicker, made) = (asked.clone(), clicker.clone(), made.clone());
                    async move {
                        // Spread, so that questions are still open when the second and the third death comes.
                        let at = (number * GATES / CLICKS + number % 4) % GATES;
                        clicker.double_click(&asked[at], number).await;
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                })
                .await;
            is_over.store(true, Ordering::Relaxed);
        })
    };
    // It dies with an answer not yet committed, then with one just committed, then by SIGKILL at any place.
    plant.fell().await;
    plant.serve(Some("after_answer:4")).await;
    plant.fell().await;
    plant.serve(None).await;
    let before = made.load(Ordering::Relaxed);
    plant
        .until("some clicks more", async || (made.load(Ordering::Relaxed) >= before + 50).then_some(()))
        .await;
    plant.kill();
    assert!(!is_over.load(Ordering::Relaxed), "it was killed among the clicks");
    plant.serve(None).await;
    clicks.await.expect("every click was answered");
    assert_eq!(made.load(Ordering::Relaxed), CLICKS);
    assert!(clicker.repeated.load(Ordering::Relaxed) > 0, "no click met a dead server");

    plant
        .until("every run to end", async || {
            let ended = "select count(*) from run_summary where workflow in ('single', 'double') and outcome = 'done'";
            let ended: i64 = sqlx::query_scalar(ended).fetch_one(plant.store.pool()).await.expect("a count");
            (ended == i64::try_from(GATES).expect("few")).then_some(())
        })
        .await;
    for asked in asked.iter() {
        decided_once(&plant, asked).await;
    }
    let writes: Value = plant.writes().await;
    assert_eq!((&writes["applied"], &writes["duplicate_effects"]), (&json!(GATES), &json!(0)), "{writes:#}");
    assert!(plant.log().matches("panicked").count() == 0, "{}", plant.log());
}
