//! A whole Takt for one test: the plant simulator in this process, `takt serve` as a real process that can be
//! killed, a database of its own, and people who answer through the one path there is.

use super::{
    pg::{self, Database},
    site::copy_sample_site,
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use takt::{
    gate::{Answer, Asked, Decision, ItemAnswer, decide},
    run::{GateId, Record, RunId},
    simulator::{Handle, Simulator, SimulatorConfig},
    site::{Environment, Overrides, Site},
    store::{Store, clock, gates, hints, journal, summaries},
};

/// A bound, not a wait: every look is for a condition.
const PATIENCE: Duration = Duration::from_secs(300);

/// How the folders of sites begin that tests may change.
const OWN_SITE: &str = "takt-test-site-";

pub struct Plant {
    pub database: Database,
    pub store: Store,
    pub site: Arc<Site>,
    pub simulator: Handle,
    pub address: SocketAddr,
    pub log: PathBuf,
    site_folder: PathBuf,
    client: reqwest::Client,
    child: Option<Child>,
    /// More for the command line and the environment of `takt serve`.
    pub arguments: Vec<String>,
    pub environment: Vec<(&'static str, String)>,
}

impl Plant {
    /// Everything but `takt serve`.
    pub async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let database = pg::database().await;
        let store = Store::from_pool(database.pool.clone());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let site = Site::load(folder, &Environment::of([]), &Overrides::default()).expect("the sample site");
        let start = SimulatorConfig::demo_start().max(chrono::Utc::now());
        clock::set(&mut store.connection().await.expect("a connection"), start)
            .await
            .expect("setting the clock");
        let address =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let simulator = Simulator::start(SimulatorConfig {
            start,
            target: Some(format!("http://{address}/hooks/plant")),
            ..SimulatorConfig::default()
        })
        .await
        .expect("the plant simulator");
        let log = std::env::temp_dir().join(format!(
            "takt-test-serve-{}-{}.log",
            std::process::id(),
            address.port()
        ));
        let client = reqwest::Client::new();
        Self {
            database,
            store,
            site: Arc::new(site),
            simulator,
            address,
            log,
            site_folder: folder.to_owned(),
            client,
            child: None,
            arguments: vec![],
            environment: vec![],
        }
    }

    /// Starts `takt serve`, armed with a crash point if one is named, and waits until it answers.
    pub async fn serve(&mut self, crash_at: Option<&str>) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log).expect("a log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_takt"));
        command
            .args(["serve", "--bind", &self.address.to_string(), "--site"])
            .arg(&self.site_folder)
            .args(["--simulator", &self.simulator.base_url])
            .env_clear()
            .env("DATABASE_URL", &self.database.url)
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(point) = crash_at {
            command.args(["--crash-at", point]);
        }
        self.child = Some(command.spawn().expect("starting takt serve"));
        if crash_at.is_none() {
            self.ready().await;
        }
    }

    pub async fn ready(&self) {
        let url = format!("http://{}/health", self.address);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if self.client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        panic!("takt serve did not become ready:\n{}", self.log());
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.as_ref().expect("a server").id()).expect("a pid")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits until the server has died by itself, at its crash point.
    pub async fn died(&mut self) {
        self.until_dead(true).await;
    }

    /// The same, while nobody of this test answers beside those it plays.
    pub async fn fell(&mut self) {
        self.until_dead(false).await;
    }

    async fn until_dead(&mut self, answers: bool) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(child) = &mut self.child
                && child.try_wait().expect("waiting").is_some()
            {
                self.child = None;
                return;
            }
            if answers {
                self.answer_open().await;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        panic!("takt serve reached no crash point:\n{}", self.log());
    }

    /// SIGSTOP: the process is still there, but does nothing.
    pub fn freeze(&self) {
        signal(self.pid(), nix::sys::signal::Signal::SIGSTOP);
    }

    /// Starts a second server on another port and gives back the first; the plant's events follow.
    pub async fn replace(&mut self) -> Frozen {
        let child = self.child.take().expect("a server");
        let frozen = Frozen { child, log: self.log.clone() };
        self.address =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        self.log = self.log.with_extension("second.log");
        let target = json!({ "url": format!("http://{}/hooks/plant", self.address) });
        let url = format!("{}/sim/target", self.simulator.base_url);
        self.client.post(url).json(&target).send().await.expect("the simulator answers");
        self.serve(None).await;
        frozen
    }

    /// Waits until a question of this step is open.
    pub async fn wait_for_gate(&self, step: &str) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let mut db = self.store.connection().await.expect("a connection");
            let open = gates::list_open(&mut db, None, None).await.expect("gates");
            if open.iter().any(|gate| gate.path == step) {
                return;
            }
            drop(db);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        panic!("nobody was asked `{step}`:\n{}", self.log());
    }

    pub async fn fire(&self, event: &Value) {
        let url = format!("{}/sim/fire", self.simulator.base_url);
        let answer = self.client.post(url).json(event).send().await.expect("the simulator answers");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    pub async fn advance(&self, by: Duration) {
        clock::advance(&mut self.store.connection().await.expect("a connection"), by)
            .await
            .expect("advancing");
        hints::send(&self.store).await.expect("a hint");
    }

    pub async fn press_4_goes_down(&self) {
        self.fire(&json!({ "event": "machine_down", "work_center": "PRESS-4", "reason_text": "hydraulic" }))
            .await;
    }

    /// Stores an event as intake would, without a webhook.
    pub async fn store_event(&self, event: &Value) {
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let new = takt::store::events::NewEvent {
            id: takt::run::EventId::new(),
            source: "plant".into(),
            source_id: text("id"),
            kind: text("type"),
            subject: Some(text("subject")),
            time: None,
            data: event["data"].clone(),
            trace: None,
            plant: None,
        };
        let mut db = self.store.connection().await.expect("a connection");
        assert!(takt::store::events::insert(&mut db, &new).await.expect("storing"), "a new event");
        hints::send(&self.store).await.expect("a hint");
    }

    /// Who holds a role now: the plant's clock is this machine's, so it may be any shift.
    pub async fn on_shift(&self, role: &str) -> takt::site::Person {
        let now =
            clock::now(&mut self.store.connection().await.expect("a connection")).await.expect("the time");
        let people = self.site.people_in_role(role, now);
        (*people.first().expect("somebody holds it at any time")).clone()
    }

    /// Gives this plant a copy of the sample site that a test may change.
    pub fn own_site(&mut self) -> PathBuf {
        let copy =
            std::env::temp_dir().join(format!("{OWN_SITE}{}-{}", std::process::id(), self.address.port()));
        copy_sample_site(&copy);
        // Tests bring events of their own, which no schema describes.
        std::fs::remove_dir_all(copy.join("events")).expect("removed");
        // A ticket that is not there is looked up again after so long.
        let tickets = copy.join("connectors/tickets.yaml");
        let text = std::fs::read_to_string(&tickets).expect("the connector");
        std::fs::write(&tickets, text.replace("timeout: 20s", "timeout: 3s")).expect("a shorter limit");
        self.site_folder.clone_from(&copy);
        copy
    }

    /// The folder of the site it serves.
    pub fn own_folder(&self) -> PathBuf {
        self.site_folder.clone()
    }

    /// Sends a request to the simulator's or Takt's JSON interface.
    pub async fn post(&self, url: &str, body: &Value) -> Value {
        let answer = self.client.post(url).json(body).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    pub async fn get(&self, url: &str) -> Value {
        self.client.get(url).send().await.expect("an answer").json().await.expect("JSON")
    }

    /// Waits until something is there.
    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        panic!("waited in vain for {what}:\n{}", self.log());
    }

    /// The newest run of a workflow, once there is one. Holds are let pass by moving the clock.
    pub async fn run_of(&mut self, workflow: &str) -> RunId {
        let filter =
            summaries::Filter { workflow: Some(workflow.to_owned()), ..summaries::Filter::default() };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let mut db = self.store.connection().await.expect("a connection");
            if let Some(run) = summaries::list(&mut db, &filter, 1).await.expect("runs").first() {
                return RunId(run.id);
            }
            if takt::store::events::next_hold(&mut db).await.expect("holds").is_some() {
                drop(db);
                self.advance(Duration::from_secs(121)).await;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        panic!("no run of {workflow} began:\n{}", self.log());
    }

    pub async fn records(&self, run: RunId) -> Vec<Record> {
        let mut db = self.store.connection().await.expect("a connection");
        journal::load(&mut db, run).await.expect("a journal")
    }

    /// Answers every open question the way its people would: yes, and option 1.
    pub async fn answer_open(&self) {
        let mut db = self.store.connection().await.expect("a connection");
        let open = gates::list_open(&mut db, None, None).await.expect("gates");
        let now = clock::now(&mut db).await.expect("the time");
        drop(db);
        for gate in open {
            let asked = Asked { site: &self.site, gate: &gate, votes: &[], delegations: &[] };
            let Some(person) = self.site.people.iter().find(|person| asked.may_answer(person, now).is_ok())
            else {
                continue;
            };
            let allows =
                |word: &str| gate.ask["allow"].as_array().is_some_and(|a| a.iter().any(|w| w == word));
            let decision = match () {
                () if allows("choose") => Decision::Choose,
                () if allows("approve") => Decision::Approve,
                () => Decision::Acknowledge,
            };
            let items = gate.ask["items"].as_array().filter(|_| decision == Decision::Acknowledge);
            let items = items.map_or(0, Vec::len);
            let answer = Answer {
                choice: (decision == Decision::Choose).then_some(1),
                items: vec![ItemAnswer { acknowledged: true, note: None }; items],
                ..Answer::of(decision, "test", &gate.proposal_hash)
            };
            // Somebody else's answer (a run that ended meanwhile closed the gate) is no failure of the test.
            let _ = decide(&self.store, &self.site, GateId(gate.id), &person.id, &answer).await;
            hints::send(&self.store).await.expect("a hint");
        }
    }

    /// Plays people and plant until the run ends; gives its outcome.
    pub async fn to_the_end(&self, run: RunId) -> String {
        let begun = Instant::now();
        let mut is_back = false;
        while begun.elapsed() < PATIENCE {
            // Not the journal: to read it again and again costs more than the run.
            let mut db = self.store.connection().await.expect("a connection");
            let summary = summaries::get(&mut db, run).await.expect("a look").expect("the run");
            drop(db);
            if let Some(outcome) = summary.outcome {
                return outcome;
            }
            let waiting_for = summary.waiting_for.unwrap_or_default();
            if waiting_for.split(", ").any(|step| step == "back_up") && !is_back {
                self.fire(&json!({ "event": "machine_up", "work_center": "PRESS-4" })).await;
                is_back = true;
            }
            self.answer_open().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the run did not end: {:#?}\n{}", self.records(run).await.last(), self.log());
    }

    /// What the simulated systems say about the writes they received.
    pub async fn writes(&self) -> Value {
        let url = format!("{}/sim/writes/summary", self.simulator.base_url);
        self.client.get(url).send().await.expect("the simulator answers").json().await.expect("JSON")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// One more `takt serve` beside the plant's own, killed at the end.
pub struct Serving {
    pub address: SocketAddr,
    child: Child,
    log: PathBuf,
}

impl Serving {
    /// On the plant's database and simulator, with these arguments; waits until it answers.
    pub async fn start(plant: &Plant, arguments: &[&str]) -> Self {
        let address =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let log = std::env::temp_dir().join(format!(
            "takt-test-serve-{}-{}.log",
            std::process::id(),
            address.port()
        ));
        let child = Command::new(env!("CARGO_BIN_EXE_takt"))
            .args(["serve", "--bind", &address.to_string(), "--site"])
            .arg(&plant.site_folder)
            .args(["--simulator", &plant.simulator.base_url])
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", &plant.database.url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("a log file"))
            .spawn()
            .expect("starting takt serve");
        let serving = Self { address, child, log };
        let url = format!("http://{address}/health");
        plant
            .until("one more server", async || {
                plant.client.get(&url).send().await.is_ok_and(|a| a.status().is_success()).then_some(())
            })
            .await;
        serving
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = std::fs::remove_file(&self.log);
        }
    }
}

/// A server that another has taken the place of.
pub struct Frozen {
    child: Child,
    log: PathBuf,
}

impl Frozen {
    /// SIGCONT.
    pub fn thaw(&self) {
        signal(i32::try_from(self.child.id()).expect("a pid"), nix::sys::signal::Signal::SIGCONT);
    }

    /// SIGTERM, and how it ended.
    pub async fn stop(mut self) -> std::process::ExitStatus {
        signal(i32::try_from(self.child.id()).expect("a pid"), nix::sys::signal::Signal::SIGTERM);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("waiting") {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it did not stop: {}", std::fs::read_to_string(&self.log).unwrap_or_default());
    }

    /// Waits for its second `worker registered`.
    pub async fn until_it_registers_again(&self) {
        let log = || std::fs::read_to_string(&self.log).unwrap_or_default();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if log().matches("\"message\":\"worker registered\"").count() == 2 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        panic!("the thawed worker never registered again: {}", log());
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("sending a signal");
}

impl Drop for Plant {
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            let _ = std::fs::remove_file(&self.log);
            let is_own =
                self.site_folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(OWN_SITE));
            if is_own {
                let _ = std::fs::remove_dir_all(&self.site_folder);
            }
        }
    }
}
