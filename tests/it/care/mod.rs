//! Storage care, bad databases, several processes on one database, and what Takt tells about itself.

mod bad;
mod bouncer;
pub mod collector;
mod days;
mod metrics;
mod roles;
mod storage;
mod traces;
mod upgrade;

use crate::support::plant::Plant;
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use standardwebhooks::Webhook;
use std::{net::SocketAddr, time::SystemTime};
use takt::site::Verification;

/// Sends a signed event that no workflow waits for; gives what came back.
async fn post_event(
    plant: &Plant,
    to: SocketAddr,
    id: &str,
    traceparent: Option<&str>,
) -> (StatusCode, Value) {
    let event = json!({
        "specversion": "1.0", "id": id, "source": "care", "type": "care.probe", "data": { "n": 1 }
    });
    let answer = signed(plant, to, &event, traceparent).send().await.expect("an answer");
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

fn signed(
    plant: &Plant,
    to: SocketAddr,
    event: &Value,
    traceparent: Option<&str>,
) -> reqwest::RequestBuilder {
    let Verification::StandardWebhooks { secret } = &plant.site.sources["plant"].verify;
    let body = event.to_string();
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock").as_secs();
    let at = i64::try_from(seconds).expect("a time");
    let webhook = Webhook::new(secret.expose_secret()).expect("a secret");
    let signature = webhook.sign("msg", at, body.as_bytes()).expect("a signature");
    let mut request = reqwest::Client::new()
        .post(format!("http://{to}/hooks/plant"))
        .header("webhook-id", "msg")
        .header("webhook-timestamp", at)
        .header("webhook-signature", signature)
        .header("content-type", "application/cloudevents+json");
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    request.body(body)
}

async fn events(plant: &Plant) -> Vec<String> {
    sqlx::query_scalar("select source_id from event where source = 'care' order by source_id")
        .fetch_all(&plant.database.pool)
        .await
        .expect("events")
}

/// A connection that outlives what a test does to the others.
async fn admin(plant: &Plant) -> PgConnection {
    PgConnection::connect(&plant.database.url).await.expect("a connection")
}

async fn execute(db: &mut PgConnection, text: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(db).await;
    done.unwrap_or_else(|error| panic!("{text}: {error}"));
}

async fn database_name(db: &mut PgConnection) -> String {
    sqlx::query_scalar("select current_database()").fetch_one(db).await.expect("a name")
}

/// Every other session of the database ends, as when somebody restarts the server.
async fn end_sessions(db: &mut PgConnection) {
    execute(
        db,
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
    )
    .await;
}
