//! The composition root: the only file that knows every room, and puts a running Takt together.

mod ladders;

use crate::{
    agent::{Model, Spans},
    audit::{Keeper, KeyError, SigningKey},
    connector::{
        self, declared,
        mail::{MailError, MailNotifier},
        native,
        openai::OpenAi,
        slack::SlackNotifier,
        teams::{TeamsNotifier, webhook::WebhookNotifier},
    },
    engine::{
        Caps, Clock, Definitions, Executors, Hints, Ladders, Past, SharedEndpoints, Starter, Starts,
        StoredPast, Worker, WorkerOptions,
        upkeep::{Policy, Upkeep},
    },
    http,
    notify::{Delivery, Notifier},
    run::{Quota, Share},
    site::{Environment, ModelEndpoint, Overrides, Rate, Site, SiteError},
    step::{
        AgentExecutor, AgentSettings, CallExecutor, GateExecutor, MaskKeys, RunExecutor, WaitExecutor,
        model_endpoint, notify_role,
    },
    store::{OpenOptions, Store, StoreError, clock, partitions},
    tool::{Registry, RegistryError},
    trigger::{self, Router, Scheduler},
    workflow::{CurrentEvents, Definition, Library, problem::Problem},
};
use chrono::TimeDelta;
pub use ladders::SiteLadders;
use secrecy::SecretString;
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// How often edited workflow files are looked for.
const RELOAD_EVERY: Duration = Duration::from_secs(2);

/// Runs that may stand in line for this process's worker; further ones are made ready for any.
const STARTS_WAITING: usize = 256;

/// What the command line decides.
#[derive(Debug, Clone)]
pub struct AppOptions {
    pub site: PathBuf,
    pub overrides: Overrides,
    pub database: OpenOptions,
    pub roles: Roles,
    pub bind: SocketAddr,
    /// How people reach the console; `None` means the address it listens on.
    pub base_url: Option<String>,
    /// Lets the demo act for a person it names.
    pub api_token: Option<SecretString>,
    /// Workers that may die over a run before it is quarantined.
    pub takeovers_max: i16,
    /// How much the traces tell of what is said to models.
    pub spans: Spans,
}

/// What a process does; several share one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Takes webhooks, routes events, and fires holds and schedules.
    pub intake: bool,
    /// Runs steps, and delivers the messages they leave.
    pub worker: bool,
    /// Serves people and programs: console, API, clicks in chats.
    pub console: bool,
}

impl Roles {
    pub const ALL: Self = Self { intake: true, worker: true, console: true };

    /// Only what was named; nothing named means everything.
    pub fn named(intake: bool, worker: bool, console: bool) -> Self {
        if intake || worker || console { Self { intake, worker, console } } else { Self::ALL }
    }

    pub fn words(self) -> String {
        let named = [("intake", self.intake), ("worker", self.worker), ("console", self.console)];
        let named: Vec<&str> = named.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
        named.join(", ")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error("{0}")]
    Connectors(#[from] declared::LoadError),
    #[error(transparent)]
    Tools(#[from] RegistryError),
    #[error(transparent)]
    ToolName(#[from] crate::tool::ToolNameError),
    #[error("the workflows in {folder} cannot be read: {source}")]
    Workflows { folder: PathBuf, source: io::Error },
    #[error("the database cannot be used: {0}")]
    Store(#[from] StoreError),
    #[error("takt.yaml, `audit: signing_key`: {0}")]
    AuditKey(#[from] KeyError),
    #[error(
        "Takt is to listen on {bind}, where others reach it, and credentials that everybody can read open this site:\n- {}\nMend that, or listen on 127.0.0.1",
        .found.join("\n- ")
    )]
    Published { bind: SocketAddr, found: Vec<String> },
    #[error(transparent)]
    Bind(#[from] http::BindError),
    #[error("an HTTP client could not be made: {0}")]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error("the web server stopped: {0}")]
    Serve(io::Error),
}

/// A site with its tools and workflows: what `takt check` needs, and what everything else builds on.
pub struct Plant {
    pub site: Arc<Site>,
    pub tools: Registry,
    pub library: Library,
}

impl Plant {
    pub fn load(
        folder: &std::path::Path,
        environment: &Environment,
        overrides: &Overrides,
    ) -> Result<Self, AppError> {
        let site = Arc::new(Site::load(folder, environment, overrides)?);
        let tools = tools_of(&site)?;
        let library = Library::load(&tools, &site)
            .map_err(|source| AppError::Workflows { folder: folder.to_owned(), source })?;
        Ok(Self { site, tools, library })
    }
}

/// Every tool of a site: declared systems, algorithms built in, and messages to people.
pub fn tools_of(site: &Site) -> Result<Registry, AppError> {
    let mut tools = Registry::default();
    for tool in connector::load(&site.folder.join("connectors"), site)? {
        tools.add(tool)?;
    }
    for tool in native::tools(site)? {
        tools.add(tool)?;
    }
    tools.add(notify_role()?)?;
    Ok(tools)
}

/// Only those that are algorithms, which a test may let work.
pub fn built_in(site: &Site) -> Result<Registry, AppError> {
    let mut tools = Registry::default();
    for tool in native::tools(site)? {
        tools.add(tool)?;
    }
    Ok(tools)
}

/// A Takt ready to serve.
pub struct App {
    site: Arc<Site>,
    tools: Registry,
    library: Arc<RwLock<Library>>,
    events: CurrentEvents,
    definitions: Arc<Definitions>,
    store: Store,
    clock: Arc<Clock>,
    hints: Hints,
    models: Vec<Arc<dyn Model>>,
    notifiers: BTreeMap<&'static str, Arc<dyn Notifier>>,
    listener: TcpListener,
    base_url: String,
    api_token: Option<SecretString>,
    audit_key: Option<Arc<SigningKey>>,
    takeovers_max: i16,
    spans: Spans,
    roles: Roles,
}

impl App {
    /// Loads the site, opens the database and takes the port; nothing runs yet.
    pub async fn build(options: AppOptions) -> Result<Self, AppError> {
        let plant = Plant::load(&options.site, &Environment::of_process(), &options.overrides)?;
        if (options.roles.console || options.roles.intake) && !options.bind.ip().is_loopback() {
            let found = plant.site.published_credentials();
            if !found.is_empty() {
                return Err(AppError::Published { bind: options.bind, found });
            }
        }
        let audit_key = plant.site.audit.signing_key.as_ref().map(SigningKey::from_pem).transpose()?;
        let listener = http::bind(options.bind).await?;
        let address = listener.local_addr().map_err(AppError::Serve)?;
        let store = Store::open_with(&options.database).await?;
        let mut db = store.connection().await?;
        if let Err(error) = partitions::make_ahead(&mut db).await {
            tracing::warn!(%error, "the journal's next days could not be made yet; storage care tries again");
        }
        let now = clock::now(&mut db).await?;
        let definitions = Arc::new(Definitions::default());
        definitions.publish(&mut db, current(&plant.library)).await?;
        drop(db);
        let mut models: Vec<Arc<dyn Model>> = Vec::new();
        for endpoint in &plant.site.models {
            models.push(Arc::new(OpenAi::new(endpoint)?));
        }
        Ok(Self {
            notifiers: notifiers(&plant.site)?,
            site: plant.site,
            tools: plant.tools,
            events: CurrentEvents::new(plant.library.events().clone()),
            library: Arc::new(RwLock::new(plant.library)),
            definitions,
            store,
            clock: Arc::new(Clock::running(now)),
            hints: Hints::default(),
            models,
            listener,
            base_url: options.base_url.unwrap_or_else(|| format!("http://{address}")),
            api_token: options.api_token,
            audit_key: audit_key.map(Arc::new),
            takeovers_max: options.takeovers_max,
            spans: options.spans,
            roles: options.roles,
        })
    }

    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Runs every part until `stop`; then the worker hands its runs over.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), AppError> {
        let mut parts = JoinSet::new();
        // Without a worker here a new run is made ready for any.
        let (starter, starts) = Starter::new(STARTS_WAITING);
        if self.roles.worker {
            parts.spawn(self.worker(starts).run(stop.clone()));
            let delivery = Delivery {
                store: self.store.clone(),
                notifiers: self.notifiers.clone(),
                site: self.site.clone(),
                definitions: self.definitions.clone(),
                base_url: self.base_url.clone(),
            };
            parts.spawn(delivery.run(self.hints.subscribe(), stop.clone()));
        }
        if self.roles.intake {
            let router = Router {
                store: self.store.clone(),
                definitions: self.definitions.clone(),
                site: self.site.scope(),
                events: self.events.clone(),
                hints: self.hints.clone(),
                channels: self.notifiers.keys().map(|channel| (*channel).to_owned()).collect(),
            };
            parts.spawn(router.run(stop.clone()));
            let scheduler = Scheduler::new(
                self.store.clone(),
                self.definitions.clone(),
                self.site.clone(),
                self.hints.clone(),
            );
            parts.spawn(scheduler.run(stop.clone()));
        }
        parts.spawn(tell_changed_tools(self.tools.clone(), stop.clone()));
        let upkeep = Upkeep { store: self.store.clone(), policy: policy_of(&self.site) };
        parts.spawn(upkeep.run(stop.clone()));
        parts.spawn(self.keeper().run(stop.clone()));
        let exchange = tokio::spawn(self.hints.clone().exchange(self.store.clone()));
        parts.spawn(self.watch_files(stop.clone()));
        let library = self.library.clone();
        let state = http::AppState {
            store: self.store.clone(),
            site: self.site.clone(),
            tools: self.tools.clone(),
            problems: Arc::new(move || {
                library.read().unwrap_or_else(PoisonError::into_inner).problems().cloned().collect()
            }),
            hints: self.hints.clone(),
            definitions: self.definitions.clone(),
            starter,
            base_url: self.base_url.clone(),
            api_token: self.api_token.clone(),
            stop: stop.clone(),
            hooks: self.roles.intake,
            console: self.roles.console,
        };
        let door = http::Door::new(state);
        if self.roles.console {
            parts.spawn(http::listen_to_slack(door.clone()));
        }
        parts.spawn(http::keep_refusals(door.clone()));
        let proxies = self.site.access.sign_in.proxies.clone();
        let (router, bounds) = (http::router(door), http::Bounds::of_process());
        let served = http::serve(self.listener, router, proxies, bounds, stop.clone()).await;
        stop.cancel();
        while parts.join_next().await.is_some() {}
        exchange.abort();
        self.store.close().await;
        served.map_err(AppError::Serve)
    }

    fn keeper(&self) -> Keeper {
        Keeper {
            store: self.store.clone(),
            site: self.site.name.clone(),
            zone: self.site.time_zone,
            key: self.audit_key.clone(),
            folder: self.site.audit.checkpoints.clone(),
            details: self.site.audit.details,
            retention: self.site.audit.kept_at_least().into(),
        }
    }

    fn worker(&self, starts: Starts) -> Worker {
        let ladders: Arc<dyn Ladders> = Arc::new(SiteLadders(self.site.clone()));
        let settings = AgentSettings {
            models: self.models.clone(),
            known: self.site.known_words(),
            endpoints: Arc::new(SharedEndpoints::new(self.store.clone()).with_quotas(quotas_of(&self.site))),
            onlookers: Arc::new(self.hints.onlookers.clone()),
            spans: self.spans,
            events: self.events.clone(),
            mask_keys: MaskKeys::Random,
        };
        let past = Arc::new(StoredPast(self.store.clone()));
        Worker {
            store: self.store.clone(),
            definitions: self.definitions.clone(),
            executors: executors(&self.tools, &self.definitions, &ladders, settings, past),
            ladders,
            site: self.site.scope(),
            clock: self.clock.clone(),
            hints: self.hints.clone(),
            caps: caps_of(&self.site),
            starts,
            options: WorkerOptions {
                channels: self.notifiers.keys().map(|channel| (*channel).to_owned()).collect(),
                takeovers_max: self.takeovers_max,
                ..WorkerOptions::default()
            },
        }
    }

    /// Publishes edited workflow files; a broken one leaves its last good version in force.
    fn watch_files(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let (library, definitions, store) =
            (self.library.clone(), self.definitions.clone(), self.store.clone());
        let (tools, site, events) = (self.tools.clone(), self.site.clone(), self.events.clone());
        async move {
            let mut told = Vec::new();
            loop {
                tell_problems(&library, &mut told);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(RELOAD_EVERY) => {}
                }
                let (library, tools, site) = (library.clone(), tools.clone(), site.clone());
                let events = events.clone();
                let reloaded = tokio::task::spawn_blocking(move || {
                    let mut library = library.write().unwrap_or_else(PoisonError::into_inner);
                    library.reload(&tools, &site)?;
                    events.publish(library.events().clone());
                    Ok::<_, io::Error>(current(&library))
                });
                let reloaded = match reloaded.await {
                    Ok(Ok(reloaded)) => reloaded,
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "the workflow files cannot be read");
                        continue;
                    }
                    Err(_) => continue,
                };
                if is_published(&definitions, &reloaded) {
                    continue;
                }
                let published =
                    async { definitions.publish(&mut *store.connection().await?, reloaded).await };
                match published.await {
                    Ok(()) => tracing::info!("published edited workflows"),
                    Err(error) => tracing::warn!(%error, "edited workflows could not be published"),
                }
            }
        }
    }
}

/// Asks other sides once whether their tools are what was accepted; each call asks again.
async fn tell_changed_tools(tools: Registry, stop: CancellationToken) {
    let checks = tools.tools().map(async |tool| {
        if let Err(error) = tool.check().await {
            tracing::warn!(tool = %tool.spec().name, "{error}");
        }
    });
    tokio::select! {
        () = stop.cancelled() => {}
        _ = futures::future::join_all(checks) => {}
    }
}

/// Says where and why workflow files are wrong, once for each finding.
fn tell_problems(library: &RwLock<Library>, told: &mut Vec<Problem>) {
    let library = library.read().unwrap_or_else(PoisonError::into_inner);
    let problems: Vec<Problem> = library.problems().cloned().collect();
    for problem in problems.iter().filter(|problem| !told.contains(problem)) {
        let place = format!("{}:{}:{}", problem.path, problem.place.line, problem.place.column);
        tracing::warn!(code = problem.code, place, "{}", problem.message);
    }
    *told = problems;
}

fn current(library: &Library) -> Vec<Arc<Definition>> {
    library.definitions().cloned().collect()
}

fn is_published(definitions: &Definitions, wanted: &[Arc<Definition>]) -> bool {
    let published = definitions.all_current();
    let sha = |list: &[Arc<Definition>]| {
        list.iter().map(|definition| definition.sha256.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    sha(&published) == sha(wanted)
}

/// The step kinds of a running Takt and of an eval: the same code for both.
pub fn executors(
    tools: &Registry,
    definitions: &Arc<Definitions>,
    ladders: &Arc<dyn Ladders>,
    settings: AgentSettings,
    past: Arc<dyn Past>,
) -> Executors {
    let mut executors = Executors::new();
    executors.insert("call", Arc::new(CallExecutor { tools: tools.clone() }));
    executors.insert("agent", Arc::new(AgentExecutor { tools: tools.clone(), settings }));
    executors.insert(
        "gate",
        Arc::new(GateExecutor { ladders: ladders.clone(), tools: tools.clone(), past: past.clone() }),
    );
    executors.insert("wait", Arc::new(WaitExecutor { past }));
    executors.insert("run", Arc::new(RunExecutor { definitions: definitions.clone() }));
    executors
}

/// The site's limits as the engine applies them to one run.
pub fn caps_of(site: &Site) -> Caps {
    trigger::caps_of(&site.limits)
}

/// What the site's models may be asked by all workers together.
fn quotas_of(site: &Site) -> Vec<(String, Quota)> {
    let share = |rate: Rate| Share {
        count: rate.calls.get(),
        period: TimeDelta::from_std(rate.period).unwrap_or(TimeDelta::MAX),
    };
    let quota = |model: &ModelEndpoint| Quota {
        requests: model.options.requests.map(share),
        tokens: model.options.tokens.map(share),
    };
    site.models.iter().map(|model| (model_endpoint(&model.name), quota(model))).collect()
}

/// How long the site keeps things.
pub fn policy_of(site: &Site) -> Policy {
    let kept = site.retention;
    Policy { journal: kept.journal, events: kept.events, messages: kept.messages, runs: kept.runs }
}

fn notifiers(site: &Site) -> Result<BTreeMap<&'static str, Arc<dyn Notifier>>, AppError> {
    let mut all: Vec<Arc<dyn Notifier>> = Vec::new();
    if let Some(settings) = &site.slack {
        all.push(Arc::new(SlackNotifier::new(settings, site.time_zone)?));
    }
    if let Some(settings) = &site.teams {
        all.push(Arc::new(TeamsNotifier::new(settings, site.time_zone)?));
    }
    if let Some(settings) = &site.teams_webhook {
        all.push(Arc::new(WebhookNotifier::new(settings, site.time_zone)?));
    }
    if let Some(settings) = &site.mail {
        all.push(Arc::new(MailNotifier::new(settings, &site.name, site.time_zone)?));
    }
    Ok(all.into_iter().map(|notifier| (notifier.channel(), notifier)).collect())
}
