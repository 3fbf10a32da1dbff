//! A simulated Slack workspace on a free port, and the site settings that point at it.

use secrecy::SecretString;
use takt::{
    simulator::slack::{SlackConfig, router},
    site::Slack,
};

pub const BOT_TOKEN: &str = "xoxb-simulated";
pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// Serves until the test's runtime ends.
pub struct Workspace {
    pub base_url: String,
}

impl Workspace {
    pub async fn start(callback: Option<String>) -> Self {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = SlackConfig {
            bot_token: BOT_TOKEN.to_owned(),
            signing_secret: SIGNING_SECRET.to_owned(),
            callback,
            people: vec![("U0SAM".to_owned(), "sam@plant1.example".to_owned())],
        };
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base_url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(axum::serve(listener, router(config, http)).into_future());
        Self { base_url }
    }

    pub fn settings(&self) -> Slack {
        Slack {
            base_url: format!("{}/api", self.base_url),
            bot_token: SecretString::from(BOT_TOKEN.to_owned()),
            signing_secret: Some(SecretString::from(SIGNING_SECRET.to_owned())),
            app_token: None,
            default_channel: "#takt".to_owned(),
        }
    }
}
