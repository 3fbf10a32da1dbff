//! A clock that was ahead and is set right: waits, and what a rate and a throttle have counted, go by it at once.

use super::Lab;
use serde_json::json;

const WAITS: &str = "workflow: waits
owner: me
trigger: { event: machine.stopped }
steps: [{ id: rest, wait: 300ms }]
";

const PACED: &str = "workflow: paced
owner: me
trigger: { event: machine.paced }
flow: { throttle: { limit: 1 per 1m } }
steps: [{ id: rest, wait: 1ms }]
";

const RATED: &str = "workflow: rated
owner: me
trigger: { event: machine.rated }
flow: { rate: { limit: 1 per 1m } }
steps: [{ id: rest, wait: 1ms }]
";

async fn set_right(lab: &Lab) {
    sqlx::query("update clock set ahead = interval '0'")
        .execute(&lab.database.pool)
        .await
        .expect("the clock");
}

#[tokio::test]
async fn a_clock_that_was_set_right_wakes_in_time() {
    let lab = Lab::new(&[WAITS]).await;
    let _worker = lab.work().await;
    lab.advance(24 * 3_600).await;
    let ahead = lab.run_of("machine.stopped", json!({})).await;
    lab.until_ended(ahead).await;
    set_right(&lab).await;
    let right = lab.run_of("machine.stopped", json!({})).await;
    lab.until_ended(right).await;
    let wrong = "select count(*) from run_summary where ended_at > now() + interval '1 hour'";
    assert_eq!(lab.count(wrong).await, 1, "only what ended while the clock was ahead");
}

#[tokio::test]
async fn what_was_counted_ahead_of_time_holds_nobody_back_for_a_day() {
    let lab = Lab::new(&[PACED, RATED]).await;
    lab.advance(24 * 3_600).await;
    lab.run_of("machine.paced", json!({})).await;
    lab.run_of("machine.rated", json!({})).await;
    set_right(&lab).await;
    // Less than a minute has passed, by whichever clock.
    assert_eq!(lab.routed("machine.rated", json!({})).await.0, "limited");
    lab.run_of("machine.paced", json!({})).await;
    let next = "select count(*) from run where state = 'parked' and next_at < now() + interval '2 minutes'";
    assert_eq!(lab.count(next).await, 1);
    lab.advance(70).await;
    assert_eq!(lab.routed("machine.rated", json!({})).await.0, "routed");
}
