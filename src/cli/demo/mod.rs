//! `takt demo`: the whole story on one computer. Starts the database, the plant simulator and a real
//! `takt serve` process, makes something happen in the plant, and tells what follows as it happens.

mod answers;
mod child;
mod lock;
mod narrator;
mod plant;
mod summary;

use super::{
    database::{Database, DatabaseArgs},
    run::held::Place,
    serve::stop_on_signals,
};
use crate::{
    app::{AppError, Plant},
    http::{self, BindError},
    postgres::{ClusterError, create_folder},
    simulator::{self, Simulator, StartError, model::ModelHandle},
    site::{EndpointOptions, Environment, ModelEndpoint, Overrides, Site},
    store::{Store, StoreError},
};
use answers::Answers;
use child::Server;
use lock::Lock;
use narrator::Narrator;
use plant::Scene;
use secrecy::SecretString;
use std::{io::Write as _, net::SocketAddr, path::PathBuf, pin::pin, process::ExitCode, time::Duration};
use tokio_util::sync::CancellationToken;

/// The demo's own database in the private cluster.
pub(super) const DATABASE: &str = "takt_demo";
/// Of a scripted demo that did not come to its end.
const INTERRUPTED: u8 = 130;
/// What takes longer is told.
const TELL_AFTER: Duration = Duration::from_secs(1);
/// The end of a terminal may be told twice; a person's second Ctrl-C comes later.
const SECOND_SIGNAL_AFTER: Duration = Duration::from_secs(1);

/// Watch one machine alarm become an approved, audited write-back
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// What happens in the plant
    #[arg(long, value_enum, default_value_t = Scenario::DowntimeEscalation)]
    workflow: Scenario,

    /// Answer every question with this option instead of waiting for people
    #[arg(long, value_name = "OPTION", value_parser = option_number)]
    answer: Option<usize>,

    /// Kill the worker with SIGKILL in the middle of the run and start a new one
    #[arg(long)]
    kill: bool,

    /// Where agent steps get their answers without OPENAI_API_KEY: the workflow's rules, or hand-written transcripts
    #[arg(long, value_enum, default_value_t = ModelChoice::Configured)]
    model: ModelChoice,

    /// Also play Slack: shows the messages that supervisors would get
    #[arg(long)]
    slack: bool,

    /// Site folder
    #[arg(long, env = "TAKT_SITE", default_value = ".", value_name = "DIR")]
    site: PathBuf,

    /// Address of the console
    #[arg(long, env = "TAKT_BIND", default_value = "127.0.0.1:8420", value_name = "ADDRESS", value_parser = super::bind::address)]
    bind: SocketAddr,

    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Scenario {
    DowntimeEscalation,
    SupplierDelay,
    ShiftHandover,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ModelChoice {
    /// What takt.yaml says; without a key the declared fallback
    Configured,
    /// Hand-written transcripts over the real wire format, labelled `authored` wherever they show
    Authored,
}

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Simulator(#[from] StartError),
    #[error("{0}")]
    ModelSimulator(String),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(
        "a demo runs in {data} already{place}: use that one, or give this one a folder of its own with --data and \
         another port with --bind",
        data = .data.display()
    )]
    RunsAlready { data: PathBuf, place: String },
    #[error("{path} cannot be used ({source}): choose another folder with --data or TAKT_DATA", path = .path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("the plant simulator did not answer: {0}")]
    Plant(#[from] reqwest::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("takt serve ended by itself ({status}); its log is {log}")]
    ServerEnded { status: String, log: String },
    #[error("takt serve did not become ready within {seconds} s; its log is {log}")]
    NotReady { seconds: u64, log: String },
    #[error("this database belongs to a real site, and the demo would move its clock: unset DATABASE_URL")]
    NotADemo,
    #[error("the run ended as {0}, which is not how this story goes; look at it as said above")]
    EndedBadly(String),
    #[error("the run ended as done, but no write reached the plant; look at the run as said above")]
    NothingWritten,
    #[error("the run ended as done, and {0} schedule writes took effect in Plex where exactly one was due")]
    Schedules(usize),
    #[error("some write took effect more than once; see {0}/sim/writes")]
    Repeated(String),
    #[error("nothing more happened for {seconds} s: {why}")]
    Stuck { seconds: u64, why: String },
    #[error(
        "there is no option {wanted}: {offered} were offered; the question stays open, and the next demo goes on with it"
    )]
    NoSuchOption { wanted: usize, offered: usize },
    #[error(transparent)]
    Decide(#[from] crate::gate::DecideError),
    #[error("the run's journal cannot be read: {0}")]
    Journal(String),
}

fn option_number(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("options are counted from 1")
}

/// The endpoint that plays authored transcripts.
pub(super) fn authored_model(base_url: &str) -> ModelEndpoint {
    ModelEndpoint {
        name: "authored".into(),
        base_url: base_url.to_owned(),
        model: crate::simulator::model::MODEL.into(),
        api_key: SecretString::from("authored"),
        authored: true,
        usd_per_million_input: 0.0,
        usd_per_million_output: 0.0,
        options: EndpointOptions::default(),
    }
}

pub(super) async fn run(args: DemoArgs) -> Result<ExitCode, DemoError> {
    let stop = stop_on_signals()?;
    let (stage, plant, scene) = tokio::select! {
        set = Stage::set(&args) => set?,
        () = stop.cancelled() => return Ok(interrupted(&args)),
    };
    tell(&args, stage, plant, scene, &stop).await
}

/// What the story is played on.
struct Stage {
    place: Place,
    bind: SocketAddr,
    simulator: simulator::Handle,
    models: Option<ModelHandle>,
    store: Store,
    database: Database,
    _lock: Lock,
}

impl Stage {
    async fn set(args: &DemoArgs) -> Result<(Self, Plant, Scene), DemoError> {
        let plant = Plant::load(&args.site, &Environment::of_process(), &Overrides::default())?;
        println!(
            "Takt demo: {}. Everything outside Takt is played by Takt's plant simulator.",
            plant.site.name
        );
        for problem in plant.library.problems() {
            println!("  problem    {}:{}: {}", problem.path, problem.place.line, problem.message);
        }
        let database = args.database.open_named(DATABASE).await?;
        println!("  database   {}", database.describe());
        let data = args.database.cluster.data();
        create_folder(&data)?;
        let mut lock = Lock::take(&data)?;
        let store = told("preparing the database", Store::open(&database.url)).await?;
        let bind = http::bind(args.bind).await?.local_addr()?;
        lock.publish(bind)?;
        let place = Place::new(true, &args.database.cluster);
        let scene = Scene::set(&store, &plant, args.workflow, &place).await?;
        let simulator = Simulator::start(scene.simulator(bind, &data)).await?;
        println!("  simulator  {} (its writes: /sim/writes)", simulator.base_url);
        let models = match args.model {
            ModelChoice::Authored => Some(plant::authored_model_server(&args.site).await?),
            ModelChoice::Configured => None,
        };
        Ok((Self { place, bind, simulator, models, store, database, _lock: lock }, plant, scene))
    }

    /// The database goes last: whoever still works needs it.
    async fn close(self) {
        self.simulator.stop().await;
        self.store.close().await;
    }
}

/// The server is stopped as it should be, however the story ends.
async fn tell(
    args: &DemoArgs,
    stage: Stage,
    plant: Plant,
    scene: Scene,
    stop: &CancellationToken,
) -> Result<ExitCode, DemoError> {
    let mut server = start_server(args, &plant.site, &stage).await?;
    let answers = Answers::new(args.answer, stage.store.clone(), plant.site.clone());
    let (simulator, place) = (stage.simulator.base_url.clone(), stage.place.clone());
    let mut narrator =
        Narrator::new(stage.store.clone(), plant, scene, simulator, stage.bind, answers, place);
    let told = tokio::select! {
        told = story(args, &stage, &mut narrator, &mut server) => told.map(|()| ExitCode::SUCCESS),
        () = stop.cancelled() => Ok(interrupted(args)),
    };
    let stopped = server.stop(second_signal(stop)).await;
    stage.close().await;
    told.and_then(|code| stopped.map(|()| code))
}

async fn story(
    args: &DemoArgs,
    stage: &Stage,
    narrator: &mut Narrator,
    server: &mut Server,
) -> Result<(), DemoError> {
    server.ready().await?;
    println!("  console    http://{}  (sign in as sam, mia, lee, ana, …; password takt-demo)", stage.bind);
    match &stage.models {
        Some(_) => println!("  model      authored: hand-written transcripts, no model is asked"),
        None => notices(args, &narrator.plant.site).for_each(|notice| println!("  note       {notice}")),
    }
    println!();
    if args.kill {
        narrator.kill_at_random();
    }
    let ended = narrator.tell(server).await?;
    summary::print(narrator, &ended, &stage.simulator.base_url, stage.bind).await?;
    if args.answer.is_none() {
        println!("\nThe console stays open. Press Ctrl-C to stop.");
        server.wait().await?;
    }
    Ok(())
}

/// A script must not take a story that was cut off for one that ended well.
fn interrupted(args: &DemoArgs) -> ExitCode {
    // The terminal may be what went away.
    let _ = writeln!(std::io::stdout(), "\nStopping.");
    if args.answer.is_some() { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS }
}

async fn second_signal(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(SECOND_SIGNAL_AFTER).await;
    match stop_on_signals() {
        Ok(again) => again.cancelled().await,
        Err(_) => std::future::pending().await,
    }
}

async fn told<T>(what: &str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    match tokio::time::timeout(TELL_AFTER, &mut work).await {
        Ok(done) => done,
        Err(_) => {
            println!("  …          {what}");
            work.await
        }
    }
}

async fn start_server(args: &DemoArgs, site: &Site, stage: &Stage) -> Result<Server, DemoError> {
    let (mut extra, mut environment) = (Vec::new(), Vec::new());
    if let Some(models) = &stage.models {
        extra.extend(["--authored-model".to_owned(), models.base_url.clone()]);
    }
    if args.slack {
        let person = |person: &crate::site::Person| Some((person.slack_id.clone()?, person.email.clone()?));
        let people = site.people.iter().filter_map(person).collect();
        let origin = plant::slack_server(stage.bind, people).await?;
        println!("  slack      {origin}/messages");
        extra.extend(["--slack-url".to_owned(), format!("{origin}/api")]);
        environment.push(("SLACK_BOT_TOKEN", plant::SLACK_BOT_TOKEN.to_owned()));
        environment.push(("SLACK_SIGNING_SECRET", plant::SLACK_SIGNING_SECRET.to_owned()));
    }
    Server::start(child::Settings {
        site: args.site.clone(),
        bind: stage.bind,
        database_url: stage.database.url.clone(),
        simulator: stage.simulator.base_url.clone(),
        extra,
        environment,
        log: args.database.cluster.data().join("demo-serve.log"),
    })
}

/// What is switched off; the demo itself switches Slack on.
fn notices<'a>(args: &DemoArgs, site: &'a Site) -> impl Iterator<Item = &'a String> {
    let slack_is_played = args.slack;
    site.notices.iter().filter(move |notice| !(slack_is_played && notice.starts_with("Slack ")))
}
