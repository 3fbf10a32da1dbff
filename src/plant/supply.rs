//! What a planner can do about a late delivery: press the supplier, buy elsewhere, or move the work.
//!
//! Each answer is priced and dated, and its effect computed with the shortage forecast; at most three come
//! back, those with the fewest days short first, then the cheapest.

use super::shortage::{Forecast, Inbound, Position};
use chrono::{DateTime, Duration, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const OPTIONS_MAX: usize = 3;

/// A supplier that is approved for the part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    pub id: String,
    pub lead_days: f64,
    /// USD.
    pub unit_price: f64,
    pub minimum_qty: f64,
    /// USD, once.
    pub expedite_fee: f64,
}

/// The delivery that is late.
#[derive(Debug, Clone, PartialEq)]
pub struct Late<'a> {
    pub part: &'a str,
    pub po: &'a str,
    pub supplier: &'a str,
    pub eta: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The late supplier is asked to deliver sooner.
    Expedite,
    /// Another approved supplier delivers the whole quantity.
    Alternate,
    /// Another approved supplier delivers what is missing until the late delivery.
    Split,
    /// The work that needs the part is moved behind the delivery.
    Resequence,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    pub label: String,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Response {
    pub kind: Kind,
    pub title: String,
    pub rationale: String,
    pub supplier: String,
    pub qty: f64,
    /// USD.
    pub cost: f64,
    pub eta: DateTime<Utc>,
    pub short_days: f64,
    /// The message to the late supplier, where the answer is one.
    pub draft_email: String,
    pub facts: Vec<Fact>,
}

/// `position` still has the late delivery at its old date.
pub fn responses(
    late: &Late,
    position: &Position,
    sources: &[Source],
    now: DateTime<Utc>,
    horizon: Duration,
) -> Vec<Response> {
    let position = position.clone().with_delivery_at(late.po, late.eta);
    let nothing_done = position.forecast(now, horizon);
    if nothing_done.waiting.is_empty() {
        return Vec::new();
    }
    let on_order = position.on_order(late.po);
    let mut found = Vec::new();
    found.extend(expedite(late, sources, &nothing_done, on_order));
    for source in sources.iter().filter(|source| source.id != late.supplier) {
        let missing = nothing_done.short_quantity.ceil();
        found.extend(buy(late, &position, source, Kind::Split, missing, now, horizon));
        if on_order > missing {
            found.extend(buy(late, &position, source, Kind::Alternate, on_order, now, horizon));
        }
    }
    found.extend(resequence(late, &nothing_done));
    found.sort_by(|a, b| a.short_days.total_cmp(&b.short_days).then(a.cost.total_cmp(&b.cost)));
    // One answer of a kind: the second best supplier is not another idea.
    let mut kinds = Vec::new();
    found.retain(|response| {
        !kinds.contains(&response.kind) && {
            kinds.push(response.kind);
            true
        }
    });
    found.truncate(OPTIONS_MAX);
    found
}

fn expedite(late: &Late, sources: &[Source], waiting: &Forecast, on_order: f64) -> Option<Response> {
    let wanted = waiting.runs_out_at?;
    let fee =
        sources.iter().find(|source| source.id == late.supplier).map_or(0.0, |source| source.expedite_fee);
    let date = wanted.format("%Y-%m-%d");
    let email = format!(
        "Hello,\n\nyour delivery for {} ({:.0} × {}) is now announced for {}. Our stock ends on {date}. Please send us what \
         you can by then, if need be in parts, and tell us today which date you can keep.\n\nThank you",
        late.po,
        on_order,
        late.part,
        late.eta.format("%Y-%m-%d"),
    );
    let rationale = format!(
        "Only if {} agrees: delivery by {date} keeps every job; a fee of {fee:.0} USD is usual. Nothing is sure until they answer.",
        late.supplier
    );
    let title = format!("Ask {} to deliver by {date}", late.supplier);
    // What an answer that is not given yet is worth: as long a gap as without it.
    Some(response(
        Kind::Expedite,
        title,
        rationale,
        late.supplier,
        on_order,
        fee,
        wanted,
        waiting.short_days,
        email,
    ))
}

fn buy(
    late: &Late,
    position: &Position,
    source: &Source,
    kind: Kind,
    wanted: f64,
    now: DateTime<Utc>,
    horizon: Duration,
) -> Option<Response> {
    if wanted <= 0.0 {
        return None;
    }
    let qty = wanted.max(source.minimum_qty).ceil();
    let eta = now + Duration::minutes((source.lead_days * 24.0 * 60.0) as i64);
    let mut supplied = position.clone();
    supplied.inbound.push(Inbound { po: String::new(), quantity: qty, due: eta });
    let after = supplied.forecast(now, horizon);
    let cost = qty * source.unit_price;
    let (title, why) = match kind {
        Kind::Alternate => (format!("Buy all {qty:.0} from {}", source.id), format!("replaces {}", late.po)),
        _ => (format!("Bridge with {qty:.0} from {}", source.id), format!("{} follows later", late.po)),
    };
    let minimum =
        if qty > wanted { format!(", minimum quantity {:.0}", source.minimum_qty) } else { String::new() };
    let rationale = format!(
        "Here in {:.0} days for {cost:.0} USD; {:.1} days short instead of waiting for {}{minimum}; {why}.",
        source.lead_days,
        after.short_days,
        late.eta.format("%Y-%m-%d"),
    );
    Some(response(kind, title, rationale, &source.id, qty, cost, eta, after.short_days, String::new()))
}

fn resequence(late: &Late, waiting: &Forecast) -> Option<Response> {
    let jobs = waiting.waiting.len();
    if jobs == 0 {
        return None;
    }
    let title = format!("Move {jobs} waiting {} behind the delivery", if jobs == 1 { "job" } else { "jobs" });
    let rationale = format!(
        "Costs nothing and keeps the machines busy with other work, but the {jobs} waiting start after {} and may be late.",
        late.eta.format("%Y-%m-%d"),
    );
    let days = waiting.short_days;
    Some(response(Kind::Resequence, title, rationale, late.supplier, 0.0, 0.0, late.eta, days, String::new()))
}

#[expect(clippy::too_many_arguments, reason = "one private constructor for the columns people compare")]
fn response(
    kind: Kind,
    title: String,
    rationale: String,
    supplier: &str,
    qty: f64,
    cost: f64,
    eta: DateTime<Utc>,
    short_days: f64,
    draft_email: String,
) -> Response {
    let fact = |label: &str, value: String| Fact { label: label.to_owned(), value };
    let facts = vec![
        fact("Cost", format!("{cost:.0} USD")),
        fact("Here on", eta.format("%Y-%m-%d").to_string()),
        fact("Days short", format!("{short_days:.1}")),
        fact("Quantity", format!("{qty:.0}")),
    ];
    let supplier = supplier.to_owned();
    Response { kind, title, rationale, supplier, qty, cost, eta, short_days, draft_email, facts }
}

#[cfg(test)]
mod tests;
