//! The append-only history of every run, and how its rows are laid out.
//!
//! A row holds the records that one commit wrote for one run: `[[offset in µs, path, attempt, kind, data, payload
//! id], …]`. Large bodies stand in `payload`. Appending is part of a commit, see `commits`.

use super::{PgConnection, Result, StoreError};
use crate::run::{Change, Record, RunId, StepPath};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Bodies above this size are kept in `payload`.
const INLINE_BYTES_MAX: usize = 8 * 1024;

/// Journal rows and their large bodies, by column.
#[derive(Debug, Default)]
pub struct Rows {
    pub run: Vec<Uuid>,
    pub seq: Vec<i32>,
    pub at: Vec<DateTime<Utc>>,
    pub records: Vec<String>,
    pub payload: Vec<Uuid>,
    pub body: Vec<String>,
}

impl Rows {
    /// Adds what one commit says of one run; nothing when it says nothing.
    pub fn add(&mut self, run: RunId, records: &[Record]) -> Result<()> {
        let Some(first) = records.first() else { return Ok(()) };
        let mut text = String::with_capacity(64 * records.len());
        for (index, record) in records.iter().enumerate() {
            text.push(if index == 0 { '[' } else { ',' });
            let offset = (record.at - first.at).num_microseconds().unwrap_or_default();
            let data = self.data_of(run, &record.change)?;
            let path = record.path.as_ref().map(StepPath::as_str);
            let head = (offset, path, record.attempt, record.change.kind());
            let head = serde_json::to_string(&head).map_err(unreadable)?;
            text.push_str(head.trim_end_matches(']'));
            match data {
                Data::None => {}
                Data::Inline(data) => {
                    text.push(',');
                    text.push_str(&data);
                }
                Data::Apart(payload) => text.push_str(&format!(",null,\"{payload}\"")),
            }
            text.push(']');
        }
        text.push(']');
        self.run.push(run.0);
        self.seq.push(i32::try_from(first.seq).unwrap_or(i32::MAX));
        self.at.push(first.at);
        self.records.push(text);
        Ok(())
    }

    fn data_of(&mut self, run: RunId, change: &Change) -> Result<Data> {
        let whole = serde_json::to_string(change).map_err(unreadable)?;
        let head = r#"{"kind":"","data":"#.len() + change.kind().len();
        let Some(data) = whole.get(head..whole.len() - 1) else { return Ok(Data::None) };
        if data.len() <= INLINE_BYTES_MAX {
            return Ok(Data::Inline(data.to_owned()));
        }
        let id = run.beside();
        self.payload.push(id);
        self.body.push(data.to_owned());
        Ok(Data::Apart(id))
    }
}

enum Data {
    None,
    Inline(String),
    Apart(Uuid),
}

fn unreadable(source: serde_json::Error) -> StoreError {
    StoreError::Unreadable { what: "journal", source }
}

/// Appends outside of a worker's commit: what people order of runs that nobody drives.
pub async fn append(db: &mut PgConnection, records: &[(RunId, &Record)]) -> Result<()> {
    let mut rows = Rows::default();
    for (run, record) in records {
        rows.add(*run, std::slice::from_ref(*record))?;
    }
    insert(db, &rows).await
}

async fn insert(db: &mut PgConnection, rows: &Rows) -> Result<()> {
    sqlx::query!(
        "insert into journal (run_id, seq, at, records)
         select run_id, seq, at, records::json
         from unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::text[]) as new (run_id, seq, at, records)",
        &rows.run,
        &rows.seq,
        &rows.at,
        &rows.records
    )
    .execute(&mut *db)
    .await?;
    keep_bodies(db, rows).await
}

/// Stores the large bodies of rows, in the transaction that writes the rows.
pub(super) async fn keep_bodies(db: &mut PgConnection, rows: &Rows) -> Result<()> {
    if rows.payload.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into payload (id, body)
         select id, body::json from unnest($1::uuid[], $2::text[]) as new (id, body)",
        &rows.payload,
        &rows.body
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A run's whole history in order.
pub async fn load(db: &mut PgConnection, run: RunId) -> Result<Vec<Record>> {
    Ok(load_many(db, &[run.0]).await?.remove(&run).unwrap_or_default())
}

/// The histories of several runs, each in order.
pub async fn load_many(db: &mut PgConnection, runs: &[Uuid]) -> Result<BTreeMap<RunId, Vec<Record>>> {
    let rows = sqlx::query!(
        "select run_id, seq, at, records from journal where run_id = any($1) order by run_id, seq",
        runs
    )
    .fetch_all(&mut *db)
    .await?;
    let mut found: BTreeMap<RunId, Vec<Written>> = BTreeMap::new();
    let mut apart = Vec::new();
    for row in rows {
        let records: Vec<Value> = serde_json::from_value(row.records).map_err(unreadable)?;
        for (index, record) in records.into_iter().enumerate() {
            let written = Written::read(record, row.seq, index, row.at)?;
            apart.extend(written.payload);
            found.entry(RunId(row.run_id)).or_default().push(written);
        }
    }
    let bodies = bodies(db, &apart).await?;
    found
        .into_iter()
        .map(|(run, written)| {
            let records = written.into_iter().map(|written| written.record(&bodies));
            Ok((run, records.collect::<Result<Vec<_>>>()?))
        })
        .collect()
}

async fn bodies(db: &mut PgConnection, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Value>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows =
        sqlx::query!("select id, body from payload where id = any($1)", ids).fetch_all(&mut *db).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.body)).collect())
}

/// One record as it stands in a row.
struct Written {
    seq: u32,
    at: DateTime<Utc>,
    path: Option<String>,
    attempt: u32,
    kind: String,
    data: Option<Value>,
    payload: Option<Uuid>,
}

impl Written {
    fn read(record: Value, first: i32, index: usize, at: DateTime<Utc>) -> Result<Self> {
        let mut fields: Vec<Value> = serde_json::from_value(record).map_err(unreadable)?;
        let mut field = |index: usize| fields.get_mut(index).map(Value::take).unwrap_or_default();
        let offset = field(0).as_i64().unwrap_or_default();
        let payload = field(5).as_str().and_then(|id| id.parse().ok());
        let data = field(4);
        Ok(Self {
            seq: u32::try_from(first).unwrap_or_default() + u32::try_from(index).unwrap_or_default(),
            at: at + TimeDelta::microseconds(offset),
            path: serde_json::from_value(field(1)).map_err(unreadable)?,
            attempt: serde_json::from_value(field(2)).map_err(unreadable)?,
            kind: serde_json::from_value(field(3)).map_err(unreadable)?,
            data: (!data.is_null()).then_some(data),
            payload,
        })
    }

    fn record(self, bodies: &BTreeMap<Uuid, Value>) -> Result<Record> {
        let data = self.payload.and_then(|id| bodies.get(&id).cloned()).or(self.data);
        let change = match data {
            Some(data) => json!({ "kind": self.kind, "data": data }),
            None => json!({ "kind": self.kind }),
        };
        Ok(Record {
            seq: self.seq,
            at: self.at,
            path: self.path.map(StepPath::from),
            attempt: self.attempt,
            change: serde_json::from_value(change).map_err(unreadable)?,
        })
    }
}
