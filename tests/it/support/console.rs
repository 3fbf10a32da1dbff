//! The web door over a database of a test's own, served on a real port, and a browser-like client for it.

use super::pg;
use crate::sample_site;
use chrono::{DateTime, TimeZone, Utc};
use reqwest::{StatusCode, header, redirect::Policy};
use secrecy::SecretString;
use std::sync::{Arc, Mutex};
use takt::{
    engine::{Definitions, Hints, Starter},
    http::{self, AppState},
    site::Site,
    store::{Store, clock},
    workflow::{Bundle, Definition, problem::Problem},
};
use tokio_util::sync::CancellationToken;

pub const API_TOKEN: &str = "test-api-token";
pub const PASSWORD: &str = "takt-demo";

pub struct Console {
    pub url: String,
    pub store: Store,
    pub site: Arc<Site>,
    pub definitions: Arc<Definitions>,
    /// What the server is told about broken files.
    pub problems: Arc<Mutex<Vec<Problem>>>,
    pub hints: Hints,
    pub stop: CancellationToken,
    _database: pg::Database,
}

impl Console {
    /// The sample site, at ten past six on a Monday of the future.
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub async fn with(change: impl FnOnce(&mut Site)) -> Self {
        let database = pg::database().await;
        let store = Store::from_pool(database.pool.clone());
        let mut site = sample_site::site(None);
        let published = workflows(&site);
        change(&mut site);
        let site = Arc::new(site);
        let definitions = Arc::new(Definitions::default());
        let mut db = store.connection().await.expect("a connection");
        clock::set(&mut db, start()).await.expect("setting the clock");
        definitions.publish(&mut db, published).await.expect("publishing");
        drop(db);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, problems) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
        let told = Arc::clone(&problems);
        let state = AppState {
            store: store.clone(),
            site: site.clone(),
            tools: takt::app::tools_of(&site).expect("the tools"),
            problems: Arc::new(move || told.lock().expect("problems").clone()),
            hints: Hints::default(),
            definitions: definitions.clone(),
            // No worker here: what is started is ready for any.
            starter: Starter::new(1).0,
            base_url: url.clone(),
            api_token: Some(SecretString::from(API_TOKEN.to_owned())),
            stop: stop.clone(),
            hooks: true,
            console: true,
        };
        let hints = state.hints.clone();
        let door = http::Door::new(state);
        tokio::spawn(http::listen_to_slack(door.clone()));
        let stopped = stop.clone();
        let service = http::router(door).into_make_service_with_connect_info::<std::net::SocketAddr>();
        let server =
            axum::serve(listener, service).with_graceful_shutdown(async move { stopped.cancelled().await });
        tokio::spawn(server.into_future());
        Self { url, store, site, definitions, problems, hints, stop, _database: database }
    }

    pub fn visitor(&self) -> Visitor {
        Visitor::new(&self.url)
    }

    pub async fn signed_in(&self, name: &str) -> Visitor {
        let mut visitor = self.visitor();
        visitor.sign_in(name, PASSWORD).await;
        assert!(
            visitor.cookies.iter().any(|(cookie, _)| cookie == "takt_session"),
            "{name} is not signed in"
        );
        visitor
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The sample workflows, compiled only: pages do not care whether every tool is there.
fn workflows(site: &Site) -> Vec<Arc<Definition>> {
    let ids = ["customer_order_risk", "downtime_escalation", "shift_handover", "supplier_delay"];
    let compile = |id: &str| {
        let path = format!("workflows/{id}.yaml");
        let bundle = Bundle::collect(&site.folder, &path).expect("its files");
        Arc::new(Definition::compile(bundle).unwrap_or_else(|problems| panic!("{path}: {problems:?}")))
    };
    ids.into_iter().map(compile).collect()
}

/// 06:10 in Chicago, a Monday in shift A; far enough ahead that the clock can be set to it for years.
pub fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2036, 11, 24, 12, 10, 0).single().expect("a time")
}

/// An answer as a browser sees it, before it follows a redirect.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub location: Option<String>,
    pub headers: header::HeaderMap,
    pub text: String,
}

impl Page {
    pub async fn of(response: reqwest::Response) -> Self {
        let headers = response.headers().clone();
        let location = headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
        let status = response.status();
        // What is told of live has no end.
        let is_stream = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let text = if is_stream { String::new() } else { response.text().await.expect("a body") };
        Self { status, location, headers, text }
    }

    /// The value of the first form field of this name.
    pub fn field(&self, name: &str) -> String {
        let start = format!(r#"name="{name}" value=""#);
        let rest =
            self.text.split_once(&start).unwrap_or_else(|| panic!("no field `{name}`:\n{}", self.text)).1;
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

/// A browser without scripts: keeps cookies, follows nothing.
pub struct Visitor {
    client: reqwest::Client,
    url: String,
    pub cookies: Vec<(String, String)>,
}

impl Visitor {
    /// For a door at this address, ours or another program's.
    pub fn new(url: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
        Self { client, url: url.to_owned(), cookies: Vec::new() }
    }

    fn cookie(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    pub async fn get(&mut self, path: &str) -> Page {
        let request = self.client.get(format!("{}{path}", self.url)).header(header::COOKIE, self.cookie());
        self.take(request).await
    }

    /// The answer as it comes.
    pub async fn stream(&self, path: &str) -> reqwest::Response {
        let request = self.client.get(format!("{}{path}", self.url)).header(header::COOKIE, self.cookie());
        request.send().await.expect("an answer")
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.client.post(format!("{}{path}", self.url)).header(header::COOKIE, self.cookie());
        self.take(request.form(fields)).await
    }

    /// As a script of a page does it, with the page's token.
    pub async fn post_json(&mut self, path: &str, csrf: &str, body: &serde_json::Value) -> Page {
        let request = self.client.post(format!("{}{path}", self.url)).header(header::COOKIE, self.cookie());
        self.take(request.header("x-csrf-token", csrf).json(body)).await
    }

    async fn take(&mut self, request: reqwest::RequestBuilder) -> Page {
        let page = Page::of(request.send().await.expect("an answer")).await;
        for cookie in page.headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().expect("a cookie").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie's name");
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        page
    }

    pub async fn sign_in(&mut self, name: &str, password: &str) -> Page {
        let form = self.get("/sign-in").await;
        let proof = form.field("proof");
        let fields = [("proof", proof.as_str()), ("next", "/"), ("name", name), ("password", password)];
        self.post("/sign-in", &fields).await
    }
}
