//! The plant as Frappe documents; times are local to the site and carry no zone.

use super::Document;
use crate::simulator::world::{World, model::Instant};
use serde_json::{Value, json};

/// All documents of a type, or nothing when there is no such type.
pub fn of_type(world: &World, doctype: &str) -> Option<Vec<Document>> {
    let rows = match doctype {
        "Supplier" => suppliers(world),
        "Supplier Scorecard" => scorecards(world),
        "Item Supplier" => sources(world),
        "Purchase Order" => purchase_orders(world),
        "Employee Skill Map" => skills(world),
        "Shift Assignment" => shifts(world),
        "Sales Order" => sales_orders(world),
        "Customer" => customers(world),
        _ => return None,
    };
    let documents = rows.into_iter().filter_map(|row| match row {
        Value::Object(document) => Some(document),
        _ => None,
    });
    Some(documents.collect())
}

pub fn date(world: &World, at: Instant) -> String {
    at.with_timezone(&world.zone).format("%Y-%m-%d").to_string()
}

fn suppliers(world: &World) -> Vec<Value> {
    let row = |supplier: &crate::simulator::world::model::Supplier| {
        json!({
            "doctype": "Supplier", "name": supplier.code, "supplier_name": supplier.name,
            "supplier_group": supplier.group, "country": supplier.country, "email_id": supplier.email,
            "disabled": 0, "on_hold": 0, "custom_approved": 1,
        })
    };
    world.suppliers.iter().map(row).collect()
}

fn scorecards(world: &World) -> Vec<Value> {
    let row = |supplier: &crate::simulator::world::model::Supplier| {
        let status = match supplier.score {
            score if score >= 90.0 => "Excellent",
            score if score >= 80.0 => "Good",
            score if score >= 60.0 => "Average",
            _ => "Poor",
        };
        json!({
            "doctype": "Supplier Scorecard", "name": supplier.code, "supplier": supplier.code,
            "supplier_score": supplier.score, "status": status, "period": "Per Month",
            "custom_on_time_rate": supplier.on_time_rate, "custom_quality_ppm": supplier.quality_ppm,
            "custom_average_days_late": supplier.average_days_late, "custom_deliveries": supplier.deliveries,
        })
    };
    world.suppliers.iter().map(row).collect()
}

fn sources(world: &World) -> Vec<Value> {
    let row = |source: &crate::simulator::world::model::Source| {
        let (item, supplier) = (world.part_number(source.part), world.supplier_code(source.supplier));
        json!({
            "doctype": "Item Supplier", "name": format!("{item}-{supplier}"), "parent": item, "parenttype": "Item",
            "supplier": supplier, "supplier_part_no": source.supplier_part,
            "custom_lead_time_days": source.lead_time_days, "custom_transit_days": source.transit_days,
            "custom_unit_price": source.unit_price, "custom_minimum_order_qty": source.minimum_order,
            "custom_expedite_fee": source.expedite_fee, "custom_approved": 1,
        })
    };
    world.sources.iter().map(row).collect()
}

fn purchase_orders(world: &World) -> Vec<Value> {
    let row = |order: &crate::simulator::world::model::PurchaseOrder| {
        let item = world.part_number(order.part);
        let received = if order.open { 0.0 } else { order.quantity };
        let due = date(world, order.due);
        json!({
            "doctype": "Purchase Order", "name": order.number, "supplier": world.supplier_code(order.supplier),
            "supplier_name": world.supplier(order.supplier).map(|supplier| supplier.name),
            "transaction_date": date(world, order.ordered), "schedule_date": due,
            "status": if order.open { "To Receive and Bill" } else { "Completed" }, "docstatus": 1,
            "grand_total": (order.quantity * order.unit_price).round(), "currency": "USD",
            "custom_item_code": item, "custom_qty": order.quantity, "custom_received_qty": received,
            "items": [{"item_code": item, "qty": order.quantity, "received_qty": received,
                "rate": order.unit_price, "schedule_date": due}],
        })
    };
    world.purchase_orders.iter().map(row).collect()
}

fn skills(world: &World) -> Vec<Value> {
    let row = |person: &crate::simulator::world::model::Employee| {
        let skills: Vec<Value> = person
            .skills
            .iter()
            .map(|skill| {
                json!({
                    "skill": skill.work_center, "proficiency": skill.level,
                    "evaluation_date": date(world, skill.evaluated),
                    "custom_valid_until": date(world, skill.valid_until),
                })
            })
            .collect();
        json!({
            "doctype": "Employee Skill Map", "name": person.badge, "employee": person.badge,
            "employee_name": person.name(), "designation": person.position, "custom_shift": person.shift,
            "employee_skills": skills,
        })
    };
    world.employees.iter().map(row).collect()
}

fn shifts(world: &World) -> Vec<Value> {
    let on_shift = world.employees.iter().filter_map(|person| Some((person, person.shift?)));
    let row = |(person, shift): (&crate::simulator::world::model::Employee, &str)| {
        json!({
            "doctype": "Shift Assignment", "name": format!("SHA-{}", person.badge), "employee": person.badge,
            "employee_name": person.name(), "shift_type": shift, "start_date": date(world, world.start),
            "end_date": date(world, world.start + chrono::TimeDelta::days(4)), "status": "Active",
            "custom_work_center": person.home.map(|home| world.work_center_code(home)),
        })
    };
    on_shift.map(row).collect()
}

fn sales_orders(world: &World) -> Vec<Value> {
    let row = |job: &crate::simulator::world::model::Job| {
        let customer = world.customer(job.customer);
        let item = world.part_number(job.part);
        let rate = 14.0 + f64::from(job.part.as_bytes()[0]) / 16.0;
        let due = date(world, job.due);
        json!({
            "doctype": "Sales Order", "name": job.order, "customer": customer.map(|customer| customer.code),
            "customer_name": customer.map(|customer| customer.name), "po_no": job.order.replace("SO-", "CPO-"),
            "transaction_date": date(world, job.created), "delivery_date": due, "status": "To Deliver and Bill",
            "docstatus": 1, "grand_total": (job.quantity * rate).round(), "currency": "USD",
            "custom_tier": customer.map(|customer| customer.tier),
            "custom_late_penalty_per_day": customer.map(|customer| customer.late_penalty_per_day),
            "items": [{"item_code": item, "qty": job.quantity, "delivered_qty": 0.0, "rate": rate,
                "delivery_date": due}],
        })
    };
    world.jobs.iter().map(row).collect()
}

fn customers(world: &World) -> Vec<Value> {
    let row = |customer: &crate::simulator::world::model::Customer| {
        json!({
            "doctype": "Customer", "name": customer.code, "customer_name": customer.name,
            "customer_group": "Commercial", "territory": customer.territory, "custom_tier": customer.tier,
        })
    };
    world.customers.iter().map(row).collect()
}
