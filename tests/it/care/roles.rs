//! Processes that each do one thing, and share one database without a word between them.

use super::post_event;
use crate::support::plant::{Plant, Serving};
use reqwest::StatusCode;

async fn status(url: String) -> StatusCode {
    reqwest::get(url).await.expect("an answer").status()
}

#[tokio::test]
async fn three_roles_without_notify_do_together_what_one_process_does() {
    let mut plant = Plant::new().await;
    plant.arguments = vec!["--intake".into(), "--no-notify".into()];
    plant.serve(None).await;
    let worker = Serving::start(&plant, &["--worker", "--no-notify"]).await;
    let console = Serving::start(&plant, &["--console", "--no-notify"]).await;

    let intake = plant.address;
    for (address, name, hooks, pages) in [
        (intake, "intake", StatusCode::ACCEPTED, StatusCode::NOT_FOUND),
        (worker.address, "worker", StatusCode::NOT_FOUND, StatusCode::NOT_FOUND),
        (console.address, "console", StatusCode::NOT_FOUND, StatusCode::OK),
    ] {
        assert_eq!(post_event(&plant, address, name, None).await.0, hooks, "webhooks at {name}");
        assert_eq!(status(format!("http://{address}/sign-in")).await, pages, "pages at {name}");
        assert_eq!(status(format!("http://{address}/health")).await, StatusCode::OK, "health at {name}");
        assert_eq!(status(format!("http://{address}/metrics")).await, StatusCode::OK, "metrics at {name}");
    }
    let health = plant.get(&format!("http://{}/health", console.address)).await;
    assert_eq!(health["workers"], 1, "only --worker registers: {health}");

    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    assert_eq!(plant.to_the_end(run).await, "done");
    // Whatever one of them counted, the others did not.
    let counted = async |address| {
        let text = reqwest::get(format!("http://{address}/metrics")).await.unwrap().text().await.unwrap();
        (text.contains("takt_events_routed_total{"), text.contains("takt_commits_total{"))
    };
    assert_eq!(counted(intake).await, (true, false));
    assert_eq!(counted(worker.address).await, (false, true));
    assert_eq!(counted(console.address).await, (false, false));
}
