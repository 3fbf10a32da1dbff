//! `/metrics` for Prometheus: what this process counted, and the figures of the database. No names of people,
//! no secrets, no texts; it answers where `/health` does, without sign-in.

use super::{health, state::Shared};
use crate::{
    store::{StoreError, measure, seals, watch},
    telemetry::metrics::{render, set},
};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use std::time::{Duration, Instant};

/// However often somebody asks, the database is asked at most this often.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn scrape(State(door): State<Shared>) -> Response {
    let mut measured = door.measured.lock().await;
    if measured.is_none_or(|at| at.elapsed() >= MEASURE_EVERY) {
        let is_up = match measure(&door).await {
            Ok(()) => 1.0,
            Err(error) => {
                tracing::warn!(%error, "the gauges cannot be read");
                0.0
            }
        };
        set("takt_database_up", None, is_up);
        *measured = Some(Instant::now());
    }
    drop(measured);
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], render()).into_response()
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float by its format")]
async fn measure(door: &Shared) -> Result<(), StoreError> {
    let mut db = door.app.store.connection().await?;
    let seen = measure::figures(&mut db).await?;
    set("takt_runs", Some("ready"), seen.ready as f64);
    set("takt_runs", Some("running"), seen.running as f64);
    set("takt_runs", Some("parked"), seen.parked as f64);
    set("takt_runs", Some("queued"), seen.queued as f64);
    set("takt_runs", Some("set_aside"), seen.set_aside as f64);
    set("takt_timer_overdue_seconds", None, seen.timer_overdue);
    set("takt_events_waiting", None, seen.events_new as f64);
    set("takt_events_waiting_seconds", None, seen.event_oldest);
    set("takt_events_failed", None, seen.events_failed as f64);
    set("takt_gates_open", None, seen.gates_open as f64);
    set("takt_gate_oldest_seconds", None, seen.gate_oldest);
    set("takt_outbox_queued", None, seen.outbox_queued as f64);
    set("takt_outbox_oldest_seconds", None, seen.outbox_oldest);
    set("takt_outbox_failed", None, seen.outbox_failed as f64);
    set("takt_workers", None, seen.workers as f64);
    set("takt_database_bytes", None, watch::database_bytes(&mut db).await? as f64);
    for table in watch::tables(&mut db).await? {
        set("takt_table_bytes", Some(&table.name), table.bytes as f64);
        set("takt_table_dead_rows", Some(&table.name), table.dead_rows as f64);
    }
    let holders = watch::holders(&mut db).await?;
    for kind in watch::HolderKind::ALL {
        let of_kind = || holders.iter().filter(|holder| holder.kind == kind);
        let seconds = of_kind().map(|holder| holder.seconds).fold(0.0, f64::max);
        let transactions = of_kind().map(|holder| holder.transactions).max().unwrap_or(0);
        set("takt_xmin_held_seconds", Some(kind.word()), seconds);
        set("takt_xmin_held_transactions", Some(kind.word()), transactions as f64);
    }
    let found = health::storage(&mut db).await?.len();
    set("takt_storage_findings", None, found as f64);
    let is_broken = !health::audit(&mut db).await?.is_empty();
    set("takt_audit_broken", None, f64::from(u8::from(is_broken)));
    set("takt_audit_unsealed", None, seals::waiting(&mut db).await? as f64);
    if let Some(last) = seals::last_checkpoint(&mut db).await? {
        let age = seals::real_now(&mut db).await? - last.made_at;
        set("takt_audit_checkpoint_age_seconds", None, age.num_milliseconds() as f64 / 1000.0);
    }
    Ok(())
}
