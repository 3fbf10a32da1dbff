//! What happened before the plant's first instant, and what is scripted to happen in the hours after it.

use super::{
    World,
    catalog::work_center_id,
    dispatch::Reserved,
    model::{Group, Instant, MachineStatus, OperationStatus, id_of},
    records::{AndonCall, Deviation, Downtime, MaintenanceWindow, WorkOrder},
};
use chrono::{TimeDelta, TimeZone};
use chrono_tz::Tz;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Machine, minutes before the start, for how long, how and why.
const STOPS: [(&str, i64, i64, MachineStatus, &str); 4] = [
    ("PRESS-4", 190, 21, MachineStatus::UnplannedDowntime, "Hydraulic pressure low, refilled 4 l"),
    ("WELD-2", 300, 42, MachineStatus::UnplannedDowntime, "Robot fault E-117, torch cable replaced"),
    ("PAINT-1", 360, 25, MachineStatus::WaitingForMaterial, "Waiting for racks"),
    ("PRESS-2", 95, 17, MachineStatus::UnplannedDowntime, "Part stuck in die"),
];

/// Machine, minutes after the start, for how long: capacity that is left free, where another machine's work can go.
const FREE: [(&str, i64, i64); 2] = [("PRESS-6", -40, 240), ("PRESS-5", 200, 60)];

/// Where no work is planned: stops that were, planned maintenance, and free capacity.
pub fn reserved(start: Instant, windows: &[MaintenanceWindow]) -> Vec<Reserved> {
    let span = |machine: &str, from: Instant, minutes: i64| Reserved {
        work_center: work_center_id(machine),
        from,
        to: from + TimeDelta::minutes(minutes),
    };
    let stops = STOPS
        .iter()
        .map(|&(machine, before, minutes, ..)| span(machine, start - TimeDelta::minutes(before), minutes));
    let free = FREE
        .iter()
        .map(|&(machine, after, minutes)| span(machine, start + TimeDelta::minutes(after), minutes));
    let planned = windows.iter().map(|window| Reserved {
        work_center: window.work_center,
        from: window.starts,
        to: window.ends,
    });
    stops.chain(free).chain(planned).collect()
}

pub fn maintenance_windows(start: Instant, zone: Tz) -> Vec<MaintenanceWindow> {
    let day = start.with_timezone(&zone).date_naive();
    let at = |days: u64, hour: u32| {
        (day + chrono::Days::new(days))
            .and_hms_opt(hour, 0, 0)
            .and_then(|local| zone.from_local_datetime(&local).earliest())
            .map_or(start + TimeDelta::days(days as i64), |local| local.to_utc())
    };
    [("PRESS-2", "Quarterly lubrication", 1, 10, 2), ("PAINT-1", "Oven burner inspection", 2, 6, 3)]
        .into_iter()
        .enumerate()
        .map(|(index, (machine, title, days, hour, hours))| MaintenanceWindow {
            id: index as u64 + 1,
            work_center: work_center_id(machine),
            title,
            starts: at(days, hour),
            ends: at(days, hour) + TimeDelta::hours(hours),
            work_order: 5901 + index as u64,
        })
        .collect()
}

/// Asset, days ago, title, category, minutes it took, feedback: what a triage can learn from.
const REPAIRS: [(&str, i64, &str, &str, i64, &str); 9] = [
    (
        "EQ-4",
        70,
        "Hydraulic hose leaking at cylinder 2",
        "Hydraulic",
        165,
        "Replaced hose H-12, refilled 20 l, bled system",
    ),
    (
        "EQ-4",
        32,
        "Hydraulic pressure drops under load",
        "Hydraulic",
        190,
        "Pump seal worn, seal kit replaced",
    ),
    ("EQ-4", 14, "Oil level low alarm", "Hydraulic", 45, "Refilled 12 l, small weep at fitting, watch"),
    ("EQ-4", 9, "Light curtain fault", "Electrical", 25, "Cleaned lenses, reset"),
    ("EQ-5", 51, "Clutch slipping", "Mechanical", 240, "Clutch lining replaced"),
    ("EQ-6", 22, "Feeder misaligned", "Mechanical", 55, "Aligned and tightened"),
    ("EQ-8", 18, "Robot fault E-117", "Electrical", 60, "Torch cable chafed, re-routed"),
    ("EQ-9", 27, "Oven temperature unstable", "Electrical", 130, "Thermocouple replaced"),
    ("EQ-2", 12, "Part stuck in die", "Mechanical", 20, "Ejector spring replaced"),
];

const OPEN_ORDERS: [(&str, i64, &str, &str, &str, &str, f64); 4] = [
    ("EQ-4", 2, "Oil sample above limit, plan hose set replacement", "HIGH", "OPEN", "Hydraulic", 4.0),
    ("EQ-3", 1, "Light curtain trips without cause", "HIGH", "IN_PROGRESS", "Electrical", 2.0),
    ("EQ-2", 6, "Quarterly lubrication", "MEDIUM", "OPEN", "Preventive", 2.0),
    ("EQ-9", 5, "Oven burner inspection", "MEDIUM", "OPEN", "Preventive", 3.0),
];

/// Fills in maintenance and the andon board; the schedule and the people are there already.
pub fn write_past(rng: &mut ChaCha8Rng, world: &mut World, start: Instant) {
    for (machine, before, minutes, status, note) in STOPS {
        let from = start - TimeDelta::minutes(before);
        let work_center = work_center_id(machine);
        let to = from + TimeDelta::minutes(minutes);
        world.log_status(work_center, status, from, to, None, Some(note.to_owned()));
    }
    maintenance(rng, world, start);
    andon(world, start);
}

fn maintenance(rng: &mut ChaCha8Rng, world: &mut World, start: Instant) {
    for (asset, days, title, category, minutes, feedback) in REPAIRS {
        let created = start - TimeDelta::days(days) + TimeDelta::minutes(rng.random_range(0..600));
        let completed = created + TimeDelta::minutes(minutes);
        let order = WorkOrder {
            status: "COMPLETE".to_owned(),
            completed: Some(completed),
            actual_minutes: Some(minutes),
            feedback: Some(feedback.to_owned()),
            ..work_order(world, asset, title, category, created)
        };
        world.work_orders.push(order);
        push_downtime(world, asset, created, minutes, title);
    }
    for (machine, before, minutes, status, note) in STOPS {
        let asset =
            world.work_centers.iter().find(|other| other.code == machine).map(|other| other.equipment);
        if let (Some(asset), MachineStatus::UnplannedDowntime) = (asset, status) {
            push_downtime(world, asset, start - TimeDelta::minutes(before), minutes, note);
        }
    }
    for (asset, days, title, priority, status, category, hours) in OPEN_ORDERS {
        let created = start - TimeDelta::days(days);
        let window = match category {
            "Preventive" => world.windows.iter().find(|window| window.title == title),
            _ => None,
        };
        let (id, estimated_start) =
            (window.map(|window| window.work_order), window.map(|window| window.starts));
        let order = WorkOrder {
            priority: priority.to_owned(),
            status: status.to_owned(),
            due: estimated_start.or(Some(start + TimeDelta::days(2))),
            estimated_start,
            estimated_hours: hours,
            ..work_order(world, asset, title, category, created)
        };
        world.work_orders.push(WorkOrder { id: id.unwrap_or(order.id), ..order });
    }
}

fn push_downtime(world: &mut World, asset: &str, started: Instant, minutes: i64, reason: &str) {
    let Some(asset) = world.work_centers.iter().map(|machine| machine.equipment).find(|code| *code == asset)
    else {
        return;
    };
    world.downtimes.push(Downtime {
        id: world.downtimes.len() as u64 + 1,
        asset,
        started,
        duration: Some(TimeDelta::minutes(minutes)),
        reason: reason.to_owned(),
    });
}

fn work_order(
    world: &World,
    asset: &str,
    title: &str,
    category: &'static str,
    created: Instant,
) -> WorkOrder {
    WorkOrder {
        id: 5001 + world.work_orders.len() as u64,
        asset: asset.to_owned(),
        title: title.to_owned(),
        description: title.to_owned(),
        priority: "MEDIUM".to_owned(),
        status: "OPEN".to_owned(),
        category,
        created,
        due: None,
        completed: None,
        estimated_hours: 1.0,
        estimated_start: None,
        actual_minutes: None,
        feedback: None,
        primary_user: Some("mia".to_owned()),
        extra: serde_json::Map::new(),
    }
}

/// Machine, minutes from the start (before it is negative), category, text, line stop, minutes until resolved.
type CallRow = (&'static str, i64, &'static str, &'static str, bool, Option<i64>);

const CALLS: [CallRow; 9] = [
    ("WELD-2", -300, "maintenance", "Robot stopped, fault E-117", true, Some(42)),
    ("PRESS-4", -190, "maintenance", "Hydraulic pressure low", true, Some(21)),
    ("PAINT-1", -120, "quality", "Orange peel on grey parts, last two racks", false, None),
    ("ASSY-2", -75, "material", "M8 fastener kits: last bin opened", false, None),
    ("PRESS-3", -50, "safety", "Light curtain trips without cause, guarding checked by eye", false, None),
    ("PACK-1", -35, "material", "Large cartons wet, pallet rejected", false, Some(30)),
    ("ASSY-1", 155, "quality", "Bushings loose on CV-2310", false, None),
    ("WELD-1", 240, "engineering", "Fixture FIX-2 clamp worn", false, Some(50)),
    ("PRESS-1", 380, "maintenance", "Oil on floor behind feeder", false, None),
];

fn andon(world: &mut World, start: Instant) {
    for (machine, minutes, category, text, line_stop, until) in CALLS {
        let work_center = work_center_id(machine);
        let raised = start + TimeDelta::minutes(minutes);
        let raised_by = world.operator_at(work_center, raised);
        let raised_by = world.employee(raised_by).map_or_else(String::new, |person| person.badge.clone());
        let resolved = until.map(|until| (raised + TimeDelta::minutes(until), "E101".to_owned()));
        world.raise_call(AndonCall {
            id: String::new(),
            work_center,
            category: category.to_owned(),
            raised_by,
            raised,
            acknowledged: resolved.as_ref().map(|_| (raised + TimeDelta::minutes(4), "E101".to_owned())),
            reason_code: resolved.as_ref().map(|_| "repaired".to_owned()),
            resolved,
            note: None,
            line_stop,
            escalation_level: 0,
            text: text.to_owned(),
        });
    }
}

/// Quality holds and deviations, on jobs that are in production at the start.
pub fn write_quality(world: &mut World, start: Instant) {
    let lot = world
        .containers
        .iter()
        .find(|container| container.job.is_none() && container.location == "QUARANTINE");
    let (part, pieces, lot) =
        lot.map_or((None, 0, None), |lot| (Some(lot.part), lot.quantity as i64, Some(lot.lot)));
    if let Some(lot) = world.lots.iter_mut().find(|known| Some(known.id) == lot) {
        lot.conformant = false;
    }
    let welding = world
        .operations
        .iter()
        .find(|operation| operation.group == Group::Weld && operation.status == OperationStatus::InProcess)
        .and_then(|operation| world.job(operation.job))
        .map(|job| (job.id, job.part, job.quantity));
    let supplier = part
        .and_then(|part| world.sources.iter().find(|source| source.part == part))
        .map(|source| source.supplier);
    let row = |number: &str, status, kind, reason: &str| Deviation {
        id: id_of("deviation", number),
        number: number.to_owned(),
        status,
        kind,
        effective: start - TimeDelta::hours(5),
        expires: None,
        approved_by: None,
        jobs: Vec::new(),
        parts: Vec::new(),
        pieces: 0,
        reason: reason.to_owned(),
        supplier: None,
        note: None,
    };
    world.deviations.push(Deviation {
        parts: part.into_iter().collect(),
        pieces,
        supplier,
        note: Some("Blocked in QUARANTINE, supplier informed, containment of staged blanks open".to_owned()),
        ..row("DEV-201", "Open", "Quality Hold", "Blank thickness out of tolerance in incoming check")
    });
    world.deviations.push(Deviation {
        effective: start - TimeDelta::hours(3),
        jobs: welding.iter().map(|welding| welding.0).collect(),
        parts: welding.iter().map(|welding| welding.1).collect(),
        pieces: 40,
        note: Some("First 40 pieces to be cut and checked before the job goes on".to_owned()),
        ..row("DEV-202", "Open", "Quality Hold", "Weld porosity found in first-piece check")
    });
    world.deviations.push(Deviation {
        effective: start - TimeDelta::days(4),
        expires: Some(start + TimeDelta::days(3)),
        approved_by: Some("gus".to_owned()),
        parts: vec![super::catalog::part_id("PN-2500")],
        pieces: 600,
        ..row("DEV-203", "Approved", "Use As Is", "Gloss 2 units below target, customer concession")
    });
    world.deviations.push(Deviation {
        effective: start - TimeDelta::days(11),
        parts: vec![super::catalog::part_id("HS-2400")],
        pieces: 120,
        ..row("DEV-204", "Closed", "Rework", "Missing chamfer, reworked")
    });
}
