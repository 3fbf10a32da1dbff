//! The chain in its database: whatever is changed behind Takt's back is found and named.

use super::{Folder, SITE, ZONE, after, check, fill, key, purge, seal, sql};
use crate::support::pg;
use sqlx::{AssertSqlSafe, Connection};
use takt::{
    audit::{Place, take_checkpoint},
    run::AuditRecord,
    store::{audit, clock, seals},
};

#[tokio::test]
async fn whatever_is_changed_behind_takt_is_named() {
    let database = pg::database().await;
    let mut db = database.pool.acquire().await.expect("a connection");
    let (signing, public) = key();
    let (keys, folder) = ([public], Folder::new());
    fill(&mut db, 1, 12).await;
    assert_eq!(seal(&mut db).await, 12);
    let first = take_checkpoint(&mut db, SITE, ZONE, &signing, Some(&folder.0)).await.unwrap().unwrap();
    assert_eq!(first.checkpoint.seq, 12);
    fill(&mut db, 13, 8).await;
    take_checkpoint(&mut db, SITE, ZONE, &signing, Some(&folder.0)).await.unwrap().unwrap();
    fill(&mut db, 21, 2).await;
    let sound = check(&mut db, &keys, Some(&*folder.0)).await.unwrap();
    assert_eq!(sound.broken, None);
    // Each checkpoint is a file and a row, and counts once.
    assert_eq!((sound.records, sound.checkpoints, sound.waiting), (20, 2, 2));

    // Ids are seqs here: nothing else was in the trail.
    let of_record = [
        (5, "update audit_record set actor = 'eve' where id = 5"),
        (5, "update audit_record set at = at + interval '1 microsecond' where id = 5"),
        (5, "update audit_record set decision = 'approve' where id = 5"),
        (5, "update audit_record set detail_hash = null where id = 5"),
        (6, "update audit_detail set body = replace(body, 'rained', 'snowed') where record_id = 6"),
        (6, "delete from audit_detail where record_id = 6"),
        (7, "delete from audit_record where id = 7"),
        (8, "delete from audit_seal where seq = 8"),
        (8, "update audit_seal set hash = sha256('x') where seq = 8"),
        (8, "update audit_seal set site = 'Plant 2' where seq = 8"),
        (8, "update audit_seal set offset_minutes = 0 where seq = 8"),
        (9, "update audit_seal set record_id = case seq when 9 then 10 else 9 end where seq in (9, 10)"),
        (20, "delete from audit_seal where seq = 20; delete from audit_record where id = 20"),
    ];
    for (seq, change) in of_record {
        let verdict = after(&mut db, &keys, Some(&folder), change).await;
        let place = verdict.broken.as_ref().map(|broken| broken.place.clone());
        assert_eq!(place, Some(Place::Record(seq)), "{change}: {verdict:?}");
        assert_eq!(verdict.records, seq - 1, "{change}: what stands before it holds");
    }
    let verdict = after(&mut db, &keys, Some(&folder), "update audit_head set hash = sha256('x')").await;
    assert_eq!(verdict.broken.unwrap().place, Place::Record(20));
    let unsealed = "insert into audit_record (id, actor, actor_kind, action) values (-3, 'eve', 'person', 'gate.approve')";
    let verdict = after(&mut db, &keys, Some(&folder), unsealed).await;
    assert_eq!(verdict.broken.unwrap().place, Place::Unsealed(-3));

    // Cutting the end off leaves a whole chain; only what was signed knows better.
    let cut = "delete from audit_seal where seq > 15; delete from audit_record where id > 15;
        update audit_head set seq = 15, top = 15, hash = (select hash from audit_seal where seq = 15)";
    let verdict = after(&mut db, &keys, Some(&folder), cut).await;
    assert!(verdict.broken.unwrap().sentence().contains("its end was cut off"));
    assert_eq!(
        after(&mut db, &keys, None, &format!("{cut}; delete from audit_checkpoint")).await.broken,
        None
    );

    let renamed = "update audit_checkpoint set body = replace(body, 'Plant 1', 'Plant 9')";
    let verdict = after(&mut db, &keys, Some(&folder), renamed).await;
    assert!(matches!(verdict.broken.unwrap().place, Place::Checkpoint(_)));
    let (_, other) = key();
    let unchecked = check(&mut db, &[other], Some(&*folder.0)).await.unwrap();
    assert_eq!(
        (unchecked.broken, unchecked.unchecked, unchecked.checkpoints, unchecked.last_checkpoint),
        (None, 2, 0, None),
        "without its key it vouches for nothing"
    );
}

/// Somebody with all rights who makes the whole chain anew cannot make the checkpoints anew.
#[tokio::test]
async fn a_chain_made_anew_contradicts_the_checkpoint() {
    let database = pg::database().await;
    let mut db = database.pool.acquire().await.unwrap();
    let (signing, public) = key();
    let (keys, folder) = ([public], Folder::new());
    fill(&mut db, 1, 10).await;
    take_checkpoint(&mut db, SITE, ZONE, &signing, Some(&folder.0)).await.unwrap();
    fill(&mut db, 11, 5).await;
    let mut tx = db.begin().await.unwrap();
    sql(&mut tx, "set local session_replication_role = replica").await;
    sql(
        &mut tx,
        "update audit_record set actor = 'eve' where id = 4; delete from audit_seal; delete from audit_checkpoint;
         update audit_head set seq = 0, top = 0, hash = '', holes = '{}'",
    )
    .await;
    tx.commit().await.unwrap();
    assert_eq!(seal(&mut db).await, 15);
    assert_eq!(check(&mut db, &keys, None).await.unwrap().broken, None, "the database alone looks sound");
    let broken =
        check(&mut db, &keys, Some(&*folder.0)).await.unwrap().broken.expect("the file knows better");
    assert!(
        matches!(&broken.place, Place::Checkpoint(name) if name.starts_with("takt-audit-")),
        "{broken:?}"
    );
    assert!(broken.why.contains("record 10 had another hash"), "{broken:?}");
    // One flipped bit in a file is found before anything is compared with it.
    let file = std::fs::read_dir(&folder.0).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let broken = check(&mut db, &keys, Some(&*folder.0)).await.unwrap().broken.unwrap();
    assert!(matches!(broken.place, Place::Checkpoint(_)), "{broken:?}");
}

#[tokio::test]
async fn records_cannot_be_changed_or_taken_out() {
    let database = pg::database().await;
    let mut db = database.pool.acquire().await.unwrap();
    fill(&mut db, 1, 3).await;
    seal(&mut db).await;
    for table in ["audit_record", "audit_detail", "audit_seal", "audit_checkpoint"] {
        let column = match table {
            "audit_record" => "actor",
            "audit_detail" => "record_id",
            _ => "seq",
        };
        for change in [
            format!("update {table} set {column} = {column}"),
            format!("delete from {table}"),
            format!("truncate {table}"),
        ] {
            let refused = sqlx::raw_sql(AssertSqlSafe(change.clone())).execute(&mut *db).await;
            let refused = refused.expect_err(&change).to_string();
            assert!(refused.contains("append-only"), "{change}: {refused}");
        }
    }
}

#[tokio::test]
async fn what_retention_takes_out_leaves_a_chain_that_holds() {
    let database = pg::database().await;
    let mut db = database.pool.acquire().await.unwrap();
    let (signing, public) = key();
    fill(&mut db, 1, 5).await;
    take_checkpoint(&mut db, SITE, ZONE, &signing, None).await.unwrap();
    let then = clock::now(&mut db).await.unwrap();
    fill(&mut db, 6, 2).await;
    assert_eq!(purge(&mut db, then).await, 5);
    assert_eq!(seal(&mut db).await, 0, "what retention says is sealed before it does it");
    let keys = [public];
    let verdict = check(&mut db, &keys, None).await.unwrap();
    assert_eq!((verdict.broken, verdict.records, verdict.purged), (None, 8, 5));
    let entries = audit::recent(&mut db, 10).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.is_purged).count(), 5);
    assert_eq!(entries[0].action, "audit.purge");
    // A detail that went another way is younger than what retention took out.
    let verdict = after(&mut db, &keys, None, "delete from audit_detail where record_id = 6").await;
    assert_eq!(verdict.broken.unwrap().place, Place::Record(6));
    // An unsealed detail stays, however old: nothing else would say that it was there.
    fill(&mut db, 9, 1).await;
    let now = clock::now(&mut db).await.unwrap();
    let unsealed = sqlx::query_scalar::<_, i64>("select audit_purge($1, 10)").bind(now);
    let mut tx = db.begin().await.unwrap();
    assert_eq!(unsealed.fetch_one(&mut *tx).await.unwrap(), 2);
    tx.rollback().await.unwrap();
    assert_eq!(purge(&mut db, now).await, 3);
    assert_eq!(check(&mut db, &keys, None).await.unwrap().broken, None);
}

/// Numbers are drawn before a transaction ends, so they come to be in another order than they were drawn.
#[tokio::test]
async fn a_record_that_commits_late_still_gets_its_place() {
    let database = pg::database().await;
    let mut late = database.pool.begin().await.unwrap();
    fill(&mut late, 1, 1).await;
    let mut lost = database.pool.begin().await.unwrap();
    fill(&mut lost, 2, 1).await;
    let mut db = database.pool.acquire().await.unwrap();
    fill(&mut db, 3, 2).await;
    assert_eq!(seal(&mut db).await, 2);
    assert_eq!(seals::head(&mut db).await.unwrap().holes, [1, 2]);
    lost.rollback().await.unwrap();
    assert_eq!(check(&mut db, &[], None).await.unwrap().broken, None, "what is under way is not missing");
    late.commit().await.unwrap();
    assert_eq!(seal(&mut db).await, 1);
    let verdict = check(&mut db, &[], None).await.unwrap();
    assert_eq!((verdict.broken, verdict.records, verdict.waiting), (None, 3, 0));
    let order: Vec<(i64, Option<i64>)> =
        audit::recent(&mut db, 9).await.unwrap().iter().map(|entry| (entry.id, entry.seq)).collect();
    assert_eq!(order, [(4, Some(2)), (3, Some(1)), (1, Some(3))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_write_and_many_seal_and_the_chain_has_no_gap() {
    const EACH: usize = 40;
    let database = pg::database().await;
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let pool = database.pool.clone();
        tasks.spawn(async move {
            for n in 0..EACH {
                let mut tx = pool.begin().await.unwrap();
                let record = AuditRecord::new("sam", "run.pause").object(format!("{writer}-{n}"));
                audit::append(&mut tx, &[record]).await.unwrap();
                if n % 5 == 0 {
                    tx.rollback().await.unwrap();
                } else {
                    tx.commit().await.unwrap();
                }
            }
        });
    }
    for _ in 0..2 {
        let pool = database.pool.clone();
        tasks.spawn(async move {
            for _ in 0..EACH {
                seal(&mut pool.acquire().await.unwrap()).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let mut db = database.pool.acquire().await.unwrap();
    seal(&mut db).await;
    let verdict = check(&mut db, &[], None).await.unwrap();
    let kept = i64::try_from(4 * EACH * 4 / 5).unwrap();
    assert_eq!((verdict.broken, verdict.records, verdict.waiting), (None, kept, 0));
}
