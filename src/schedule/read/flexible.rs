//! Flexible job shops: per job the count of operations, per operation the count of alternatives and
//! `machine time` of each, machines from 1; setup matrices may follow, one per machine.

use super::super::model::Model;
use super::classic::{Families, Header, Job, Matrices, TIME_MAX, model};
use super::tokens::{Stream, Token};
use super::{Format, ReadError};

/// More operations than any plan takes; a count beyond it is a misread file.
const OPS_MAX: i64 = 1_000_000;

pub(super) fn read(header: &Header, body: &[Vec<Token>]) -> Result<(Model, Format), ReadError> {
    let tokens: Vec<Token> = body.iter().flatten().copied().collect();
    let mut stream = Stream::new(&tokens);
    let jobs = (0..header.jobs).map(|_| job(header, &mut stream)).collect::<Result<Vec<_>, _>>()?;
    let ops: usize = jobs.iter().map(|job| job.ops.len()).sum();
    let rest = stream.rest();
    let cells = |size: usize| size as u128 * size as u128 * header.machines as u128;
    let (by_job, by_op) = (cells(jobs.len()), cells(ops));
    let (format, families, size) = match rest.len() as u128 {
        0 => (Format::Flexible, Families::None, 0),
        count if count == by_job => (Format::SetupsByJob, Families::ByJob, jobs.len()),
        count if count == by_op => (Format::SetupsByOperation, Families::ByOperation, ops),
        _ => {
            let (line, column, count) = (rest[0].line, rest[0].column, rest.len());
            return Err(ReadError::LeftOver { line, column, count, by_job, by_op });
        }
    };
    let matrices = matrices(rest, size)?;
    Ok((model(header, &jobs, 1, (families, &matrices)), format))
}

fn job(header: &Header, stream: &mut Stream) -> Result<Job, ReadError> {
    let count = stream.next("a job's number of operations")?.within("a number of operations", 1, OPS_MAX)?;
    let mut ops = Vec::new();
    for _ in 0..count {
        let machines = header.machines as i64;
        let choices =
            stream.next("a number of alternatives")?.within("a number of alternatives", 1, machines)?;
        let mut alts: Vec<(usize, i64)> = Vec::new();
        for _ in 0..choices {
            let token = stream.next("a machine")?;
            let machine = token.within("a machine", 1, machines)? as usize - 1;
            let time = stream.next("a time")?.within("a time", 0, TIME_MAX)?;
            if alts.iter().any(|&(known, _)| known == machine) {
                let message = format!("machine {} is listed twice for one operation", machine + 1);
                return Err(ReadError::Line { line: token.line, message });
            }
            alts.push((machine, time));
        }
        ops.push(alts);
    }
    Ok(Job { weight_and_due: None, ops })
}

fn matrices(rest: &[Token], size: usize) -> Result<Matrices, ReadError> {
    if size == 0 {
        return Ok(Vec::new());
    }
    let rows = rest
        .chunks(size)
        .map(|row| row.iter().map(|token| token.within("a setup time", 0, TIME_MAX)).collect())
        .collect::<Result<Vec<Vec<i64>>, _>>()?;
    Ok(rows.chunks(size).map(<[_]>::to_vec).collect())
}
