//! One event that cannot become a run stops no other: it fails with the reason, and can be fired again for those
//! workflows that could not take it.

use super::Lab;
use serde_json::{Value, json};
use takt::{run::EventId, store::events};
use uuid::Uuid;

fn workflow(id: &str, trigger: &str) -> String {
    format!("workflow: {id}\nowner: me\ntrigger: {trigger}\nsteps: [{{ id: work, wait: 1ms }}]\n")
}

/// Random, so that PostgreSQL cannot make it small.
fn long_text() -> String {
    (0..280).map(|_| Uuid::new_v4().simple().to_string()).collect()
}

fn stop(machine: &str) -> Value {
    json!({ "machine": machine })
}

#[tokio::test]
async fn an_event_with_a_key_that_is_too_long_fails_alone() {
    for trigger in [
        "{ event: t.keyed, key: event.k }",
        "{ event: t.keyed, where: event.k != '', key: event.k, hold: 1s }",
    ] {
        let lab = Lab::new(&[&workflow("keyed", trigger)]).await;
        let long = lab.event("t.keyed", json!({ "k": long_text() })).await;
        let short = lab.event("t.keyed", json!({ "k": "short" })).await;
        lab.route().await;
        lab.advance(2).await;
        lab.route().await;
        let (state, note) = lab.fate(long).await;
        assert_eq!(state, "failed");
        let note = note.expect("a note");
        assert!(note.starts_with("keyed: ") && note.contains("at most 200"), "{note}");
        assert_eq!(lab.fate(short).await.0, "routed", "{trigger}");
    }
}

#[tokio::test]
async fn what_the_database_refuses_of_one_event_stops_no_other() {
    let debounced = workflow("gathers", "{ event: t.gathers }")
        .replace("steps:", "flow: { debounce: { key: event.machine, wait: 10s, at_most: 1m } }\nsteps:");
    let lab = Lab::new(&[
        &workflow("at_once", "{ event: t.at_once }"),
        &workflow("holds", "{ event: t.holds, where: event.machine != '', key: event.machine, hold: 10s }"),
        &debounced,
    ])
    .await;
    sqlx::raw_sql(
        "create function refuse() returns trigger language plpgsql as $$ begin
             raise exception 'it does not fit' using errcode = '54000'; end $$;
         create trigger refuse before insert on run_summary for each row when (new.subject = 'POISON')
             execute function refuse()",
    )
    .execute(&lab.database.pool)
    .await
    .expect("a trigger");
    let (mut bad, mut good) = (Vec::new(), Vec::new());
    for kind in ["t.at_once", "t.holds", "t.gathers"] {
        bad.push(lab.event(kind, stop("POISON")).await);
        good.push(lab.event(kind, stop("PRESS-4")).await);
    }
    lab.route().await;
    lab.advance(11).await;
    lab.route().await;
    for event in bad {
        let (state, note) = lab.fate(event).await;
        assert!(
            state == "failed" && note.as_deref().is_some_and(|note| note.contains("it does not fit")),
            "{note:?}"
        );
    }
    for event in good {
        assert_eq!(lab.fate(event).await.0, "routed");
    }
    assert_eq!(lab.count("select (select count(*) from hold) + (select count(*) from gathering)").await, 0);
}

#[tokio::test]
async fn an_event_whose_trigger_went_while_it_was_held_says_so() {
    let lab =
        Lab::new(&[&workflow("w", "{ event: machine.stopped, where: event.machine != '', hold: 10s }")])
            .await;
    let event = lab.event("machine.stopped", stop("PRESS-4")).await;
    lab.route().await;
    assert_eq!(lab.fate(event).await.0, "held");
    lab.publish(&[&workflow("w", "manual")]).await;
    lab.advance(11).await;
    lab.route().await;
    let fate = lab.fate(event).await;
    assert_eq!(fate, ("failed".to_owned(), Some("workflow `w` no longer starts on events".to_owned())));
}

#[tokio::test]
async fn an_event_that_is_fired_again_starts_only_what_had_failed() {
    let takes = workflow("takes", "{ event: t.two }");
    let lab = Lab::new(&[&workflow("fails", "{ event: t.two, where: event.n > 0 }"), &takes]).await;
    let event = lab.event("t.two", json!({ "no": "n" })).await;
    lab.route().await;
    let again = async || {
        let mut db = lab.store.connection().await.expect("a connection");
        assert!(events::fire_again(&mut db, EventId(event)).await.expect("firing"), "it can be fired again");
        lab.route().await;
        lab.fate(event).await.0
    };
    assert_eq!(lab.fate(event).await.0, "failed");
    assert_eq!(again().await, "failed");
    assert_eq!(lab.count("select count(*) from run_summary where workflow = 'takes'").await, 1);
    lab.publish(&[&workflow("fails", "{ event: t.two }"), &takes]).await;
    assert_eq!(again().await, "routed");
    assert_eq!(lab.count("select count(*) from run_summary where workflow = 'fails'").await, 1);
    assert_eq!(lab.count("select count(*) from run_summary where workflow = 'takes'").await, 1);
}
