//! The figures behind the gauges of `/metrics`, in one round trip.

use super::{PgConnection, Result};

/// Ages are in seconds, and 0 where there is nothing.
#[derive(Debug, Clone)]
pub struct Figures {
    pub ready: i64,
    pub running: i64,
    pub parked: i64,
    pub queued: i64,
    pub set_aside: i64,
    pub timer_overdue: f64,
    pub events_new: i64,
    pub event_oldest: f64,
    pub events_failed: i64,
    pub gates_open: i64,
    pub gate_oldest: f64,
    pub outbox_queued: i64,
    pub outbox_oldest: f64,
    pub outbox_failed: i64,
    pub workers: i64,
}

pub async fn figures(db: &mut PgConnection) -> Result<Figures> {
    let row = sqlx::query_as!(
        Figures,
        r#"with at as (select takt_now() as now),
                runs as (select count(*) filter (where state = 'ready') as ready,
                                count(*) filter (where state = 'running') as running,
                                count(*) filter (where state = 'parked') as parked,
                                count(*) filter (where state = 'queued') as queued,
                                count(*) filter (where state = 'set_aside') as set_aside,
                                min(next_at) filter (where state = 'parked') as next_at from run),
                events as (select count(*) as new, min(received_at) as oldest from event where state = 'new'),
                lost as (select count(*) as failed from event where state = 'failed'),
                gates as (select count(*) as open, min(opened_at) as oldest from gate where state = 'open'),
                queue as (select count(*) as queued, min(created_at) as oldest from outbox where state = 'queued'),
                given_up as (select count(*) as failed from outbox where state = 'failed')
           select runs.ready as "ready!", runs.running as "running!", runs.parked as "parked!",
                  runs.queued as "queued!", runs.set_aside as "set_aside!",
                  greatest(coalesce(extract(epoch from at.now - runs.next_at), 0), 0)::float8 as "timer_overdue!",
                  events.new as "events_new!", lost.failed as "events_failed!",
                  greatest(coalesce(extract(epoch from at.now - events.oldest), 0), 0)::float8 as "event_oldest!",
                  gates.open as "gates_open!",
                  greatest(coalesce(extract(epoch from at.now - gates.oldest), 0), 0)::float8 as "gate_oldest!",
                  queue.queued as "outbox_queued!", given_up.failed as "outbox_failed!",
                  greatest(coalesce(extract(epoch from at.now - queue.oldest), 0), 0)::float8 as "outbox_oldest!",
                  (select count(*) from worker where lease_until > clock_timestamp()) as "workers!"
           from at, runs, events, lost, gates, queue, given_up"#
    );
    Ok(row.fetch_one(db).await?)
}
