//! Evidence bundles: any flipped byte is found, and what it was in is named.

use super::{Folder, SITE, ZONE, fill, key};
use crate::support::{console::Console, seed};
use rand::{Rng, SeedableRng};
use serde_json::json;
use takt::{
    audit::{
        Place, PublicKey,
        bundle::{Exporter, check},
    },
    run::{AuditRecord, RunId, TAKT},
    store::audit,
};

const FLIPS: usize = 1_500;

/// A small bundle of a run with a question, an answer and a write.
async fn bundle(console: &Console) -> (Vec<u8>, PublicKey, RunId) {
    let run =
        seed::run(console, "supplier_delay", "PO-1 late", json!({ "type": "t", "subject": "PO-1" })).await;
    let gate = seed::points(console).await;
    let (signing, public) = key();
    let folder = Folder::new();
    let mut db = console.store.connection().await.expect("a connection");
    let mut written =
        AuditRecord::new(TAKT, "write.done").of_run(run, Some("push")).object("plex.update_sequence");
    written.external_id = Some("S-77".into());
    written.detail = json!({ "input": { "sequence": [1, 2] }, "approved": { "by": "sam" } });
    let asked = AuditRecord::new(TAKT, "gate.pending").of_run(run, Some("approve")).object(gate.to_string());
    audit::append(&mut db, &[asked]).await.expect("appending");
    // What others do meanwhile is part of the chain, and not of the evidence.
    fill(&mut db, 1, 3).await;
    audit::append(&mut db, &[written]).await.expect("appending");
    let exporter = Exporter { site: SITE, zone: ZONE, key: &signing, folder: Some(&folder.0) };
    assert_eq!(exporter.run_of(&mut db, "S-77").await.expect("the run of the change"), run);
    assert!(exporter.run_of(&mut db, "S-78").await.is_err());
    (exporter.export(&mut db, run).await.expect("a bundle"), public, run)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_byte_anywhere_is_found_and_named() {
    let console = Console::start().await;
    let (whole, public, run) = bundle(&console).await;
    let keys = [public];
    let evidence = check(&whole, &keys).expect("sound");
    assert_eq!((evidence.run, evidence.records, evidence.purged), (run.0, 2, 0));
    assert_eq!(evidence.links, 5);
    let text = String::from_utf8_lossy(&whole);
    assert!(text.contains("S-77") && !text.contains("it rained"), "others' details stay where they are");

    // Everything that is structure, and a seeded choice of the rest.
    let mut places: Vec<usize> =
        (0..whole.len().min(2_048)).chain(whole.len() - 1_100..whole.len()).collect();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    places.extend((0..FLIPS).map(|_| random.random_range(0..whole.len())));
    let mut of_records = 0;
    for at in places {
        let mut changed = whole.clone();
        changed[at] ^= 1 << random.random_range(0..8);
        let broken = check(&changed, &keys).expect_err(&format!("byte {at} of {}", whole.len()));
        assert!(!broken.why.is_empty());
        of_records += usize::from(matches!(broken.place, Place::Record(_)));
    }
    assert!(of_records > 0, "records are named by their number");
}

/// The place that is named is the one that was changed.
#[tokio::test(flavor = "multi_thread")]
async fn the_changed_record_or_file_is_the_one_that_is_named() {
    let console = Console::start().await;
    let (whole, public, run) = bundle(&console).await;
    let keys = [public];
    let named = |needle: &str, instead: &str| {
        assert_eq!(needle.len(), instead.len());
        let at = whole.windows(needle.len()).rposition(|window| window == needle.as_bytes()).expect(needle);
        let mut changed = whole.clone();
        changed[at..at + needle.len()].copy_from_slice(instead.as_bytes());
        check(&changed, &keys).expect_err(needle).place.to_string()
    };
    assert_eq!(
        named(r#""action":"gate.pending""#, r#""action":"gate.approve""#),
        "record 5",
        "four workflows were deployed first"
    );
    assert_eq!(named(r#""external_id":"S-77""#, r#""external_id":"S-78""#), "record 9");
    assert_eq!(named(r#"\"by\":\"sam\""#, r#"\"by\":\"eve\""#), "record 9");
    assert_eq!(named("<h2>Written to other systems", "<h2>Written to other sistems"), "file summary.html");
    assert_eq!(
        named(&format!("runs/{run}/run.json\0"), &format!("runs/{run}/sun.json\0")),
        format!("file runs/{run}/run.json")
    );
    assert_eq!(named("-----BEGIN PUBLIC KEY", "-----BEGIN PUBLIK KEY"), "file public_key.pem");

    // Neither a bundle cut short, nor one with something behind it, nor one of another key.
    assert!(check(&whole[..whole.len() - 512], &keys).is_err());
    assert!(check(&[whole.as_slice(), &[0; 512]].concat(), &keys).is_err());
    assert!(check(&whole, &[key().1]).unwrap_err().why.contains("none of the public keys"));
    assert!(check(b"", &keys).is_err());
}
