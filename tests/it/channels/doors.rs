//! Whichever door an answer comes through, everything else says so within three seconds: the cards in Slack and Teams, the
//! link in a mail, and a page of the console that is open.

use super::{
    delivery, queue,
    teams::{activity, claims, execute, post, settings, signed},
};
use crate::{
    clicks,
    support::{
        console::{Console, Visitor},
        peer::Peer,
        seed,
        slack::Workspace,
    },
};
use chrono::Utc;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use takt::{
    connector::{mail::MailNotifier, slack::SlackNotifier, teams::TeamsNotifier},
    notify::{Button, Notifier},
    run::GateId,
    site::{Encryption, Mail, Site},
    store::outbox,
};

const WITHIN: Duration = Duration::from_secs(3);
const SAYS: &str = "Sam Carter chose 1 at ";

pub(super) struct Places {
    pub console: Console,
    pub workspace: Workspace,
    pub microsoft: Peer,
    pub mails: Peer,
    pub teams_token: String,
}

/// One question, and where it stands.
struct Question {
    gate: GateId,
    slack_ts: Value,
    teams_card: String,
    link: String,
    page: String,
    sam: Visitor,
    stream: reqwest::Response,
}

impl Places {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Site)) -> Self {
        let microsoft = Peer::start("teams_service.py").await;
        let mails = Peer::start("mail_server.py").await;
        let workspace = Workspace::start(None).await;
        let member =
            json!({ "id": "29:sam", "objectId": "aad-sam", "userPrincipalName": "sam@plant1.example" });
        microsoft.post("/_members", &json!([member])).await;
        let mail = Mail {
            host: "127.0.0.1".into(),
            port: u16::try_from(mails.ready.as_u64().expect("a port")).expect("a port"),
            encryption: Encryption::None,
            credentials: None,
            from: "Takt <takt@plant1.example>".into(),
            notices: false,
        };
        let (slack, teams) = (workspace.settings(), settings(microsoft.url()));
        let console = Console::with(|site| {
            (site.slack, site.teams, site.mail) =
                (Some(slack.clone()), Some(teams.clone()), Some(mail.clone()));
            change(site);
        })
        .await;
        let zone = console.site.time_zone;
        let notifiers: [Arc<dyn Notifier>; 3] = [
            Arc::new(SlackNotifier::new(&slack, zone).expect("Slack")),
            Arc::new(TeamsNotifier::new(&teams, zone).expect("Teams")),
            Arc::new(MailNotifier::new(&mail, "Plant 1", zone).expect("mail")),
        ];
        for notifier in notifiers {
            let running = delivery(&console, notifier);
            tokio::spawn(running.run(console.hints.subscribe(), console.stop.clone()));
        }
        let teams_token = signed(&microsoft, &claims(microsoft.url())).await;
        Self { console, workspace, microsoft, mails, teams_token }
    }

    pub(super) async fn slack(&self) -> Vec<Value> {
        let read = reqwest::get(format!("{}/messages", self.workspace.base_url)).await.expect("an answer");
        read.json().await.expect("JSON")
    }

    /// Asks Sam everywhere, and opens the page.
    async fn ask(&mut self) -> Question {
        let (run, gate) = seed::three_plans(&self.console).await;
        for channel in ["slack", "teams", "mail"] {
            queue(&self.console, run, gate, channel).await;
        }
        self.console.hints.tell();
        let token = seed::button_token(gate);
        let slack_ts = until("a card in Slack", async || {
            let cards = self.slack().await;
            cards.iter().find(|card| card.to_string().contains(&token)).map(|card| card["ts"].clone())
        })
        .await;
        let teams_card = until("a card in Teams", async || {
            let mut db = self.console.store.connection().await.expect("a connection");
            let receipts = outbox::receipts_of_gate(&mut db, gate.0, "teams").await.expect("receipts");
            receipts.first()?["activity"].as_str().map(str::to_owned)
        })
        .await;
        let begins = format!("{}/answer/{gate}/", self.console.url);
        let mail = self.mails.line().await;
        let mut lines = mail["text"].as_str().expect("text").lines().map(str::trim);
        let link = lines.find(|line| line.starts_with(&begins) && line.ends_with("?answer=choose.1"));
        let link = link.unwrap_or_else(|| panic!("no link: {mail:#}")).to_owned();
        let mut sam = self.console.signed_in("sam").await;
        let page = sam.get(&format!("/gates/{gate}")).await.text;
        let stream = page.split("sse-connect=\"").nth(1).and_then(|rest| rest.split('"').next());
        let stream = stream.expect("a stream").replace("&amp;", "&").replace("&#x3D;", "=");
        let stream = sam.stream(&stream).await;
        assert_eq!(stream.status(), StatusCode::OK);
        Question { gate, slack_ts, teams_card, link, page, sam, stream }
    }

    async fn answer(&self, door: &str, question: &mut Question) {
        let gate = question.gate;
        match door {
            "Slack" => {
                let click = clicks::click("U0SAM", gate, Button::Choose, Some(1));
                let page = clicks::post(&self.console, &click, Utc::now().timestamp()).await;
                assert_eq!(page.status, StatusCode::OK, "{}", page.text);
            }
            "Teams" => {
                let press = json!({ "press": format!("{}:choose.1", seed::button_token(gate)) });
                let did = activity(self.microsoft.url(), "sam", &execute("takt.decide", &press));
                let (status, answer) = post(&self.console.url, Some(&self.teams_token), &did).await;
                assert!(status == StatusCode::OK && answer.to_string().contains(SAYS), "{answer}");
            }
            "mail" => {
                let form = [("answer", "choose.1")];
                let sent = reqwest::Client::new().post(&question.link).form(&form).send().await;
                let sent = sent.expect("a page");
                assert!(sent.status().is_success() || sent.status().is_redirection(), "{}", sent.status());
            }
            _ => {
                let csrf = question
                    .page
                    .split_once(r#"name="csrf" value=""#)
                    .and_then(|(_, rest)| rest.split('"').next())
                    .expect("the page's token")
                    .to_owned();
                let fields =
                    [("csrf", csrf.as_str()), ("proposal", "hash-of-the-proposal"), ("decision", "choose")];
                let path = format!("/gates/{gate}/answer");
                let sent = question.sam.post(&path, &[&fields[..], &[("choice", "1")]].concat()).await;
                assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text);
            }
        }
    }

    /// How long it took until each place said so.
    async fn all_say_so(&self, question: &mut Question) -> [(&'static str, Duration); 4] {
        let begun = Instant::now();
        let token = seed::button_token(question.gate);
        let in_slack = async {
            until("Slack's card to say so", async || {
                let cards = self.slack().await;
                let card = cards.into_iter().find(|card| card["ts"] == question.slack_ts)?.to_string();
                (card.contains(SAYS) && !card.contains(&token)).then(|| begun.elapsed())
            })
            .await
        };
        let in_teams = async {
            let is_said = |call: &Value| {
                let path = call["path"].as_str().unwrap_or_default();
                call["method"] == "PUT"
                    && path.ends_with(&question.teams_card)
                    && call["body"].to_string().contains(SAYS)
            };
            until("Teams' card to say so", async || {
                let log = self.microsoft.get("/_log").await;
                log["calls"].as_array()?.iter().any(is_said).then(|| begun.elapsed())
            })
            .await
        };
        let in_mail = async {
            until("the link to be over", async || {
                let seen = reqwest::get(&question.link).await.expect("a page");
                (seen.status() == StatusCode::GONE).then(|| begun.elapsed())
            })
            .await
        };
        let stream = &mut question.stream;
        let in_console = async {
            let mut heard = String::new();
            while !heard.contains("event: changed") {
                let chunk = tokio::time::timeout(Duration::from_secs(20), stream.chunk()).await;
                let chunk = chunk.expect("the open page is told").expect("readable").expect("more of it");
                heard.push_str(&String::from_utf8_lossy(&chunk));
            }
            begun.elapsed()
        };
        let (slack, teams, mail, console) = tokio::join!(in_slack, in_teams, in_mail, in_console);
        [("Slack", slack), ("Teams", teams), ("mail", mail), ("the open page", console)]
    }
}

pub(super) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_door_it_comes_through_all_others_change_within_three_seconds() {
    let mut places = Places::start().await;
    for door in ["Slack", "Teams", "mail", "the console"] {
        let mut question = places.ask().await;
        places.answer(door, &mut question).await;
        for (place, took) in places.all_say_so(&mut question).await {
            println!("answered in {door}: {place} changed after {} ms", took.as_millis());
            assert!(took < WITHIN, "answered in {door}: {place} changed after {} ms", took.as_millis());
        }
        let page = question.sam.get(&format!("/gates/{}", question.gate)).await.text;
        assert!(page.contains("Sam Carter") && !page.contains("Choose 1"), "{page}");
    }
}
