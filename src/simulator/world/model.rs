//! The nouns of the plant: plain records without behaviour beyond their own names.

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub type Instant = DateTime<Utc>;

/// An id that is the same in every plant: made from the record's name.
pub fn id_of(kind: &str, name: &str) -> Uuid {
    const PLANT: Uuid = Uuid::from_u128(0x9a1d_4c52_7b0e_4f7a_8f31_2d6c_51a0_0001);
    Uuid::new_v5(&PLANT, format!("{kind}/{name}").as_bytes())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Press,
    Weld,
    Paint,
    Assembly,
    Pack,
}

impl Group {
    /// Also the operation code of what is done there.
    pub fn code(self) -> &'static str {
        match self {
            Self::Press => "PRESS",
            Self::Weld => "WELD",
            Self::Paint => "PAINT",
            Self::Assembly => "ASSY",
            Self::Pack => "PACK",
        }
    }

    /// Where components wait for the group's work centers.
    pub fn lane(self) -> String {
        format!("STAGE-{}", self.code())
    }

    pub fn area(self) -> &'static str {
        match self {
            Self::Press => "Press shop",
            Self::Weld => "Welding",
            Self::Paint => "Paint line",
            Self::Assembly => "Assembly",
            Self::Pack => "Packing",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineStatus {
    Production,
    Setup,
    Idle,
    WaitingForMaterial,
    PlannedMaintenance,
    UnplannedDowntime,
}

impl MachineStatus {
    /// As Plex describes it.
    pub fn description(self) -> &'static str {
        match self {
            Self::Production => "Production",
            Self::Setup => "Setup",
            Self::Idle => "Idle",
            Self::WaitingForMaterial => "Waiting for Material",
            Self::PlannedMaintenance => "Planned Maintenance",
            Self::UnplannedDowntime => "Unplanned Downtime",
        }
    }
}

#[derive(Debug, Clone)]
pub struct WorkCenter {
    pub id: Uuid,
    pub code: &'static str,
    pub name: &'static str,
    pub group: Group,
    /// How much the plant depends on it: A, B or C.
    pub criticality: &'static str,
    /// Equipment id, the CMMS's asset id too.
    pub equipment: &'static str,
    pub brand: &'static str,
    pub model: &'static str,
    /// Set while it stands still for a reason.
    pub stop: Option<Stop>,
    /// Since when nothing occupies it, if nothing does.
    pub free_since: Instant,
}

#[derive(Debug, Clone)]
pub struct Stop {
    pub since: Instant,
    pub status: MachineStatus,
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    Finished,
    Component,
}

#[derive(Debug, Clone)]
pub struct Part {
    pub id: Uuid,
    pub number: &'static str,
    pub name: &'static str,
    pub kind: PartKind,
    pub lead_time_days: f64,
}

/// One operation of a part's routing.
#[derive(Debug, Clone)]
pub struct Routing {
    pub id: Uuid,
    pub part: Uuid,
    pub number: i32,
    pub group: Group,
    pub approved: Vec<Approved>,
}

/// A work center that may do a routing operation, and how.
#[derive(Debug, Clone)]
pub struct Approved {
    pub work_center: Uuid,
    /// 1 is where it normally runs.
    pub preference: u32,
    pub family: String,
    pub setup_minutes: i64,
    pub minutes_per_piece: f64,
    pub tool: Option<String>,
}

impl Approved {
    pub fn run_minutes(&self, quantity: f64) -> i64 {
        (self.minutes_per_piece * quantity).ceil() as i64
    }
}

/// A component of a part, consumed at one of its operations.
#[derive(Debug, Clone)]
pub struct BomLine {
    pub id: Uuid,
    pub part: Uuid,
    pub routing: Uuid,
    pub component: Uuid,
    pub quantity: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStatus {
    Open,
    Hold,
    Completed,
}

impl JobStatus {
    pub fn text(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Hold => "Hold",
            Self::Completed => "Completed",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Job {
    pub id: Uuid,
    pub number: String,
    pub part: Uuid,
    pub quantity: f64,
    pub created: Instant,
    pub due: Instant,
    pub earliest_start: Instant,
    pub status: JobStatus,
    pub completed: Option<Instant>,
    pub job_type: String,
    pub priority: String,
    pub customer: Uuid,
    /// The sales order, like `SO-4001`; its one release is `SO-4001-1`.
    pub order: String,
}

impl Job {
    pub fn release(&self) -> String {
        format!("{}-1", self.order)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationStatus {
    Scheduled,
    InProcess,
    Completed,
}

#[derive(Debug, Clone)]
pub struct JobOperation {
    pub id: Uuid,
    pub job: Uuid,
    pub routing: Uuid,
    pub number: i32,
    pub group: Group,
    pub work_center: Uuid,
    pub start: Instant,
    pub setup_minutes: i64,
    pub run_minutes: i64,
    pub status: OperationStatus,
    pub began: Option<Instant>,
    /// Since when it runs without a stop.
    pub resumed: Option<Instant>,
    /// When the work that is in process will be done, if nothing stops it.
    pub ends: Option<Instant>,
    pub completed: Option<Instant>,
}

impl JobOperation {
    pub fn minutes(&self) -> i64 {
        self.setup_minutes + self.run_minutes
    }
}

#[derive(Debug, Clone)]
pub struct Customer {
    pub id: Uuid,
    pub code: &'static str,
    pub name: &'static str,
    pub tier: &'static str,
    pub territory: &'static str,
    pub late_penalty_per_day: f64,
}

#[derive(Debug, Clone)]
pub struct Supplier {
    pub id: Uuid,
    pub code: &'static str,
    pub name: &'static str,
    pub country: &'static str,
    pub email: &'static str,
    pub group: &'static str,
    pub score: f64,
    pub on_time_rate: f64,
    pub quality_ppm: f64,
    pub average_days_late: f64,
    pub deliveries: u32,
}

/// A supplier that may deliver a component.
#[derive(Debug, Clone)]
pub struct Source {
    pub id: Uuid,
    pub part: Uuid,
    pub supplier: Uuid,
    pub supplier_part: String,
    pub lead_time_days: f64,
    pub transit_days: f64,
    pub unit_price: f64,
    pub minimum_order: f64,
    pub expedite_fee: f64,
    pub share_percent: f64,
}

/// A purchase order with one line and one release, which is how this plant buys.
#[derive(Debug, Clone)]
pub struct PurchaseOrder {
    pub id: Uuid,
    pub number: String,
    pub supplier: Uuid,
    pub part: Uuid,
    pub quantity: f64,
    pub unit_price: f64,
    pub ordered: Instant,
    pub modified: Instant,
    pub due: Instant,
    pub original_due: Instant,
    pub open: bool,
    pub release: Uuid,
    pub release_status: String,
    pub note: Option<String>,
    pub asn: Option<ShipNotice>,
}

/// What the supplier's portal says of a delivery.
#[derive(Debug, Clone)]
pub struct ShipNotice {
    pub number: String,
    pub status: ShipStatus,
    pub carrier: &'static str,
    pub shipped: Option<Instant>,
    pub original_eta: Instant,
    pub eta: Instant,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShipStatus {
    Planned,
    InTransit,
    Delayed,
    Received,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerStatus {
    Ok,
    Quarantine,
}

impl ContainerStatus {
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Quarantine => "Quarantine",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Lot {
    pub id: Uuid,
    pub number: String,
    pub part: Uuid,
    pub supplier: Option<Uuid>,
    pub manufactured: Instant,
    pub conformant: bool,
}

#[derive(Debug, Clone)]
pub struct Container {
    pub serial: String,
    pub part: Uuid,
    pub lot: Uuid,
    pub quantity: f64,
    pub status: ContainerStatus,
    pub location: String,
    /// The job it is staged for.
    pub job: Option<String>,
    pub kind: &'static str,
    pub added: Instant,
    pub updated: Instant,
}

#[derive(Debug, Clone)]
pub struct Employee {
    pub id: Uuid,
    pub badge: String,
    pub user: String,
    pub first: String,
    pub last: String,
    pub position: &'static str,
    pub department: &'static str,
    /// A, B or C; none for people who work days.
    pub shift: Option<&'static str>,
    /// Where an operator works.
    pub home: Option<Uuid>,
    pub skills: Vec<Skill>,
}

impl Employee {
    pub fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

/// A certification for a work center.
#[derive(Debug, Clone)]
pub struct Skill {
    pub work_center: &'static str,
    /// 1 to 5.
    pub level: u8,
    pub evaluated: Instant,
    pub valid_until: Instant,
}

#[derive(Debug, Clone)]
pub struct Tool {
    pub code: String,
    pub family: String,
    pub work_centers: Vec<&'static str>,
    pub status: &'static str,
    pub calibration_due: Instant,
    pub shots_left: u32,
}
