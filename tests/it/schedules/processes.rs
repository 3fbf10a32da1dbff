//! Several processes on one database fire each nominal time once.

use super::shop::{Shop, at};
use crate::support::plant::Plant;
use chrono::TimeDelta;
use std::time::Duration;
use takt::store::schedules::FiringState;

const EVERY_MINUTE: &str = "cron: '* * * * *', time_zone: America/Chicago, overlap: allow_all, catch_up: all";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn schedulers_that_look_at_the_same_moment_start_one_run_each() {
    let mut shop = Shop::open(EVERY_MINUTE).await;
    shop.look().await;
    let mut others: Vec<_> = (0..3).map(|_| shop.second()).collect();
    for _ in 0..40 {
        shop.advance(TimeDelta::seconds(61)).await;
        let looks = others.iter_mut().map(takt::trigger::Scheduler::pass);
        let (own, rest) = tokio::join!(shop.scheduler.pass(), futures::future::join_all(looks));
        own.expect("a pass");
        rest.into_iter().for_each(|pass| assert!(pass.is_ok(), "{pass:?}"));
    }
    shop.restart().await;
    let firings = shop.firings().await;
    assert!(firings.len() >= 40, "{}", firings.len());
    assert!(firings.iter().all(|firing| firing.state == FiringState::Started));
    assert_eq!(shop.runs().await, firings.len() as i64);
    let minutes: Vec<TimeDelta> = firings.windows(2).map(|pair| pair[1].nominal - pair[0].nominal).collect();
    assert!(minutes.iter().all(|gap| *gap == TimeDelta::minutes(1)), "no minute is left out: {minutes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn schedulers_that_empty_a_buffer_together_keep_to_one_open_run() {
    let mut shop = Shop::open("cron: '0 6 * * *', time_zone: America/Chicago, overlap: buffer_all").await;
    let range = (at("2036-11-01T00:00:00-05:00"), at("2036-11-24T06:00:00-06:00"));
    let mut tx = shop.store.begin().await.expect("a transaction");
    shop.schedule().backfill(&mut tx, "ann", range, shop.now().await).await.expect("a backfill");
    tx.commit().await.expect("committed");
    let mut others: Vec<_> = (0..3).map(|_| shop.second()).collect();
    for turn in 1..=5 {
        let looks = others.iter_mut().map(takt::trigger::Scheduler::pass);
        let (own, rest) = tokio::join!(shop.scheduler.pass(), futures::future::join_all(looks));
        own.expect("a pass");
        rest.into_iter().for_each(|pass| assert!(pass.is_ok(), "{pass:?}"));
        shop.look().await;
        assert_eq!(shop.runs().await, turn, "one run at a time");
        let open = shop.firings().await.into_iter().rfind(|firing| firing.run.is_some());
        shop.end_run(open.and_then(|firing| firing.run).expect("an open run")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_fire_each_minute_once_also_after_one_is_killed() {
    let mut plant = Plant::new().await;
    let site = plant.own_site();
    let yaml = "workflow: minutes\ntitle: Minutes\nowner: me\ntrigger: { cron: '* * * * *', time_zone: UTC, \
                overlap: allow_all, catch_up: all }\nsteps:\n  - { id: done, end: done }\n";
    std::fs::write(site.join("workflows/minutes.yaml"), yaml).expect("a workflow");
    plant.serve(None).await;
    let first = plant.replace().await;
    let count = async |query: &str| -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()))
            .fetch_one(plant.store.pool())
            .await
            .expect("a count")
    };
    let begun = "select count(*) from schedule where workflow = 'minutes'";
    plant.until("the schedule to begin", async || (count(begun).await == 1).then_some(())).await;
    for round in 1..=5 {
        plant.advance(Duration::from_secs(180)).await;
        let fired = "select count(*) from firing where workflow = 'minutes' and state = 'started'";
        plant.until("three minutes", async || (count(fired).await >= round * 3).then_some(())).await;
    }
    drop(first);
    plant.advance(Duration::from_secs(180)).await;
    let ended = "select count(*) from run_summary where workflow = 'minutes' and ended_at is not null";
    plant.until("every run to end", async || (count(ended).await >= 18).then_some(())).await;
    let firings = count("select count(*) from firing where workflow = 'minutes'").await;
    assert_eq!(count("select count(*) from run_summary where workflow = 'minutes'").await, firings);
    let span = "select (extract(epoch from max(nominal) - min(nominal)) / 60)::bigint + 1 from firing \
                where workflow = 'minutes'";
    assert_eq!(count(span).await, firings, "no minute is left out");
}
