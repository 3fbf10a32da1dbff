//! JSPLIB: one job a line, `machine time` in turn, machines from 0; some end in `weight due` or `-1 -1`.

use super::super::model::Model;
use super::classic::{Families, Header, Job, TIME_MAX, model};
use super::tokens::Token;
use super::{Format, ReadError};

pub(super) fn read(header: &Header, body: &[Vec<Token>]) -> Result<(Model, Format), ReadError> {
    if body.len() != header.jobs {
        let line = body.last().map_or(1, |line| line[0].line);
        let message = format!("{} job lines follow the header, which says {}", body.len(), header.jobs);
        return Err(ReadError::Line { line, message });
    }
    let lines: Vec<&[Token]> = body.iter().map(|line| without_end_mark(line)).collect();
    let has_due = lines.iter().all(|line| ends_in_weight_and_due(line, header.machines));
    let jobs = lines.iter().map(|line| job(header, line, has_due)).collect::<Result<Vec<_>, _>>()?;
    let format = if has_due { Format::WeightedTardiness } else { Format::JobShop };
    Ok((model(header, &jobs, 0, (Families::None, &Vec::new())), format))
}

fn without_end_mark<'a, 't>(line: &'a [Token<'t>]) -> &'a [Token<'t>] {
    match line {
        [rest @ .., first, second] if first.text == "-1" && second.text == "-1" => rest,
        _ => line,
    }
}

/// One pair more than machines, and the pairs before it visit every machine once.
fn ends_in_weight_and_due(line: &[Token], machines: usize) -> bool {
    if line.len() != 2 * (machines + 1) {
        return false;
    }
    let mut visited: Vec<i64> =
        line[..2 * machines].iter().step_by(2).filter_map(|token| token.number().ok()).collect();
    visited.sort_unstable();
    visited.iter().copied().eq(0..machines as i64)
}

fn job(header: &Header, line: &[Token], has_due: bool) -> Result<Job, ReadError> {
    if line.len() % 2 == 1 || line.is_empty() {
        let message = format!("a job is pairs of machine and time, but this line has {} numbers", line.len());
        return Err(ReadError::Line { line: line.first().map_or(1, |token| token.line), message });
    }
    let pairs = if has_due { &line[..line.len() - 2] } else { line };
    let mut ops = Vec::with_capacity(pairs.len() / 2);
    for pair in pairs.chunks_exact(2) {
        let machine = pair[0].within("a machine", 0, header.machines as i64 - 1)?;
        ops.push(vec![(machine as usize, pair[1].within("a time", 0, TIME_MAX)?)]);
    }
    let weight_and_due = match line {
        [.., weight, due] if has_due => {
            Some((weight.within("a weight", 1, 1_000_000_000)?, due.within("a due time", 0, TIME_MAX)?))
        }
        _ => None,
    };
    Ok(Job { weight_and_due, ops })
}
