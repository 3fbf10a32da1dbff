//! Each order over many runs: a dry run says what the order then does and changes nothing, and what does not fit a run is
//! left out with the reason.

use super::*;

const NAMES: [&str; 2] = ["one", "two"];

/// An order over the runs in a state, first as a dry run; gives how many it was carried out on, and why others not.
async fn ordered(
    plant: &Plant,
    runs: &[RunId],
    action: &str,
    state: &str,
    more: Value,
) -> (u64, Vec<String>) {
    let ask = |dry_run: bool| {
        let mut body = json!({ "action": action, "reason": "a test", "dry_run": dry_run,
                               "filter": { "workflow": "control_sample", "state": state } });
        body.as_object_mut().expect("fields").extend(more.as_object().cloned().unwrap_or_default());
        body
    };
    let standing = async || {
        let mut all = Vec::new();
        for run in runs {
            let target = target(plant, *run).await;
            all.push((plant.records(*run).await.len(), target.hold, target.ended_at, target.dismissed_at));
        }
        all
    };
    let before = standing().await;
    let (status, rehearsed) = post(plant, "/api/runs/bulk", "sam", &ask(true)).await;
    assert_eq!(status, StatusCode::OK, "{action}: {rehearsed:#}");
    assert_eq!(standing().await, before, "a dry run of {action} changed something");
    let (_, done) = post(plant, "/api/runs/bulk", "sam", &ask(false)).await;
    assert_eq!((&done["done"], &done["left_out"]), (&rehearsed["done"], &rehearsed["left_out"]), "{action}");
    assert_eq!(done["finished"], json!(true));
    let left_out = done["left_out"].as_object().expect("reasons");
    let left_out = left_out.iter().map(|(why, left)| format!("{why}: {}", left["count"])).collect();
    (done["done"].as_u64().expect("a count"), left_out)
}

#[tokio::test]
async fn every_order_over_many_does_what_its_dry_run_says() {
    let mut plant = plant_with(&[("control_sample.yaml", SAMPLE)]).await;
    let file = plant.own_site().join("workflows/control_sample.yaml");
    std::fs::write(&file, SAMPLE).expect("the workflow");
    plant.serve(None).await;
    let mut runs = Vec::new();
    for name in NAMES {
        let run = start(&mut plant, name).await;
        waits_at(&plant, run, "ask").await;
        runs.push(run);
    }
    let none = json!({});
    let all = (2, Vec::new());
    let refused = |why: &str| (0, vec![format!("{why}: 2")]);
    for (action, more, came_to) in [
        ("pause", &none, all.clone()),
        ("pause", &none, refused("already_paused")),
        ("resume", &none, all.clone()),
        ("resume", &none, refused("not_paused")),
        ("migrate", &none, refused("same_version")),
        ("retry", &none, refused("not_ended")),
        ("rerun", &json!({ "from": "last" }), refused("not_ended")),
        ("dismiss", &none, refused("nothing_to_dismiss")),
    ] {
        assert_eq!(ordered(&plant, &runs, action, "open", more.clone()).await, came_to, "{action}");
        for run in &runs {
            // What was ordered has been heard before the next order.
            let heard = match action {
                "pause" => Some("paused"),
                _ => None,
            };
            plant
                .until("the order to be heard", async || {
                    let is_so = target(&plant, *run).await.hold.as_deref() == heard;
                    (is_so && no_signal(&plant, *run).await).then_some(())
                })
                .await;
        }
    }

    let published = plant.log().matches("published edited workflows").count();
    std::fs::write(&file, SAMPLE.replace("note: done", "note: done in the new version")).expect("editing");
    plant
        .until("the edited file to be published", async || {
            (plant.log().matches("published edited workflows").count() > published).then_some(())
        })
        .await;
    assert_eq!(ordered(&plant, &runs, "migrate", "open", none.clone()).await, all);
    for run in &runs {
        let now = state(&plant, *run).await;
        assert_ne!(now.sha256, now.start.sha256, "it was moved");
    }
    // One of them fails: more failures would open the circuit breaker of the other system.
    assert_eq!(order(&plant, runs[1], "pause", json!({})).await.0, StatusCode::OK);
    fault(&plant, json!({ "system": "cmms", "kind": "500" })).await;
    approve(&plant, runs[0]).await;
    assert_eq!(ended(&plant, runs[0]).await, "failed");
    clear_faults(&plant).await;
    assert_eq!(ordered(&plant, &runs, "cancel", "failed", none.clone()).await, (0, vec!["ended: 1".into()]));
    assert_eq!(ordered(&plant, &runs, "retry", "failed", none.clone()).await, (1, Vec::new()));
    assert_eq!(ended_again(&plant, runs[0]).await, "done");
    assert_eq!(ordered(&plant, &runs, "resume", "paused", none.clone()).await, (1, Vec::new()));
    approve(&plant, runs[1]).await;
    assert_eq!(ended_again(&plant, runs[1]).await, "done");
    assert_eq!(ordered(&plant, &runs, "rerun", "done", json!({ "from": "last" })).await, all);
    for run in &runs {
        assert_eq!(ended_again(&plant, *run).await, "done");
    }
    assert_eq!(ordered(&plant, &runs, "dismiss", "done", none).await, refused("nothing_to_dismiss"));
    for (action, times) in [("pause", 3), ("resume", 3), ("migrate", 2), ("retry", 1), ("rerun", 2)] {
        assert_eq!(audited(&plant, &format!("run.{action}")).await, times, "{action}");
    }
}

async fn no_signal(plant: &Plant, run: RunId) -> bool {
    let left = sqlx::query_scalar("select not exists (select from signal where run_id = $1)").bind(run.0);
    left.fetch_one(&plant.database.pool).await.expect("an answer")
}

/// The end of a run that was reopened: its list entry says so.
async fn ended_again(plant: &Plant, run: RunId) -> String {
    plant
        .until("the run to end again", async || {
            let target = target(plant, run).await;
            target.ended_at.and(target.outcome)
        })
        .await
}
