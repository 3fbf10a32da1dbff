//! Fifty agents and a server that rations its answers, in whatever form it says so: nobody asks before the time the server
//! named, few requests are in vain, and who does not get an answer in time goes on without one.

use super::wire::{error, page};
use crate::support::{
    pg,
    wire::{Said, Wire, answer},
};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};
use takt::{
    agent::{
        Admission, Answer, Around, Clock, Endpoints, Entry, Ledger, LedgerClosed, Limits, Model, ModelError,
        ModelErrorClass, ModelProfile, ModelReply, Nobody, Progress, Reason, Source, Spans, Task, Told,
        Wanted, run,
    },
    connector::openai::OpenAi,
    engine::SharedEndpoints,
    site::{EndpointOptions, ModelEndpoint},
    store::Store,
    tool::Registry,
};
use uuid::Uuid;

const AGENTS: usize = 50;
/// Two requests under way at each of two workers, before any of them knows anything.
const PLACES: usize = 4;
/// Who refuses and names no time is left alone for a second.
const UNNAMED: Duration = Duration::from_secs(1);

/// How a server says that it has too many requests.
struct Form {
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    is_page: bool,
    /// The time it names.
    named: Option<Duration>,
}

static FORMS: [Form; 5] = [
    Form {
        name: "seconds",
        headers: &[("retry-after", "3")],
        is_page: false,
        named: Some(Duration::from_secs(3)),
    },
    Form {
        name: "milliseconds",
        headers: &[("retry-after-ms", "1500")],
        is_page: false,
        named: Some(Duration::from_millis(1_500)),
    },
    // By the server's own clock.
    Form {
        name: "a date",
        headers: &[
            ("date", "Mon, 23 Nov 2026 12:10:00 GMT"),
            ("retry-after", "Mon, 23 Nov 2026 12:10:02 GMT"),
        ],
        is_page: false,
        named: Some(Duration::from_secs(2)),
    },
    Form { name: "no header", headers: &[], is_page: false, named: None },
    Form { name: "a page", headers: &[], is_page: true, named: None },
];

impl Form {
    fn refusal(&self) -> Said {
        let said = if self.is_page { page(429) } else { limited() };
        self.headers.iter().fold(said, |said, (name, value)| said.with(name, value))
    }
}

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

#[derive(Debug, Clone, Copy)]
struct Sent {
    /// When its agent asked whether it may leave.
    asked: DateTime<Utc>,
    left: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy)]
struct Refused {
    named: Option<Duration>,
    /// From then on every worker knows.
    known: DateTime<Utc>,
    until: DateTime<Utc>,
}

#[derive(Default)]
struct Log {
    sent: Vec<Sent>,
    refused: Vec<Refused>,
}

/// What stands between one agent and its endpoint, and writes down when each thing happened there.
struct Watched {
    model: Arc<dyn Model>,
    endpoints: Arc<dyn Endpoints>,
    asked: Mutex<DateTime<Utc>>,
    log: Arc<Mutex<Log>>,
}

#[async_trait]
impl Model for Watched {
    fn profile(&self) -> &ModelProfile {
        self.model.profile()
    }

    async fn complete(&self, request: &Value, timeout: Duration) -> Result<ModelReply, ModelError> {
        let sent = Sent { asked: *self.asked.lock().expect("the time"), left: Utc::now() };
        self.log.lock().expect("the log").sent.push(sent);
        self.model.complete(request, timeout).await
    }
}

#[async_trait]
impl Endpoints for Watched {
    async fn admit(&self, wanted: &Wanted<'_>, now: DateTime<Utc>) -> Admission {
        *self.asked.lock().expect("the time") = now;
        self.endpoints.admit(wanted, now).await
    }

    async fn tell(&self, endpoint: &str, told: Told, unused: u64, now: DateTime<Utc>) {
        self.endpoints.tell(endpoint, told, unused, now).await;
        if let Told::Failed { class: ModelErrorClass::RateLimited, retry_after } = told {
            let wait = TimeDelta::from_std(retry_after.unwrap_or(UNNAMED)).expect("a time");
            let refused = Refused { named: retry_after, known: Utc::now(), until: now + wait };
            self.log.lock().expect("the log").refused.push(refused);
        }
    }
}

struct Storm {
    answers: Vec<(Answer, Vec<Entry>)>,
    /// When each agent was done.
    took: Vec<Duration>,
    log: Arc<Mutex<Log>>,
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
    let (begun, log) = (Instant::now(), Arc::<Mutex<Log>>::default());
    let agents = (0..AGENTS).map(|number| {
        let watched = Arc::new(Watched {
            model: model.clone(),
            endpoints: workers[number % 2].clone(),
            asked: Mutex::default(),
            log: log.clone(),
        });
        let models: Vec<Arc<dyn Model>> = vec![watched.clone()];
        tokio::spawn(async move {
            let done = agent(task(number, time), models, watched).await;
            (done, begun.elapsed())
        })
    });
    let agents: Vec<_> = agents.collect();
    let mut storm = Storm { answers: vec![], took: vec![], log };
    for agent in agents {
        let (done, took) = agent.await.expect("an agent");
        storm.answers.push(done);
        storm.took.push(took);
    }
    storm
}

fn limited() -> Said {
    Said::json(429, &error("rate_limit_exceeded", "requests"))
}

pub fn good() -> Said {
    Said::json(200, &answer(&json!({ "summary": "Bad." })))
}

/// Without any grace: leave that was given before a refusal was written down is under way; whoever asks later is told of it.
fn assert_left_alone(log: &Log, form: &str) {
    for refused in &log.refused {
        let early = log.sent.iter().filter(|sent| sent.left > refused.known && sent.left < refused.until);
        let (knew, under_way): (Vec<&Sent>, Vec<&Sent>) = early.partition(|sent| sent.asked > refused.known);
        assert!(knew.is_empty(), "{form}: after {refused:?} left {knew:?}");
        // Most of those who asked before wait for a place: they are told, too.
        assert!(under_way.len() <= PLACES, "{form}: after {refused:?} left {under_way:?}");
    }
}

/// Every agent has a model's answer, nobody asked too early, and there were few requests; says how many.
fn assert_spared(wire: &Wire, storm: &Storm, form: &str) -> usize {
    let requests = wire.seen().len();
    assert!(storm.answers.iter().all(|(answer, _)| answer.source == Source::Model), "{form}");
    let log = storm.log.lock().expect("the log");
    assert_eq!(log.sent.len(), requests, "{form}: every request was watched");
    assert!(!log.refused.is_empty(), "{form}: nobody was refused");
    assert_left_alone(&log, form);
    assert!(requests * 10 <= AGENTS * 12, "{form}: {requests} requests for {AGENTS} answers");
    requests
}

async fn refused_for_a_while(form: &'static Form) {
    let (wait, first) = (form.named.unwrap_or(UNNAMED), OnceLock::new());
    let wire = Wire::start(move |seen| match seen.at - *first.get_or_init(|| seen.at) > wait {
        true => good(),
        false => form.refusal(),
    })
    .await;
    let storm = storm(&wire, Duration::from_secs(60)).await;
    assert_spared(&wire, &storm, form.name);
    for refused in &storm.log.lock().expect("the log").refused {
        assert_eq!(refused.named, form.named, "{}", form.name);
    }
}

/// All forms at once: each storm mostly waits.
#[tokio::test]
async fn a_server_that_refuses_everybody_for_a_while_is_left_alone_for_it_however_it_says_so() {
    futures::future::join_all(FORMS.iter().map(refused_for_a_while)).await;
}

#[tokio::test]
async fn a_rationed_server_gets_little_more_than_the_requests_it_answers() {
    // So many answers in each second, then a refusal until the next.
    const EACH: usize = 8;
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
        limited().with("retry-after", &format!("{:.3}", wait.as_secs_f64()))
    })
    .await;
    let storm = storm(&wire, Duration::from_secs(60)).await;
    let requests = assert_spared(&wire, &storm, "a part of a second");
    println!(
        "{AGENTS} agents, {EACH} answers a second: {requests} requests, done after {:?}",
        storm.took.iter().max()
    );
}

async fn refused_for_good(form: &'static Form) {
    let wire = Wire::start(move |_| form.refusal()).await;
    let limit = Duration::from_secs(5);
    let storm = storm(&wire, limit).await;
    for ((answer, entries), took) in storm.answers.iter().zip(&storm.took) {
        assert_eq!(answer.source, Source::Rules, "{}", form.name);
        let why = answer.why_fallback.as_ref().expect("why");
        assert!(matches!(why.reason, Reason::ModelDown | Reason::Time), "{}: {why:?}", form.name);
        assert!(*took <= limit + Duration::from_secs(5), "{}: {took:?}: {entries:?}", form.name);
    }
    assert_left_alone(&storm.log.lock().expect("the log"), form.name);
    let requests = wire.seen().len();
    assert!(requests <= 20, "{}: {requests} requests to a server that answers nobody", form.name);
}

/// On threads: the agents of all forms give up in the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn who_gets_no_answer_goes_on_without_one_within_the_time() {
    futures::future::join_all(FORMS.iter().map(refused_for_good)).await;
}

#[tokio::test]
async fn an_account_without_quota_is_asked_once_by_each_request_under_way_and_no_more() {
    let wire = Wire::start(|_| Said::json(429, &error("insufficient_quota", "insufficient_quota"))).await;
    let storm = storm(&wire, Duration::from_secs(30)).await;
    for (answer, _) in &storm.answers {
        assert_eq!(answer.why_fallback.as_ref().expect("why").reason, Reason::Quota);
    }
    assert!(wire.seen().len() <= PLACES, "{} requests", wire.seen().len());
}
