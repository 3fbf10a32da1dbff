//! The append-only history of every run.

use super::{PgConnection, Result, StoreError};
use crate::run::{Change, Record, RunId, StepPath};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

/// Bodies above this size are kept in `payload`.
const INLINE_BYTES_MAX: usize = 8 * 1024;

#[derive(Default)]
struct Columns {
    run: Vec<Uuid>,
    seq: Vec<i32>,
    at: Vec<DateTime<Utc>>,
    path: Vec<Option<String>>,
    attempt: Vec<i32>,
    kind: Vec<String>,
    data: Vec<Option<Value>>,
    payload: Vec<Option<Uuid>>,
}

#[derive(Default)]
struct Payloads {
    id: Vec<Uuid>,
    at: Vec<DateTime<Utc>>,
    body: Vec<Value>,
}

/// Appends records of many runs in one statement (two when there are large bodies).
pub async fn append(db: &mut PgConnection, records: &[(RunId, &Record)]) -> Result<()> {
    let mut rows = Columns::default();
    let mut payloads = Payloads::default();
    for (run, record) in records {
        let data = data_of(&record.change)?;
        let is_large = data.as_ref().is_some_and(|data| data.to_string().len() > INLINE_BYTES_MAX);
        let payload = is_large.then(Uuid::now_v7);
        if let (Some(id), Some(body)) = (payload, data.clone()) {
            payloads.id.push(id);
            payloads.at.push(record.at);
            payloads.body.push(body);
        }
        rows.run.push(run.0);
        rows.seq.push(i32::try_from(record.seq).unwrap_or(i32::MAX));
        rows.at.push(record.at);
        rows.path.push(record.path.as_ref().map(ToString::to_string));
        rows.attempt.push(i32::try_from(record.attempt).unwrap_or(i32::MAX));
        rows.kind.push(record.change.kind().to_owned());
        rows.data.push(if is_large { None } else { data });
        rows.payload.push(payload);
    }
    if !payloads.id.is_empty() {
        sqlx::query!(
            "insert into payload (id, at, body) select * from unnest($1::uuid[], $2::timestamptz[], $3::jsonb[])",
            &payloads.id,
            &payloads.at,
            &payloads.body
        )
        .execute(&mut *db)
        .await?;
    }
    sqlx::query!(
        "insert into journal (run_id, seq, at, path, attempt, kind, data, payload_id)
         select * from unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::text[],
                              $5::int[], $6::text[], $7::jsonb[], $8::uuid[])",
        &rows.run,
        &rows.seq,
        &rows.at,
        &rows.path as &[Option<String>],
        &rows.attempt,
        &rows.kind,
        &rows.data as &[Option<Value>],
        &rows.payload as &[Option<Uuid>]
    )
    .execute(db)
    .await?;
    Ok(())
}

fn data_of(change: &Change) -> Result<Option<Value>> {
    let whole = serde_json::to_value(change).map_err(unreadable)?;
    Ok(whole.get("data").cloned())
}

fn unreadable(source: serde_json::Error) -> StoreError {
    StoreError::Unreadable { what: "journal", source }
}

/// A run's whole history in order.
pub async fn load(db: &mut PgConnection, run: RunId) -> Result<Vec<Record>> {
    let rows = sqlx::query!(
        r#"select journal.seq, journal.at, journal.path, journal.attempt, journal.kind,
                  coalesce(journal.data, payload.body) as data
           from journal left join payload on payload.id = journal.payload_id and payload.at = journal.at
           where journal.run_id = $1 order by journal.seq"#,
        run.0
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let change = match row.data {
                Some(data) => json!({ "kind": row.kind, "data": data }),
                None => json!({ "kind": row.kind }),
            };
            Ok(Record {
                seq: u32::try_from(row.seq).unwrap_or(0),
                at: row.at,
                path: row.path.map(StepPath::from),
                attempt: u32::try_from(row.attempt).unwrap_or(0),
                change: serde_json::from_value(change).map_err(unreadable)?,
            })
        })
        .collect()
}
