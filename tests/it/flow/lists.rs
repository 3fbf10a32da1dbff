//! Runs with very many items: they end, and what they cost others is little.

use super::Lab;
use serde_json::json;

const MANY: &str = "workflow: many
owner: me
trigger: { event: list.made }
steps:
  - id: loop
    each: ${{ trigger.items }}
    as: item
    at_once: 1000
    steps: [{ id: rest, wait: 1ms }]
";

const NESTED: &str = "workflow: nested
owner: me
trigger: { event: lists.made }
steps:
  - id: outer
    each: ${{ trigger.items }}
    as: a
    at_once: 1000
    steps:
      - id: inner
        each: ${{ trigger.items }}
        as: b
        at_once: 1000
        steps: [{ id: rest, wait: 1h }]
";

const QUIET: &str = "workflow: quiet
owner: me
trigger: { event: machine.stopped }
steps: [{ id: rest, wait: 1ms }]
";

#[tokio::test]
async fn a_thousand_waits_at_once_end_and_lists_in_lists_keep_no_other_run_from_going_on() {
    let lab = Lab::new(&[MANY, NESTED, QUIET]).await;
    let items = |count: usize| json!({ "items": (0..count).collect::<Vec<_>>() });
    let _worker = lab.work().await;
    let nested = [lab.run_of("lists.made", items(300)).await, lab.run_of("lists.made", items(300)).await];
    let many = lab.run_of("list.made", items(1_000)).await;
    let quiet = lab.run_of("machine.stopped", json!({ "machine": "EQ-4" })).await;
    lab.until_ended(quiet).await;
    lab.until_ended(many).await;
    assert_eq!(lab.outcome(many).await.as_deref(), Some("done"));
    for run in nested {
        lab.until("the waits that were begun", async || lab.state(run).await.as_deref() == Some("parked"))
            .await;
        let refused = sqlx::query_scalar::<_, bool>(
            "select exists (select from journal, json_array_elements(records) record
                            where run_id = $1 and record::text like '%too_large%')",
        );
        assert!(refused.bind(run.0).fetch_one(&lab.database.pool).await.expect("a look"));
    }
    assert_eq!(lab.count("select count(*) from worker").await, 1, "the lease was never lost");
}
