//! What the classic shop formats share: the header, which of them it is, and the model they become.

use super::super::model::{
    Alternative, Minute, Model, Op, Order, Policy, Resource, SetupMatrix, Split, VERSION, Weights,
};
use super::tokens::{Token, lines};
use super::{Format, ReadError, flexible, job_shop};
use chrono::{DateTime, FixedOffset};

pub(super) const JOBS_MAX: i64 = 1_000_000;
pub(super) const MACHINES_MAX: i64 = 5_000;
pub(super) const TIME_MAX: i64 = 2_600_000;

/// `jobs machines`, and whether a third number (the mean flexibility) follows.
pub(super) struct Header {
    pub(super) jobs: usize,
    pub(super) machines: usize,
    has_flexibility: bool,
}

/// A job as the formats give it.
pub(super) struct Job {
    pub(super) weight_and_due: Option<(i64, i64)>,
    /// By operation: `(machine from 0, time)` of each alternative.
    pub(super) ops: Vec<Vec<(usize, i64)>>,
}

/// Setup times by machine, `[from][to]`.
pub(super) type Matrices = Vec<Vec<Vec<i64>>>;

pub(super) fn read(text: &str) -> Result<(Model, Format), ReadError> {
    let lines = lines(text);
    let Some((first, body)) = lines.split_first() else { return Err(ReadError::Empty) };
    let header = header(first)?;
    // A flexible instance read as a plain one, or the other way round, breaks its structure at once.
    let flexible = flexible::read(&header, body);
    match flexible {
        Ok(shop) => Ok(shop),
        Err(error) => {
            let first_job_is_odd = body.first().is_some_and(|line| line.len() % 2 == 1);
            match job_shop::read(&header, body) {
                Ok(shop) => Ok(shop),
                Err(_) if header.has_flexibility || first_job_is_odd => Err(error),
                Err(plain) => Err(plain),
            }
        }
    }
}

fn header(line: &[Token]) -> Result<Header, ReadError> {
    let place = line[0].line;
    if !(2..=3).contains(&line.len()) {
        let message = format!("the first line has {} numbers; it should be `jobs machines`", line.len());
        return Err(ReadError::Line { line: place, message });
    }
    let jobs = line[0].within("the number of jobs", 1, JOBS_MAX)?;
    let machines = line[1].within("the number of machines", 1, MACHINES_MAX)?;
    Ok(Header { jobs: jobs as usize, machines: machines as usize, has_flexibility: line.len() == 3 })
}

/// Monday midnight; the formats know no calendar.
pub(super) fn epoch() -> DateTime<FixedOffset> {
    DateTime::UNIX_EPOCH.fixed_offset() + chrono::TimeDelta::days(4)
}

pub(super) fn only(weights: Weights) -> Policy {
    Policy { weights, options: 1, ..Policy::default() }
}

/// Enough to do everything one after the other, as far as times reach.
pub(super) fn horizon(model: &Model) -> Minute {
    let longest = |op: &Op| op.alts.iter().map(|alt| alt.minutes).max().unwrap_or(0);
    let work: i64 =
        model.orders.iter().flat_map(|order| &order.ops).map(longest).fold(0, i64::saturating_add);
    let setups = model.setups.iter().flat_map(|setup| setup.minutes.iter().flatten());
    let setup = setups.copied().max().unwrap_or(0);
    let ops: usize = model.orders.iter().map(|order| order.ops.len()).sum();
    let releases = model.orders.iter().filter_map(|order| order.release);
    let closed =
        model.resources.iter().flat_map(|resource| resource.blocked.iter().map(|blocked| blocked.to));
    let latest = releases.chain(closed).max().unwrap_or(0).max(0);
    work.saturating_add(setup.saturating_mul(ops as i64)).saturating_add(latest).clamp(1, TIME_MAX)
}

fn order(id: String, (weight, due): (i64, i64), ops: Vec<Op>) -> Order {
    Order {
        id,
        release: None,
        due,
        deadline: None,
        tier: "C".into(),
        weight: weight as f64,
        penalty_per_hour: None,
        shelf_life: None,
        ops,
    }
}

/// The model of a shop whose machines are numbered from `first_machine` on.
pub(super) fn model(
    header: &Header,
    jobs: &[Job],
    first_machine: usize,
    (families, matrices): (Families, &Matrices),
) -> Model {
    let is_tardiness = jobs.iter().any(|job| job.weight_and_due.is_some());
    let weights = if is_tardiness {
        Weights { tardiness: 1.0, ..Weights::NOTHING }
    } else {
        Weights { makespan: 1.0, ..Weights::NOTHING }
    };
    let machine = |machine: usize| format!("M{}", machine + first_machine);
    let mut orders = Vec::with_capacity(jobs.len());
    let mut count = 0;
    for (number, job) in jobs.iter().enumerate() {
        let id = format!("J{}", number + 1);
        let op = |(step, alts): (usize, &Vec<(usize, i64)>)| {
            count += 1;
            let alts = alts.iter().map(|&(on, minutes)| Alternative { resource: machine(on), minutes });
            Op {
                id: (step + 1).to_string(),
                after: None,
                family: match families {
                    Families::None => None,
                    Families::ByJob => Some(id.clone()),
                    Families::ByOperation => Some(format!("O{count}")),
                },
                material_at: None,
                alts: alts.collect(),
                needs: Vec::new(),
                split: Split::No,
                min_lag: 0,
                max_lag: None,
            }
        };
        let ops = job.ops.iter().enumerate().map(op).collect();
        orders.push(order(id, job.weight_and_due.unwrap_or((1, 0)), ops));
    }
    let families = match families {
        Families::None => Vec::new(),
        Families::ByJob => orders.iter().map(|order| order.id.clone()).collect(),
        Families::ByOperation => (1..=count).map(|op| format!("O{op}")).collect(),
    };
    let mut model = Model {
        version: VERSION,
        epoch: epoch(),
        now: 0,
        horizon: 1,
        calendars: Vec::new(),
        families,
        setups: matrices
            .iter()
            .enumerate()
            .map(|(number, minutes)| setup(machine(number), minutes))
            .collect(),
        resources: (0..header.machines)
            .map(|number| resource(machine(number), !matrices.is_empty()))
            .collect(),
        pools: Vec::new(),
        orders,
        current: Vec::new(),
        policy: only(weights),
    };
    model.horizon = horizon(&model);
    let mut times = jobs.iter().flat_map(|job| job.ops.iter().flatten());
    model.policy.zero_minutes = times.any(|&(_, time)| time == 0);
    if !is_tardiness {
        model.orders.iter_mut().for_each(|order| order.due = model.horizon);
    }
    model
}

/// With the matrix of its own name.
fn resource(id: String, has_setups: bool) -> Resource {
    Resource { setup: has_setups.then(|| id.clone()), id, ..Resource::default() }
}

fn setup(id: String, minutes: &[Vec<i64>]) -> SetupMatrix {
    let (cost, needs, forbidden) = (Vec::new(), Vec::new(), Vec::new());
    SetupMatrix { id, families: None, minutes: minutes.to_vec(), cost, needs, forbidden }
}

/// What a setup depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Families {
    None,
    ByJob,
    ByOperation,
}
