use super::{
    auth::{Hashing, SignInLimit},
    refusals::Refusals,
};
use crate::{
    connector::{oidc, slack::client::SlackClient, teams::Inbound},
    engine::{Definitions, Hints, Starter},
    site::Site,
    store::Store,
    tool::Registry,
    workflow::problem::Problem,
};
use secrecy::SecretString;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the composition root gives the web door. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub store: Store,
    pub site: Arc<Site>,
    /// What workflows can call; only their declarations are read here.
    pub tools: Registry,
    /// What is wrong with the workflow files as they stand now.
    pub problems: Arc<dyn Fn() -> Vec<Problem> + Send + Sync>,
    /// Told when an event has been stored or an answer given; only a hint, the loops also look by themselves.
    pub hints: Hints,
    /// The workflows that new runs start on, and those that live runs are pinned to.
    pub definitions: Arc<Definitions>,
    /// Starts runs in the hands of this process's worker, where it has room.
    pub starter: Starter,
    /// How people reach the console, without a slash at the end.
    pub base_url: String,
    /// Lets the demo and the command line act for a person they name; absent, the API wants a session.
    pub api_token: Option<SecretString>,
    /// Ends the streams of open pages, which a graceful stop would wait for.
    pub stop: CancellationToken,
    /// Takes webhooks of declared sources.
    pub hooks: bool,
    /// Serves pages, API and clicks; health and metrics answer always.
    pub console: bool,
}

/// The state of the routes: what was given, and what the door keeps for itself.
pub struct Door {
    pub(super) app: AppState,
    pub(super) sign_in_limit: SignInLimit,
    /// Passwords are hashed a few at a time.
    pub(super) hashing: Hashing,
    pub(super) refusals: Refusals,
    /// Opens dialogs and tells people in Slack; absent when the site has no Slack.
    pub(super) slack: Option<Arc<SlackClient>>,
    /// Checks and answers what Teams posts; absent when the site has no bot there.
    pub(super) teams: Option<Inbound>,
    /// The plant's identity provider, where takt.yaml declares one.
    pub(super) sso: Option<oidc::Provider>,
    /// Absent when the site has no MCP server.
    pub(super) mcp: Option<super::mcp::Desk>,
    /// When the gauges were read last, so that scrapes do not become load.
    pub(super) measured: tokio::sync::Mutex<Option<std::time::Instant>>,
}

pub(super) type Shared = Arc<Door>;

impl Door {
    pub fn new(app: AppState) -> Arc<Self> {
        let sign_in_limit = SignInLimit::new();
        let slack = app.site.slack.as_ref().and_then(|slack| {
            let made = SlackClient::new(slack);
            made.inspect_err(|error| tracing::error!(%error, "Slack cannot be reached")).ok().map(Arc::new)
        });
        let teams = app.site.teams.as_ref().and_then(|teams| {
            let made = Inbound::new(teams);
            made.inspect_err(|error| tracing::error!(%error, "Teams cannot be reached")).ok()
        });
        let sso = app.site.access.sign_in.oidc.as_ref().and_then(|settings| {
            let made = oidc::Provider::new(settings);
            made.inspect_err(|error| tracing::error!(%error, "single sign-on cannot be used")).ok()
        });
        let mcp = super::mcp::Desk::new(&app.site);
        Arc::new(Self {
            app,
            sign_in_limit,
            hashing: Hashing::default(),
            refusals: Refusals::default(),
            slack,
            teams,
            sso,
            mcp,
            measured: tokio::sync::Mutex::new(None),
        })
    }

    /// Browsers send such cookies back over TLS only.
    pub(super) fn is_https(&self) -> bool {
        self.app.base_url.starts_with("https://")
    }
}
