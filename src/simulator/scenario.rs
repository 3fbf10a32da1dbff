//! What can be made to happen in the plant: each event changes the state of every system it is visible in, then is
//! posted to the outside.

use super::{
    events::{Dispatch, Posting},
    memory::What,
    state::{Plant, Shared},
    world::{
        PLANT_NAME, SCARCE, World, id_of,
        model::{ContainerStatus, PurchaseOrder, ShipStatus, WorkCenter},
        people::{SHIFTS, shift_at},
        records::{AndonCall, Deviation},
    },
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// An order to let something happen, and how its event travels.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Firing {
    #[serde(flatten)]
    pub what: Happening,
    /// The event is posted so often: more than one is a duplicate.
    #[serde(default = "one")]
    pub copies: u32,
    /// Posted so long after it happened.
    #[serde(default)]
    pub delay_seconds: f64,
    /// Its `time` lies so far in the past.
    #[serde(default)]
    pub age_seconds: i64,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    MachineDown {
        work_center: String,
        #[serde(default = "hydraulic")]
        reason_text: String,
        #[serde(default)]
        planned: bool,
    },
    MachineUp {
        work_center: String,
    },
    SupplierDelay {
        po: Option<String>,
        #[serde(default = "six_days")]
        days_late: i64,
        #[serde(default = "furnace")]
        reason_text: String,
    },
    GoodsReceipt {
        po: Option<String>,
    },
    AndonCall {
        work_center: String,
        category: String,
        text: String,
        #[serde(default)]
        line_stop: bool,
    },
    QualityHold {
        part: String,
        reason_text: String,
    },
    ShiftEnd,
}

fn hydraulic() -> String {
    "hydraulic pressure lost".to_owned()
}

fn six_days() -> i64 {
    6
}

fn furnace() -> String {
    "heat treatment furnace down at the supplier".to_owned()
}

#[derive(Debug, thiserror::Error)]
pub enum FireError {
    #[error("there is no work center `{0}` in this plant")]
    WorkCenter(String),
    #[error("work center `{0}` is {1} already")]
    Already(String, &'static str),
    #[error("there is no open purchase order `{0}`")]
    PurchaseOrder(String),
    #[error("there is no part `{0}`")]
    Part(String),
    #[error("`days_late` must be above 0")]
    NotLate,
}

/// An event before it has an id and a time.
struct Draft {
    kind: &'static str,
    system: &'static str,
    subject: String,
    data: Value,
}

impl Plant {
    /// Lets it happen, and posts the event. Returns the event's id and the event.
    pub fn fire(&self, firing: Firing) -> Result<(String, Value), FireError> {
        self.fire_as(None, firing)
    }

    /// The same under an id that the event had before a restart.
    pub fn fire_as(&self, id: Option<String>, firing: Firing) -> Result<(String, Value), FireError> {
        let (draft, now) = {
            let mut world = self.world();
            (happen(&mut world, firing.what.clone())?, world.now)
        };
        let delay = Duration::try_from_secs_f64(firing.delay_seconds).unwrap_or_default();
        let happened = now - TimeDelta::seconds(firing.age_seconds);
        // With the instant in it: another plant of the same seed is another source of events.
        let sequence = self.outbox.postings().len();
        let id =
            id.unwrap_or_else(|| format!("evt_{}", id_of("event", &format!("{now}/{sequence}")).simple()));
        let again = Firing { copies: 1, delay_seconds: 0.0, ..firing.clone() };
        self.remember(now, What::Fired { event_id: id.clone(), firing: again });
        let event = json!({
            "specversion": "1.0", "id": id, "source": format!("/plants/{}/{}", slug(), draft.system),
            "type": draft.kind, "subject": draft.subject, "time": time(happened),
            "datacontenttype": "application/json", "data": draft.data,
        });
        let posting = Posting {
            event_id: id.clone(),
            kind: draft.kind.to_owned(),
            subject: draft.subject,
            created_at: now,
            due_at: now + TimeDelta::from_std(delay).unwrap_or_default(),
            attempts: 0,
            delivered_at: None,
            last_status: None,
            last_error: None,
            event: event.clone(),
        };
        self.outbox.dispatch(Dispatch { posting, copies: firing.copies, delay });
        Ok((id, event))
    }
}

/// The machine that was told to recover comes back some time after a schedule write.
pub fn recover_after_write(plant: &Shared) {
    let Some(recovery) = plant.world().recovery.take() else { return };
    let plant = Arc::clone(plant);
    tokio::spawn(async move {
        tokio::time::sleep(recovery.after).await;
        let work_center = plant.world().work_center_code(recovery.work_center).to_owned();
        let up = Firing {
            what: Happening::MachineUp { work_center },
            copies: 1,
            delay_seconds: 0.0,
            age_seconds: 0,
        };
        if let Err(error) = plant.fire(up) {
            tracing::debug!(%error, "the machine was not brought back");
        }
    });
}

fn slug() -> String {
    PLANT_NAME.to_lowercase().replace(' ', "-")
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn happen(world: &mut World, what: Happening) -> Result<Draft, FireError> {
    match what {
        Happening::MachineDown { work_center, reason_text, planned } => {
            let machine = find(world, &work_center)?.id;
            if !world.stop_machine(machine, &reason_text, planned) {
                return Err(FireError::Already(work_center, "down"));
            }
            Ok(machine_event(world, &work_center, "DOWN", planned, &reason_text))
        }
        Happening::MachineUp { work_center } => {
            let machine = find(world, &work_center)?.id;
            if !world.restart_machine(machine) {
                return Err(FireError::Already(work_center, "running"));
            }
            Ok(machine_event(world, &work_center, "RUNNING", false, "repaired"))
        }
        Happening::SupplierDelay { po, days_late, reason_text } => delay(world, po, days_late, reason_text),
        Happening::GoodsReceipt { po } => receive(world, po),
        Happening::AndonCall { work_center, category, text, line_stop } => {
            call(world, &work_center, category, text, line_stop)
        }
        Happening::QualityHold { part, reason_text } => hold(world, &part, reason_text),
        Happening::ShiftEnd => Ok(shift_end(world)),
    }
}

fn find<'a>(world: &'a World, code: &str) -> Result<&'a WorkCenter, FireError> {
    world.work_center_named(code).ok_or_else(|| FireError::WorkCenter(code.to_owned()))
}

fn machine_event(world: &World, code: &str, status: &str, planned: bool, reason: &str) -> Draft {
    let machine = world.work_center_named(code);
    Draft {
        kind: "plex.work_center_status",
        system: "plex",
        subject: code.to_owned(),
        data: json!({
            "work_center": code, "work_center_id": machine.map(|machine| machine.id), "status": status,
            "planned": planned, "criticality": machine.map(|machine| machine.criticality),
            "equipment_id": machine.map(|machine| machine.equipment), "reason_text": reason,
            "area": machine.map(|machine| machine.group.area()), "since": time(world.now),
        }),
    }
}

/// The order that was named, or the one of the component that stock does not cover.
fn open_order(world: &World, po: Option<String>) -> Result<usize, FireError> {
    let wanted = |order: &PurchaseOrder| match &po {
        Some(number) => order.number == *number,
        None => world.part_number(order.part) == SCARCE,
    };
    world
        .purchase_orders
        .iter()
        .position(|order| order.open && wanted(order))
        .ok_or_else(|| FireError::PurchaseOrder(po.unwrap_or_else(|| SCARCE.to_owned())))
}

fn delay(world: &mut World, po: Option<String>, days: i64, reason: String) -> Result<Draft, FireError> {
    if days < 1 {
        return Err(FireError::NotLate);
    }
    let place = open_order(world, po)?;
    let now = world.now;
    let order = &mut world.purchase_orders[place];
    let new_eta = order.due + TimeDelta::days(days);
    order.due = new_eta;
    order.modified = now;
    order.note = Some(format!("Supplier reports {days} days delay: {reason}"));
    if let Some(notice) = &mut order.asn {
        notice.eta = new_eta;
        notice.status = ShipStatus::Delayed;
        notice.reason = Some(reason.clone());
    }
    let order = order.clone();
    Ok(Draft {
        kind: "supplier.asn_delayed",
        system: "supplier-portal",
        subject: order.number.clone(),
        data: json!({
            "po_number": order.number, "part": world.part_number(order.part),
            "supplier": world.supplier_code(order.supplier), "days_late": days,
            "original_eta": time(order.original_due), "new_eta": time(new_eta), "qty": order.quantity,
            "reason_text": reason,
        }),
    })
}

fn receive(world: &mut World, po: Option<String>) -> Result<Draft, FireError> {
    let place = open_order(world, po)?;
    let now = world.now;
    let order = &mut world.purchase_orders[place];
    order.open = false;
    order.release_status = "Received".to_owned();
    order.modified = now;
    if let Some(notice) = &mut order.asn {
        notice.status = ShipStatus::Received;
        notice.eta = now;
    }
    let order = order.clone();
    world.stock_received(order.part, order.quantity);
    Ok(Draft {
        kind: "erp.goods_receipt",
        system: "erp",
        subject: order.number.clone(),
        data: json!({
            "po_number": order.number, "part": world.part_number(order.part),
            "supplier": world.supplier_code(order.supplier), "qty": order.quantity, "received_at": time(now),
        }),
    })
}

fn call(
    world: &mut World,
    code: &str,
    category: String,
    text: String,
    stop: bool,
) -> Result<Draft, FireError> {
    let work_center = find(world, code)?.id;
    let operator = world.operator_at(work_center, world.now);
    let raised_by = world.employee(operator).map_or_else(String::new, |person| person.badge.clone());
    let data = json!({
        "work_center": code, "category": category, "raised_by": raised_by, "text": text, "line_stop": stop,
    });
    let raised = world.now;
    let call_id = world.raise_call(AndonCall {
        id: String::new(),
        work_center,
        category,
        raised_by,
        raised,
        acknowledged: None,
        resolved: None,
        reason_code: None,
        note: None,
        line_stop: stop,
        escalation_level: 0,
        text,
    });
    let mut event = json!({"call_id": call_id});
    if let (Some(event), Value::Object(data)) = (event.as_object_mut(), data) {
        event.extend(data);
    }
    Ok(Draft { kind: "andon.call", system: "andon", subject: code.to_owned(), data: event })
}

/// Blocks all free stock of a part and opens a deviation for it.
fn hold(world: &mut World, number: &str, reason: String) -> Result<Draft, FireError> {
    let known = world.parts.iter().find(|part| part.number == number);
    let part = known.ok_or_else(|| FireError::Part(number.to_owned()))?.id;
    let now = world.now;
    let mut pieces = 0.0;
    let mut lot = None;
    for container in world.containers.iter_mut().filter(|container| container.part == part) {
        if container.status == ContainerStatus::Ok && container.job.is_none() {
            container.status = ContainerStatus::Quarantine;
            container.location = "QUARANTINE".to_owned();
            container.updated = now;
            pieces += container.quantity;
            lot = Some(container.lot);
        }
    }
    let jobs: Vec<_> = world
        .jobs
        .iter()
        .filter(|job| job.completed.is_none())
        .filter(|job| {
            job.part == part || world.bom.iter().any(|line| line.part == job.part && line.component == part)
        })
        .map(|job| (job.id, job.number.clone()))
        .collect();
    let deviation_no = format!("DEV-{}", 201 + world.deviations.len());
    world.deviations.push(Deviation {
        id: id_of("deviation", &deviation_no),
        number: deviation_no.clone(),
        status: "Open",
        kind: "Quality Hold",
        effective: now,
        expires: None,
        approved_by: None,
        jobs: jobs.iter().map(|(id, _)| *id).collect(),
        parts: vec![part],
        pieces: pieces as i64,
        reason: reason.clone(),
        supplier: None,
        note: None,
    });
    let lot = lot.and_then(|lot| world.lot(lot)).map(|lot| lot.number.clone());
    Ok(Draft {
        kind: "quality.hold",
        system: "quality",
        subject: number.to_owned(),
        data: json!({
            "deviation_no": deviation_no, "part": number, "lot": lot, "qty": pieces, "reason_text": reason,
            "job_numbers": jobs.into_iter().map(|(_, number)| number).collect::<Vec<_>>(),
        }),
    })
}

fn shift_end(world: &World) -> Draft {
    let shift = shift_at(world.now, world.zone);
    let place = SHIFTS.iter().position(|known| *known == shift).unwrap_or(0);
    let next = SHIFTS[(place + 1) % SHIFTS.len()];
    Draft {
        kind: "plex.shift_end",
        system: "plex",
        subject: shift.to_owned(),
        data: json!({"shift": shift, "next_shift": next, "ends_at": time(world.now)}),
    }
}
