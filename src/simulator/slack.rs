//! A Slack workspace: the Web API methods Takt uses, under the same rules (`ok` in the body, bearer token, block
//! limits, one dialog per trigger within three seconds), and people in it who press buttons.
//!
//! Control, on loopback and without a token: `GET /messages`, `POST /click`, `GET /views`, `POST /submit`.
//! Clicks are signed as Slack signs them; nothing here shares code with the checker of signatures.

#![expect(clippy::disallowed_methods, reason = "Slack stamps its requests with its own clock")]

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, header},
    routing::{get, post},
};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

const TRIGGER_SECONDS: i64 = 3;
const BLOCKS_MAX: usize = 50;

/// A workspace: its secrets, its people, and where clicks are posted.
#[derive(Debug, Clone)]
pub struct SlackConfig {
    pub bot_token: String,
    pub signing_secret: String,
    /// Takt's interactivity address; a click may name another.
    pub callback: Option<String>,
    /// Slack id and mail address.
    pub people: Vec<(String, String)>,
}

struct Workspace {
    config: SlackConfig,
    http: reqwest::Client,
    board: Mutex<Board>,
}

#[derive(Default)]
struct Board {
    messages: Vec<Message>,
    views: Vec<Value>,
    triggers: HashMap<String, DateTime<Utc>>,
    count: u64,
}

#[derive(Debug, Clone, Serialize)]
struct Message {
    channel: String,
    ts: String,
    text: String,
    blocks: Value,
    metadata: Value,
    /// The card below which it stands.
    thread_ts: Value,
    /// How often it was changed.
    edits: usize,
}

type Shared = Arc<Workspace>;
type Form = Query<HashMap<String, String>>;

/// Everything below one prefix; `base_url` of Takt's Slack settings is that prefix plus `/api`.
pub fn router(config: SlackConfig, http: reqwest::Client) -> Router {
    let workspace = Arc::new(Workspace { config, http, board: Mutex::default() });
    Router::new()
        .route("/api/auth.test", post(auth_test))
        .route("/api/chat.postMessage", post(post_message))
        .route("/api/chat.update", post(update_message))
        .route("/api/chat.postEphemeral", post(post_ephemeral))
        .route("/api/conversations.history", get(history))
        .route("/api/conversations.replies", get(history))
        .route("/api/conversations.open", post(open_conversation))
        .route("/api/users.lookupByEmail", get(look_up_user))
        .route("/api/users.info", get(user_info))
        .route("/api/views.open", post(open_view))
        .route("/messages", get(messages))
        .route("/views", get(views))
        .route("/click", post(click))
        .route("/submit", post(submit))
        .with_state(workspace)
}

/// A refusal as Slack words it, in a 200.
struct Refusal(&'static str);

type Answer = Result<Json<Value>, Json<Value>>;

impl From<Refusal> for Json<Value> {
    fn from(Refusal(error): Refusal) -> Self {
        Json(json!({ "ok": false, "error": error }))
    }
}

async fn auth_test(State(workspace): State<Shared>, headers: HeaderMap) -> Answer {
    workspace.authorize(&headers)?;
    Ok(Json(json!({ "ok": true, "team": "Plant 1", "user": "takt", "bot_id": "B0TAKT" })))
}

async fn post_message(
    State(workspace): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Answer {
    workspace.authorize(&headers)?;
    check_message(&body)?;
    let channel = channel_id(text(&body, "channel").ok_or(Refusal("channel_not_found"))?);
    let mut board = workspace.board();
    board.count += 1;
    let message = Message {
        ts: format!("{}.{:06}", Utc::now().timestamp(), board.count),
        channel,
        text: text(&body, "text").unwrap_or_default().to_owned(),
        blocks: body.get("blocks").cloned().unwrap_or_else(|| json!([])),
        metadata: body.get("metadata").cloned().unwrap_or(Value::Null),
        thread_ts: body.get("thread_ts").cloned().unwrap_or(Value::Null),
        edits: 0,
    };
    board.messages.push(message.clone());
    Ok(Json(json!({ "ok": true, "channel": message.channel, "ts": message.ts, "message": message })))
}

/// Only its addressee would see it, so it is not kept among the messages.
async fn post_ephemeral(
    State(workspace): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Answer {
    workspace.authorize(&headers)?;
    check_message(&body)?;
    let user = text(&body, "user").ok_or(Refusal("user_not_in_channel"))?;
    if !workspace.config.people.iter().any(|(id, _)| id == user) {
        return Err(Refusal("user_not_in_channel").into());
    }
    Ok(Json(json!({ "ok": true, "message_ts": format!("{}.000200", Utc::now().timestamp()) })))
}

async fn update_message(
    State(workspace): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Answer {
    workspace.authorize(&headers)?;
    check_message(&body)?;
    let (channel, ts) = (text(&body, "channel").unwrap_or_default(), text(&body, "ts").unwrap_or_default());
    let mut board = workspace.board();
    let message = board.messages.iter_mut().find(|message| message.channel == channel && message.ts == ts);
    let message = message.ok_or(Refusal("message_not_found"))?;
    message.text = text(&body, "text").unwrap_or_default().to_owned();
    message.blocks = body.get("blocks").cloned().unwrap_or_else(|| json!([]));
    message.edits += 1;
    Ok(Json(json!({ "ok": true, "channel": channel, "ts": ts, "text": message.text })))
}

async fn history(State(workspace): State<Shared>, headers: HeaderMap, Query(query): Form) -> Answer {
    workspace.authorize(&headers)?;
    let channel = channel_id(query.get("channel").ok_or(Refusal("channel_not_found"))?);
    let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(100);
    let with_metadata = query.get("include_all_metadata").is_some_and(|flag| flag == "true");
    let board = workspace.board();
    let of_thread = |message: &Message| match query.get("ts") {
        Some(thread) => message.thread_ts == **thread,
        None => message.thread_ts.is_null(),
    };
    let here = |message: &&Message| message.channel == channel && of_thread(message);
    let newest = board.messages.iter().rev().filter(here).take(limit);
    let messages = newest.map(|message| {
        let mut message = json!(message);
        if !with_metadata {
            message["metadata"] = Value::Null;
        }
        message
    });
    Ok(Json(json!({ "ok": true, "messages": messages.collect::<Vec<_>>(), "has_more": false })))
}

/// What is said to a person stands under their own id here.
async fn open_conversation(
    State(workspace): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Answer {
    workspace.authorize(&headers)?;
    let user = text(&body, "users").ok_or(Refusal("user_not_found"))?;
    Ok(Json(json!({ "ok": true, "channel": { "id": user } })))
}

async fn look_up_user(State(workspace): State<Shared>, headers: HeaderMap, Query(query): Form) -> Answer {
    workspace.authorize(&headers)?;
    let wanted = query.get("email").ok_or(Refusal("users_not_found"))?;
    let found = workspace.config.people.iter().find(|(_, email)| email.eq_ignore_ascii_case(wanted));
    let (id, email) = found.ok_or(Refusal("users_not_found"))?;
    Ok(Json(json!({ "ok": true, "user": { "id": id, "profile": { "email": email } } })))
}

async fn user_info(State(workspace): State<Shared>, headers: HeaderMap, Query(query): Form) -> Answer {
    workspace.authorize(&headers)?;
    let wanted = query.get("user").ok_or(Refusal("user_not_found"))?;
    let found = workspace.config.people.iter().find(|(id, _)| id == wanted);
    let (id, email) = found.ok_or(Refusal("user_not_found"))?;
    Ok(Json(json!({ "ok": true, "user": { "id": id, "profile": { "email": email } } })))
}

async fn open_view(State(workspace): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Answer {
    workspace.authorize(&headers)?;
    let mut board = workspace.board();
    let trigger = text(&body, "trigger_id").unwrap_or_default();
    let pressed = board.triggers.remove(trigger).ok_or(Refusal("invalid_trigger_id"))?;
    if Utc::now() - pressed > TimeDelta::seconds(TRIGGER_SECONDS) {
        return Err(Refusal("expired_trigger_id").into());
    }
    board.count += 1;
    let mut view = body.get("view").cloned().ok_or(Refusal("invalid_arguments"))?;
    view["id"] = json!(format!("V{:08}", board.count));
    board.views.push(view.clone());
    Ok(Json(json!({ "ok": true, "view": view })))
}

async fn messages(State(workspace): State<Shared>) -> Json<Value> {
    Json(json!(workspace.board().messages))
}

async fn views(State(workspace): State<Shared>) -> Json<Value> {
    Json(json!(workspace.board().views))
}

/// Who presses which button of which message; `button` is its label or action id.
#[derive(Deserialize)]
struct Press {
    ts: String,
    user: String,
    button: String,
    callback: Option<String>,
}

async fn click(State(workspace): State<Shared>, Json(press): Json<Press>) -> Json<Value> {
    let payload = {
        let mut board = workspace.board();
        let Some(message) = board.messages.iter().find(|message| message.ts == press.ts).cloned() else {
            return Refusal("message_not_found").into();
        };
        let Some((block, button)) = find_button(&message.blocks, &press.button) else {
            return Refusal("no_such_button").into();
        };
        board.count += 1;
        let trigger = format!("{}.T0PLANT.{:032x}", board.count, board.count);
        board.triggers.insert(trigger.clone(), Utc::now());
        let mut action = button.clone();
        action["block_id"] = block.clone();
        action["action_ts"] = json!(format!("{}.000100", Utc::now().timestamp()));
        json!({
            "type": "block_actions", "team": { "id": "T0PLANT", "domain": "plant1" },
            "user": { "id": press.user, "username": press.user, "name": press.user, "team_id": "T0PLANT" },
            "api_app_id": "A0TAKT", "token": "deprecated", "trigger_id": trigger,
            "container": { "type": "message", "message_ts": message.ts, "channel_id": message.channel, "is_ephemeral": false },
            "channel": { "id": message.channel, "name": "takt" },
            "message": { "type": "message", "bot_id": "B0TAKT", "text": message.text, "ts": message.ts, "blocks": message.blocks },
            "state": { "values": {} }, "response_url": "https://hooks.slack.invalid/actions/none",
            "actions": [action],
        })
    };
    workspace.deliver(&payload, press.callback.as_deref()).await
}

/// Who sends which dialog with what in it, by block id.
#[derive(Deserialize)]
struct Submission {
    view: String,
    user: String,
    values: HashMap<String, String>,
    callback: Option<String>,
}

async fn submit(State(workspace): State<Shared>, Json(sent): Json<Submission>) -> Json<Value> {
    let payload = {
        let mut board = workspace.board();
        let Some(at) = board.views.iter().position(|view| text(view, "id") == Some(&sent.view)) else {
            return Refusal("view_not_found").into();
        };
        let mut view = board.views.remove(at);
        view["state"] = json!({ "values": filled(&view, &sent.values) });
        json!({
            "type": "view_submission", "team": { "id": "T0PLANT" }, "user": { "id": sent.user },
            "trigger_id": "0.T0PLANT.0", "view": view, "response_urls": [],
        })
    };
    workspace.deliver(&payload, sent.callback.as_deref()).await
}

impl Workspace {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match sent.and_then(|sent| sent.strip_prefix("Bearer ")) {
            None => Err(Refusal("not_authed")),
            Some(token) if token == self.config.bot_token => Ok(()),
            Some(_) => Err(Refusal("invalid_auth")),
        }
    }

    /// Posts a payload as Slack does, and tells what came back.
    async fn deliver(&self, payload: &Value, callback: Option<&str>) -> Json<Value> {
        let Some(callback) = callback.or(self.config.callback.as_deref()) else {
            return Refusal("no_callback").into();
        };
        let (body, headers) = signed(&self.config.signing_secret, payload, Utc::now());
        let mut request = self.http.post(callback).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                Json(
                    json!({ "ok": status == 200, "status": status, "body": response.text().await.unwrap_or_default() }),
                )
            }
            Err(error) => Json(json!({ "ok": false, "error": error.to_string() })),
        }
    }
}

/// A form with one field `payload` and the headers Slack signs it with.
#[expect(clippy::expect_used, reason = "an HMAC takes a key of any length")]
pub fn signed(secret: &str, payload: &Value, now: DateTime<Utc>) -> (String, [(&'static str, String); 3]) {
    let mut body = String::from("payload=");
    for byte in payload.to_string().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            body.push(char::from(byte));
        } else {
            body.push_str(&format!("%{byte:02X}"));
        }
    }
    let timestamp = now.timestamp().to_string();
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).expect("HMAC takes any key");
    mac.update(format!("v0:{timestamp}:{body}").as_bytes());
    let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
    let headers = [
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("x-slack-request-timestamp", timestamp),
        ("x-slack-signature", signature),
    ];
    (body, headers)
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

/// Names become ids, as in Slack's answers; ids stay.
fn channel_id(channel: &str) -> String {
    match channel.strip_prefix('#') {
        Some(name) => format!("C0{}", name.to_uppercase().replace('-', "")),
        None => channel.to_owned(),
    }
}

fn check_message(body: &Value) -> Result<(), Refusal> {
    let blocks = body.get("blocks").and_then(Value::as_array);
    if blocks.is_none_or(Vec::is_empty) && text(body, "text").is_none_or(str::is_empty) {
        return Err(Refusal("no_text"));
    }
    match blocks {
        Some(blocks) if blocks.len() > BLOCKS_MAX || !blocks.iter().all(is_block) => {
            Err(Refusal("invalid_blocks"))
        }
        _ => Ok(()),
    }
}

/// The limits Slack enforces on the blocks Takt uses.
fn is_block(block: &Value) -> bool {
    let length =
        |text: &Value| text.get("text").and_then(Value::as_str).map_or(0, |text| text.chars().count());
    let within = |text: &Value, max: usize| (1..=max).contains(&length(text));
    match text(block, "type") {
        Some("header") => within(&block["text"], 150),
        Some("section") => within(&block["text"], 3000),
        Some("divider") => true,
        Some("context") => {
            block["elements"].as_array().is_some_and(|all| all.iter().all(|text| within(text, 3000)))
        }
        Some("actions") => block["elements"].as_array().is_some_and(|buttons| {
            let mut ids: Vec<_> = buttons.iter().map(|button| text(button, "action_id")).collect();
            ids.sort_unstable();
            let fits = |button: &Value| {
                within(&button["text"], 75) && text(button, "value").is_none_or(|value| value.len() <= 2000)
            };
            (1..=25).contains(&buttons.len())
                && buttons.iter().all(fits)
                && ids.windows(2).all(|pair| pair[0] != pair[1])
        }),
        _ => false,
    }
}

fn find_button<'b>(blocks: &'b Value, wanted: &str) -> Option<(&'b Value, &'b Value)> {
    let is_wanted = |button: &Value| {
        text(button, "action_id") == Some(wanted)
            || button.pointer("/text/text").and_then(Value::as_str) == Some(wanted)
    };
    blocks.as_array()?.iter().find_map(|block| {
        let button = block.get("elements")?.as_array()?.iter().find(|button| is_wanted(button))?;
        Some((block.get("block_id")?, button))
    })
}

/// `state.values` of a dialog: one entry for each input that was filled in.
fn filled(view: &Value, given: &HashMap<String, String>) -> Value {
    let mut values = json!({});
    for block in view["blocks"].as_array().into_iter().flatten() {
        let (Some(id), Some(action)) = (text(block, "block_id"), block.pointer("/element/action_id")) else {
            continue;
        };
        let (kind, action) = (&block["element"]["type"], action.as_str().unwrap_or_default());
        let value = given.get(id);
        values[id][action] = match kind.as_str() {
            Some("static_select") => {
                json!({ "type": kind, "selected_option": value.map(|value| json!({ "value": value })) })
            }
            _ => json!({ "type": kind, "value": value }),
        };
    }
    values
}
