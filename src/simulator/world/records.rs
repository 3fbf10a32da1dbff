//! What the plant writes down while it runs: history, maintenance, andon calls, quality.

use super::model::{Instant, MachineStatus};
use chrono::TimeDelta;
use uuid::Uuid;

/// A stretch of one status of one work center, entered when it ends.
#[derive(Debug, Clone)]
pub struct StatusEntry {
    pub work_center: Uuid,
    pub at: Instant,
    pub status: MachineStatus,
    pub operation: Option<Uuid>,
    pub duration: TimeDelta,
    pub note: Option<String>,
}

#[derive(Debug, Clone)]
pub struct ProductionEntry {
    pub at: Instant,
    pub operation: Uuid,
    pub work_center: Uuid,
    pub employee: Uuid,
    pub quantity: f64,
    pub serial: String,
    pub lot: Uuid,
}

#[derive(Debug, Clone)]
pub struct ScrapEntry {
    pub at: Instant,
    pub operation: Uuid,
    pub work_center: Uuid,
    pub quantity: f64,
    pub reason: &'static str,
    pub serial: String,
}

#[derive(Debug, Clone)]
pub struct LaborEntry {
    pub operation: Uuid,
    pub work_center: Uuid,
    pub employee: Uuid,
    pub begin: Instant,
    pub end: Instant,
}

#[derive(Debug, Clone, Default)]
pub struct History {
    pub statuses: Vec<StatusEntry>,
    pub production: Vec<ProductionEntry>,
    pub scrap: Vec<ScrapEntry>,
    pub labor: Vec<LaborEntry>,
}

#[derive(Debug, Clone)]
pub struct WorkOrder {
    pub id: u64,
    pub asset: String,
    pub title: String,
    pub description: String,
    pub priority: String,
    pub status: String,
    pub category: &'static str,
    pub created: Instant,
    pub due: Option<Instant>,
    pub completed: Option<Instant>,
    pub estimated_hours: f64,
    pub estimated_start: Option<Instant>,
    pub actual_minutes: Option<i64>,
    pub feedback: Option<String>,
    /// A person's user name.
    pub primary_user: Option<String>,
    /// Fields a caller gave that this CMMS only stores.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone)]
pub struct Downtime {
    pub id: u64,
    pub asset: &'static str,
    pub started: Instant,
    /// None while the machine is down.
    pub duration: Option<TimeDelta>,
    pub reason: String,
}

/// Planned maintenance in which a work center stands still.
#[derive(Debug, Clone)]
pub struct MaintenanceWindow {
    pub id: u64,
    pub work_center: Uuid,
    pub title: &'static str,
    pub starts: Instant,
    pub ends: Instant,
    pub work_order: u64,
}

#[derive(Debug, Clone)]
pub struct AndonCall {
    pub id: String,
    pub work_center: Uuid,
    pub category: String,
    /// Badge number.
    pub raised_by: String,
    pub raised: Instant,
    pub acknowledged: Option<(Instant, String)>,
    pub resolved: Option<(Instant, String)>,
    pub reason_code: Option<String>,
    pub note: Option<String>,
    pub line_stop: bool,
    pub escalation_level: u8,
    pub text: String,
}

#[derive(Debug, Clone)]
pub struct Deviation {
    pub id: Uuid,
    pub number: String,
    pub status: &'static str,
    pub kind: &'static str,
    pub effective: Instant,
    pub expires: Option<Instant>,
    pub approved_by: Option<String>,
    pub jobs: Vec<Uuid>,
    pub parts: Vec<Uuid>,
    pub pieces: i64,
    pub reason: String,
    pub supplier: Option<Uuid>,
    pub note: Option<String>,
}
