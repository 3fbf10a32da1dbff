//! The state of the plant, generated from a seed, moved by the clock, read and written by the simulated systems.

pub mod model;
pub mod people;
pub mod records;
mod catalog;
mod dispatch;
mod orders;
mod past;
mod progress;
mod stock;

use chrono::TimeDelta;
use chrono_tz::Tz;
use model::{
    BomLine, Container, ContainerStatus, Customer, Employee, Group, Instant, Job, JobOperation, Lot,
    OperationStatus, Part, PurchaseOrder, Routing, Source, Stop, Supplier, Tool, WorkCenter,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use records::{AndonCall, Deviation, Downtime, History, MaintenanceWindow, WorkOrder};
use uuid::Uuid;

pub use model::id_of;
pub use stock::SCARCE;

pub const PLANT_NAME: &str = "Plant 1";
const ZONE: Tz = chrono_tz::America::Chicago;
/// Production began so long before the first instant; in the demo that is Sunday 22:00, the start of the week.
const RUNNING_SINCE: TimeDelta = TimeDelta::minutes(490);

pub struct World {
    pub seed: u64,
    pub start: Instant,
    pub now: Instant,
    pub zone: Tz,
    pub work_centers: Vec<WorkCenter>,
    pub parts: Vec<Part>,
    pub routings: Vec<Routing>,
    pub bom: Vec<BomLine>,
    pub tools: Vec<Tool>,
    pub employees: Vec<Employee>,
    pub customers: Vec<Customer>,
    pub suppliers: Vec<Supplier>,
    pub sources: Vec<Source>,
    pub jobs: Vec<Job>,
    /// Grouped by job, in routing order.
    pub operations: Vec<JobOperation>,
    pub lots: Vec<Lot>,
    pub containers: Vec<Container>,
    pub purchase_orders: Vec<PurchaseOrder>,
    pub windows: Vec<MaintenanceWindow>,
    pub work_orders: Vec<WorkOrder>,
    pub downtimes: Vec<Downtime>,
    pub andon: Vec<AndonCall>,
    pub deviations: Vec<Deviation>,
    pub history: History,
    /// Fields of a sales release that Plex stores and the plant does not use, by release number.
    pub release_notes: std::collections::BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
    pub custom_objects: Vec<CustomObject>,
    /// A machine that comes back so long after the next accepted schedule write.
    pub recovery: Option<Recovery>,
    serials: u32,
}

/// A record of a tenant-defined Plex object.
pub struct CustomObject {
    pub id: Uuid,
    pub object: String,
    pub record: String,
    pub created: Instant,
    pub modified: Instant,
    pub fields: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone)]
pub struct Recovery {
    pub work_center: Uuid,
    pub after: std::time::Duration,
}

impl World {
    /// The same seed and start give the same plant, to the last container.
    pub fn generate(seed: u64, start: Instant) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let begin = start - RUNNING_SINCE;
        let work_centers = catalog::work_centers(begin);
        let (routings, bom) = catalog::routings();
        let windows = past::maintenance_windows(start, ZONE);
        let employees = people::employees(&mut rng, start, &work_centers);
        let customers = people::customers();
        let ground = orders::Ground {
            routings: &routings,
            work_centers: &work_centers,
            customers: &customers,
            reserved: &past::reserved(start, &windows),
            begin,
            start,
        };
        let book = orders::order_book(&mut rng, &ground);
        let sources = stock::sources();
        let demand = stock::Demand {
            jobs: &book.jobs,
            operations: &book.operations,
            bom: &bom,
            sources: &sources,
            start,
        };
        let stock = stock::stock(&mut rng, &demand);
        let mut world = Self {
            seed,
            start,
            now: begin,
            zone: ZONE,
            work_centers,
            parts: catalog::parts(),
            routings,
            bom,
            tools: catalog::tools(start),
            employees,
            customers,
            suppliers: stock::suppliers(),
            sources,
            jobs: book.jobs,
            operations: book.operations,
            lots: stock.lots,
            containers: stock.containers,
            purchase_orders: stock.purchase_orders,
            windows,
            work_orders: Vec::new(),
            downtimes: Vec::new(),
            andon: Vec::new(),
            deviations: Vec::new(),
            history: History::default(),
            release_notes: std::collections::BTreeMap::new(),
            custom_objects: Vec::new(),
            recovery: None,
            serials: 0,
        };
        past::write_past(&mut rng, &mut world, start);
        world.advance(start);
        past::write_quality(&mut world, start);
        world
    }

    pub fn work_center(&self, id: Uuid) -> Option<&WorkCenter> {
        self.work_centers.iter().find(|machine| machine.id == id)
    }

    pub fn work_center_named(&self, code: &str) -> Option<&WorkCenter> {
        self.work_centers.iter().find(|machine| machine.code == code)
    }

    pub fn work_center_code(&self, id: Uuid) -> &'static str {
        self.work_center(id).map_or("", |machine| machine.code)
    }

    pub fn group_of(&self, work_center: Uuid) -> Group {
        self.work_center(work_center).map_or(Group::Press, |machine| machine.group)
    }

    pub fn stop_of(&self, work_center: Uuid) -> Option<&Stop> {
        self.work_center(work_center).and_then(|machine| machine.stop.as_ref())
    }

    pub fn part(&self, id: Uuid) -> Option<&Part> {
        self.parts.iter().find(|part| part.id == id)
    }

    pub fn part_number(&self, id: Uuid) -> &'static str {
        self.part(id).map_or("", |part| part.number)
    }

    pub fn job(&self, id: Uuid) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    pub fn operation(&self, id: Uuid) -> Option<&JobOperation> {
        self.operations.iter().find(|operation| operation.id == id)
    }

    pub fn routing(&self, id: Uuid) -> Option<&Routing> {
        self.routings.iter().find(|routing| routing.id == id)
    }

    pub fn customer(&self, id: Uuid) -> Option<&Customer> {
        self.customers.iter().find(|customer| customer.id == id)
    }

    pub fn supplier(&self, id: Uuid) -> Option<&Supplier> {
        self.suppliers.iter().find(|supplier| supplier.id == id)
    }

    pub fn supplier_code(&self, id: Uuid) -> &'static str {
        self.supplier(id).map_or("", |supplier| supplier.code)
    }

    pub fn employee(&self, id: Uuid) -> Option<&Employee> {
        self.employees.iter().find(|person| person.id == id)
    }

    pub fn lot(&self, id: Uuid) -> Option<&Lot> {
        self.lots.iter().find(|lot| lot.id == id)
    }

    /// Place of the operation that occupies a work center, running or interrupted.
    pub fn running_on(&self, work_center: Uuid) -> Option<usize> {
        self.operations.iter().position(|operation| {
            operation.work_center == work_center && operation.status == OperationStatus::InProcess
        })
    }

    /// A delivery becomes free stock.
    pub fn stock_received(&mut self, part: Uuid, quantity: f64) {
        let lots = self.lots.iter().filter(|lot| lot.part == part);
        let lot = lots.max_by_key(|lot| lot.manufactured).map_or(Uuid::nil(), |lot| lot.id);
        self.serials += 1;
        self.containers.push(Container {
            serial: format!("R{:06}", 300_000 + self.serials),
            part,
            lot,
            quantity,
            status: ContainerStatus::Ok,
            location: "WH-RECEIVING".to_owned(),
            job: None,
            kind: "Component",
            added: self.now,
            updated: self.now,
        });
    }

    /// Run time of an operation; of one in process, what it takes in all, with the stops until now.
    pub fn run_minutes_expected(&self, operation: &JobOperation) -> f64 {
        let Some(ends) = operation.ends else { return operation.run_minutes as f64 };
        let stopped =
            self.stop_of(operation.work_center).map_or(TimeDelta::zero(), |stop| self.now - stop.since);
        let seconds = (ends + stopped - operation.start).num_seconds() as f64;
        (seconds / 6.0).round() / 10.0 - operation.setup_minutes as f64
    }

    /// Good pieces of an operation as of now.
    pub fn pieces_done(&self, operation: &JobOperation) -> f64 {
        let quantity = self.job(operation.job).map_or(0.0, |job| job.quantity);
        match (operation.status, operation.ends) {
            (OperationStatus::Completed, _) => quantity,
            (OperationStatus::InProcess, Some(ends)) => {
                let as_of = self.stop_of(operation.work_center).map_or(self.now, |stop| stop.since);
                let left = (ends - as_of).num_seconds().max(0) as f64 / 60.0;
                let run = operation.run_minutes.max(1) as f64;
                (quantity * (1.0 - (left / run).min(1.0))).floor()
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests;
