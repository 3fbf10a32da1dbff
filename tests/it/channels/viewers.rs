//! Who sees which buttons in Teams while a question is open for longer than a shift, and on a card that Takt never heard of
//! because the answer to its sending was lost.

use super::{
    delivery, queue,
    teams::{ROOM, TENANT, activity, claims, execute, post, settings, signed},
    vote,
};
use crate::support::{console::Console, peer::Peer, seed};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use takt::{
    connector::teams::TeamsNotifier,
    gate::{Answer, Decision, decide},
    notify::Notifier,
    run::GateId,
    site::Site,
    store::{clock, outbox},
};

struct Room {
    microsoft: Peer,
    console: Console,
    notifier: Arc<dyn Notifier>,
    gate: GateId,
    token: String,
}

impl Room {
    /// A question of ten hours, asked of the day shift's supervisor, with these people in the conversation.
    async fn with(people: &[&str], change: impl FnOnce(&mut Site)) -> Self {
        let microsoft = Peer::start("teams_service.py").await;
        let url = microsoft.url().to_owned();
        let console = Console::with(|site| {
            site.teams = Some(settings(&url));
            for person in &mut site.people {
                person.teams_id = Some(format!("aad-{}", person.id));
            }
            change(site);
        })
        .await;
        let member = |id: &&str| json!({ "id": format!("29:{id}"), "objectId": format!("aad-{id}") });
        microsoft.post("/_members", &json!(people.iter().map(member).collect::<Vec<_>>())).await;
        let (run, gate) = seed::three_plans(&console).await;
        let longer =
            sqlx::query("update gate set expires_at = opened_at + interval '10 hours' where id = $1");
        longer.bind(gate.0).execute(console.store.pool()).await.expect("a longer time");
        queue(&console, run, gate, "teams").await;
        let own = console.site.teams.clone().expect("Teams");
        let notifier = TeamsNotifier::new(&own, console.site.time_zone).expect("a notifier");
        let token = signed(&microsoft, &claims(&url)).await;
        Self { microsoft, console, notifier: Arc::new(notifier), gate, token }
    }

    /// What is due goes out now.
    async fn pass(&self) {
        let due = "update outbox set next_at = takt_now() where state = 'queued'";
        sqlx::query(due).execute(self.console.store.pool()).await.expect("due");
        let sent = delivery(&self.console, self.notifier.clone()).pass(self.notifier.as_ref()).await;
        assert_eq!(sent.expect("a pass"), 1);
    }

    /// The cards Teams was given, with the id of each that nobody was told.
    async fn sent(&self) -> Vec<(Value, Option<String>)> {
        let log = self.microsoft.get("/_log").await;
        let calls = log["calls"].as_array().expect("calls").iter();
        let posts = calls.filter(|call| call["method"] == "POST");
        let card = |call: &Value| call.pointer("/body/attachments/0/content").cloned();
        posts.filter_map(|call| Some((card(call)?, call["lost"].as_str().map(str::to_owned)))).collect()
    }

    /// Waits until these cards say that Sam has answered; gives the ids of all that do.
    async fn until_changed(&self, fits: impl Fn(&[String]) -> bool) -> Vec<String> {
        let says_so = |call: &&Value| {
            call["method"] == "PUT" && call["body"].to_string().contains("Sam Carter chose 1 at ")
        };
        let id = |call: &Value| Some(call["path"].as_str()?.rsplit('/').next()?.to_owned());
        let changed = |log: &Value| {
            let puts = log["calls"].as_array()?.iter().filter(says_so);
            let ids: Vec<String> = puts.filter_map(id).collect();
            fits(&ids).then_some(ids)
        };
        self.microsoft.until("/_log", "the cards to change", changed).await
    }

    async fn did(&self, person: &str, verb: &str, data: &Value, card: &str, conversation: &Value) -> Value {
        let mut done = execute(verb, data);
        done["replyToId"] = json!(card);
        done["conversation"] = conversation.clone();
        let done = activity(self.microsoft.url(), person, &done);
        let (status, answer) = post(&self.console.url, Some(&self.token), &done).await;
        assert_eq!((status, &answer["statusCode"]), (StatusCode::OK, &json!(200)), "{answer}");
        answer
    }

    async fn receipts(&self) -> Vec<Value> {
        let mut db = self.console.store.connection().await.expect("a connection");
        outbox::receipts_of_gate(&mut db, self.gate.0, "teams").await.expect("receipts")
    }
}

fn in_the_room() -> Value {
    json!({ "conversationType": "channel", "tenantId": TENANT, "id": format!("{ROOM};messageid=7") })
}

fn buttons(answer: &Value) -> usize {
    answer["value"]["actions"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_on_shift_before_the_time_is_over_gets_the_buttons_of_a_card_that_was_sent_before() {
    let room = Room::with(&["sam", "noor", "kai", "mia"], |_| {}).await;
    room.pass().await;
    let (card, _) = room.sent().await.pop().expect("a card");
    // Asked at ten past six for ten hours: the afternoon's supervisor too, and not the night's.
    assert_eq!(card["refresh"]["userIds"], json!(["29:sam", "29:noor"]), "{card:#}");
    let (look, here) = (card["refresh"]["action"]["data"].clone(), in_the_room());
    assert_eq!(buttons(&room.did("noor", "takt.look", &look, "1", &here).await), 0, "it is not her shift");
    let afternoon: DateTime<Utc> = seed::at(0) + TimeDelta::hours(8);
    let mut db = room.console.store.connection().await.expect("a connection");
    clock::set(&mut db, afternoon).await.expect("the clock is set");
    drop(db);
    let for_noor = room.did("noor", "takt.look", &look, "1", &here).await;
    assert!(buttons(&for_noor) > 0, "{for_noor:#}");
    let press = for_noor["value"]["actions"][0]["data"].clone();
    room.did("noor", "takt.decide", &press, "1", &here).await;
    assert_eq!(vote(&room.console, room.gate).await.map(|vote| vote.person), Some("noor".to_owned()));
}

/// In a room, and with one person: the first card's id is told to nobody, and both cards say how it ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_whose_sending_was_never_answered_is_found_when_somebody_looks_at_it() {
    let alone = json!({ "conversationType": "personal", "tenantId": TENANT, "id": "a:aad-sam" });
    for (default, conversation) in [(Some(ROOM.to_owned()), in_the_room()), (None, alone)] {
        let place = conversation["conversationType"].as_str().expect("a kind").to_owned();
        let room = Room::with(&["sam"], |site| {
            site.teams.as_mut().expect("Teams").default_conversation = default;
        })
        .await;
        room.microsoft.post("/_lose", &json!({ "answers": 1 })).await;
        room.pass().await;
        room.pass().await;
        let cards = room.sent().await;
        let twin = cards[0].1.clone().expect("its answer was lost");
        assert_eq!((cards.len(), &cards[1].1), (2, &None), "{place}");
        assert_eq!(room.receipts().await.len(), 1, "{place}: nobody knows of the first card");
        // Each asks how it stands when it is shown, and so it becomes known.
        for (card, _) in &cards {
            assert_eq!(card["refresh"]["userIds"], json!(["29:sam"]), "{place}: {card:#}");
        }
        let look = cards[0].0["refresh"]["action"]["data"].clone();
        let seen = room.did("sam", "takt.look", &look, &twin, &conversation).await;
        assert!(buttons(&seen) > 0, "{place}: it is still open");
        room.did("sam", "takt.look", &look, &twin, &conversation).await;
        let known = room.receipts().await;
        assert!(known.len() == 2 && known.iter().any(|receipt| receipt["activity"] == twin), "{known:#?}");
        // Of another conversation, whoever says so: that is none of this question's cards.
        let elsewhere = json!({ "conversationType": "channel", "tenantId": TENANT, "id": "19:other@thread" });
        room.did("sam", "takt.look", &look, "activity-99", &elsewhere).await;
        assert_eq!(room.receipts().await.len(), 2, "{place}");

        let running = delivery(&room.console, room.notifier.clone());
        tokio::spawn(running.run(room.console.hints.subscribe(), room.console.stop.clone()));
        let answer =
            Answer { choice: Some(1), ..Answer::of(Decision::Choose, "mail", "hash-of-the-proposal") };
        decide(&room.console.store, &room.console.site, room.gate, "sam", &answer).await.expect("taken");
        room.until_changed(|cards| cards.contains(&twin)).await;
    }
}

/// Nobody looked at it before the end: its button says so, and that is when it loses it for everybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_button_of_such_a_card_that_is_pressed_after_the_end_decides_nothing_and_goes() {
    let room = Room::with(&["sam"], |_| {}).await;
    room.microsoft.post("/_lose", &json!({ "answers": 1 })).await;
    room.pass().await;
    room.pass().await;
    let twin = room.sent().await[0].1.clone().expect("its answer was lost");
    let running = delivery(&room.console, room.notifier.clone());
    tokio::spawn(running.run(room.console.hints.subscribe(), room.console.stop.clone()));
    let answer = Answer { choice: Some(1), ..Answer::of(Decision::Choose, "mail", "hash-of-the-proposal") };
    decide(&room.console.store, &room.console.site, room.gate, "sam", &answer).await.expect("taken");
    let known = room.until_changed(|cards| !cards.is_empty()).await;
    assert!(!known.contains(&twin), "{known:?}");

    let press = json!({ "press": format!("{}:choose.2", seed::button_token(room.gate)) });
    let late = room.did("sam", "takt.decide", &press, &twin, &in_the_room()).await;
    assert!(late["value"].to_string().contains("Sam Carter chose 1 at "), "{late:#}");
    room.until_changed(|cards| cards.contains(&twin)).await;
}
