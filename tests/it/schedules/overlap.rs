//! What becomes of a firing while a run of the schedule is open.

use super::shop::{HOURLY, Shop, at};
use chrono::TimeDelta;
use takt::store::schedules::FiringState::{self, Buffered, Skipped, Started};
use uuid::Uuid;

/// Opens a shop whose runs do not end by themselves, and lets three hours fire.
async fn three_hours(overlap: &str) -> Shop {
    let mut shop = Shop::open(&format!("{HOURLY}, overlap: {overlap}")).await;
    shop.look().await;
    for _ in 0..3 {
        shop.advance(TimeDelta::hours(1)).await;
        shop.look().await;
    }
    shop
}

async fn states(shop: &Shop) -> Vec<FiringState> {
    shop.states().await
}

async fn run_of(shop: &Shop, index: usize) -> Uuid {
    shop.firings().await[index].run.expect("a run")
}

/// The tests look at half past, which is late.
fn catching_up(overlap: &str) -> String {
    format!("{overlap}, catch_up: all")
}

#[tokio::test(flavor = "multi_thread")]
async fn skip_leaves_out_what_comes_while_a_run_is_open() {
    let mut shop = three_hours(&catching_up("skip")).await;
    assert_eq!(states(&shop).await, [Started, Skipped, Skipped]);
    shop.end_run(run_of(&shop, 0).await).await;
    shop.advance(TimeDelta::hours(1)).await;
    shop.look().await;
    assert_eq!(states(&shop).await, [Started, Skipped, Skipped, Started]);
    assert_eq!(shop.runs().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn buffer_one_keeps_the_first_that_waits() {
    let mut shop = three_hours(&catching_up("buffer_one")).await;
    assert_eq!(states(&shop).await, [Started, Buffered, Skipped]);
    // It is a row: a process that starts afterwards knows of it.
    shop.restart().await;
    assert_eq!(states(&shop).await, [Started, Buffered, Skipped]);
    shop.end_run(run_of(&shop, 0).await).await;
    shop.look().await;
    assert_eq!(states(&shop).await, [Started, Started, Skipped]);
    assert_eq!(shop.runs().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn buffer_all_starts_each_in_order() {
    let mut shop = three_hours(&catching_up("buffer_all")).await;
    assert_eq!(states(&shop).await, [Started, Buffered, Buffered]);
    for started in 1..3 {
        shop.end_run(run_of(&shop, started - 1).await).await;
        shop.restart().await;
        let expected: Vec<FiringState> =
            (0..3).map(|index| if index <= started { Started } else { Buffered }).collect();
        assert_eq!(states(&shop).await, expected);
    }
    assert_eq!(shop.runs().await, 3);
    // A run of the schedule knows which firing it is.
    let nominal = shop.firings().await[2].nominal;
    let mut db = shop.store.connection().await.expect("a connection");
    let run = takt::run::RunId(run_of(&shop, 2).await);
    let records = takt::store::journal::load(&mut db, run).await.expect("a journal");
    let takt::run::Change::RunStarted(start) = &records[0].change else { panic!("a start") };
    assert_eq!(at(start.trigger["time"].as_str().expect("a time")), nominal);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_other_stops_the_open_run_and_starts_the_newest() {
    let mut shop = three_hours(&catching_up("cancel_other")).await;
    assert_eq!(states(&shop).await, [Started, Skipped, Buffered]);
    let replaced = shop.firings().await[1].note.clone().expect("a note");
    assert_eq!(replaced, "replaced by the firing of 2036-11-24T15:00:00.000Z");
    let open = run_of(&shop, 0).await;
    let cancels: Vec<(Uuid, String)> = sqlx::query_as("select run_id, kind from signal")
        .fetch_all(shop.store.pool())
        .await
        .expect("signals");
    assert_eq!(cancels, [(open, "cancel".to_owned())], "once, however many firings follow");
    let mut audited = shop.audit().await;
    audited.retain(|(_, action, _)| action == "run.cancel");
    assert_eq!(audited, [("schedule".into(), "run.cancel".into(), Some(open.to_string()))]);
    // The cancelled run may still undo what it did.
    shop.look().await;
    assert_eq!(shop.runs().await, 1);
    shop.end_run(open).await;
    shop.look().await;
    assert_eq!(states(&shop).await, [Started, Skipped, Started]);
    assert_eq!(shop.runs().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn allow_all_starts_every_one() {
    let shop = three_hours(&catching_up("allow_all")).await;
    assert_eq!(states(&shop).await, [Started; 3]);
    assert_eq!(shop.runs().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_waits_for_its_turn_whatever_the_policy() {
    let mut shop = Shop::open(&format!("{HOURLY}, overlap: skip")).await;
    let schedule = shop.schedule();
    let range = (at("2036-11-24T03:00:00-06:00"), at("2036-11-24T05:00:00-06:00"));
    let mut tx = shop.store.begin().await.expect("a transaction");
    schedule.backfill(&mut tx, "ann", range, shop.now().await).await.expect("a backfill");
    tx.commit().await.expect("committed");
    shop.look().await;
    assert_eq!(states(&shop).await, [Started, Buffered, Buffered]);
    for index in 0..2 {
        shop.end_run(run_of(&shop, index).await).await;
        shop.look().await;
    }
    assert_eq!(states(&shop).await, [Started; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_paused_what_waits_rests_and_what_people_ask_for_goes_on() {
    let mut shop = three_hours(&catching_up("buffer_all")).await;
    let schedule = shop.schedule();
    let mut tx = shop.store.begin().await.expect("a transaction");
    schedule.pause(&mut tx, "ann", None, shop.now().await).await.expect("paused");
    tx.commit().await.expect("committed");
    shop.end_run(run_of(&shop, 0).await).await;
    shop.look().await;
    assert_eq!(states(&shop).await, [Started, Buffered, Buffered]);
    let range = (at("2036-11-24T05:00:00-06:00"), at("2036-11-24T05:00:00-06:00"));
    let mut tx = shop.store.begin().await.expect("a transaction");
    schedule.backfill(&mut tx, "ann", range, shop.now().await).await.expect("a backfill");
    tx.commit().await.expect("committed");
    shop.look().await;
    assert_eq!(states(&shop).await, [Started, Started, Buffered, Buffered]);
}
