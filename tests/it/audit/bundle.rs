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

    // Everything that is structure, and a seeded choice of the rest; at night all of it.
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let mut places: Vec<usize> = (0..whole.len()).collect();
    if std::env::var("TAKT_FLIP_ALL").is_err() {
        places.retain(|at| *at < 2_048 || *at + 1_100 >= whole.len());
        places.extend((0..FLIPS).map(|_| random.random_range(0..whole.len())));
    }
    let files = files_in(&whole);
    let (_, _, records) = files.iter().find(|(name, ..)| name == "records.jsonl").expect("records");
    let bundled: Vec<i64> = whole[records.clone()]
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok()?["seq"].as_i64())
        .collect();
    let (mut of_lines, mut of_records, mut elsewhere) = (0, 0, Vec::new());
    for at in places {
        let mut changed = whole.clone();
        changed[at] ^= 1 << random.random_range(0..8);
        let broken = check(&changed, &keys).expect_err(&format!("byte {at} of {}", whole.len()));
        assert!(!broken.why.is_empty());
        let (file, record) = holder(&whole, &files, at);
        of_lines += usize::from(record.is_some());
        of_records += usize::from(matches!(broken.place, Place::Record(_)));
        let is_named = match &broken.place {
            // What is told beside the records is named by the record it tells of, else by its line.
            Place::Record(seq) if record.is_none() => is_told(file) && bundled.contains(seq),
            Place::File(named) if let Some(line) = line_in(&whole, &files, at) => {
                named == file && broken.why == format!("was changed in line {line}")
            }
            // Which of the two it was nobody can tell: the sentence names both.
            Place::File(named) if file == "manifest.sig" => *named == file || broken.why.contains(file),
            Place::File(named) => named == file,
            Place::Record(seq) => Some(*seq) == record,
            _ => false,
        };
        if !is_named {
            elsewhere.push(format!("byte {at} in {file} {record:?}: {} {}", broken.place, broken.why));
        }
    }
    assert!(
        elsewhere.is_empty(),
        "{} of them, such as\n{}",
        elsewhere.len(),
        elsewhere[..elsewhere.len().min(20)].join("\n")
    );
    // What no longer is a line of Takt's is named by file and line.
    assert!(of_records * 2 > of_lines, "{of_records} of {of_lines} are named by their record");
}

/// What an answer, a question or a write is shown in.
fn is_told(file: &str) -> bool {
    file == "writes.json" || file.ends_with("/gates.json") || file.ends_with("/journal.jsonl")
}

/// Which line a byte is in, of a file whose lines the manifest knows.
fn line_in(whole: &[u8], files: &[(String, usize, std::ops::Range<usize>)], at: usize) -> Option<usize> {
    let others = ["manifest.json", "manifest.sig", "records.jsonl", "details.jsonl", "chain.jsonl"];
    let (_, _, content) =
        files.iter().find(|(name, _, content)| content.contains(&at) && !others.contains(&name.as_str()))?;
    Some(1 + whole[content.start..at].iter().filter(|byte| **byte == b'\n').count())
}

/// Where each file of an archive begins, where its content does, and where that ends.
fn files_in(whole: &[u8]) -> Vec<(String, usize, std::ops::Range<usize>)> {
    let (mut files, mut at) = (Vec::new(), 0);
    while whole[at] != 0 {
        let text = |from: usize, to: usize| String::from_utf8_lossy(&whole[at + from..at + to]).into_owned();
        let size = usize::from_str_radix(&text(124, 135), 8).expect("a size");
        files.push((text(0, 100).trim_end_matches('\0').to_owned(), at, at + 512..at + 512 + size));
        at += 512 + size.next_multiple_of(512);
    }
    files.push(("(the end of the archive)".to_owned(), at, at..at));
    files
}

/// The file that a byte is in, and the record, where it is in the line of one.
fn holder<'f>(
    whole: &[u8],
    files: &'f [(String, usize, std::ops::Range<usize>)],
    at: usize,
) -> (&'f str, Option<i64>) {
    let (name, _, content) = files.iter().rfind(|(_, begins, _)| *begins <= at).expect("a file");
    let has_lines = ["records.jsonl", "details.jsonl", "chain.jsonl"].contains(&name.as_str());
    if !has_lines || !content.contains(&at) {
        return (name, None);
    }
    let begins = whole[content.start..at].iter().rposition(|byte| *byte == b'\n');
    let begins = content.start + begins.map_or(0, |at| at + 1);
    let ends = begins + whole[begins..].iter().position(|byte| *byte == b'\n').expect("an end of the line");
    let line: serde_json::Value = serde_json::from_slice(&whole[begins..ends]).expect("JSON");
    // The chain's first line says where it begins, and is no record.
    let is_record = name != "chain.jsonl" || line["chain"].is_null();
    (name, line["seq"].as_i64().filter(|_| is_record))
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
