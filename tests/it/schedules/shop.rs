//! A site with one schedule, a scheduler on a database of its own, and a clock that tests move.

use crate::support::pg;
use chrono::{DateTime, TimeDelta, Utc};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use takt::{
    engine::{Definitions, Hints},
    site::{Environment, Overrides, Site},
    store::{
        Store, clock,
        schedules::{self, Firing, FiringState},
    },
    trigger::{Schedule, Scheduler},
    workflow::{Bundle, Definition},
};
use uuid::Uuid;

const SITE: &str = r#"name: Plant
time_zone: America/Chicago
shifts:
  - { id: A, starts: "06:00", ends: "14:00", days: [mon, tue, wed, thu, fri] }
calendars:
  production_days:
    holidays: [2036-11-27]
roles: { lead: { title: Lead } }
people:
  - { id: ann, name: Ann, roles: [lead] }
"#;

/// Every hour, on the hour.
pub const HOURLY: &str = "cron: '0 * * * *', time_zone: America/Chicago";

pub struct Shop {
    pub store: Store,
    pub site: Arc<Site>,
    pub definitions: Arc<Definitions>,
    pub scheduler: Scheduler,
    _database: pg::Database,
}

impl Shop {
    /// Half past six in Chicago on a Monday of the future; `trigger` are the keys of the schedule's trigger.
    pub async fn open(trigger: &str) -> Self {
        Self::open_at(trigger, "2036-11-24T06:30:00-06:00").await
    }

    pub async fn open_at(trigger: &str, now: &str) -> Self {
        let database = pg::database().await;
        let store = Store::from_pool(database.pool.clone());
        let site = Site::parse("takt.yaml", SITE, &Environment::of([]), &Overrides::default());
        let site = Arc::new(site.expect("a site"));
        let definitions = Arc::new(Definitions::default());
        let mut db = store.connection().await.expect("a connection");
        clock::set(&mut db, at(now)).await.expect("setting the clock");
        drop(db);
        let scheduler = Scheduler::new(store.clone(), definitions.clone(), site.clone(), Hints::default());
        let shop = Self { store, site, definitions, scheduler, _database: database };
        shop.publish(trigger).await;
        shop
    }

    pub async fn publish(&self, trigger: &str) {
        let yaml = format!(
            "workflow: report\ntitle: Report\nowner: me\ntrigger: {{ {trigger} }}\nsteps:\n  - {{ id: idle, wait: 30d }}\n"
        );
        let path = "workflows/report.yaml".to_owned();
        let bundle = Bundle { files: BTreeMap::from([(path.clone(), yaml)]), path };
        let definition = Definition::compile(bundle).unwrap_or_else(|problems| panic!("{problems:?}"));
        let mut db = self.store.connection().await.expect("a connection");
        self.definitions.publish(&mut db, vec![Arc::new(definition)]).await.expect("publishing");
    }

    /// A second process on the same database.
    pub fn second(&self) -> Scheduler {
        Scheduler::new(self.store.clone(), self.definitions.clone(), self.site.clone(), Hints::default())
    }

    pub fn schedule(&self) -> Schedule {
        Schedule::find(self.definitions.current("report"), "report", &self.site).expect("a schedule")
    }

    /// Looks until there is nothing more to do.
    pub async fn look(&mut self) {
        while self.scheduler.pass().await.expect("a pass") > 0 {}
    }

    /// A process that was down begins to look.
    pub async fn restart(&mut self) {
        self.scheduler = self.second();
        self.look().await;
    }

    pub async fn advance(&self, by: TimeDelta) {
        let by = by.to_std().unwrap_or(Duration::ZERO);
        clock::advance(&mut self.store.connection().await.expect("a connection"), by)
            .await
            .expect("advancing");
    }

    /// What an operator does to a server's clock; `clock::advance` never goes back.
    pub async fn set_back(&self, by: TimeDelta) {
        let seconds = by.num_seconds() as f64;
        sqlx::query("update clock set ahead = ahead - make_interval(secs => $1)")
            .bind(seconds)
            .execute(self.store.pool())
            .await
            .expect("setting the clock back");
    }

    pub async fn now(&self) -> DateTime<Utc> {
        clock::now(&mut self.store.connection().await.expect("a connection")).await.expect("the time")
    }

    /// Oldest first.
    pub async fn firings(&self) -> Vec<Firing> {
        let mut db = self.store.connection().await.expect("a connection");
        let mut firings = schedules::recent(&mut db, "report", 1000).await.expect("firings");
        firings.reverse();
        firings
    }

    pub async fn states(&self) -> Vec<FiringState> {
        self.firings().await.into_iter().map(|firing| firing.state).collect()
    }

    /// Local times of the firings in this state.
    pub async fn fired(&self, state: FiringState) -> Vec<String> {
        let of_state = self.firings().await.into_iter().filter(|firing| firing.state == state);
        of_state.map(|firing| local(firing.nominal)).collect()
    }

    pub async fn runs(&self) -> i64 {
        sqlx::query_scalar("select count(*) from run_summary")
            .fetch_one(self.store.pool())
            .await
            .expect("runs")
    }

    /// The open run of the schedule ends, as a worker would end it.
    pub async fn end_run(&self, run: Uuid) {
        for statement in [
            "update run_summary set ended_at = takt_now(), outcome = 'done' where id = $1",
            "delete from run where id = $1",
            "delete from open_key where run_id = $1",
        ] {
            sqlx::query(statement).bind(run).execute(self.store.pool()).await.expect("ending");
        }
    }

    pub async fn audit(&self) -> Vec<(String, String, Option<String>)> {
        let mut db = self.store.connection().await.expect("a connection");
        let entries = takt::store::audit::recent(&mut db, 100).await.expect("the audit");
        entries.into_iter().rev().map(|entry| (entry.actor, entry.action, entry.object)).collect()
    }
}

pub fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).expect("a time").to_utc()
}

pub fn local(at: DateTime<Utc>) -> String {
    at.with_timezone(&chrono_tz::America::Chicago).format("%m-%d %H:%M%z").to_string()
}
