//! The order book: jobs drawn from the parts, placed by the planner, with due dates that an outage would break.

use super::{
    catalog::{part_id, work_center_id},
    dispatch::{Draft, Placed, Reserved, dispatch, ends_after_outage},
    model::{Customer, Instant, Job, JobOperation, JobStatus, OperationStatus, Routing, WorkCenter, id_of},
    people::draw_part,
};
use chrono::{DurationRound, TimeDelta};
use rand::{Rng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use uuid::Uuid;

/// Open jobs at the plant's first instant.
pub const OPEN_JOBS: usize = 80;
/// Jobs of this many at most are due so tightly that PRESS-4 down for three hours makes them late.
const TIGHT_JOBS: usize = 7;

pub struct OrderBook {
    pub jobs: Vec<Job>,
    /// Grouped by job, in routing order.
    pub operations: Vec<JobOperation>,
}

/// The inputs of planning: what there is, and the stretch planned for.
pub struct Ground<'a> {
    pub routings: &'a [Routing],
    pub work_centers: &'a [WorkCenter],
    pub customers: &'a [Customer],
    pub reserved: &'a [Reserved],
    /// When production began, some hours before the plant's first instant.
    pub begin: Instant,
    pub start: Instant,
}

/// One job's operations in routing order.
type Chain = Vec<Placed>;

pub fn order_book(rng: &mut ChaCha8Rng, ground: &Ground<'_>) -> OrderBook {
    let mut drafts: Vec<Draft> = Vec::new();
    let chains = loop {
        // More until enough are still open at the start, whatever was finished in the hours before.
        let wanted = if drafts.is_empty() { OPEN_JOBS + 12 } else { drafts.len() + 10 };
        drafts.resize_with(wanted, || Draft { part: part_id(draw_part(rng)), quantity: quantity(rng) });
        let machines = ground.work_centers.iter().map(|machine| machine.id);
        let placed = dispatch(ground.routings, &drafts, machines, ground.begin, ground.reserved);
        let chains = chains(placed, drafts.len());
        if chains.iter().filter(|chain| is_open(chain, ground.start)).count() >= OPEN_JOBS {
            break chains;
        }
    };
    let mut open = 0;
    let kept = chains.into_iter().filter(|chain| {
        open += usize::from(is_open(chain, ground.start));
        !is_open(chain, ground.start) || open <= OPEN_JOBS
    });
    let mut book = number(rng, ground, &drafts, kept.collect());
    set_due_dates(rng, ground, &mut book);
    book
}

fn quantity(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.random_range(6u32..=22) * 20)
}

fn chains(placed: Vec<Placed>, drafts: usize) -> Vec<Chain> {
    let mut chains: Vec<Chain> = vec![Vec::new(); drafts];
    for place in placed {
        chains[place.draft].push(place);
    }
    chains.retain(|chain| !chain.is_empty());
    chains.sort_by_key(|chain| (chain[0].start, chain[0].draft));
    chains
}

fn is_open(chain: &Chain, start: Instant) -> bool {
    chain.last().is_some_and(|last| last.end() > start)
}

/// Gives the chains their numbers, orders and customers. What was finished before the start has a lower number.
fn number(rng: &mut ChaCha8Rng, ground: &Ground<'_>, drafts: &[Draft], chains: Vec<Chain>) -> OrderBook {
    let mut book = OrderBook { jobs: Vec::new(), operations: Vec::new() };
    let (mut finished, mut open) = (0, 0);
    for chain in chains {
        let (number, order) = if is_open(&chain, ground.start) {
            open += 1;
            (format!("J-{}", 1000 + open), format!("SO-{}", 4000 + open))
        } else {
            finished += 1;
            (format!("J-{:04}", 900 + finished), format!("SO-{}", 3900 + finished))
        };
        let id = id_of("job", &number);
        let first = &chain[0];
        let Some(customer) = ground.customers.choose(rng) else { continue };
        book.jobs.push(Job {
            id,
            part: drafts[first.draft].part,
            quantity: drafts[first.draft].quantity,
            created: ground.begin - TimeDelta::hours(rng.random_range(48..240)),
            due: first.end(),
            earliest_start: ground.begin,
            status: JobStatus::Open,
            completed: None,
            job_type: "Production".to_owned(),
            priority: customer.tier.to_owned(),
            customer: customer.id,
            order,
            number: number.clone(),
        });
        book.operations.extend(chain.into_iter().map(|place| JobOperation {
            id: id_of("job-operation", &format!("{number}/{}", place.number)),
            job: id,
            routing: place.routing,
            number: place.number,
            group: place.group,
            work_center: place.work_center,
            start: place.start,
            setup_minutes: place.setup_minutes,
            run_minutes: place.run_minutes,
            status: OperationStatus::Scheduled,
            began: None,
            resumed: None,
            ends: None,
            completed: None,
        }));
    }
    book
}

/// Due dates the schedule keeps; but jobs that PRESS-4 still has to do are due before what a three-hour outage
/// would make of them, every third of those for a customer of tier A.
fn set_due_dates(rng: &mut ChaCha8Rng, ground: &Ground<'_>, book: &mut OrderBook) {
    let press_4 = work_center_id("PRESS-4");
    let planned: HashMap<Uuid, Instant> = book
        .operations
        .iter()
        .map(|operation| (operation.job, operation.start + TimeDelta::minutes(operation.minutes())))
        .collect();
    let after_outage = ends_after_outage(
        &book.operations,
        press_4,
        ground.start + TimeDelta::minutes(3),
        TimeDelta::hours(3),
    );
    let delayed: HashMap<Uuid, Instant> =
        book.operations.iter().map(|operation| (operation.job, after_outage[&operation.id])).collect();
    let mut on_press_4: Vec<(Instant, Uuid)> = book
        .operations
        .iter()
        .filter(|operation| operation.work_center == press_4)
        .map(|operation| (operation.start, operation.job))
        .collect();
    on_press_4.sort();
    let tight: Vec<Uuid> = on_press_4
        .iter()
        .map(|(_, job)| *job)
        .filter(|job| delayed[job] - planned[job] >= TimeDelta::minutes(60))
        .take(TIGHT_JOBS)
        .collect();
    for job in &mut book.jobs {
        if let Some(place) = tight.iter().position(|id| *id == job.id) {
            let tier = ["A", "B", "C"][place % 3];
            let of_tier: Vec<&Customer> =
                ground.customers.iter().filter(|customer| customer.tier == tier).collect();
            if let Some(customer) = of_tier.choose(rng) {
                job.customer = customer.id;
                job.priority = customer.tier.to_owned();
            }
            job.due = on_five_minutes(planned[&job.id] + (delayed[&job.id] - planned[&job.id]) / 3);
        } else {
            let slack = match job.priority.as_str() {
                "A" => rng.random_range(240..480),
                "B" => rng.random_range(300..720),
                _ => rng.random_range(480..1_440),
            };
            job.due = on_five_minutes(planned[&job.id] + TimeDelta::minutes(slack));
        }
    }
}

fn on_five_minutes(at: Instant) -> Instant {
    // Only instants outside chrono's nanosecond range cannot be rounded.
    at.duration_round_up(TimeDelta::minutes(5)).unwrap_or(at)
}
