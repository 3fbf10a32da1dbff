//! One trace from the webhook to the write in the plant's system.

use super::{collector::Collector, post_event};
use crate::support::plant::Plant;
use std::time::{Duration, Instant};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const INCOMING: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn one_trace_leads_from_the_webhook_to_the_write() {
    let collector = Collector::start().await;
    let mut plant = Plant::new().await;
    plant.environment = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone()),
        ("OTEL_BSP_SCHEDULE_DELAY", "200".into()),
    ];
    plant.serve(None).await;
    plant.press_4_goes_down().await;
    let (status, _) = post_event(&plant, plant.address, "continued", Some(INCOMING)).await;
    assert!(status.is_success());
    let run = plant.run_of("downtime_escalation").await;
    assert_eq!(plant.to_the_end(run).await, "done");

    let started = plant.records(run).await;
    let takt::run::Change::RunStarted(start) = &started[0].change else { panic!("{started:?}") };
    let trace = start.trace.as_deref().unwrap().split('-').nth(1).unwrap().to_owned();
    // Spans are sent a moment after they end.
    let begun = Instant::now();
    let seen = loop {
        let spans = collector.spans();
        let of_run: Vec<_> = spans.iter().filter(|span| span.trace == trace).collect();
        // A run's own span ends after its last step's.
        let is_whole = of_run
            .iter()
            .filter(|span| span.name != "webhook plant")
            .all(|span| of_run.iter().any(|above| above.id == span.parent));
        if is_whole && of_run.iter().any(|span| span.name == "step close") {
            break spans;
        }
        let names: Vec<_> = spans.iter().map(|span| (&span.trace, &span.name)).collect();
        assert!(begun.elapsed() < Duration::from_secs(30), "the spans of {trace} are not whole: {names:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let of_run: Vec<_> = seen.iter().filter(|span| span.trace == trace).collect();
    for part in ["webhook plant", "route ", "run downtime_escalation", "step push", "call "] {
        assert!(of_run.iter().any(|span| span.name.starts_with(part)), "no span `{part}` in {of_run:#?}");
    }
    assert!(of_run[0].service.contains("takt"), "{:?}", of_run[0]);
    // Each hangs below another of the same trace, up to the webhook.
    let webhook = of_run.iter().find(|span| span.name == "webhook plant").unwrap();
    for span in of_run.iter().filter(|span| span.id != webhook.id) {
        assert!(of_run.iter().any(|above| above.id == span.parent), "{span:?} hangs below nothing");
    }
    // A sender's trace is continued, not replaced.
    let continued = seen.iter().find(|span| span.name == "webhook plant" && span.trace == TRACE).unwrap();
    assert_eq!(continued.parent, "b7ad6b7169203331");
    // The write carried it: the plant's simulator kept the header it was sent.
    let writes = plant.get(&format!("{}/sim/writes", plant.simulator.base_url)).await;
    assert!(writes.to_string().contains(&trace), "no write with the trace {trace}: {writes:#}");
}
