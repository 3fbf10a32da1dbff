//! What somebody who owns the database, and knows the trail, would try: each is named, or counts for nothing.

use super::{Folder, SITE, ZONE, after, check, fill, key, purge, seal, sql};
use crate::support::{console::Console, pg, seed};
use serde_json::json;
use std::{path::Path, process::Command, time::Duration};
use takt::{
    audit::{
        Against, Place, Retention,
        bundle::{ExportError, Exporter, check as check_bundle},
        take_checkpoint, verify,
    },
    gate::{Answer, Decision, decide},
    run::{AuditRecord, Change, RunId, Signal, SignalKind, TAKT},
    store::{PgConnection, audit, clock, gates},
};
use uuid::Uuid;

/// A purge that was written by hand covers nothing: not unsealed, not dated ahead, not where the site keeps longer.
#[tokio::test]
async fn a_forged_purge_covers_no_detail() {
    let database = pg::database().await;
    let mut db = database.pool.acquire().await.unwrap();
    fill(&mut db, 1, 4).await;
    seal(&mut db).await;
    let says = |when: &str| {
        format!(
            "insert into audit_record (id, actor, actor_kind, action, object)
             values (99999, 'takt', 'system', 'audit.purge', {when}); delete from audit_detail"
        )
    };
    let now = r#"to_char((takt_now() at time zone 'utc'), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#;
    for when in ["'2027-01-01T00:00:00Z'", now] {
        let verdict = after(&mut db, &[], None, &says(when)).await;
        let broken = verdict.broken.expect(when);
        assert_eq!(broken.place, Place::Record(1));
        assert!(broken.why.contains("id 99999 says so, but it is not sealed"), "{broken:?}");
    }
    // Sealed by Takt, it still has to be possible.
    let mut tx = database.pool.begin().await.unwrap();
    let ahead = AuditRecord::new(TAKT, "audit.purge").object("2999-01-01T00:00:00Z");
    audit::append(&mut tx, &[ahead]).await.unwrap();
    seal(&mut tx).await;
    let verdict = after(&mut tx, &[], None, "delete from audit_detail").await;
    assert!(verdict.broken.unwrap().why.contains("its times lie in the future"));
    tx.rollback().await.unwrap();

    let now = clock::now(&mut db).await.unwrap();
    assert_eq!(purge(&mut db, now).await, 4);
    for (retention, why) in [
        (Retention::Unknown, None),
        (Retention::AtLeast(Duration::ZERO), None),
        (Retention::AtLeast(Duration::from_secs(86_400)), Some("takt.yaml keeps details for 1")),
        (Retention::ForGood, Some("takt.yaml keeps details for good")),
    ] {
        let verdict = verify(&mut db, &Against { keys: &[], folder: None, retention }).await.unwrap();
        let said = verdict.broken.map(|broken| broken.why);
        assert_eq!(said.is_some(), why.is_some(), "{retention:?}: {said:?}");
        assert!(said.unwrap_or_default().contains(why.unwrap_or_default()), "{retention:?}");
    }
}

#[tokio::test]
async fn what_was_hidden_from_the_sealer_or_from_a_run_is_named() {
    let database = pg::database().await;
    let mut db = database.pool.acquire().await.unwrap();
    let of_run =
        |n: i64| AuditRecord::new("sam", "gate.choose").of_run(RunId::new(), None).object(n.to_string());
    audit::append(&mut db, &(1..6).map(of_run).collect::<Vec<_>>()).await.unwrap();
    seal(&mut db).await;
    let hidden = "insert into audit_record (id, actor, actor_kind, action) values (2000, 'eve', 'person', 'gate.approve');
                  update audit_head set top = 2001, holes = holes || 2000::bigint";
    let verdict = after(&mut db, &[], None, hidden).await;
    assert_eq!((verdict.broken, verdict.waiting, verdict.first_waiting), (None, 1, Some(2000)));
    // A seal beyond the end of the chain seals nothing.
    let beyond = "insert into audit_record (id, actor, actor_kind, action) values (-7, 'eve', 'person', 'gate.approve');
                  insert into audit_seal select 900, -7, null, site, 0, now(), 'x' from audit_seal where seq = 1";
    assert_eq!(after(&mut db, &[], None, beyond).await.broken.unwrap().place, Place::Unsealed(-7));
    for change in ["run_id = null", "run_id = gen_random_uuid()"] {
        let change = format!("update audit_seal set {change} where seq = 3");
        let broken = after(&mut db, &[], None, &change).await.broken.expect("another run");
        assert_eq!(broken.place, Place::Record(3));
        assert!(broken.why.contains("under another run"), "{broken:?}");
    }
}

#[tokio::test]
async fn a_checkpoint_that_was_taken_out_of_the_database_is_named() {
    let database = pg::database().await;
    let mut db = database.pool.acquire().await.unwrap();
    let ((signing, public), folder) = (key(), Folder::new());
    for from in [1, 4] {
        fill(&mut db, from, 3).await;
        take_checkpoint(&mut db, SITE, ZONE, &signing, Some(&folder.0)).await.unwrap().unwrap();
    }
    let keys = [public];
    assert_eq!(check(&mut db, &keys, Some(&folder.0)).await.unwrap().checkpoints, 2, "each counts once");
    for change in ["truncate audit_checkpoint", "delete from audit_checkpoint where seq = 3"] {
        let broken = after(&mut db, &keys, Some(&folder), change).await.broken.expect(change);
        assert!(broken.sentence().contains("the database has it no more"), "{change}: {broken:?}");
    }
}

fn takt(url: &str, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_takt"));
    command.args(["audit", "verify", "--site", "/no/site"]).args(arguments);
    let done = command.env_clear().env("DATABASE_URL", url).output().expect("running takt audit");
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.code().unwrap_or(-1), text)
}

fn public_file(folder: &Folder, name: &str, public: &takt::audit::PublicKey) -> String {
    let path = folder.0.join(name);
    std::fs::write(&path, public.to_pem()).expect("a file");
    path.display().to_string()
}

/// What a script sees: the exit code.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_or_a_wrong_folder_is_no_success() {
    let database = pg::database().await;
    let mut db = database.pool.acquire().await.unwrap();
    let ((signing, public), (other, stranger)) = (key(), key());
    let (worm, empty) = (Folder::new(), Folder::new());
    fill(&mut db, 1, 3).await;
    take_checkpoint(&mut db, SITE, ZONE, &signing, Some(&worm.0)).await.unwrap().unwrap();
    let (ours, theirs) = (public_file(&empty, "ours", &public), public_file(&empty, "theirs", &stranger));
    let (worm_path, empty_path) = (worm.0.display().to_string(), empty.0.display().to_string());
    let run = |arguments: &[&str]| takt(&database.url, arguments);

    let (code, said) = run(&["--public-key", &ours, "--checkpoints", &worm_path]);
    assert!(code == 0 && said.starts_with("sound: 3 records\n1 checkpoints agree"), "{said}");
    let (code, said) = run(&["--public-key", &theirs, "--checkpoints", &worm_path]);
    assert!(code == 1 && said.starts_with("not proven: 3 records"), "{code} {said}");
    assert!(said.contains("no checkpoint vouches for it") && said.contains(&public.id()), "{said}");
    for folder in ["/no/such/folder", &empty_path] {
        let (code, said) = run(&["--public-key", &ours, "--checkpoints", folder]);
        assert!(code == 2 && said.contains(folder), "{folder}: {code} {said}");
    }
    // One more, signed by whoever: what is ours agrees, and the other one is said.
    take_checkpoint(&mut db, SITE, ZONE, &other, None).await.unwrap().unwrap();
    let (code, said) = run(&["--public-key", &ours, "--checkpoints", &worm_path]);
    assert!(
        code == 1 && said.contains("1 checkpoints agree") && said.contains("1 checkpoints count for nothing"),
        "{said}"
    );
    let (code, said) = run(&["--public-key", &ours, "--public-key", &theirs, "--checkpoints", &worm_path]);
    assert!(code == 0 && said.contains("2 checkpoints agree"), "{said}");
}

/// A question that sam answered, with its records in the trail.
async fn answered(console: &Console, db: &mut PgConnection) -> (RunId, Uuid) {
    let (run, gate) = seed::three_plans(console).await;
    let asked = gates::get(db, gate).await.unwrap().unwrap();
    let mut pending =
        AuditRecord::new(TAKT, "gate.pending").of_run(run, Some("approve")).object(gate.to_string());
    pending.correlation = Some(asked.proposal_hash.clone());
    pending.detail = json!({ "form": "choose", "role": asked.role, "ask": asked.ask });
    audit::append(db, &[pending]).await.unwrap();
    let answer = Answer {
        choice: Some(2),
        reason: Some("it fits".into()),
        ..Answer::of(Decision::Choose, "web", "hash-of-the-proposal")
    };
    decide(&console.store, &console.site, gate, "sam", &answer).await.expect("an answer");
    (run, gate.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_evidence_is_made_of_answers_that_were_changed() {
    let console = Console::start().await;
    let mut db = console.store.connection().await.unwrap();
    let (run, gate) = answered(&console, &mut db).await;
    let ((signing, public), folder) = (key(), Folder::new());
    let exporter = Exporter { site: SITE, zone: ZONE, key: &signing, folder: Some(&folder.0) };
    let whole = exporter.export(&mut db, run).await.expect("a bundle");
    check_bundle(&whole, &[public]).expect("sound");
    let text = String::from_utf8_lossy(&whole);
    assert!(
        text.contains("<th>Answered by</th>\n<td>sam</td>") && text.contains("it fits"),
        "answers are shown"
    );

    for (change, why) in [
        (
            "update gate_vote set person = 'gus'",
            "was sealed with person `sam`, and has `gus` in the database",
        ),
        ("update gate_vote set decision = 'approve'", "was sealed with decision `choose`"),
        ("update gate_vote set reason = 'because'", "another reason"),
        ("update gate_vote set named_by = 'mes'", "another named_by"),
        ("update gate_vote set body = jsonb_set(body::jsonb, '{choice}', '1')", "another body"),
        ("delete from gate_vote", "is an answer that is missing in the database"),
        ("update gate set proposal_hash = 'x'", "shows another"),
        ("update gate set ask = '{}'", "shows another"),
        (
            "insert into gate_vote (gate_id, person, decision, body, channel, proposal_hash, at)
             select gate_id, 'gus', decision, body, channel, proposal_hash, at from gate_vote",
            "an answer of gus",
        ),
    ] {
        let mut tx = console.store.begin().await.unwrap();
        sql(&mut tx, "set local session_replication_role = replica").await;
        sql(&mut tx, change).await;
        let refused = exporter.export(&mut tx, run).await.expect_err(change);
        assert!(matches!(refused, ExportError::Contradicted(_)), "{change}: {refused}");
        assert!(refused.to_string().contains(why), "{change}: {refused}");
        tx.rollback().await.unwrap();
    }
    exporter.export(&mut db, run).await.expect("the same as before");

    // What the run's own journal says of the answer is held against it, too.
    let said = json!({ "gate": gate, "by": "gus", "decision": "choose", "channel": "web",
                       "proposal_hash": "hash-of-the-proposal", "choice": 2, "overridden": false });
    let forged = Signal { id: Uuid::new_v4(), kind: SignalKind::Answer, path: None, body: said };
    seed::journal(&console, run, vec![(60, "approve", Change::Signalled(forged))]).await;
    let refused = exporter.export(&mut db, run).await.expect_err("another journal").to_string();
    assert!(refused.contains("person `sam`, and has `gus`"), "{refused}");
    assert!(Path::new(&folder.0).exists());
}

/// Names from outside stay small, and what is nobody's name may have been a password.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_has_is_not_kept() {
    let console = Console::start().await;
    let mut db = console.store.connection().await.unwrap();
    let mut visitor = console.visitor();
    for name in ["hunter2-my-password", "hunter2-my-password", &"x".repeat(100_000), "mia"] {
        visitor.sign_in(name, "wrong").await;
    }
    let filter = audit::Filter { action: Some("sign_in.refused".into()), ..audit::Filter::default() };
    let mut all = audit::list(&mut db, &filter, 9).await.unwrap();
    all.reverse();
    let tried: Vec<String> = all.into_iter().filter_map(|entry| entry.object).collect();
    assert_eq!(tried.len(), 3, "{tried:?}");
    assert!(
        tried[..2].iter().all(|tried| tried.len() == 22 && tried.starts_with("unknown name #")),
        "{tried:?}"
    );
    assert!(tried[0] != tried[1] && tried[2] == "mia", "the same name is counted, once a minute: {tried:?}");

    let long = "ü".repeat(200_000);
    audit::append(&mut db, &[AuditRecord::new(&long, "gate.refused").object(long.clone())]).await.unwrap();
    let kept = audit::recent(&mut db, 1).await.unwrap().remove(0);
    for kept in [kept.actor, kept.object.unwrap_or_default()] {
        assert!(kept.chars().count() == 200 && kept.ends_with('…'), "{} characters", kept.chars().count());
    }
}
