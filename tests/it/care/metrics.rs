//! What `/metrics` says after a whole run, and that the documents say the same.

use crate::support::{pg, plant::Plant};
use std::{collections::BTreeSet, fs, path::Path};
use takt::{
    store::{Store, measure},
    telemetry::metrics::{Kind, METRICS},
};

#[tokio::test]
async fn a_run_from_alarm_to_write_is_counted_without_a_name_or_a_secret() {
    let mut plant = Plant::new().await;
    plant.serve(None).await;
    plant.press_4_goes_down().await;
    let run = plant.run_of("downtime_escalation").await;
    assert_eq!(plant.to_the_end(run).await, "done");
    let url = format!("http://{}/metrics", plant.address);
    let text = plant
        .until("the ended run in the gauges", async || {
            let text = reqwest::get(&url).await.ok()?.text().await.ok()?;
            text.contains("takt_runs{state=\"parked\"} 0").then_some(text)
        })
        .await;
    let value = |start: &str| -> f64 {
        let lines = text.lines().filter(|line| line.starts_with(start));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    assert!(value("takt_commits_total{outcome=\"committed\"}") >= 5.0, "{text}");
    assert_eq!(value("takt_commit_seconds_count"), value("takt_commits_total"));
    assert!(value("takt_tool_calls_total") >= 5.0 && value("takt_tool_call_seconds_count") >= 5.0, "{text}");
    assert!(value("takt_webhooks_total{source=\"plant\",outcome=\"accepted\"}") >= 1.0, "{text}");
    assert_eq!(value("takt_runs_ended_total{workflow=\"downtime_escalation\",outcome=\"done\"}"), 1.0);
    for state in ["queued", "set_aside"] {
        let gauge = format!("takt_runs{{state=\"{state}\"}} 0");
        assert!(text.contains(&gauge), "{gauge}: {text}");
    }
    assert_eq!(value("takt_workers"), 1.0);
    assert_eq!(value("takt_database_up"), 1.0);
    assert!(value("takt_database_bytes") > 1e6 && value("takt_table_bytes{table=\"event\"}") > 0.0, "{text}");
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(known.contains(name), "{name} is in no list");
    }
    for person in &plant.site.people {
        assert!(!text.contains(&person.name), "{} stands in the metrics", person.name);
    }
}

#[tokio::test]
async fn runs_that_wait_for_a_lane_or_for_a_person_are_counted() {
    let database = pg::database().await;
    let states = ["ready", "running", "parked", "queued", "queued", "set_aside", "set_aside", "set_aside"];
    for state in states {
        sqlx::query("insert into run (id, version_id, state) values (gen_random_uuid(), 1, $1)")
            .bind(state)
            .execute(&database.pool)
            .await
            .unwrap();
    }
    let store = Store::from_pool(database.pool.clone());
    let seen = measure::figures(&mut store.connection().await.unwrap()).await.unwrap();
    assert_eq!((seen.ready, seen.running, seen.parked), (1, 1, 1));
    assert_eq!((seen.queued, seen.set_aside), (2, 3));
}

#[test]
fn the_documents_list_every_metric_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md");
    let page = fs::read_to_string(path).unwrap();
    let rows: BTreeSet<(String, String)> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `takt_"))
        .filter_map(|row| {
            let mut cells = row.split('|').map(str::trim);
            let name = cells.next()?.trim_end_matches('`');
            Some((format!("takt_{name}"), cells.next()?.to_owned()))
        })
        .collect();
    let word = |kind| match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let listed = |metric: &takt::telemetry::metrics::Metric| {
        let labels = metric.labels.iter().map(|label| format!(" `{label}`")).collect::<String>();
        (metric.name.to_owned(), format!("{}{labels}", word(metric.kind)))
    };
    assert_eq!(rows, METRICS.iter().map(listed).collect());
}
