//! A real Chromium, driven through its driver, with real key presses and taps.
//!
//! Elements are found through Chromium's own protocol: WebDriver's commands need scripts in the page, and
//! the console must work without.

use axum::http::Method;
use base64::Engine;
use fantoccini::{Client, ClientBuilder, Locator, wd::WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Url;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

const MISSING: &str = "the pages are tested in a real browser: apt-get install -y chromium chromium-driver";

/// A window of a size people have, with scripts or without.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub width: u32,
    pub height: u32,
    pub scripts: bool,
    pub dark: bool,
}

pub const PHONE: Window = Window { width: 390, height: 844, scripts: true, dark: false };
pub const DESKTOP: Window = Window { width: 1280, height: 900, scripts: true, dark: false };

/// Where an element stands in the window.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

const WAIT_MAX: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub struct Browser {
    client: Client,
    url: String,
    driver: Child,
    profile: PathBuf,
}

impl Browser {
    pub async fn open(url: &str, window: Window) -> Self {
        let (driver, port) = start_driver().await;
        let profile = std::env::temp_dir().join(format!("takt-chromium-{}", uuid::Uuid::new_v4().simple()));
        let mut arguments = vec![
            "--headless".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-quic".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            "--disable-dev-shm-usage".into(),
            "--hide-scrollbars".into(),
            format!("--user-data-dir={}", profile.display()),
            format!("--window-size={},{}", window.width, window.height),
        ];
        if window.dark {
            arguments.push("--force-dark-mode".into());
            arguments.push("--blink-settings=preferredColorScheme=0".into());
        }
        // A window is never narrower than 500 px, a device can be.
        let device = json!({ "width": window.width, "height": window.height, "pixelRatio": 1.0, "mobile": window.width < 500 });
        let mut options = json!({ "args": arguments });
        if window.width < 500 {
            options["mobileEmulation"] = json!({ "deviceMetrics": device });
        }
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().expect("an object").clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("{MISSING}\n{error}"));
        let browser = Self { client, url: url.to_owned(), driver, profile };
        browser.tell("Emulation.setScriptExecutionDisabled", json!({ "value": !window.scripts })).await;
        browser
    }

    pub async fn go(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.url)).await.expect("the page opens");
    }

    pub async fn sign_in(&self, name: &str, password: &str) {
        self.type_into("#name", name).await;
        self.type_into("#password", password).await;
        self.tap("form.sign-in button").await;
        self.see("nav.sections").await;
    }

    pub async fn type_into(&self, css: &str, text: &str) {
        let node = self.wait_for(css).await;
        self.tell("DOM.focus", json!({ "nodeId": node })).await;
        self.tell("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses where the middle of the element is, after scrolling there.
    pub async fn tap(&self, css: &str) {
        let node = self.wait_for(css).await;
        self.tell("DOM.scrollIntoViewIfNeeded", json!({ "nodeId": node })).await;
        let place = self.place(node).await;
        let (x, y) = (place.left + place.width / 2.0, place.top + place.height / 2.0);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.tell("Input.dispatchMouseEvent", event).await;
        }
    }

    /// Waits until something is there and gives its text.
    pub async fn see(&self, css: &str) -> String {
        let node = self.wait_for(css).await;
        self.text(node).await
    }

    pub async fn texts(&self, css: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for node in self.all(css).await {
            texts.push(self.text(node).await);
        }
        texts
    }

    pub async fn places(&self, css: &str) -> Vec<Place> {
        let mut places = Vec::new();
        for node in self.all(css).await {
            places.push(self.place(node).await);
        }
        places
    }

    async fn all(&self, css: &str) -> Vec<i64> {
        let document = self.tell("DOM.getDocument", json!({ "depth": 0 })).await;
        let query = json!({ "nodeId": document["root"]["nodeId"], "selector": css });
        // The document may go away under the question while a page is being left.
        let found = self.try_tell("DOM.querySelectorAll", query).await;
        let found = found.as_ref().and_then(|found| found["nodeIds"].as_array());
        found.into_iter().flatten().filter_map(Value::as_i64).collect()
    }

    async fn wait_for(&self, css: &str) -> i64 {
        let until = Instant::now() + WAIT_MAX;
        loop {
            if let Some(node) = self.all(css).await.first() {
                return *node;
            }
            if Instant::now() > until {
                panic!("`{css}` is not on the page:\n{}", self.client.source().await.unwrap_or_default());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The words of an element, tags left out.
    async fn text(&self, node: i64) -> String {
        let html = self.tell("DOM.getOuterHTML", json!({ "nodeId": node })).await;
        let html = html["outerHTML"].as_str().unwrap_or_default();
        let mut text = String::new();
        for (index, piece) in html.split('<').enumerate() {
            text.push_str(if index == 0 {
                piece
            } else {
                piece.split_once('>').map_or("", |(_, words)| words)
            });
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    async fn place(&self, node: i64) -> Place {
        let model = self.tell("DOM.getBoxModel", json!({ "nodeId": node })).await;
        let corner = |index: usize| model["model"]["border"][index].as_f64().expect("a corner");
        Place {
            left: corner(0),
            top: corner(1),
            width: model["model"]["width"].as_f64().expect("a width"),
            height: model["model"]["height"].as_f64().expect("a height"),
        }
    }

    async fn try_tell(&self, command: &'static str, parameters: Value) -> Option<Value> {
        self.client.issue_cmd(Devtools { command, parameters }).await.ok()
    }

    async fn tell(&self, command: &'static str, parameters: Value) -> Value {
        let answer = self.client.issue_cmd(Devtools { command, parameters }).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// The page inside a frame: what is done through this goes on there.
    pub async fn enter_frame(&self, css: &str) -> Client {
        let frame =
            self.client.wait().at_most(WAIT_MAX).for_element(Locator::Css(css)).await.expect("a frame");
        frame.enter_frame().await.expect("the page inside");
        self.client.clone()
    }

    /// How wide the page is: wider than the window means that people must scroll sideways.
    pub async fn page_width(&self) -> f64 {
        let metrics = self.tell("Page.getLayoutMetrics", json!({})).await;
        metrics["cssContentSize"]["width"].as_f64().expect("a width")
    }

    /// Keeps a picture for people to look at: `target/pages/{name}.png`.
    pub async fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
        std::fs::create_dir_all(&folder).expect("a folder for pictures");
        let whole = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.tell("Page.captureScreenshot", whole).await;
        let data = answer["data"].as_str().expect("a picture");
        let picture = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("writing the picture");
    }

    pub async fn close(self) {
        let _ = self.client.clone().close().await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.start_kill();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// A command of Chromium's own protocol, for what WebDriver cannot say.
#[derive(Debug)]
struct Devtools {
    command: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({ "cmd": self.command, "params": self.parameters });
        (Method::POST, Some(body.to_string()))
    }
}

/// A driver on a free port, which it prints.
async fn start_driver() -> (Child, u16) {
    let mut driver = Command::new("chromedriver")
        .args(["--port=0"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{MISSING}\nchromedriver: {error}"));
    let mut lines = BufReader::new(driver.stdout.take().expect("its output")).lines();
    while let Some(line) = lines.next_line().await.expect("its output") {
        let port = line.strip_prefix("ChromeDriver was started successfully on port ");
        if let Some(port) = port.and_then(|rest| rest.trim_end_matches('.').parse().ok()) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (driver, port);
        }
    }
    panic!("{MISSING}\nchromedriver ended without saying its port");
}
