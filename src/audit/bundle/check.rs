//! Checking a bundle with nothing but the public key: the archive's form, the signature, every file, every link from the
//! first record to the checkpoint. The first thing that is wrong is named.

use super::{
    Before, CHAIN, CHECKPOINT, DETAILS, Detail, LINKED, Listed, MANIFEST, Manifest, PURPOSE, RECORDS,
    SIGNATURE, Step, WRITES,
    answers::Sealed,
    collect::pretty,
    export::writes,
    lines, marks_of,
    tar::{Unfit, unpack},
};
use crate::{
    audit::{
        chain::{digest_of_record, genesis, link},
        checkpoint::Signed,
        key::PublicKey,
        verify::{Broken, Place},
    },
    run::Record,
    store::{audit::digest_of_detail, seals::SealedRecord},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a sound bundle shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub site: String,
    pub run: Uuid,
    pub exported_at: String,
    pub key: String,
    pub files: usize,
    pub records: usize,
    /// Records whose detail retention had taken out.
    pub purged: usize,
    /// Links that were followed, from the first record to the checkpoint.
    pub links: usize,
    pub checkpoint_seq: i64,
    pub checkpoint_time: String,
}

type Files = BTreeMap<String, Vec<u8>>;

/// Checks all of a bundle.
pub fn check(bytes: &[u8], keys: &[PublicKey]) -> Result<Evidence, Broken> {
    let unpacked = unpack(bytes).map_err(|unfit| Broken::file(&name_of(bytes, &unfit), unfit.why))?;
    let mut files = unpacked.into_iter();
    let manifest_bytes = first(files.next(), MANIFEST)?;
    let signature = first(files.next(), SIGNATURE)?;
    let manifest = signed(&manifest_bytes, &signature, keys)?;
    let files: Vec<(String, Vec<u8>)> = files.collect();
    let is_listed = files.len() == manifest.files.len()
        && files.iter().zip(&manifest.files).all(|((name, _), listed)| *name == listed.name);
    if !is_listed {
        let odd = files.iter().map(|(name, _)| name).zip(&manifest.files);
        let odd = odd.into_iter().find(|(name, listed)| **name != listed.name).map(|(name, _)| name.as_str());
        return Err(Broken::file(odd.unwrap_or(MANIFEST), "is not the one that the manifest lists"));
    }
    let all: Files = files.iter().cloned().collect();
    for ((name, body), listed) in files.iter().zip(&manifest.files) {
        if body.len() != listed.size || hex::encode(Sha256::digest(body)) != listed.sha256 {
            return Err(changed(&all, keys, name, body, listed));
        }
    }
    let held = chain(&all, keys)?;
    told(&all)?;
    Ok(Evidence {
        site: manifest.site,
        run: manifest.run,
        exported_at: manifest.exported_at,
        key: manifest.key,
        files: files.len(),
        records: held.records,
        purged: held.purged,
        links: held.links,
        checkpoint_seq: held.checkpoint.checkpoint.seq,
        checkpoint_time: held.checkpoint.checkpoint.time,
    })
}

/// What of a file was changed: the record of the trail that it belongs to or tells of, else its line.
fn changed(files: &Files, keys: &[PublicKey], name: &str, body: &[u8], listed: &Listed) -> Broken {
    if LINKED.contains(&name) {
        return chain(files, keys).err().unwrap_or_else(|| Broken::file(name, "was changed"));
    }
    let is_record = |broken: &Broken| matches!(broken.place, Place::Record(_));
    if let Some(named) = told_in(files, files.get_key_value(name)).err().filter(is_record) {
        return named;
    }
    let marks = marks_of(body);
    let differs = |at: &usize| marks.get(*at) != listed.lines.get(*at);
    match (0..marks.len().max(listed.lines.len())).find(differs) {
        Some(at) if !listed.lines.is_empty() => Broken::file(name, format!("was changed in line {}", at + 1)),
        _ => Broken::file(name, "was changed"),
    }
}

/// The file that an unfit place in the archive belongs to: as the manifest lists it, where that can be read.
fn name_of(bytes: &[u8], unfit: &Unfit) -> String {
    match unfit.index {
        0 => return MANIFEST.to_owned(),
        1 => return SIGNATURE.to_owned(),
        _ => {}
    }
    // The manifest is the first file: its block of bytes begins behind the first header.
    let text = bytes.get(512..).unwrap_or_default();
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let manifest: Option<Manifest> = serde_json::from_slice(line).ok();
    let listed = manifest.and_then(|manifest| Some(manifest.files.get(unfit.index - 2)?.name.clone()));
    listed.unwrap_or_else(|| "(the end of the archive)".to_owned())
}

fn first(file: Option<(String, Vec<u8>)>, name: &str) -> Result<Vec<u8>, Broken> {
    match file {
        Some((found, body)) if found == name => Ok(body),
        _ => Err(Broken::file(name, "is not where it belongs")),
    }
}

fn signed(manifest: &[u8], signature: &[u8], keys: &[PublicKey]) -> Result<Manifest, Broken> {
    let read: Option<Manifest> = serde_json::from_slice(manifest).ok();
    let read = read.filter(|read| lines(std::slice::from_ref(read)) == manifest);
    let read = read.ok_or_else(|| Broken::file(MANIFEST, "is not what Takt wrote: it was changed"))?;
    let Some(key) = keys.iter().find(|key| key.id() == read.key) else {
        let why = format!("names the key {}, and none of the public keys given is that one", read.key);
        return Err(Broken::file(MANIFEST, why));
    };
    let text = std::str::from_utf8(signature).ok().and_then(|text| text.strip_suffix('\n'));
    let message = [PURPOSE.as_bytes(), manifest].concat();
    if text.is_some_and(|text| key.verifies(&message, text)) {
        return Ok(read);
    }
    let why = format!(
        "does not bear the signature of the key {}: one of {MANIFEST} and {SIGNATURE} was changed",
        key.id()
    );
    Err(Broken::file(MANIFEST, why))
}

struct Held {
    records: usize,
    purged: usize,
    links: usize,
    checkpoint: Signed,
}

/// Lines of a file; each must be what serde writes of it. `Err` is the number of the first that is not.
fn read<T: DeserializeOwned + Serialize>(files: &Files, name: &str) -> Result<Vec<T>, Broken> {
    let body = files.get(name).ok_or_else(|| Broken::file(name, "is missing"))?;
    let mut found = Vec::new();
    for (index, line) in body.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let item: Option<T> = serde_json::from_slice(line).ok();
        let item = item.filter(|item| lines(std::slice::from_ref(item)) == line);
        found.push(item.ok_or_else(|| Broken::file(name, format!("was changed in line {}", index + 1)))?);
    }
    Ok(found)
}

fn chain(files: &Files, keys: &[PublicKey]) -> Result<Held, Broken> {
    let checkpoint =
        files.get(CHECKPOINT).and_then(|body| Signed::from_text(std::str::from_utf8(body).ok()?));
    let checkpoint =
        checkpoint.ok_or_else(|| Broken::file(CHECKPOINT, "is not what Takt wrote: it was changed"))?;
    checkpoint.check(keys).map_err(|why| Broken::file(CHECKPOINT, why))?;
    let (before, steps) = read_chain(files)?;
    let records: Vec<SealedRecord> = read(files, RECORDS)?;
    let details: Vec<Detail> = read(files, DETAILS)?;
    if before.chain != checkpoint.checkpoint.chain {
        return Err(Broken::file(CHAIN, "is of another chain than the checkpoint"));
    }
    if before.seq == 0 && before.hash != hex::encode(genesis(before.chain)) {
        return Err(Broken::file(CHAIN, "does not begin where its chain begins"));
    }
    let mut by_seq: BTreeMap<i64, &SealedRecord> =
        records.iter().map(|record| (record.seq, record)).collect();
    let mut details: BTreeMap<i64, Detail> = details.into_iter().map(|detail| (detail.seq, detail)).collect();
    let is_shifted = |(number, step): (i64, &Step)| step.seq != before.seq + number;
    if !steps.is_empty() && (1..).zip(&steps).all(is_shifted) {
        return Err(Broken::file(CHAIN, "does not go on where it says that it begins"));
    }
    let (mut seq, mut hash, mut purged) = (before.seq, before.hash, 0);
    for step in &steps {
        seq += 1;
        let broken = |why: &str| Err(Broken::record(seq, why));
        if step.seq != seq {
            return broken("is missing from the chain");
        }
        if let Some(record) = by_seq.remove(&seq) {
            if hex::encode(digest_of_record(record)) != step.digest {
                if record.detail.is_some() && !details.contains_key(&seq) {
                    // Its own detail stands under another number: then that is what was changed.
                    let why = format!("has a record {seq} that is not the one in the chain");
                    return Err(Broken::file(RECORDS, why));
                }
                return broken("was changed: its digest is not the one in the chain");
            }
            match (&record.detail, details.remove(&seq)) {
                (Some(digest), Some(detail)) => {
                    let salt = hex::decode(&detail.salt).unwrap_or_default();
                    if hex::encode(digest_of_detail(&salt, &detail.body)) != *digest {
                        return broken("has another detail than the one that was sealed");
                    }
                }
                (Some(_), None) => purged += 1,
                (None, Some(_)) => return broken("has a detail that was never sealed"),
                (None, None) => {}
            }
        }
        let (previous, digest) = (hex::decode(&hash).ok(), hex::decode(&step.digest).ok());
        let digest = digest.and_then(|digest| <[u8; 32]>::try_from(digest).ok());
        let next = previous.zip(digest).map(|(previous, digest)| hex::encode(link(&previous, &digest)));
        if next.as_ref() != Some(&step.hash) {
            if seq == before.seq + 1 && goes_on(&steps, &checkpoint) {
                return Err(Broken::file(CHAIN, "says otherwise what its first link goes on from"));
            }
            return broken("has a link in the chain that does not hold");
        }
        hash.clone_from(&step.hash);
    }
    let odd = by_seq.keys().map(|seq| (RECORDS, seq)).chain(details.keys().map(|seq| (DETAILS, seq))).next();
    if let Some((file, seq)) = odd {
        let why = format!("has a record {seq} that is not part of what is shown");
        return Err(Broken::file(file, why));
    }
    if seq != checkpoint.checkpoint.seq || hash != checkpoint.checkpoint.hash {
        return Err(Broken::record(seq, "is not the one that the signed checkpoint names"));
    }
    Ok(Held { records: records.len(), purged, links: steps.len(), checkpoint })
}

/// Whether what comes after the first link goes on from it.
fn goes_on(steps: &[Step], checkpoint: &Signed) -> bool {
    let [first, rest @ ..] = steps else { return false };
    let Some(second) = rest.first() else { return first.hash == checkpoint.checkpoint.hash };
    let (hash, digest) = (hex::decode(&first.hash).ok(), hex::decode(&second.digest).ok());
    let digest = digest.and_then(|digest| <[u8; 32]>::try_from(digest).ok());
    hash.zip(digest).is_some_and(|(hash, digest)| hex::encode(link(&hash, &digest)) == second.hash)
}

/// Whoever signed the bundle: what it tells of questions, answers and writes must be what was sealed.
fn told(files: &Files) -> Result<(), Broken> {
    told_in(files, files.iter())
}

/// Holds some of the files against the records.
fn told_in<'f>(
    files: &Files,
    some: impl IntoIterator<Item = (&'f String, &'f Vec<u8>)>,
) -> Result<(), Broken> {
    let records: Vec<SealedRecord> = read(files, RECORDS)?;
    let details: Vec<Detail> = read(files, DETAILS)?;
    let sealed = Sealed::of(&records, &details);
    let of_records = writes(&records, &details);
    some.into_iter().try_for_each(|(name, body)| hold(&sealed, &of_records, name, body))
}

fn hold(sealed: &Sealed<'_>, of_records: &Value, name: &str, body: &[u8]) -> Result<(), Broken> {
    let unread = |_| Broken::file(name, "cannot be read");
    if name == WRITES {
        if body != pretty(of_records) {
            return Err(other_write(of_records, &serde_json::from_slice(body).map_err(unread)?));
        }
    } else if name.starts_with("runs/") && name.ends_with("/gates.json") {
        sealed.hold_gates(&serde_json::from_slice(body).map_err(unread)?, name)?;
    } else if name.starts_with("runs/") && name.ends_with("/journal.jsonl") {
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let journal: Result<Vec<Record>, _> = lines.map(serde_json::from_slice).collect();
        sealed.hold_journal(&journal.map_err(unread)?, name)?;
    }
    Ok(())
}

/// The first write that is shown otherwise than its record says.
fn other_write(of_records: &Value, shown: &Value) -> Broken {
    let (sealed, shown) = (of_records.as_array(), shown.as_array());
    let mut pairs = sealed.into_iter().flatten().zip(shown.into_iter().flatten());
    let other = pairs.find(|(sealed, shown)| sealed != shown).and_then(|(sealed, _)| sealed["seq"].as_i64());
    match other {
        Some(seq) => Broken::record(seq, format!("is a write, and {WRITES} shows another")),
        None => Broken::file(WRITES, "tells of other writes than the records do"),
    }
}

fn read_chain(files: &Files) -> Result<(Before, Vec<Step>), Broken> {
    let body = files.get(CHAIN).ok_or_else(|| Broken::file(CHAIN, "is missing"))?;
    let end = body.iter().position(|byte| *byte == b'\n').map_or(body.len(), |at| at + 1);
    let part = |bytes: &[u8]| Files::from([(CHAIN.to_owned(), bytes.to_vec())]);
    let before = read(&part(&body[..end]), CHAIN)?.pop();
    let before = before.ok_or_else(|| Broken::file(CHAIN, "is empty"))?;
    Ok((before, read(&part(&body[end..]), CHAIN)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{
            bundle::Exporter,
            chain::example,
            checkpoint::Checkpoint,
            key::{SigningKey, generate},
        },
        run::{Change, RunId, Signal, SignalKind},
    };
    use serde_json::{Value, json};

    /// One answer, sealed and signed as Takt does, and what a bundle says of it.
    fn bundle(key: &SigningKey, gates: &Value, journal: &str) -> Vec<u8> {
        let body =
            json!({ "answer": { "choice": 2, "items": [0.5] }, "reason": "it fits", "reason_code": null,
                           "on_behalf_of": null, "alone": false, "named_by": null })
            .to_string();
        let asked = json!({ "form": "choose", "role": "lead", "excluded": ["dan"], "quorum": 2 }).to_string();
        let digest = |body: &str| Some(hex::encode(digest_of_detail(&[1], body)));
        let pending = SealedRecord {
            action: "gate.pending".into(),
            decision: Some("PENDING_APPROVAL".into()),
            detail: digest(&asked),
            ..example(1)
        };
        let records = [pending, SealedRecord { detail: digest(&body), ..example(2) }];
        let detail = |seq, body| Detail { body, salt: "01".into(), seq };
        let details = [detail(1, asked), detail(2, body)];
        let chain = Uuid::nil();
        let mut hash = genesis(chain).to_vec();
        let before = Before { chain, hash: hex::encode(&hash), seq: 0 };
        let mut steps = Vec::new();
        for record in &records {
            let digest = digest_of_record(record);
            hash = link(&hash, &digest).to_vec();
            steps.push(Step { digest: hex::encode(digest), hash: hex::encode(&hash), seq: record.seq });
        }
        let said = Checkpoint {
            chain,
            hash: hex::encode(&hash),
            key: key.public().id(),
            seq: 2,
            site: "Plant 1".into(),
            time: "2026-11-24T12:28:00.000000Z".into(),
        };
        let chain = [lines(&[before]), lines(&steps)].concat();
        let files = vec![
            (CHAIN.to_owned(), chain),
            (CHECKPOINT.to_owned(), Signed::new(said, key).to_text().into_bytes()),
            (DETAILS.to_owned(), lines(&details)),
            (RECORDS.to_owned(), lines(&records)),
            ("runs/1/gates.json".to_owned(), pretty(gates)),
            ("runs/1/journal.jsonl".to_owned(), journal.as_bytes().to_vec()),
            (WRITES.to_owned(), pretty(&writes(&records, &details))),
        ];
        let exporter = Exporter { site: "Plant 1", zone: chrono_tz::UTC, key, folder: None };
        exporter.seal(RunId(Uuid::nil()), "2026-11-24T12:29:00Z", files)
    }

    #[test]
    fn a_signed_bundle_that_tells_of_other_answers_than_were_sealed_is_broken() {
        let (private, public) = generate().unwrap();
        let key = SigningKey::from_pem(&private).unwrap();
        let answer = json!({
            "gate_id": "gate", "person": "sam", "decision": "choose", "channel": "web", "proposal_hash": "key",
            "body": { "choice": 2, "items": [5e-1] }, "reason": "it fits", "reason_code": null,
            "on_behalf_of": null, "overrides": false, "named_by": null,
        });
        let question = json!({ "id": "gate", "proposal_hash": "key" });
        let shown = |answers: &[Value]| json!([{ "question": question, "answers": answers }]);
        let broken = |gates: &Value, journal: &str| {
            let found = check(&bundle(&key, gates, journal), std::slice::from_ref(&public));
            found.err().map(|broken| format!("{} {}", broken.place, broken.why))
        };
        assert_eq!(broken(&shown(std::slice::from_ref(&answer)), ""), None);
        // As bundles were once.
        assert_eq!(broken(&json!([{ "question": question, "answer": answer }]), ""), None);
        for (field, other) in [
            ("person", json!("gus")),
            ("decision", json!("edit")),
            ("reason", json!("no")),
            ("body", json!({})),
            ("named_by", json!("mes")),
        ] {
            let mut forged = answer.clone();
            forged[field] = other;
            let now = broken(&shown(std::slice::from_ref(&forged)), "").expect(field);
            assert!(now.starts_with("record 2 was sealed with") && now.contains(field), "{now}");
            assert!(broken(&json!([{ "question": question, "answer": forged }]), "").is_some(), "{field}");
        }
        assert!(broken(&shown(&[]), "").unwrap().contains("missing in runs/1/gates.json"));
        assert!(broken(&shown(&[answer.clone(), answer.clone()]), "").unwrap().contains("never sealed"));
        let unknown = json!([{ "question": { "id": "other" }, "answers": [] }]);
        assert!(broken(&unknown, "").unwrap().contains("of which nothing was sealed"));
        let told = json!({ "id": "gate", "proposal_hash": "key", "record": 1, "role": "lead", "excluded": ["dan"],
                           "quorum": 2, "handed_on": [] });
        let with = |question: &Value| json!([{ "question": question, "answers": [answer] }]);
        assert_eq!(broken(&with(&told), ""), None);
        let others = [
            ("quorum", json!(1)),
            ("excluded", json!([])),
            ("role", json!("dan")),
            ("handed_on", json!([{ "people": [{ "id": "dan", "name": "Dan" }] }])),
        ];
        for (field, other) in others {
            let mut forged = told.clone();
            forged[field] = other;
            let now = broken(&with(&forged), "").expect(field);
            assert!(now.starts_with("record 1 is the question gate") && now.contains(field), "{now}");
        }
        let said = json!({ "gate": "gate", "by": "gus", "decision": "choose", "channel": "web", "proposal_hash": "key" });
        let news = Signal { id: Uuid::nil(), kind: SignalKind::Answer, path: None, body: said };
        let change = Change::Signalled(news);
        let record = Record { seq: 0, at: chrono::DateTime::UNIX_EPOCH, path: None, attempt: 1, change };
        let journal = serde_json::to_string(&record).unwrap() + "\n";
        let now = broken(&json!([]), &journal).unwrap();
        assert!(now.contains("person `sam`, and has `gus` in runs/1/journal.jsonl"), "{now}");
    }
}
