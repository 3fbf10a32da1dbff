use super::{
    World,
    catalog::{part_id, work_center_id},
    dispatch::ends_after_outage,
    model::{ContainerStatus, Instant, JobStatus, OperationStatus},
    people::SHIFTS,
    stock::SCARCE,
};
use crate::simulator::SimulatorConfig;
use chrono::TimeDelta;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

fn plant(seed: u64) -> World {
    World::generate(seed, SimulatorConfig::demo_start())
}

/// Everything that is scheduled, as text: two plants with the same text are the same plant.
fn fingerprint(world: &World) -> String {
    format!(
        "{:?}{:?}{:?}{:?}{:?}{:?}{:?}",
        world.jobs,
        world.operations,
        world.containers,
        world.employees,
        world.purchase_orders,
        world.history,
        world.deviations
    )
}

fn end(operation: &super::JobOperation) -> Instant {
    operation.start + TimeDelta::minutes(operation.minutes())
}

fn overlaps(world: &World) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for machine in &world.work_centers {
        let mut on: Vec<_> =
            world.operations.iter().filter(|operation| operation.work_center == machine.id).collect();
        on.sort_by_key(|operation| operation.start);
        for pair in on.windows(2) {
            if end(pair[0]) > pair[1].start {
                found.push((machine.code.to_owned(), format!("{} and {}", pair[0].id, pair[1].id)));
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_plant_is_consistent(seed in any::<u64>()) {
        let world = plant(seed);
        let open: Vec<_> = world.jobs.iter().filter(|job| job.status == JobStatus::Open).collect();
        prop_assert_eq!(open.len(), 80);
        prop_assert_eq!(overlaps(&world), vec![]);
        for pair in world.operations.windows(2).filter(|pair| pair[0].job == pair[1].job) {
            prop_assert!(pair[0].number < pair[1].number && end(&pair[0]) <= pair[1].start);
        }
        for operation in &world.operations {
            let routing = world.routing(operation.routing).expect("routing");
            let approved = routing.approved.iter().find(|approved| approved.work_center == operation.work_center);
            prop_assert!(approved.is_some(), "{:?} is on a work center that is not approved", operation);
            let job = world.job(operation.job).expect("job");
            prop_assert_eq!(routing.part, job.part);
            prop_assert_eq!(approved.map(|approved| approved.run_minutes(job.quantity)), Some(operation.run_minutes));
        }
        for job in &open {
            prop_assert!(world.part(job.part).is_some() && world.customer(job.customer).is_some());
            let count = world.operations.iter().filter(|operation| operation.job == job.id).count();
            prop_assert!((2..=5).contains(&count), "{} has {count} operations", job.number);
            let last = world.operations.iter().rfind(|operation| operation.job == job.id).expect("operations");
            prop_assert!(end(last) <= job.due, "{} is late before anything happened", job.number);
        }
        for container in &world.containers {
            prop_assert!(world.lot(container.lot).is_some_and(|lot| lot.part == container.part));
            prop_assert!(container.quantity > 0.0);
        }
    }

    #[test]
    fn three_hours_without_press_4_hurt_a_customer_of_tier_a(seed in any::<u64>()) {
        let world = plant(seed);
        let down = world.now + TimeDelta::minutes(5);
        let press_4 = work_center_id("PRESS-4");
        let ends = ends_after_outage(&world.operations, press_4, down, TimeDelta::hours(3));
        let mut finish: HashMap<Uuid, Instant> = HashMap::new();
        for operation in &world.operations {
            finish.insert(operation.job, ends[&operation.id]);
        }
        let late: Vec<_> = world.jobs.iter().filter(|job| finish[&job.id] > job.due).collect();
        prop_assert!(late.len() >= 3, "only {} jobs are late", late.len());
        prop_assert!(late.iter().any(|job| job.priority == "A"));
        // One of them can go elsewhere and be in time there: PRESS-5 or PRESS-6, behind what is planned today.
        let movable = late.iter().filter(|job| {
            let operation = world.operations.iter().find(|operation| {
                operation.job == job.id && operation.work_center == press_4
            });
            operation.and_then(|operation| world.routing(operation.routing)).is_some_and(|routing| {
                routing.approved.iter().any(|approved| approved.preference > 1)
            })
        });
        prop_assert!(movable.count() >= 2);
    }

    #[test]
    fn somebody_certified_works_everywhere_on_every_shift(seed in any::<u64>()) {
        let world = plant(seed);
        for shift in SHIFTS {
            for machine in &world.work_centers {
                let certified = world.employees.iter().filter(|person| person.shift == Some(shift)).any(|person| {
                    person.skills.iter().any(|skill| {
                        skill.work_center == machine.code && skill.valid_until > world.now + TimeDelta::days(7)
                    })
                });
                prop_assert!(certified, "nobody on shift {shift} is certified for {}", machine.code);
            }
        }
    }

    #[test]
    fn the_clock_only_moves_production_forward(seed in any::<u64>(), steps in prop::collection::vec(1i64..400, 1..8)) {
        let mut stepped = plant(seed);
        let mut at = stepped.now;
        for minutes in &steps {
            at += TimeDelta::minutes(*minutes);
            stepped.advance(at);
            prop_assert_eq!(overlaps(&stepped), vec![]);
        }
        let mut at_once = plant(seed);
        at_once.advance(at);
        prop_assert_eq!(fingerprint(&stepped), fingerprint(&at_once), "the path of the clock changed the plant");
    }
}

/// The handover's demo begins shortly before 14:00, when shift A has the whole shift behind it.
#[test]
fn a_plant_that_begins_at_the_end_of_a_shift_has_that_shift_behind_it() {
    let start = SimulatorConfig::demo_start() + TimeDelta::minutes(7 * 60 + 40);
    let world = World::generate(1, start);
    assert_eq!(world.jobs.iter().filter(|job| job.status == JobStatus::Open).count(), 80);
    assert_eq!(overlaps(&world), vec![]);
    let shift_began = start - TimeDelta::minutes(7 * 60 + 50);
    let of_shift = |at: Instant| at >= shift_began && at <= start;
    assert!(world.history.production.iter().filter(|entry| of_shift(entry.at)).count() > 20);
    assert!(world.history.scrap.iter().any(|entry| of_shift(entry.at)));
    let stops = world.history.statuses.iter().filter(|entry| entry.note.is_some() && of_shift(entry.at));
    assert!(stops.count() >= 3);
    let open_calls = world.andon.iter().filter(|call| of_shift(call.raised) && call.resolved.is_none());
    assert!(open_calls.count() >= 3);
    let operator = world.operator_at(work_center_id("PRESS-4"), start);
    assert_eq!(world.employee(operator).and_then(|person| person.shift), Some("A"));
}

#[test]
fn the_same_seed_makes_the_same_plant() {
    assert_eq!(fingerprint(&plant(7)), fingerprint(&plant(7)));
    assert_ne!(fingerprint(&plant(7)), fingerprint(&plant(8)));
}

#[test]
fn the_plant_of_the_demo() {
    let world = plant(1);
    let lines: Vec<String> = world
        .jobs
        .iter()
        .filter(|job| job.status == JobStatus::Open)
        .map(|job| {
            let route: Vec<String> = world
                .operations
                .iter()
                .filter(|operation| operation.job == job.id)
                .map(|operation| {
                    let state = match operation.status {
                        OperationStatus::Completed => "done",
                        OperationStatus::InProcess => "runs",
                        OperationStatus::Scheduled => "",
                    };
                    let code = world.work_center_code(operation.work_center);
                    format!(
                        "{code} {} {}+{} {state}",
                        operation.start.format("%d %H:%M"),
                        operation.setup_minutes,
                        operation.run_minutes
                    )
                })
                .collect();
            let (number, part, due) = (&job.number, world.part_number(job.part), job.due.format("%d %H:%M"));
            format!("{number} {part} {} {} due {due} | {}", job.quantity, job.priority, route.join(" | "))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_stopped_machine_finishes_later_and_says_why() {
    let mut world = plant(1);
    let press_4 = work_center_id("PRESS-4");
    let running = world.running_on(press_4).expect("PRESS-4 works at the start");
    let ends = world.operations[running].ends.expect("it has an end");
    assert!(world.stop_machine(press_4, "hydraulic pressure lost", false));
    assert!(!world.stop_machine(press_4, "again", false), "a machine cannot go down twice");
    world.advance(ends + TimeDelta::minutes(30));
    assert_eq!(
        world.operations[running].status,
        OperationStatus::InProcess,
        "nothing is made on a stopped machine"
    );
    let outage = world.now - world.stop_of(press_4).expect("stopped").since;
    assert!(world.restart_machine(press_4));
    world.advance(ends + outage);
    assert_eq!(world.operations[running].completed, Some(ends + outage));
    let told = world.history.statuses.iter().any(|entry| {
        entry.work_center == press_4
            && entry.duration == outage
            && entry.note.as_deref() == Some("hydraulic pressure lost")
    });
    assert!(told, "the stop is in the history");
    let downtime = world.downtimes.last().expect("the CMMS knows");
    assert_eq!((downtime.asset, downtime.duration), ("EQ-4", Some(outage)));
    assert!(
        world
            .andon
            .iter()
            .filter(|call| call.text == "hydraulic pressure lost")
            .all(|call| call.resolved.is_some())
    );
}

#[test]
fn the_scarce_component_runs_out_when_its_delivery_is_late() {
    let world = plant(1);
    let part = part_id(SCARCE);
    let users: HashSet<Uuid> =
        world.bom.iter().filter(|line| line.component == part).map(|line| line.routing).collect();
    let demand: f64 = world
        .operations
        .iter()
        .filter(|operation| {
            operation.status != OperationStatus::Completed && users.contains(&operation.routing)
        })
        .filter_map(|operation| world.job(operation.job))
        .map(|job| job.quantity)
        .sum();
    let stock: f64 = world
        .containers
        .iter()
        .filter(|container| container.part == part && container.status == ContainerStatus::Ok)
        .map(|container| container.quantity)
        .sum();
    assert!(stock > 0.2 * demand && stock < 0.6 * demand, "stock {stock} for a demand of {demand}");
    let sources: Vec<_> = world.sources.iter().filter(|source| source.part == part).collect();
    assert!(sources.len() >= 2, "there is somewhere else to buy");
}
