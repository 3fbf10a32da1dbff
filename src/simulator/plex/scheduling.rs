//! Jobs and their operations: what is scheduled where and when, and the one write that reschedules.

use super::{PlexError, PlexTime, Window, body, optional_time, path_id, time};
use crate::simulator::{
    ledger::Written,
    query::Filters,
    scenario,
    state::Shared,
    world::{
        PLANT_NAME, World, id_of,
        model::{Job, JobOperation, JobStatus, OperationStatus},
    },
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/scheduling/v1/jobs", get(list_jobs))
        .route("/scheduling/v1/jobs/{id}", get(get_job).put(update_job))
        .route("/scheduling/v1/jobs/{id}/operations", get(list_operations))
        .route("/scheduling/v1/jobs/{id}/operations-schedule", post(schedule_operations))
        .route("/scheduling/v1/job-operations", get(list_all_operations))
        .route("/scheduling/v1-beta1/jobs/{id}/operations/{operation}", get(get_operation))
        .route("/scheduling/v1-beta1/jobs/{id}/hold", post(hold))
        .route("/scheduling/v1-beta1/jobs/{id}/release-hold", post(release_hold))
}

fn job_json(world: &World, job: &Job) -> Value {
    let last = world.operations.iter().rfind(|operation| operation.job == job.id);
    let number = world.part_number(job.part);
    json!({
        "id": job.id, "externalJobCode": job.release(), "jobNumber": job.number,
        "createdDate": time(job.created), "partId": job.part, "partNumber": number, "partRevision": "A",
        "partNumberRevision": format!("{number}-A"), "dueDate": time(job.due),
        "completedDate": optional_time(job.completed), "quantity": job.quantity,
        "quantityCompleted": last.map_or(0.0, |last| world.pieces_done(last)),
        "jobStatus": job.status.text(), "buildingId": id_of("building", PLANT_NAME), "buildingCode": PLANT_NAME,
        "jobType": job.job_type, "earliestStartDateTime": time(job.earliest_start), "priority": job.priority,
    })
}

fn status_text(world: &World, operation: &JobOperation) -> &'static str {
    let held = world.job(operation.job).is_some_and(|job| job.status == JobStatus::Hold);
    match operation.status {
        OperationStatus::Completed => "Completed",
        _ if held => "Hold",
        OperationStatus::Scheduled => "Scheduled",
        OperationStatus::InProcess => "In Process",
    }
}

fn operation_json(world: &World, operation: &JobOperation) -> Option<Value> {
    let job = world.job(operation.job)?;
    let number = world.part_number(job.part);
    let rate = job.quantity * 60.0 / operation.run_minutes.max(1) as f64;
    Some(json!({
        "jobId": job.id, "jobNumber": job.number, "partId": job.part, "partNumber": number, "partRevision": "A",
        "partNumberRevision": format!("{number}-A"), "partOperationId": operation.routing,
        "jobOperationId": operation.id, "jobOperationNumber": operation.number,
        "operationCode": operation.group.code(), "workcenterId": operation.work_center,
        "workcenterCode": world.work_center_code(operation.work_center), "quantity": job.quantity,
        "quantityCompleted": world.pieces_done(operation), "dueDate": time(job.due),
        "scheduledStartDate": time(operation.start), "completedDate": optional_time(operation.completed),
        "jobOperationStatus": status_text(world, operation), "setupTime": operation.setup_minutes as f64,
        "rate": (rate * 10.0).round() / 10.0, "unitOfMeasure": "pcs/hr",
        "runTime": world.run_minutes_expected(operation), "batchCriteria": null, "partOperationType": "Production",
        "batchOperation": false, "preProcessOperation": false,
    }))
}

async fn list_jobs(State(plant): State<Shared>, filters: Filters) -> Result<Json<Vec<Value>>, PlexError> {
    let due = Window::read(&filters, "dueDateBegin", "dueDateEnd")?;
    let completed = Window::read(&filters, "completedDateBegin", "completedDateEnd")?;
    let earliest = Window::read(&filters, "beginEarliestStartDateTime", "endEarliestStartDateTime")?;
    let world = plant.world();
    let wanted = world.jobs.iter().filter(|job| {
        filters.allows("partId", &job.part.to_string())
            && filters.allows("externalJobCode", &job.release())
            && filters.allows("jobNumber", &job.number)
            && filters.allows("jobStatuses", job.status.text())
            && filters.allows("priority", &job.priority)
            && due.holds(job.due)
            && completed.holds_optional(job.completed)
            && earliest.holds(job.earliest_start)
    });
    Ok(Json(wanted.map(|job| job_json(&world, job)).collect()))
}

async fn get_job(State(plant): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, PlexError> {
    let world = plant.world();
    let job = world.job(path_id(&id)?).ok_or(PlexError::NotFound)?;
    Ok(Json(job_json(&world, job)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobUpdate {
    due_date: Option<PlexTime>,
    quantity: Option<f64>,
    job_type: Option<String>,
    priority: Option<String>,
    earliest_start_date_time: Option<PlexTime>,
}

async fn update_job(
    State(plant): State<Shared>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<impl IntoResponse, PlexError> {
    let update: JobUpdate = body(&bytes)?;
    if update.quantity.is_some_and(|quantity| quantity <= 0.0) {
        return Err(PlexError::invalid("INVALID", "quantity must be above 0."));
    }
    let id = path_id(&id)?;
    let mut world = plant.world();
    let job = world.jobs.iter_mut().find(|job| job.id == id).ok_or(PlexError::NotFound)?;
    let mut changed = false;
    replace(&mut job.due, update.due_date.map(|time| time.0), &mut changed);
    replace(&mut job.quantity, update.quantity, &mut changed);
    replace(&mut job.job_type, update.job_type, &mut changed);
    replace(&mut job.priority, update.priority, &mut changed);
    replace(&mut job.earliest_start, update.earliest_start_date_time.map(|time| time.0), &mut changed);
    Ok((StatusCode::OK, Extension(Written::when(changed, format!("job:{id}")))))
}

fn replace<T: PartialEq>(field: &mut T, value: Option<T>, changed: &mut bool) {
    if let Some(value) = value {
        *changed |= *field != value;
        *field = value;
    }
}

async fn hold(State(plant): State<Shared>, Path(id): Path<String>) -> Result<HoldReply, PlexError> {
    set_hold(&plant, &id, JobStatus::Hold)
}

async fn release_hold(State(plant): State<Shared>, Path(id): Path<String>) -> Result<HoldReply, PlexError> {
    set_hold(&plant, &id, JobStatus::Open)
}

type HoldReply = (StatusCode, Extension<Written>);

fn set_hold(plant: &Shared, id: &str, status: JobStatus) -> Result<HoldReply, PlexError> {
    let id = path_id(id)?;
    let mut world = plant.world();
    let job = world.jobs.iter_mut().find(|job| job.id == id).ok_or(PlexError::NotFound)?;
    if job.status == JobStatus::Completed {
        return Err(PlexError::invalid("JOB_STATUS", format!("Job {} is completed.", job.number)));
    }
    let changed = job.status != status;
    job.status = status;
    Ok((StatusCode::NO_CONTENT, Extension(Written::when(changed, format!("job:{id}")))))
}

async fn list_operations(
    State(plant): State<Shared>,
    Path(id): Path<String>,
    filters: Filters,
) -> Result<Json<Vec<Value>>, PlexError> {
    let id = path_id(&id)?;
    let world = plant.world();
    world.job(id).ok_or(PlexError::NotFound)?;
    operations_json(&world, &filters, |operation| operation.job == id)
}

/// Ours: the real API has this per job only, and a plant of 80 jobs would take 80 calls.
async fn list_all_operations(
    State(plant): State<Shared>,
    filters: Filters,
) -> Result<Json<Vec<Value>>, PlexError> {
    let world = plant.world();
    operations_json(&world, &filters, |operation| {
        world.job(operation.job).is_some_and(|job| job.status != JobStatus::Completed)
    })
}

fn operations_json(
    world: &World,
    filters: &Filters,
    of: impl Fn(&JobOperation) -> bool,
) -> Result<Json<Vec<Value>>, PlexError> {
    let start = Window::read(filters, "beginScheduledStartDate", "endScheduledStartDate")?;
    let wanted = world.operations.iter().filter(|operation| {
        of(operation)
            && filters.allows("workcenterId", &operation.work_center.to_string())
            && filters.allows("jobOperationStatus", status_text(world, operation))
            && filters.allows("operationCode", operation.group.code())
            && filters.allows("jobOperationId", &operation.id.to_string())
            && start.holds(operation.start)
    });
    Ok(Json(wanted.filter_map(|operation| operation_json(world, operation)).collect()))
}

async fn get_operation(
    State(plant): State<Shared>,
    Path((job, operation)): Path<(String, String)>,
) -> Result<Json<Value>, PlexError> {
    let (job, operation) = (path_id(&job)?, path_id(&operation)?);
    let world = plant.world();
    let operation = world.operation(operation).filter(|operation| operation.job == job);
    operation.and_then(|operation| operation_json(&world, operation)).map(Json).ok_or(PlexError::NotFound)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<OperationSchedule>),
    One(OperationSchedule),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OperationSchedule {
    job_operation_id: Uuid,
    schedule_details: Vec<ScheduleDetail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScheduleDetail {
    workcenter_id: Uuid,
    start_date_time: PlexTime,
    /// Minutes.
    run_length: i64,
}

/// A checked change of one operation, by its place in the plant.
struct Change {
    index: usize,
    work_center: Uuid,
    start: DateTime<Utc>,
    setup_minutes: i64,
    run_minutes: i64,
}

async fn schedule_operations(
    State(plant): State<Shared>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<impl IntoResponse, PlexError> {
    let id = path_id(&id)?;
    let schedules = match body(&bytes)? {
        OneOrMany::One(one) => vec![one],
        OneOrMany::Many(many) => many,
    };
    if schedules.is_empty() {
        return Err(PlexError::invalid("REQUIRED", "At least one operation is required."));
    }
    let written = {
        let mut world = plant.world();
        let earliest = world.now - plant.config.schedule_past_tolerance;
        // All are checked before one is changed: a refused request changes nothing.
        let changes = schedules
            .iter()
            .map(|schedule| check(&world, id, schedule, earliest))
            .collect::<Result<Vec<Change>, PlexError>>()?;
        let mut changed = false;
        for change in &changes {
            changed |= apply(&mut world, change);
        }
        let ids: Vec<String> =
            schedules.iter().map(|schedule| schedule.job_operation_id.to_string()).collect();
        Written::when(changed, format!("job-operation:{}", ids.join(",")))
    };
    scenario::recover_after_write(&plant);
    Ok((StatusCode::OK, Extension(written)))
}

fn check(
    world: &World,
    job_id: Uuid,
    schedule: &OperationSchedule,
    earliest: DateTime<Utc>,
) -> Result<Change, PlexError> {
    let job = world.job(job_id).ok_or(PlexError::NotFound)?;
    let refuse = |code, message: String| Err(PlexError::invalid(code, message));
    let place = world
        .operations
        .iter()
        .position(|operation| operation.id == schedule.job_operation_id && operation.job == job_id);
    let Some(index) = place else {
        return refuse("JOB_OPERATION", format!("Job {} has no such operation.", job.number));
    };
    let operation = &world.operations[index];
    let named = format!("Operation {} of job {}", operation.number, job.number);
    if job.status != JobStatus::Open || operation.status == OperationStatus::Completed {
        let status = if job.status == JobStatus::Hold { "on hold" } else { "completed" };
        return refuse("JOB_OPERATION_STATUS", format!("{named} is {status}."));
    }
    if operation.status == OperationStatus::InProcess && world.stop_of(operation.work_center).is_none() {
        return refuse("JOB_OPERATION_STATUS", format!("{named} is in process."));
    }
    let [detail] = schedule.schedule_details.as_slice() else {
        return refuse("SCHEDULE_DETAILS", format!("{named} needs exactly one schedule detail."));
    };
    let routing = world.routing(operation.routing);
    let approved = routing.and_then(|routing| {
        routing.approved.iter().find(|approved| approved.work_center == detail.workcenter_id)
    });
    let Some(approved) = approved else {
        let code = world.work_center_code(detail.workcenter_id);
        return refuse("WORKCENTER", format!("{named} is not approved for work center `{code}`."));
    };
    if detail.start_date_time.0 < earliest {
        return refuse("START_DATE_TIME", format!("{named} would start in the past."));
    }
    if detail.run_length < 1 {
        return refuse("RUN_LENGTH", format!("{named} needs a runLength of at least 1 minute."));
    }
    let setup_minutes = (detail.run_length - approved.run_minutes(job.quantity)).max(0);
    Ok(Change {
        index,
        work_center: detail.workcenter_id,
        start: detail.start_date_time.0,
        setup_minutes,
        run_minutes: detail.run_length - setup_minutes,
    })
}

/// True when the schedule is another one now.
fn apply(world: &mut World, change: &Change) -> bool {
    let operation = &mut world.operations[change.index];
    let length = change.setup_minutes + change.run_minutes;
    let same_place = operation.work_center == change.work_center && operation.minutes() == length;
    if same_place && operation.start.signed_duration_since(change.start) == TimeDelta::zero() {
        return false;
    }
    operation.work_center = change.work_center;
    operation.start = change.start;
    operation.setup_minutes = change.setup_minutes;
    operation.run_minutes = change.run_minutes;
    // What a stopped machine interrupted begins anew where it goes.
    operation.status = OperationStatus::Scheduled;
    operation.began = None;
    operation.resumed = None;
    operation.ends = None;
    true
}
