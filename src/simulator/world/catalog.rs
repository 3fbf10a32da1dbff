//! What the plant is made of whatever the seed: machines, parts, routings, components, tools.

use super::model::{Approved, BomLine, Group, Instant, Part, PartKind, Routing, Tool, WorkCenter, id_of};
use chrono::TimeDelta;
use uuid::Uuid;

type MachineRow = (&'static str, &'static str, Group, &'static str, &'static str, &'static str, &'static str);

const MACHINES: [MachineRow; 12] = [
    ("PRESS-1", "Press 1, 160 t", Group::Press, "B", "EQ-1", "Aida", "NC1-160"),
    ("PRESS-2", "Press 2, 160 t", Group::Press, "B", "EQ-2", "Aida", "NC1-160"),
    ("PRESS-3", "Press 3, 200 t", Group::Press, "B", "EQ-3", "Aida", "NC1-200"),
    ("PRESS-4", "Press 4, 400 t", Group::Press, "A", "EQ-4", "Schuler", "MSP-400"),
    ("PRESS-5", "Press 5, 400 t", Group::Press, "A", "EQ-5", "Schuler", "MSP-400"),
    ("PRESS-6", "Press 6, 315 t", Group::Press, "B", "EQ-6", "Komatsu", "H2F-315"),
    ("WELD-1", "Weld cell 1", Group::Weld, "B", "EQ-7", "Fanuc", "ARC-100"),
    ("WELD-2", "Weld cell 2", Group::Weld, "B", "EQ-8", "Fanuc", "ARC-100"),
    ("PAINT-1", "Powder coat line", Group::Paint, "A", "EQ-9", "Gema", "MagicLine"),
    ("ASSY-1", "Assembly line 1", Group::Assembly, "B", "EQ-10", "Bosch Rexroth", "TS-2"),
    ("ASSY-2", "Assembly line 2", Group::Assembly, "B", "EQ-11", "Bosch Rexroth", "TS-2"),
    ("PACK-1", "Packing line", Group::Pack, "C", "EQ-12", "Lantech", "QL-400"),
];

/// Number, name, die, weld fixture, colour, assembly kit, box, how often it is ordered.
type PartRow = (
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    &'static str,
    u32,
);

pub const FINISHED: [PartRow; 18] = [
    ("BR-2100", "Seat bracket, left", "DIE-A", Some("FIX-1"), Some("BLACK"), None, "BOX-S", 5),
    ("BR-2101", "Seat bracket, right", "DIE-A", Some("FIX-1"), Some("BLACK"), Some("KIT-1"), "BOX-S", 5),
    ("BR-2110", "Seat rail", "DIE-B", None, Some("BLACK"), Some("KIT-1"), "BOX-L", 4),
    ("CH-2200", "Chassis plate", "DIE-B", Some("FIX-2"), Some("GREY"), None, "BOX-L", 4),
    ("CH-2210", "Cross member", "DIE-C", Some("FIX-2"), Some("GREY"), Some("KIT-2"), "BOX-L", 4),
    ("FR-2600", "Battery frame", "DIE-H", Some("FIX-2"), Some("BLACK"), Some("KIT-2"), "BOX-L", 2),
    ("CV-2300", "Gearbox cover", "DIE-D", None, Some("GREY"), None, "BOX-S", 7),
    ("CV-2310", "Motor cover", "DIE-D", None, Some("RED"), Some("KIT-1"), "BOX-S", 6),
    ("CV-2320", "Pump cover", "DIE-J", None, Some("GREY"), None, "BOX-S", 6),
    ("HS-2400", "Valve housing", "DIE-E", Some("FIX-3"), None, Some("KIT-2"), "BOX-S", 7),
    ("HS-2410", "Pump housing", "DIE-E", Some("FIX-3"), Some("WHITE"), Some("KIT-2"), "BOX-L", 6),
    ("BK-2700", "Hinge blank", "DIE-D", None, None, None, "BOX-S", 6),
    ("BK-2710", "Latch plate", "DIE-J", None, None, None, "BOX-S", 6),
    ("GD-2800", "Cable guide", "DIE-K", None, Some("BLACK"), None, "BOX-S", 7),
    ("GD-2810", "Hose guide", "DIE-K", Some("FIX-3"), None, None, "BOX-S", 6),
    ("PN-2500", "Side panel", "DIE-F", None, Some("WHITE"), None, "BOX-L", 5),
    ("PN-2510", "Door panel", "DIE-F", Some("FIX-1"), Some("WHITE"), Some("KIT-1"), "BOX-L", 5),
    ("PN-2520", "Roof panel", "DIE-G", None, Some("RED"), None, "BOX-L", 4),
];

/// Die, the presses it fits in order of preference with how much slower they are, set-up minutes, minutes a piece.
type DieRow = (&'static str, &'static [(&'static str, f64)], i64, f64);

const DIES: [DieRow; 10] = [
    ("DIE-A", &[("PRESS-4", 1.0), ("PRESS-5", 1.1), ("PRESS-6", 1.25)], 35, 0.34),
    ("DIE-B", &[("PRESS-4", 1.0), ("PRESS-6", 1.15)], 40, 0.36),
    ("DIE-C", &[("PRESS-4", 1.0), ("PRESS-5", 1.1)], 45, 0.40),
    ("DIE-H", &[("PRESS-4", 1.0)], 55, 0.48),
    ("DIE-D", &[("PRESS-1", 1.0), ("PRESS-2", 1.0), ("PRESS-3", 1.05)], 25, 0.38),
    ("DIE-E", &[("PRESS-2", 1.0), ("PRESS-3", 1.0), ("PRESS-1", 1.1)], 30, 0.42),
    ("DIE-J", &[("PRESS-1", 1.0), ("PRESS-2", 1.05)], 20, 0.30),
    ("DIE-K", &[("PRESS-3", 1.0), ("PRESS-1", 1.1)], 20, 0.32),
    ("DIE-F", &[("PRESS-5", 1.0), ("PRESS-6", 1.1)], 40, 0.40),
    ("DIE-G", &[("PRESS-6", 1.0), ("PRESS-5", 1.0)], 45, 0.42),
];

/// Number, name, lead time in days, price.
pub const COMPONENTS: [(&str, &str, f64, f64); 14] = [
    ("COIL-3010", "Steel blank 2.0 mm", 7.0, 1.90),
    ("COIL-3011", "Steel blank 3.0 mm", 7.0, 2.40),
    ("COIL-3012", "Steel blank 1.5 mm", 6.0, 1.20),
    ("COIL-3013", "Galvanised blank 1.0 mm", 9.0, 2.10),
    ("FST-3050", "Fastener kit M8", 12.0, 0.42),
    ("FST-3051", "Fastener kit M6", 10.0, 0.31),
    ("WLD-3060", "Weld nut set", 8.0, 0.18),
    ("PNT-3070", "Powder, black (g)", 5.0, 0.01),
    ("PNT-3071", "Powder, grey (g)", 5.0, 0.01),
    ("PNT-3072", "Powder, white (g)", 5.0, 0.01),
    ("PNT-3073", "Powder, red (g)", 6.0, 0.02),
    ("BRG-3080", "Bushing 12 mm", 14.0, 0.75),
    ("BOX-3090", "Carton, small", 3.0, 0.05),
    ("BOX-3091", "Carton, large", 3.0, 0.09),
];

pub fn work_centers(free_since: Instant) -> Vec<WorkCenter> {
    MACHINES
        .iter()
        .map(|&(code, name, group, criticality, equipment, brand, model)| WorkCenter {
            id: work_center_id(code),
            code,
            name,
            group,
            criticality,
            equipment,
            brand,
            model,
            stop: None,
            free_since,
        })
        .collect()
}

pub fn work_center_id(code: &str) -> Uuid {
    id_of("work-center", code)
}

pub fn part_id(number: &str) -> Uuid {
    id_of("part", number)
}

pub fn parts() -> Vec<Part> {
    let finished = FINISHED.iter().map(|&(number, name, ..)| Part {
        id: part_id(number),
        number,
        name,
        kind: PartKind::Finished,
        lead_time_days: 3.0,
    });
    let components = COMPONENTS.iter().map(|&(number, name, lead_time_days, _)| Part {
        id: part_id(number),
        number,
        name,
        kind: PartKind::Component,
        lead_time_days,
    });
    finished.chain(components).collect()
}

/// The routings of all finished parts and what each operation consumes.
pub fn routings() -> (Vec<Routing>, Vec<BomLine>) {
    let mut routings = Vec::new();
    let mut bom = Vec::new();
    for &(number, _, die, fixture, colour, kit, package, _) in &FINISHED {
        let steps = [
            Some((Group::Press, die)),
            fixture.map(|fixture| (Group::Weld, fixture)),
            colour.map(|colour| (Group::Paint, colour)),
            kit.map(|kit| (Group::Assembly, kit)),
            Some((Group::Pack, package)),
        ];
        for (position, (group, family)) in steps.into_iter().flatten().enumerate() {
            let operation = (position as i32 + 1) * 10;
            let id = id_of("part-operation", &format!("{number}/{operation}"));
            let part = part_id(number);
            routings.push(Routing { id, part, number: operation, group, approved: approved(group, family) });
            for (component, quantity) in components_of(family) {
                bom.push(BomLine {
                    id: id_of("bom", &format!("{number}/{component}")),
                    part,
                    routing: id,
                    component: part_id(component),
                    quantity,
                });
            }
        }
    }
    (routings, bom)
}

/// Which work centers run a setup family, and how fast.
fn approved(group: Group, family: &str) -> Vec<Approved> {
    let (machines, setup_minutes, minutes): (&[(&str, f64)], i64, f64) = match group {
        Group::Press => DIES
            .iter()
            .find(|(die, ..)| *die == family)
            .map_or((&[], 0, 0.0), |&(_, presses, setup, minutes)| (presses, setup, minutes)),
        Group::Weld if family == "FIX-3" => (&[("WELD-2", 1.0), ("WELD-1", 1.1)], 20, 0.22),
        Group::Weld => (&[("WELD-1", 1.0), ("WELD-2", 1.0)], 15, 0.20),
        Group::Paint => (&[("PAINT-1", 1.0)], 18, 0.08),
        Group::Assembly if family == "KIT-2" => (&[("ASSY-2", 1.0), ("ASSY-1", 1.15)], 15, 0.26),
        Group::Assembly => (&[("ASSY-1", 1.0), ("ASSY-2", 1.1)], 15, 0.24),
        Group::Pack => (&[("PACK-1", 1.0)], 5, 0.06),
    };
    machines
        .iter()
        .enumerate()
        .map(|(rank, (code, slower))| Approved {
            work_center: work_center_id(code),
            preference: rank as u32 + 1,
            family: family.to_owned(),
            setup_minutes,
            minutes_per_piece: (minutes * slower * 1000.0).round() / 1000.0,
            tool: tool_for(group, family, code),
        })
        .collect()
}

fn tool_for(group: Group, family: &str, machine: &str) -> Option<String> {
    // Every press has its own copy of a die, so two presses never wait for one tool.
    matches!(group, Group::Press).then(|| format!("{family}-{}", machine.trim_start_matches("PRESS-")))
}

/// Components consumed for one piece by the operation that runs a setup family.
fn components_of(family: &str) -> Vec<(&'static str, f64)> {
    match family {
        "DIE-A" | "DIE-D" => vec![("COIL-3010", 1.0)],
        "DIE-B" | "DIE-C" | "DIE-H" => vec![("COIL-3011", 1.0)],
        "DIE-E" | "DIE-J" | "DIE-K" => vec![("COIL-3012", 1.0)],
        "DIE-F" | "DIE-G" => vec![("COIL-3013", 1.0)],
        "FIX-1" | "FIX-2" => vec![("WLD-3060", 2.0)],
        "BLACK" => vec![("PNT-3070", 40.0)],
        "GREY" => vec![("PNT-3071", 40.0)],
        "WHITE" => vec![("PNT-3072", 45.0)],
        "RED" => vec![("PNT-3073", 45.0)],
        "KIT-1" => vec![("FST-3050", 1.0)],
        "KIT-2" => vec![("FST-3051", 1.0), ("BRG-3080", 2.0)],
        "BOX-S" => vec![("BOX-3090", 0.05)],
        "BOX-L" => vec![("BOX-3091", 0.1)],
        _ => vec![],
    }
}

/// The dies. DIE-C's copy for PRESS-5 is overdue for calibration: an alternative on paper that must not be used.
pub fn tools(start: Instant) -> Vec<Tool> {
    let mut tools = Vec::new();
    for (die, presses, ..) in DIES {
        for (rank, (press, _)) in presses.iter().enumerate() {
            let overdue = (die, *press) == ("DIE-C", "PRESS-5");
            let days = if overdue { -1 } else { 20 + 17 * rank as i64 + tools.len() as i64 };
            tools.push(Tool {
                code: format!("{die}-{}", press.trim_start_matches("PRESS-")),
                family: die.to_owned(),
                work_centers: vec![press],
                status: "AVAILABLE",
                calibration_due: start + TimeDelta::days(days),
                shots_left: 18_000 + 3_500 * tools.len() as u32,
            });
        }
    }
    tools
}
