//! Fifty agents and a server that rations its answers: nobody asks before the time the server named, few
//! requests are in vain, and who does not get an answer in time goes on without one.

use crate::support::{
    pg,
    wire::{Said, Wire, answer},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use takt::{
    agent::{
        Answer, Around, Clock, Endpoints, Entry, Ledger, LedgerClosed, Limits, Model, Nobody, Progress,
        Reason, Source, Spans, Task, run,
    },
    connector::openai::OpenAi,
    engine::SharedEndpoints,
    site::{EndpointOptions, ModelEndpoint},
    store::Store,
    tool::Registry,
};
use uuid::Uuid;

const AGENTS: usize = 50;
/// A request that was on its way when the refusal went out, and the scheduling of a busy machine.
const GRACE: Duration = Duration::from_millis(150);

struct Now;

impl Clock for Now {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

#[derive(Default)]
struct Kept(Mutex<Vec<Entry>>);

#[async_trait]
impl Ledger for Kept {
    async fn append(&self, entry: Entry) -> Result<(), LedgerClosed> {
        self.0.lock().expect("the ledger").push(entry);
        Ok(())
    }
}

pub fn task(number: usize, time: Duration) -> Task {
    Task {
        run: Uuid::from_u128(number as u128 + 1),
        step: "triage".into(),
        instructions: "Say how bad it is.".into(),
        input: json!({ "agent": number }),
        tools: vec![],
        output: json!({ "type": "object", "required": ["summary"], "additionalProperties": false,
            "properties": { "summary": { "type": "string" } } }),
        limits: Limits { time, retries: 5, ..Limits::default() },
        mask: vec![],
        classes: [].into(),
        public: [].into(),
        declared: [].into(),
        known: vec![],
        mask_key: takt::agent::MaskKey::random(),
        check: Arc::new(|_| Ok(())),
        fallback: json!({ "summary": "Nobody knows." }),
        trace: None,
    }
}

/// One agent as a worker runs it: parked, and taken up again when its time has come.
pub async fn agent(
    task: Task,
    models: Vec<Arc<dyn Model>>,
    endpoints: Arc<dyn Endpoints>,
) -> (Answer, Vec<Entry>) {
    let (ledger, tools) = (Kept::default(), Registry::default());
    loop {
        let past = ledger.0.lock().expect("the ledger").clone();
        let around = Around {
            models: &models,
            tools: &tools,
            ledger: &ledger,
            clock: &Now,
            endpoints: endpoints.as_ref(),
            onlookers: &Nobody,
            spans: Spans::None,
        };
        match run(&task, &past, &around).await.expect("an open ledger") {
            Progress::Answered(answer) => {
                let entries = ledger.0.lock().expect("the ledger").clone();
                return (*answer, entries);
            }
            Progress::Waiting { until } => {
                let wait = (until - Utc::now()).to_std().unwrap_or_default();
                tokio::time::sleep(wait).await;
            }
        }
    }
}

struct Storm {
    answers: Vec<(Answer, Vec<Entry>)>,
    /// When each agent was done.
    took: Vec<Duration>,
}

/// Two workers with one database between them.
async fn storm(wire: &Wire, time: Duration) -> Storm {
    let database = pg::database().await;
    let store = Store::from_pool(database.pool.clone());
    let workers: Vec<Arc<dyn Endpoints>> =
        (0..2).map(|_| Arc::new(SharedEndpoints::new(store.clone())) as Arc<dyn Endpoints>).collect();
    let endpoint = ModelEndpoint {
        name: "plant".to_owned(),
        base_url: wire.url.clone(),
        model: "small".to_owned(),
        api_key: SecretString::from("sk-test".to_owned()),
        authored: false,
        usd_per_million_input: 1.0,
        usd_per_million_output: 2.0,
        options: EndpointOptions::default(),
    };
    let model: Arc<dyn Model> = Arc::new(OpenAi::new(&endpoint).expect("a client"));
    let begun = Instant::now();
    let agents = (0..AGENTS).map(|number| {
        let (models, endpoints) = (vec![model.clone()], workers[number % 2].clone());
        tokio::spawn(async move {
            let done = agent(task(number, time), models, endpoints).await;
            (done, begun.elapsed())
        })
    });
    let agents: Vec<_> = agents.collect();
    let mut storm = Storm { answers: vec![], took: vec![] };
    for agent in agents {
        let (done, took) = agent.await.expect("an agent");
        storm.answers.push(done);
        storm.took.push(took);
    }
    storm
}

pub fn good() -> Said {
    Said::json(200, &answer(&json!({ "summary": "Bad." })))
}

fn refusal(seconds: &str) -> Said {
    let body =
        json!({ "error": { "message": "slow down", "type": "requests", "code": "rate_limit_exceeded" } });
    Said::json(429, &body).with("retry-after", seconds)
}

/// Requests that came between a refusal and the time it named.
fn too_early(wire: &Wire, refused: &[(Instant, Duration)]) -> Vec<(Duration, Duration)> {
    let seen = wire.seen();
    let early = refused.iter().flat_map(|(at, wait)| {
        seen.iter()
            .filter(|request| request.at > *at + GRACE && request.at < *at + *wait)
            .map(|request| (request.at - *at, *wait))
    });
    early.collect()
}

/// Every agent has a model's answer, nobody asked too early, and there were few requests; says how many.
fn assert_spared(wire: &Wire, refused: &[(Instant, Duration)], storm: &Storm) -> usize {
    let requests = wire.seen().len();
    assert!(storm.answers.iter().all(|(answer, _)| answer.source == Source::Model));
    assert_eq!(too_early(wire, refused), []);
    assert!(requests * 10 <= AGENTS * 12, "{requests} requests for {AGENTS} answers");
    requests
}

#[tokio::test]
async fn a_server_that_refuses_everybody_for_a_while_is_left_alone_for_it() {
    let refused = Arc::<Mutex<Vec<(Instant, Duration)>>>::default();
    let (noted, first) = (refused.clone(), std::sync::OnceLock::new());
    let wire = Wire::start(move |seen| {
        if seen.at - *first.get_or_init(|| seen.at) > Duration::from_secs(3) {
            return good();
        }
        noted.lock().expect("the list").push((seen.at, Duration::from_secs(3)));
        refusal("3")
    })
    .await;
    let storm = storm(&wire, Duration::from_secs(60)).await;
    let requests = assert_spared(&wire, &refused.lock().expect("the list"), &storm);
    println!(
        "{AGENTS} agents, 3 s of refusals: {requests} requests, all done after {:?}",
        storm.took.iter().max()
    );
}

#[tokio::test]
async fn a_rationed_server_gets_little_more_than_the_requests_it_answers() {
    // So many answers in each second, then a refusal until the next.
    const EACH: usize = 8;
    let refused = Arc::<Mutex<Vec<(Instant, Duration)>>>::default();
    let noted = refused.clone();
    let window = Mutex::new((Instant::now(), 0));
    let wire = Wire::start(move |seen| {
        let mut window = window.lock().expect("the window");
        if seen.at - window.0 >= Duration::from_secs(1) {
            *window = (seen.at, 0);
        }
        if window.1 < EACH {
            window.1 += 1;
            return good();
        }
        let wait = Duration::from_secs(1) - (seen.at - window.0);
        noted.lock().expect("the list").push((seen.at, wait));
        refusal(&format!("{:.3}", wait.as_secs_f64()))
    })
    .await;
    let storm = storm(&wire, Duration::from_secs(60)).await;
    let requests = assert_spared(&wire, &refused.lock().expect("the list"), &storm);
    println!(
        "{AGENTS} agents, {EACH} answers a second: {requests} requests, done after {:?}",
        storm.took.iter().max()
    );
}

#[tokio::test]
async fn who_gets_no_answer_goes_on_without_one_within_the_time() {
    let wire = Wire::start(|_| refusal("2")).await;
    let limit = Duration::from_secs(5);
    let storm = storm(&wire, limit).await;
    for ((answer, entries), took) in storm.answers.iter().zip(&storm.took) {
        assert_eq!(answer.source, Source::Rules);
        let why = answer.why_fallback.as_ref().expect("why");
        assert!(matches!(why.reason, Reason::ModelDown | Reason::Time), "{why:?}");
        assert!(*took <= limit + Duration::from_secs(1), "{took:?}: {entries:?}");
    }
    let requests = wire.seen().len();
    assert!(requests <= 20, "{requests} requests to a server that answers nobody");
}

#[tokio::test]
async fn an_account_without_quota_is_asked_once_by_each_request_under_way_and_no_more() {
    let body: Value =
        json!({ "error": { "message": "pay", "type": "insufficient_quota", "code": "insufficient_quota" } });
    let wire = Wire::start(move |_| Said::json(429, &body)).await;
    let storm = storm(&wire, Duration::from_secs(30)).await;
    for (answer, _) in &storm.answers {
        assert_eq!(answer.why_fallback.as_ref().expect("why").reason, Reason::Quota);
    }
    // Two under way at each of two workers, before either knew.
    assert!(wire.seen().len() <= 4, "{} requests", wire.seen().len());
}
