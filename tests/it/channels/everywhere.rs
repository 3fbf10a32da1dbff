//! The same question in Slack, Teams, mail and the console of the real binary: the first answer wins, and everything else
//! says who, what and where within three seconds.

use super::teams::{ROOM, TENANT, activity, claims, execute, post, signed};
use crate::support::{
    console::PASSWORD,
    peer::Peer,
    plant::Plant,
    slack::{self, Workspace},
};
use reqwest::{StatusCode, redirect::Policy};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use takt::store::gates;

const WITHIN: Duration = Duration::from_secs(3);

/// Points the plant's own site at a Slack, a Microsoft and a mail server of this test.
pub(super) async fn connect(plant: &mut Plant) -> (Workspace, Peer, Peer) {
    let microsoft = Peer::start("teams_service.py").await;
    let mails = Peer::start("mail_server.py").await;
    let workspace = Workspace::start(Some(format!("http://{}/slack/interactions", plant.address))).await;
    let site = plant.own_site();
    let yaml = std::fs::read_to_string(site.join("takt.yaml")).expect("takt.yaml");
    let yaml = without(&yaml, &["teams", "mail"]) + &sections(microsoft.url(), &mails.ready);
    std::fs::write(site.join("takt.yaml"), yaml).expect("written");
    plant.arguments = vec!["--slack-url".into(), format!("{}/api", workspace.base_url)];
    plant.environment = vec![
        ("SLACK_BOT_TOKEN", slack::BOT_TOKEN.into()),
        ("SLACK_SIGNING_SECRET", slack::SIGNING_SECRET.into()),
        ("TEAMS_APP_ID", super::teams::APP.into()),
        ("TEAMS_CLIENT_SECRET", "teams-secret".into()),
    ];
    (workspace, microsoft, mails)
}

/// The sample site, with Microsoft and the mail server where these peers are.
fn sections(microsoft: &str, mail: &Value) -> String {
    format!(
        "teams:\n  app_id: ${{env:TEAMS_APP_ID}}\n  client_secret: ${{env:TEAMS_CLIENT_SECRET}}\n  tenant: {TENANT}\n  \
         default_conversation: \"{ROOM}\"\n  service_urls: [{microsoft}]\n  metadata_url: {microsoft}/metadata\n  \
         token_url: {microsoft}/token\nmail:\n  host: 127.0.0.1\n  port: \"{mail}\"\n  encryption: none\n  from: Takt <takt@plant1.example>\n"
    )
}

/// Takes top-level sections out of a takt.yaml.
fn without(yaml: &str, names: &[&str]) -> String {
    let mut kept = String::new();
    let mut skips = false;
    for line in yaml.lines() {
        if !line.starts_with([' ', '#']) && !line.is_empty() {
            skips = names.iter().any(|name| line == format!("{name}:"));
        }
        if !skips {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

pub(super) async fn slack_card(workspace: &Workspace, what: &str) -> Option<Value> {
    let read = reqwest::get(format!("{}/messages", workspace.base_url)).await.expect("an answer");
    let cards: Value = read.json().await.expect("JSON");
    cards.as_array()?.iter().rev().find(|card| card.to_string().contains(what)).cloned()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told from its beginning to its end")]
async fn the_first_answer_wins_and_all_others_change_within_three_seconds() {
    let mut plant = Plant::new().await;
    let (workspace, microsoft, mut mails) = connect(&mut plant).await;
    plant.serve(None).await;
    let takt = format!("http://{}", plant.address);
    let supervisor = plant.on_shift("production_supervisor").await;
    let email = supervisor.email.clone().expect("a mail address");
    let member = json!({ "id": format!("29:{}", supervisor.id), "objectId": format!("aad-{}", supervisor.id), "userPrincipalName": email });
    microsoft.post("/_members", &json!([member])).await;
    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    plant.wait_for_gate("approve").await;

    // The question is everywhere.
    let card = plant.until("a card in Slack", async || slack_card(&workspace, "Choose 1").await).await;
    let teams = microsoft.until("/_log", "a card in Teams", |log| {
        let calls = log["calls"].as_array()?.iter();
        calls
            .filter_map(|call| call.pointer("/body/attachments/0/content"))
            .rfind(|card| card.to_string().contains("takt.look") && card.to_string().contains("1  "))
            .cloned()
    });
    let look = teams.await["refresh"]["action"]["data"].clone();
    let link = loop {
        let mail = mails.line().await;
        let text = mail["text"].as_str().unwrap_or_default();
        if let Some(line) = text.lines().map(str::trim).find(|line| line.ends_with("?answer=choose.1")) {
            assert_eq!(mail["to"], json!([email]));
            break line.to_owned();
        }
    };
    let gate = {
        let mut db = plant.store.connection().await.expect("a connection");
        let gates = gates::of_run(&mut db, run).await.expect("gates");
        gates.into_iter().find(|gate| gate.path == "approve").expect("the gate")
    };
    let browser = signed_in(&takt, &supervisor.id).await;
    let page = format!("{takt}/gates/{}", gate.id);
    let open = browser.get(&page).send().await.expect("a page").text().await.expect("a body");
    assert!(open.contains("Choose 1"), "{open}");

    // Answered in Teams.
    let token = signed(&microsoft, &claims(microsoft.url())).await;
    let press = format!("{}:choose.1", look["gate"].as_str().expect("a token"));
    let answer =
        activity(microsoft.url(), &supervisor.id, &execute("takt.decide", &json!({ "press": press })));
    let (status, replaced) = post(&takt, Some(&token), &answer).await;
    let begun = Instant::now();
    let says = format!("{} chose 1 at ", supervisor.name);
    let too_late = format!("Too late. {} answered this at ", supervisor.name);
    assert!(status == StatusCode::OK && replaced.to_string().contains(&says), "{replaced}");
    let in_slack = async {
        plant
            .until("Slack's card to say so", async || {
                let now = slack_card(&workspace, &says).await?;
                (now["ts"] == card["ts"] && !now.to_string().contains("Choose 1")).then(|| begun.elapsed())
            })
            .await
    };
    let in_teams = async {
        microsoft
            .until("/_log", "the room's card to say so", |log| {
                log["calls"]
                    .as_array()?
                    .iter()
                    .find(|call| call["method"] == "PUT" && call["body"].to_string().contains(&says))?;
                Some(begun.elapsed())
            })
            .await
    };
    let in_console = async {
        plant
            .until("the page to say so", async || {
                let now = browser.get(&page).send().await.ok()?.text().await.ok()?;
                (now.contains("in Teams") && !now.contains("Choose 1")).then(|| begun.elapsed())
            })
            .await
    };
    let in_mail = async {
        let seen = reqwest::get(&link).await.expect("a page");
        assert_eq!(seen.status(), StatusCode::GONE);
        let page = seen.text().await.expect("a body");
        assert!(page.contains(&too_late) && page.contains(" in Teams: chose 1."), "{page}");
        begun.elapsed()
    };
    let (slack, teams, console, mail) = tokio::join!(in_slack, in_teams, in_console, in_mail);
    for (place, took) in [("Slack", slack), ("Teams", teams), ("the console", console), ("mail", mail)] {
        println!("{place} changed after {} ms", took.as_millis());
        assert!(took < WITHIN, "{place} changed after {} ms", took.as_millis());
    }

    // A late click gets a kind answer in each place.
    let press = json!({ "press": press.replace("choose.1", "choose.2") });
    let late = activity(microsoft.url(), &supervisor.id, &execute("takt.decide", &press));
    let (_, late) = post(&takt, Some(&token), &late).await;
    assert!(late.to_string().contains(&says) && late.to_string().contains("(teams)"), "{late}");
    let form = [("answer", "choose.2")];
    let late = reqwest::Client::new().post(&link).form(&form).send().await.expect("a page");
    assert!(late.text().await.expect("a body").contains(&too_late));
    assert_eq!(
        gates::vote(&mut plant.store.connection().await.expect("a connection"), takt::run::GateId(gate.id))
            .await
            .expect("asking")
            .expect("a vote")
            .channel,
        "teams"
    );

    // What followed is told below the card, in the order it happened.
    let told = async |what: &str| {
        plant
            .until(what, async || {
                let read = reqwest::get(format!("{}/messages", workspace.base_url)).await.expect("an answer");
                let all: Value = read.json().await.expect("JSON");
                let below = all.as_array()?.iter().filter(|message| message["thread_ts"] == card["ts"]);
                // Several lines at once are one message, whose text is the first of them.
                below.map(Value::to_string).rfind(|message| message.contains(what))
            })
            .await
    };
    told("Second approval: ").await;
    assert_eq!(plant.to_the_end(run).await, "done");
    told("Written: ").await;
}

/// A browser that keeps its cookie by hand.
async fn signed_in(takt: &str, person: &str) -> reqwest::Client {
    let client = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
    let page = client.get(format!("{takt}/sign-in")).send().await.expect("a page");
    let cookie = cookies(&page);
    let text = page.text().await.expect("a body");
    let proof = text
        .split_once(r#"name="proof" value=""#)
        .expect("a proof")
        .1
        .split('"')
        .next()
        .unwrap_or_default()
        .to_owned();
    let form = [("proof", proof.as_str()), ("next", "/"), ("name", person), ("password", PASSWORD)];
    let signed = client
        .post(format!("{takt}/sign-in"))
        .header("cookie", cookie)
        .form(&form)
        .send()
        .await
        .expect("an answer");
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("cookie", cookies(&signed).parse().expect("a cookie"));
    reqwest::Client::builder().redirect(Policy::none()).default_headers(headers).build().expect("a client")
}

fn cookies(page: &reqwest::Response) -> String {
    let all = page.headers().get_all("set-cookie").iter();
    let pairs = all.filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned));
    pairs.collect::<Vec<_>>().join("; ")
}
