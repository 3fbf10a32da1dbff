//! The CMMS, Atlas style: assets, work orders, downtimes; tooling and maintenance windows are the plant's additions.

use super::{
    ledger::Written,
    query::Filters,
    state::Shared,
    world::{
        World,
        model::WorkCenter,
        records::{Downtime, WorkOrder},
    },
};
use axum::{
    Extension, Json, Router,
    extract::{Path, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use subtle::ConstantTimeEq;

pub fn router(plant: &Shared) -> Router<Shared> {
    Router::new()
        .route("/assets", get(list_assets))
        .route("/assets/{id}", get(get_asset))
        .route("/work-orders", post(create))
        .route("/work-orders/search", post(search))
        .route("/work-orders/{id}", get(read).patch(update))
        .route("/work-orders/{id}/change-status", patch(update))
        .route("/work-orders/asset/{id}", get(of_asset))
        .route("/asset-downtimes/asset/{id}", get(downtimes))
        .route("/tooling", get(tooling))
        .route("/pm-windows", get(windows))
        .fallback(async || CmmsError::NotFound)
        .layer(middleware::from_fn_with_state(Arc::clone(plant), authenticate))
}

async fn authenticate(State(plant): State<Shared>, request: Request, next: Next) -> Response {
    let key = request.headers().get("x-api-key").map_or(&[][..], |key| key.as_bytes());
    if bool::from(key.ct_eq(plant.config.credentials.cmms_key.as_bytes())) {
        next.run(request).await
    } else {
        CmmsError::NotAuthenticated.into_response()
    }
}

enum CmmsError {
    NotAuthenticated,
    NotFound,
    Invalid(String),
}

impl IntoResponse for CmmsError {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::NotAuthenticated => (StatusCode::UNAUTHORIZED, "Invalid API key".to_owned()),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not found".to_owned()),
            Self::Invalid(message) => (StatusCode::NOT_ACCEPTABLE, message),
        };
        (status, Json(json!({"success": false, "message": message}))).into_response()
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn asset_json(world: &World, machine: &WorkCenter) -> Value {
    let open = world
        .work_orders
        .iter()
        .filter(|order| order.asset == machine.equipment && order.status != "COMPLETE")
        .count();
    json!({
        "id": machine.equipment, "customId": machine.equipment, "name": machine.code, "description": machine.name,
        "status": if machine.stop.is_some() { "DOWN" } else { "OPERATIONAL" }, "area": machine.group.area(),
        "criticality": machine.criticality, "manufacturer": machine.brand, "model": machine.model,
        "serialNumber": format!("{}-{}", machine.model, machine.equipment), "openWorkOrders": open,
    })
}

async fn list_assets(State(plant): State<Shared>) -> Json<Vec<Value>> {
    let world = plant.world();
    Json(world.work_centers.iter().map(|machine| asset_json(&world, machine)).collect())
}

async fn get_asset(State(plant): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, CmmsError> {
    let world = plant.world();
    let machine =
        world.work_centers.iter().find(|machine| machine.equipment == id).ok_or(CmmsError::NotFound)?;
    Ok(Json(asset_json(&world, machine)))
}

fn asset_reference(world: &World, asset: &str) -> Value {
    let name =
        world.work_centers.iter().find(|machine| machine.equipment == asset).map(|machine| machine.code);
    json!({"id": asset, "name": name})
}

const CATEGORIES: [&str; 5] = ["Hydraulic", "Electrical", "Mechanical", "Preventive", "Other"];

fn order_json(world: &World, order: &WorkOrder) -> Value {
    let user =
        order.primary_user.as_deref().and_then(|user| world.employees.iter().find(|who| who.user == user));
    let category = CATEGORIES.iter().position(|name| *name == order.category).map_or(5, |place| place + 1);
    let mut row = json!({
        "id": order.id, "customId": format!("WO{:06}", order.id), "title": order.title,
        "description": order.description, "priority": order.priority, "status": order.status,
        "dueDate": order.due.map(time), "createdAt": time(order.created), "completedOn": order.completed.map(time),
        "estimatedDuration": order.estimated_hours, "estimatedStartDate": order.estimated_start.map(time),
        "actualMinutes": order.actual_minutes, "asset": asset_reference(world, &order.asset),
        "category": {"id": category, "name": order.category}, "team": {"id": 1, "name": "Maintenance"},
        "primaryUser": user.map(|who| json!({"id": who.user, "firstName": who.first, "lastName": who.last})),
        "assignedTo": [], "requiredSignature": false, "feedback": order.feedback, "customFields": [],
    });
    if let Some(row) = row.as_object_mut() {
        row.extend(order.extra.clone());
    }
    row
}

async fn of_asset(
    State(plant): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Value>>, CmmsError> {
    let world = plant.world();
    world.work_centers.iter().find(|machine| machine.equipment == id).ok_or(CmmsError::NotFound)?;
    let mut orders: Vec<&WorkOrder> = world.work_orders.iter().filter(|order| order.asset == id).collect();
    orders.sort_by_key(|order| std::cmp::Reverse(order.created));
    Ok(Json(orders.into_iter().map(|order| order_json(&world, order)).collect()))
}

async fn downtimes(
    State(plant): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Value>>, CmmsError> {
    let world = plant.world();
    world.work_centers.iter().find(|machine| machine.equipment == id).ok_or(CmmsError::NotFound)?;
    let mut rows: Vec<&Downtime> = world.downtimes.iter().filter(|downtime| downtime.asset == id).collect();
    rows.sort_by_key(|downtime| std::cmp::Reverse(downtime.started));
    let row = |downtime: &Downtime| {
        json!({
            "id": downtime.id, "asset": asset_reference(&world, downtime.asset), "startsOn": time(downtime.started),
            "duration": downtime.duration.map(|duration| duration.num_seconds()), "reason": downtime.reason,
        })
    };
    Ok(Json(rows.into_iter().map(row).collect()))
}

/// The fields of a work order that a caller may give.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderBody {
    title: Option<String>,
    description: Option<String>,
    priority: Option<Priority>,
    status: Option<Status>,
    due_date: Option<DateTime<Utc>>,
    estimated_duration: Option<f64>,
    estimated_start_date: Option<DateTime<Utc>>,
    asset: Option<Reference>,
    primary_user: Option<Reference>,
    feedback: Option<String>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Deserialize)]
struct Reference {
    id: String,
}

#[derive(Debug, Clone, Copy, Deserialize, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Priority {
    None,
    Low,
    Medium,
    High,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Open,
    InProgress,
    OnHold,
    Complete,
}

fn word(value: impl serde::Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}

impl OrderBody {
    fn apply(self, order: &mut WorkOrder, now: DateTime<Utc>) {
        if let Some(title) = self.title {
            order.title = title;
        }
        if let Some(description) = self.description {
            order.description = description;
        }
        if let Some(priority) = self.priority {
            order.priority = word(priority);
        }
        if let Some(status) = self.status {
            order.status = word(status);
            order.completed = (status == Status::Complete).then(|| order.completed.unwrap_or(now));
        }
        order.due = self.due_date.or(order.due);
        order.estimated_start = self.estimated_start_date.or(order.estimated_start);
        order.estimated_hours = self.estimated_duration.unwrap_or(order.estimated_hours);
        order.primary_user = self.primary_user.map(|user| user.id).or(order.primary_user.take());
        order.feedback = self.feedback.or(order.feedback.take());
        order.extra.extend(self.extra);
    }
}

fn parse(body: Value) -> Result<OrderBody, CmmsError> {
    serde_json::from_value(body).map_err(|error| CmmsError::Invalid(error.to_string()))
}

async fn create(
    State(plant): State<Shared>,
    Json(body): Json<Value>,
) -> Result<impl IntoResponse, CmmsError> {
    let body = parse(body)?;
    let mut world = plant.world();
    let asset = body.asset.as_ref().map(|asset| asset.id.clone());
    let known = asset.filter(|asset| world.work_centers.iter().any(|machine| machine.equipment == asset));
    let (Some(asset), true) = (known, body.title.is_some()) else {
        return Err(CmmsError::Invalid("title and a known asset are required".to_owned()));
    };
    let id = world.work_orders.iter().map(|order| order.id).max().unwrap_or(5000) + 1;
    let now = world.now;
    let mut order = WorkOrder {
        id,
        asset,
        title: String::new(),
        description: String::new(),
        priority: "NONE".to_owned(),
        status: "OPEN".to_owned(),
        category: "Other",
        created: now,
        due: None,
        completed: None,
        estimated_hours: 0.0,
        estimated_start: None,
        actual_minutes: None,
        feedback: None,
        primary_user: None,
        extra: Map::new(),
    };
    body.apply(&mut order, now);
    let reply = order_json(&world, &order);
    world.work_orders.push(order);
    Ok((Extension(Written::applied("work-order")), Json(reply)))
}

async fn read(State(plant): State<Shared>, Path(id): Path<u64>) -> Result<Json<Value>, CmmsError> {
    let world = plant.world();
    let order = world.work_orders.iter().find(|order| order.id == id).ok_or(CmmsError::NotFound)?;
    Ok(Json(order_json(&world, order)))
}

async fn update(
    State(plant): State<Shared>,
    Path(id): Path<u64>,
    Json(body): Json<Value>,
) -> Result<impl IntoResponse, CmmsError> {
    let body = parse(body)?;
    let mut world = plant.world();
    let now = world.now;
    let place = world.work_orders.iter().position(|order| order.id == id).ok_or(CmmsError::NotFound)?;
    let before = order_json(&world, &world.work_orders[place]);
    body.apply(&mut world.work_orders[place], now);
    let after = order_json(&world, &world.work_orders[place]);
    Ok((Extension(Written::when(before != after, format!("work-order:{id}"))), Json(after)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Search {
    #[serde(default)]
    filter_fields: Vec<FilterField>,
    #[serde(default)]
    page_num: usize,
    #[serde(default = "page_size")]
    page_size: usize,
}

fn page_size() -> usize {
    10
}

#[derive(Deserialize)]
struct FilterField {
    field: String,
    operation: String,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    values: Vec<Value>,
}

impl FilterField {
    fn allows(&self, order: &Value) -> bool {
        let field = match &order[&self.field] {
            Value::Object(reference) => reference.get("id").cloned().unwrap_or_default(),
            plain => plain.clone(),
        };
        match self.operation.as_str() {
            "in" => self.values.contains(&field),
            _ => field == self.value,
        }
    }
}

async fn search(State(plant): State<Shared>, Json(search): Json<Search>) -> Json<Value> {
    let world = plant.world();
    let found: Vec<Value> = world
        .work_orders
        .iter()
        .map(|order| order_json(&world, order))
        .filter(|order| search.filter_fields.iter().all(|filter| filter.allows(order)))
        .collect();
    let size = search.page_size.max(1);
    let content: Vec<&Value> = found.iter().skip(search.page_num * size).take(size).collect();
    Json(json!({
        "content": content, "totalElements": found.len(), "totalPages": found.len().div_ceil(size),
        "number": search.page_num, "size": size,
    }))
}

async fn tooling(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let wanted = world.tools.iter().filter(|tool| {
        filters.allows("setupFamily", &tool.family)
            && (filters.get("workCenter").is_none()
                || tool.work_centers.iter().any(|code| filters.allows("workCenter", code)))
    });
    let row = |tool: &super::world::model::Tool| {
        json!({
            "id": tool.code, "name": format!("{} for {}", tool.family, tool.work_centers.join(", ")),
            "setupFamily": tool.family, "workCenters": tool.work_centers, "status": tool.status,
            "location": "TOOL-CRIB", "calibrationDueDate": time(tool.calibration_due), "shotsLeft": tool.shots_left,
        })
    };
    Json(wanted.map(row).collect())
}

async fn windows(State(plant): State<Shared>, filters: Filters) -> Json<Vec<Value>> {
    let world = plant.world();
    let rows = world.windows.iter().filter_map(|window| {
        let asset = world.work_center(window.work_center)?.equipment;
        filters.allows("asset", asset).then(|| {
            json!({
                "id": window.id, "asset": asset_reference(&world, asset), "title": window.title,
                "startsOn": time(window.starts), "endsOn": time(window.ends), "workOrderId": window.work_order,
            })
        })
    });
    Json(rows.collect())
}
