//! Components: who delivers them, what is on order, what is in the warehouse and what is staged for which job.

use super::{
    catalog::{COMPONENTS, part_id, work_center_id},
    model::{
        BomLine, Container, ContainerStatus, Instant, Job, JobOperation, Lot, PurchaseOrder, ShipNotice,
        ShipStatus, Source, Supplier, id_of,
    },
};
use chrono::TimeDelta;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

/// Stock of this one covers less than half of what the open jobs need, so a late delivery is a real shortage.
pub const SCARCE: &str = "FST-3050";
const SCARCE_COVER: f64 = 0.45;
/// Components are staged so long before the operation starts.
const STAGED_AHEAD: TimeDelta = TimeDelta::hours(12);
const STAGED_AHEAD_SCARCE: TimeDelta = TimeDelta::hours(8);
const STAGED_AHEAD_PRESS_4: TimeDelta = TimeDelta::hours(16);

type SupplierRow =
    (&'static str, &'static str, &'static str, &'static str, &'static str, f64, f64, f64, f64, u32);

const SUPPLIERS: [SupplierRow; 8] = [
    (
        "S-101",
        "Great Lakes Steel Service",
        "USA",
        "orders@greatlakes-steel.example",
        "Steel",
        91.0,
        0.96,
        120.0,
        0.3,
        88,
    ),
    (
        "S-102",
        "Prairie Blanking",
        "USA",
        "desk@prairie-blanking.example",
        "Steel",
        84.0,
        0.91,
        210.0,
        0.8,
        41,
    ),
    (
        "S-103",
        "Cardinal Powder Coatings",
        "USA",
        "service@cardinal-powder.example",
        "Paint",
        95.0,
        0.98,
        40.0,
        0.1,
        63,
    ),
    (
        "S-104",
        "Ferro Fastening Systems",
        "USA",
        "orders@ferro-fastening.example",
        "Hardware",
        71.0,
        0.78,
        95.0,
        2.6,
        54,
    ),
    (
        "S-105",
        "Lakeshore Hardware",
        "USA",
        "sales@lakeshore-hw.example",
        "Hardware",
        88.0,
        0.94,
        60.0,
        0.5,
        37,
    ),
    (
        "S-106",
        "Boltwerk Nord",
        "Germany",
        "auftrag@boltwerk-nord.example",
        "Hardware",
        92.0,
        0.97,
        25.0,
        0.2,
        12,
    ),
    (
        "S-107",
        "Midstate Packaging",
        "USA",
        "hello@midstate-pack.example",
        "Packaging",
        90.0,
        0.95,
        10.0,
        0.4,
        102,
    ),
    (
        "S-108",
        "Rivet & Bush Co.",
        "Mexico",
        "ventas@rivet-bush.example",
        "Hardware",
        80.0,
        0.88,
        140.0,
        1.4,
        29,
    ),
];

/// Component and its suppliers: code, lead time and transit in days, price factor, expedite fee.
type SourceRow = (&'static str, &'static [(&'static str, f64, f64, f64, f64)]);

const SOURCES: [SourceRow; 14] = [
    ("COIL-3010", &[("S-101", 7.0, 1.0, 1.0, 900.0), ("S-102", 5.0, 1.0, 1.08, 1_200.0)]),
    ("COIL-3011", &[("S-101", 7.0, 1.0, 1.0, 900.0), ("S-102", 6.0, 1.0, 1.07, 1_200.0)]),
    ("COIL-3012", &[("S-102", 6.0, 1.0, 1.0, 800.0)]),
    ("COIL-3013", &[("S-101", 9.0, 1.0, 1.0, 950.0)]),
    (
        "FST-3050",
        &[
            ("S-104", 12.0, 2.0, 1.0, 650.0),
            ("S-105", 3.0, 1.0, 1.35, 400.0),
            ("S-106", 5.0, 3.0, 1.18, 1_500.0),
        ],
    ),
    ("FST-3051", &[("S-104", 10.0, 2.0, 1.0, 600.0), ("S-105", 4.0, 1.0, 1.30, 400.0)]),
    ("WLD-3060", &[("S-105", 8.0, 1.0, 1.0, 350.0), ("S-108", 9.0, 3.0, 0.93, 500.0)]),
    ("PNT-3070", &[("S-103", 5.0, 1.0, 1.0, 300.0)]),
    ("PNT-3071", &[("S-103", 5.0, 1.0, 1.0, 300.0)]),
    ("PNT-3072", &[("S-103", 5.0, 1.0, 1.0, 300.0)]),
    ("PNT-3073", &[("S-103", 6.0, 1.0, 1.0, 300.0)]),
    ("BRG-3080", &[("S-108", 14.0, 3.0, 1.0, 700.0), ("S-106", 8.0, 3.0, 1.4, 1_500.0)]),
    ("BOX-3090", &[("S-107", 3.0, 1.0, 1.0, 150.0)]),
    ("BOX-3091", &[("S-107", 3.0, 1.0, 1.0, 150.0)]),
];

pub fn suppliers() -> Vec<Supplier> {
    SUPPLIERS
        .iter()
        .map(
            |&(
                code,
                name,
                country,
                email,
                group,
                score,
                on_time_rate,
                quality_ppm,
                average_days_late,
                deliveries,
            )| {
                let id = id_of("supplier", code);
                Supplier {
                    id,
                    code,
                    name,
                    country,
                    email,
                    group,
                    score,
                    on_time_rate,
                    quality_ppm,
                    average_days_late,
                    deliveries,
                }
            },
        )
        .collect()
}

pub fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for (component, suppliers) in SOURCES {
        let price = COMPONENTS.iter().find(|row| row.0 == component).map_or(0.0, |row| row.3);
        for (rank, &(supplier, lead_time_days, transit_days, factor, expedite_fee)) in
            suppliers.iter().enumerate()
        {
            sources.push(Source {
                id: id_of("approved-supplier", &format!("{component}/{supplier}")),
                part: part_id(component),
                supplier: id_of("supplier", supplier),
                supplier_part: format!("{}-{component}", &supplier[2..]),
                lead_time_days,
                transit_days,
                unit_price: (price * factor * 1000.0).round() / 1000.0,
                minimum_order: if component.starts_with("PNT") { 20_000.0 } else { 1_000.0 },
                expedite_fee,
                share_percent: if rank == 0 { 80.0 } else { 20.0 },
            });
        }
    }
    sources
}

pub struct Stock {
    pub lots: Vec<Lot>,
    pub containers: Vec<Container>,
    pub purchase_orders: Vec<PurchaseOrder>,
}

/// What the stock has to serve.
pub struct Demand<'a> {
    pub jobs: &'a [Job],
    pub operations: &'a [JobOperation],
    pub bom: &'a [BomLine],
    pub sources: &'a [Source],
    pub start: Instant,
}

pub fn stock(rng: &mut ChaCha8Rng, demand: &Demand<'_>) -> Stock {
    let mut stock = Stock { lots: Vec::new(), containers: Vec::new(), purchase_orders: Vec::new() };
    for (position, (component, ..)) in COMPONENTS.iter().enumerate() {
        let part = part_id(component);
        let supplier = demand.sources.iter().find(|source| source.part == part).map(|source| source.supplier);
        for age in [6, 2] {
            let number = format!("L-26-{:02}{age:02}", position + 1);
            stock.lots.push(Lot {
                id: id_of("lot", &number),
                number,
                part,
                supplier,
                manufactured: demand.start - TimeDelta::days(age * 3),
                conformant: true,
            });
        }
    }
    for job in demand.jobs {
        stock.lots.push(Lot {
            id: id_of("lot", &job.number),
            number: job.number.replace("J-", "W-26-"),
            part: job.part,
            supplier: None,
            manufactured: demand.start,
            conformant: true,
        });
    }
    stage(rng, demand, &mut stock);
    fill_warehouse(demand, &mut stock);
    order(rng, demand, &mut stock);
    stock
}

fn needs<'a>(demand: &'a Demand<'_>) -> impl Iterator<Item = (&'a JobOperation, &'a Job, Uuid, f64)> {
    demand.operations.iter().flat_map(|operation| {
        let job = demand.jobs.iter().find(|job| job.id == operation.job);
        let lines = demand.bom.iter().filter(|line| line.routing == operation.routing);
        job.into_iter().flat_map(move |job| {
            lines.clone().map(move |line| (operation, job, line.component, line.quantity * job.quantity))
        })
    })
}

fn stage(rng: &mut ChaCha8Rng, demand: &Demand<'_>, stock: &mut Stock) {
    let press_4 = work_center_id("PRESS-4");
    let scarce = part_id(SCARCE);
    let quarantined = needs(demand)
        .filter(|(operation, ..)| operation.work_center == press_4)
        .filter(|(operation, ..)| operation.start >= demand.start + TimeDelta::hours(6))
        .min_by_key(|(operation, ..)| operation.start)
        .map(|(operation, ..)| operation.id);
    let mut staged: Vec<Container> = Vec::new();
    for (operation, job, component, quantity) in needs(demand) {
        let ahead = operation.start - demand.start;
        let surely_until = if component == scarce {
            STAGED_AHEAD_SCARCE
        } else if operation.work_center == press_4 {
            STAGED_AHEAD_PRESS_4
        } else {
            STAGED_AHEAD
        };
        let surely = ahead < surely_until;
        let perhaps = ahead < STAGED_AHEAD * 2 && component != scarce && rng.random_bool(0.6);
        if !(surely || perhaps) {
            continue;
        }
        let blocked = quarantined == Some(operation.id);
        let lot = newest_lot(stock, component);
        staged.push(Container {
            serial: format!("S{:06}", 100_001 + staged.len()),
            part: component,
            lot,
            quantity,
            status: if blocked { ContainerStatus::Quarantine } else { ContainerStatus::Ok },
            location: if blocked { "QUARANTINE".to_owned() } else { operation.group.lane() },
            job: Some(job.number.clone()),
            kind: "Component",
            added: demand.start - TimeDelta::hours(12),
            updated: demand.start - TimeDelta::hours(2),
        });
    }
    stock.containers = staged;
}

fn newest_lot(stock: &Stock, component: Uuid) -> Uuid {
    stock
        .lots
        .iter()
        .filter(|lot| lot.part == component)
        .max_by_key(|lot| lot.manufactured)
        .map_or(Uuid::nil(), |lot| lot.id)
}

/// Free stock for what is not staged yet, with a reserve, but for the scarce component.
fn fill_warehouse(demand: &Demand<'_>, stock: &mut Stock) {
    for (position, (component, ..)) in COMPONENTS.iter().enumerate() {
        let part = part_id(component);
        let ahead = |operation: &JobOperation| operation.start >= demand.start;
        let needed: f64 =
            needs(demand).filter(|need| need.2 == part && ahead(need.0)).map(|need| need.3).sum();
        let staged: f64 = needs(demand)
            .filter(|need| need.2 == part && ahead(need.0))
            .filter(|need| {
                stock.containers.iter().any(|container| {
                    container.part == part && container.job.as_deref() == Some(need.1.number.as_str())
                })
            })
            .map(|need| need.3)
            .sum();
        let cover = if *component == SCARCE { SCARCE_COVER * needed } else { 1.3 * needed + 500.0 };
        let free = ((cover - staged) / 10.0).floor().max(0.0) * 10.0;
        let blocked = if position == 1 { 800.0 } else { 0.0 };
        for (quantity, status, location) in [
            (free, ContainerStatus::Ok, format!("WH-{:02}", position + 1)),
            (blocked, ContainerStatus::Quarantine, "QUARANTINE".to_owned()),
        ] {
            if quantity > 0.0 {
                let lot = newest_lot(stock, part);
                stock.containers.push(Container {
                    serial: format!(
                        "S{:06}",
                        150_001 + 2 * position + usize::from(status != ContainerStatus::Ok)
                    ),
                    part,
                    lot,
                    quantity,
                    status,
                    location,
                    job: None,
                    kind: "Component",
                    added: demand.start - TimeDelta::days(3),
                    updated: demand.start - TimeDelta::days(3),
                });
            }
        }
    }
}

/// An open order for every component, the scarce one's due tomorrow morning, and some that were received.
fn order(rng: &mut ChaCha8Rng, demand: &Demand<'_>, stock: &mut Stock) {
    for round in 0..2 {
        for (position, (component, ..)) in COMPONENTS.iter().enumerate() {
            let part = part_id(component);
            let Some(source) = demand.sources.iter().find(|source| source.part == part) else { continue };
            let open = round == 0;
            let number = format!("PO-{}", 7701 + position - 100 * round);
            let hours = if *component == SCARCE { 26 } else { rng.random_range(40..140) };
            let due =
                if open { demand.start + TimeDelta::hours(hours) } else { demand.start - TimeDelta::days(9) };
            let shipped = due - TimeDelta::hours((source.transit_days * 24.0) as i64);
            let status = match open {
                true if shipped <= demand.start => ShipStatus::InTransit,
                true => ShipStatus::Planned,
                false => ShipStatus::Received,
            };
            stock.purchase_orders.push(PurchaseOrder {
                id: id_of("purchase-order", &number),
                release: id_of("purchase-release", &number),
                supplier: source.supplier,
                part,
                quantity: if component.starts_with("PNT") { 60_000.0 } else { 6_000.0 },
                unit_price: source.unit_price,
                ordered: due - TimeDelta::days(source.lead_time_days as i64),
                modified: due - TimeDelta::days(source.lead_time_days as i64),
                due,
                original_due: due,
                open,
                release_status: if open { "Open" } else { "Received" }.to_owned(),
                note: None,
                asn: Some(ShipNotice {
                    number: format!("ASN-{}", 9001 + position - 100 * round),
                    status,
                    carrier: ["Prairie Freight", "Lakeway Logistics", "Interstate LTL"][position % 3],
                    shipped: (shipped <= demand.start).then_some(shipped),
                    original_eta: due,
                    eta: due,
                    reason: None,
                }),
                number,
            });
        }
    }
}
