//! Which nominal times fire: after an outage, over DST nights, on closed days, when the clock jumps, when a
//! schedule is paused, and when people ask for more.

use super::shop::{HOURLY, Shop, at, local};
use chrono::{Duration, TimeDelta};
use takt::{
    store::{
        commits::Fence,
        runs,
        schedules::{FiringState, Origin},
        workers,
    },
    trigger::ScheduleError,
};

async fn after_an_outage(catch_up: &str) -> (Vec<String>, Vec<String>) {
    let mut shop = Shop::open(&format!("{HOURLY}, overlap: allow_all, catch_up: {catch_up}")).await;
    shop.look().await;
    assert_eq!(shop.firings().await, [], "a new schedule has missed nothing");
    // Down from half past six to a quarter to eleven.
    shop.advance(TimeDelta::minutes(255)).await;
    shop.restart().await;
    shop.restart().await;
    let started = shop.fired(FiringState::Started).await;
    assert_eq!(shop.runs().await, started.len() as i64);
    (started, shop.fired(FiringState::Missed).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn missed_firings_are_made_up_for_as_declared() {
    let hour = |hour: u32| format!("11-24 {hour:02}:00-0600");
    assert_eq!(after_an_outage("none").await, (vec![], vec![hour(7), hour(8), hour(9), hour(10)]));
    assert_eq!(after_an_outage("last").await, (vec![hour(10)], vec![hour(7), hour(8), hour(9)]));
    assert_eq!(after_an_outage("all").await, (vec![hour(7), hour(8), hour(9), hour(10)], vec![]));
    assert_eq!(after_an_outage("all within 2h").await, (vec![hour(9), hour(10)], vec![hour(7), hour(8)]));
    assert_eq!(after_an_outage("last within 30m").await, (vec![], vec![hour(7), hour(8), hour(9), hour(10)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_of_missed_firings_is_written_off_and_only_the_last_fires() {
    let mut shop = Shop::open("cron: '*/10 * * * *', time_zone: America/Chicago, catch_up: last").await;
    shop.look().await;
    shop.advance(TimeDelta::days(7)).await;
    shop.restart().await;
    assert_eq!(shop.runs().await, 1);
    let last = shop.firings().await.pop().expect("a firing");
    assert_eq!(
        (last.state, shop.now().await - last.nominal < TimeDelta::minutes(10)),
        (FiringState::Started, true)
    );
    let mut db = shop.store.connection().await.expect("a connection");
    let (missed,): (i64,) = sqlx::query_as("select count(*) from firing where state = 'missed'")
        .fetch_one(&mut *db)
        .await
        .expect("a count");
    assert_eq!(missed, 7 * 144 - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_dst_nights_fire_a_time_of_day_once_and_the_hours_by_the_clock() {
    let daily = "cron: '30 1,2 * * *', time_zone: America/Chicago, overlap: allow_all, catch_up: all";
    // 02:30 does not exist on 9 March 2036.
    let mut spring = Shop::open_at(daily, "2036-03-08T12:00:00-06:00").await;
    spring.look().await;
    for _ in 0..36 {
        spring.advance(TimeDelta::minutes(30)).await;
        spring.look().await;
    }
    assert_eq!(spring.fired(FiringState::Started).await, ["03-09 01:30-0600", "03-09 03:30-0500"]);
    // 01:30 exists twice on 2 November 2036.
    let mut autumn = Shop::open_at(daily, "2036-11-01T12:00:00-05:00").await;
    autumn.look().await;
    autumn.advance(TimeDelta::hours(20)).await;
    autumn.restart().await;
    assert_eq!(autumn.fired(FiringState::Started).await, ["11-02 01:30-0500", "11-02 02:30-0600"]);
    let hours = "cron: '30 * * * *', time_zone: America/Chicago, overlap: allow_all, catch_up: all";
    let mut hourly = Shop::open_at(hours, "2036-11-02T00:45:00-05:00").await;
    hourly.look().await;
    hourly.advance(TimeDelta::hours(3)).await;
    hourly.look().await;
    assert_eq!(
        hourly.fired(FiringState::Started).await,
        ["11-02 01:30-0500", "11-02 01:30-0600", "11-02 02:30-0600"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_days_are_left_out_or_moved() {
    let week = async |on_closed: &str| {
        let mut shop = Shop::open(&format!(
            "cron: '0 6 * * *', time_zone: America/Chicago, calendar: production_days, on_closed: {on_closed}, \
             overlap: allow_all, catch_up: all"
        ))
        .await;
        shop.look().await;
        shop.advance(TimeDelta::days(7)).await;
        shop.restart().await;
        shop.fired(FiringState::Started).await
    };
    // Thursday the 27th is a holiday; the 29th and 30th are a weekend.
    let open = ["11-25 06:00-0600", "11-26 06:00-0600", "11-28 06:00-0600", "12-01 06:00-0600"];
    assert_eq!(week("skip").await, open);
    assert_eq!(week("next").await, open, "a moved firing that meets another is one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_ahead_is_an_outage_and_one_that_goes_back_fires_nothing_twice() {
    let mut shop = Shop::open(&format!("{HOURLY}, overlap: allow_all, catch_up: all within 3h")).await;
    shop.look().await;
    shop.advance(TimeDelta::days(3)).await;
    shop.look().await;
    // 04:00 to 06:00 on the 27th are within three hours of half past six.
    let started = shop.fired(FiringState::Started).await;
    assert_eq!(started, ["11-27 04:00-0600", "11-27 05:00-0600", "11-27 06:00-0600"]);
    shop.set_back(TimeDelta::days(2)).await;
    for _ in 0..49 {
        shop.advance(TimeDelta::minutes(59)).await;
        shop.look().await;
    }
    let mut db = shop.store.connection().await.expect("a connection");
    let view = shop.schedule().view(&mut db, shop.now().await, 1).await.expect("a view");
    drop(db);
    assert!(view.next.iter().all(|next| *next > at("2036-11-27T06:00:00-06:00")));
    // Two days later by the clock it goes on where it was.
    shop.advance(TimeDelta::minutes(60)).await;
    shop.look().await;
    let started = shop.fired(FiringState::Started).await;
    assert_eq!(started.len() as i64, shop.runs().await);
    assert_eq!(started.iter().collect::<std::collections::BTreeSet<_>>().len(), started.len(), "each once");
    assert_eq!(started[..3], ["11-27 04:00-0600", "11-27 05:00-0600", "11-27 06:00-0600"]);
    assert!(started[3..].iter().all(|at| at.as_str() > "11-27 06:00-0600"), "{started:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_clock_is_back_people_are_told() {
    let mut shop = Shop::open(&format!("{HOURLY}, overlap: allow_all, catch_up: last")).await;
    shop.look().await;
    shop.advance(TimeDelta::minutes(31)).await;
    shop.look().await;
    assert_eq!(shop.states().await, [FiringState::Started]);
    shop.set_back(TimeDelta::minutes(20)).await;
    shop.restart().await;
    let mut db = shop.store.connection().await.expect("a connection");
    let view = shop.schedule().view(&mut db, shop.now().await, 1).await.expect("a view");
    assert!(view.clock_went_back);
    assert_eq!(local(view.next[0]), "11-24 08:00-0600");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_schedule_begins_anew() {
    let mut shop = Shop::open("cron: '0 6 * * *', time_zone: America/Chicago, catch_up: all").await;
    shop.look().await;
    shop.advance(TimeDelta::hours(4)).await;
    // At half past ten somebody writes eight o'clock: that was never missed.
    shop.publish("cron: '0 8 * * *', time_zone: America/Chicago, catch_up: all").await;
    shop.look().await;
    assert_eq!(shop.firings().await, []);
    shop.advance(TimeDelta::hours(22)).await;
    shop.look().await;
    assert_eq!(shop.fired(FiringState::Started).await, ["11-25 08:00-0600"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_schedule_rests_and_a_backfill_makes_up_for_it_once() {
    let mut shop = Shop::open(&format!("{HOURLY}, overlap: allow_all, catch_up: all")).await;
    shop.look().await;
    let schedule = shop.schedule();
    let mut tx = shop.store.begin().await.expect("a transaction");
    schedule.pause(&mut tx, "ann", Some("audit"), shop.now().await).await.expect("paused");
    let again = schedule.pause(&mut tx, "bob", None, shop.now().await).await;
    assert!(matches!(again, Err(ScheduleError::PausedAlready { by, .. }) if by == "ann"));
    tx.commit().await.expect("committed");
    shop.advance(TimeDelta::hours(2)).await;
    shop.look().await;
    assert_eq!((shop.states().await, shop.runs().await), (vec![FiringState::Paused; 2], 0));
    // Resumed by another process, before the scheduler has looked again.
    shop.advance(TimeDelta::hours(1)).await;
    let mut tx = shop.store.begin().await.expect("a transaction");
    schedule.resume(&mut tx, "ann", None, shop.now().await).await.expect("resumed");
    assert!(matches!(
        schedule.resume(&mut tx, "ann", None, shop.now().await).await,
        Err(ScheduleError::NotPaused)
    ));
    tx.commit().await.expect("committed");
    shop.look().await;
    assert_eq!((shop.states().await, shop.runs().await), (vec![FiringState::Paused; 3], 0));

    let range = (at("2036-11-24T06:00:00-06:00"), at("2036-11-24T09:30:00-06:00"));
    let mut tx = shop.store.begin().await.expect("a transaction");
    let now = shop.now().await;
    let planned = schedule.plan_backfill(&mut tx, range.0, range.1, now).await.expect("a plan");
    assert_eq!(
        planned.starts.iter().map(|at| local(*at)).collect::<Vec<_>>(),
        ["11-24 06:00-0600", "11-24 07:00-0600", "11-24 08:00-0600", "11-24 09:00-0600"]
    );
    let done = schedule.backfill(&mut tx, "ann", range, now).await.expect("a backfill");
    assert_eq!(done.starts, planned.starts);
    tx.commit().await.expect("committed");
    shop.look().await;
    let firings = shop.firings().await;
    assert!(firings.iter().all(|firing| firing.origin == Origin::Backfill && firing.run.is_some()));
    assert_eq!((firings.len(), shop.runs().await), (4, 4));

    // Asked for again, nothing of it starts again.
    let mut tx = shop.store.begin().await.expect("a transaction");
    let again = schedule.backfill(&mut tx, "ann", range, now).await.expect("a backfill");
    tx.commit().await.expect("committed");
    shop.look().await;
    assert_eq!((again.starts.len(), again.taken.len(), shop.runs().await), (0, 4, 4));
    let actions = shop.audit().await.into_iter().map(|(_, action, _)| action);
    let actions: Vec<String> = actions.filter(|action| action.starts_with("schedule.")).collect();
    assert_eq!(actions, ["schedule.pause", "schedule.resume", "schedule.backfill", "schedule.backfill"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_keeps_to_the_past_and_to_a_bound() {
    let shop = Shop::open("cron: '* * * * *', time_zone: America/Chicago").await;
    let schedule = shop.schedule();
    let now = shop.now().await;
    let mut db = shop.store.connection().await.expect("a connection");
    let mut plan = async |from, to| schedule.plan_backfill(&mut db, from, to, now).await;
    let day = Duration::days(1);
    assert!(matches!(plan(now, now - day).await, Err(ScheduleError::RangeReversed)));
    assert!(matches!(plan(now - day, now + day).await, Err(ScheduleError::RangeInFuture(_))));
    assert!(matches!(plan(now - day, now).await, Err(ScheduleError::TooMany)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_triggers_once_and_may_not_approve_what_it_starts() {
    let mut shop = Shop::open(&format!("{HOURLY}, catch_up: last")).await;
    let schedule = shop.schedule();
    let now = shop.now().await;
    let mut tx = shop.store.begin().await.expect("a transaction");
    schedule.trigger(&mut tx, "ann", Some(now), now).await.expect("asked");
    let twice = schedule.trigger(&mut tx, "ann", Some(now), now).await;
    assert!(matches!(twice, Err(ScheduleError::AskedAlready(_))));
    let old = schedule.trigger(&mut tx, "ann", Some(now - Duration::hours(2)), now).await;
    assert!(matches!(old, Err(ScheduleError::NotNow(_))));
    tx.commit().await.expect("committed");
    shop.look().await;
    let firings = shop.firings().await;
    assert_eq!(
        firings.iter().map(|f| (f.origin, f.state, f.nominal)).collect::<Vec<_>>(),
        [(Origin::Trigger, FiringState::Started, now)]
    );
    let run = takt::run::RunId(firings[0].run.expect("a run"));
    let mut db = shop.store.connection().await.expect("a connection");
    let records = takt::store::journal::load(&mut db, run).await.expect("a journal");
    let takt::run::Change::RunStarted(start) = &records[0].change else { panic!("a start") };
    assert_eq!(start.started_by.as_deref(), Some("ann"));
    drop(db);
    // The clock's own firing is told that a run is open.
    shop.advance(TimeDelta::minutes(31)).await;
    shop.look().await;
    let skipped = shop.firings().await.pop().expect("a firing");
    assert_eq!(skipped.state, FiringState::Skipped);
    assert_eq!(skipped.note, Some(format!("run {run} is not over yet")));
}

#[tokio::test(flavor = "multi_thread")]
async fn jitter_makes_late_and_keeps_the_name() {
    let mut shop = Shop::open(&format!("{HOURLY}, jitter: 30m, overlap: allow_all, catch_up: all")).await;
    shop.look().await;
    for _ in 0..6 * 60 {
        shop.advance(TimeDelta::minutes(1)).await;
        shop.look().await;
    }
    let firings = shop.firings().await;
    assert!((5..=6).contains(&firings.len()), "{firings:?}");
    let late: Vec<TimeDelta> = firings.iter().map(|firing| firing.at - firing.nominal).collect();
    assert!(late.iter().all(|late| *late >= TimeDelta::zero() && *late < TimeDelta::minutes(32)), "{late:?}");
    assert!(late.iter().any(|late| *late > TimeDelta::minutes(2)), "{late:?}");
    assert!(firings.iter().all(|firing| local(firing.nominal).ends_with(":00-0600")));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_timers_are_claimed_in_the_order_of_their_times() {
    let shop = Shop::open(HOURLY).await;
    let mut db = shop.store.connection().await.expect("a connection");
    let mut parked = Vec::new();
    for hours in [5, 2, 9, 1, 7] {
        let run = takt::run::RunId::new();
        sqlx::query(
            "insert into run (id, version_id, state, next_at)
             select $1, max(id), 'parked', takt_now() + make_interval(hours => $2) from workflow_version",
        )
        .bind(run.0)
        .bind(hours)
        .execute(&mut *db)
        .await
        .expect("a run");
        parked.push((hours, run));
    }
    shop.advance(TimeDelta::days(5)).await;
    assert_eq!(runs::wake_due(&mut db, runs::ALWAYS).await.expect("timers").woken, 5);
    let lease = std::time::Duration::from_secs(60);
    let fence = Fence { worker: workers::register(&mut db, "w", lease).await.expect("a worker"), epoch: 1 };
    let mut claimed = Vec::new();
    for _ in 0..5 {
        claimed.extend(
            runs::claim(&mut db, fence, runs::ALWAYS, 1)
                .await
                .expect("a claim")
                .into_iter()
                .map(|one| one.run),
        );
    }
    parked.sort_unstable();
    assert_eq!(claimed, parked.into_iter().map(|(_, run)| run).collect::<Vec<_>>());
}
