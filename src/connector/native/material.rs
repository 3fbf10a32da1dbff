use super::spec;
use crate::{
    plant::{
        shortage::{Forecast, Inbound, Position},
        supply::{Late, Response, Source, responses},
    },
    tool::{DataClass, Effect, Tool, ToolError, ToolNameError, Typed},
};
use chrono::{DateTime, Duration, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const HORIZON_DAYS_MAX: i64 = 365;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ForecastInput {
    /// As plex.material_position gives it.
    position: Position,
    /// A delivery that comes at another time than the position says.
    #[serde(default)]
    late: Option<Delivery>,
    /// How many days to look ahead.
    #[serde(default = "two_weeks")]
    horizon_days: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Delivery {
    /// Purchase order like PO-7704.
    po: String,
    eta: DateTime<Utc>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SimulateInput {
    /// As plex.material_position gives it.
    position: Position,
    /// Deliveries that come at another time than the position says.
    #[serde(default)]
    moved: Vec<Delivery>,
    /// Deliveries that are not ordered yet.
    #[serde(default)]
    extra: Vec<Inbound>,
    /// How many days to look ahead.
    #[serde(default = "two_weeks")]
    horizon_days: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OptionsInput {
    part: String,
    /// The purchase order that is late.
    po: String,
    /// Its supplier.
    supplier: String,
    /// When it is expected now.
    late_eta: DateTime<Utc>,
    /// As plex.material_position gives it.
    position: Position,
    /// As erp.approved_sources gives them.
    sources: Vec<Source>,
    #[serde(default = "two_weeks")]
    horizon_days: i64,
}

#[derive(Serialize, JsonSchema)]
struct OptionsOutput {
    /// At most three, best first; empty when no job waits.
    options: Vec<Response>,
}

fn two_weeks() -> i64 {
    14
}

fn horizon(days: i64) -> Result<Duration, ToolError> {
    if (1..=HORIZON_DAYS_MAX).contains(&days) {
        return Ok(Duration::days(days));
    }
    Err(ToolError::invalid(format!("horizon_days must be between 1 and {HORIZON_DAYS_MAX}, not {days}")))
}

pub(super) fn shortage_forecast() -> Result<Arc<dyn Tool>, ToolNameError> {
    let about =
        "When stock of a part runs out and which jobs wait, given what is on hand, needed and on order.";
    let spec = spec("material.shortage_forecast", Effect::Read, about)?;
    Ok(Arc::new(Typed::new(spec, |call, input: ForecastInput| async move {
        let horizon = horizon(input.horizon_days)?;
        let position = match input.late {
            Some(late) => input.position.with_delivery_at(&late.po, late.eta),
            None => input.position,
        };
        Ok::<Forecast, ToolError>(position.forecast(call.now, horizon))
    })))
}

pub(super) fn simulate() -> Result<Arc<dyn Tool>, ToolNameError> {
    let about = "What the shortage would be if deliveries moved or more were ordered. Changes nothing.";
    let spec = spec("material.simulate", Effect::Propose, about)?;
    Ok(Arc::new(Typed::new(spec, |call, input: SimulateInput| async move {
        let horizon = horizon(input.horizon_days)?;
        let moved = |position: Position, to: &Delivery| position.with_delivery_at(&to.po, to.eta);
        let mut position = input.moved.iter().fold(input.position, moved);
        position.inbound.extend(input.extra);
        Ok::<Forecast, ToolError>(position.forecast(call.now, horizon))
    })))
}

pub(super) fn response_options() -> Result<Arc<dyn Tool>, ToolNameError> {
    let about = "Answers to a late delivery with quantity, cost, date and the days that stay short.";
    let mut spec = spec("material.response_options", Effect::Propose, about)?;
    spec.classes = [("part", DataClass::Proprietary), ("cost", DataClass::Proprietary)]
        .map(|(field, class)| (field.to_owned(), class))
        .into();
    Ok(Arc::new(Typed::new(spec, |call, input: OptionsInput| async move {
        let horizon = horizon(input.horizon_days)?;
        let late = Late { part: &input.part, po: &input.po, supplier: &input.supplier, eta: input.late_eta };
        let options = responses(&late, &input.position, &input.sources, call.now, horizon);
        Ok(OptionsOutput { options })
    })))
}
