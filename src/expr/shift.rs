//! Functions of the plant's clock: shifts and site time, read from the scope's `site`.
//!
//! A shift is a span of wall-clock time, so the one that crosses midnight keeps its id on both sides
//! of it, and a night on which clocks change is an hour shorter or longer by itself.

use super::functions::time;
use cel::{FunctionContext, Value};
use chrono::{DateTime, NaiveTime, SecondsFormat};
use chrono_tz::Tz;

struct Shift {
    id: String,
    starts: NaiveTime,
    ends: NaiveTime,
}

pub(super) fn in_shift(args: &[Value], call: &FunctionContext) -> Result<Value, String> {
    let [at, Value::String(id)] = args else {
        return Err("it takes a time and a shift: in_shift(now, 'A')".to_owned());
    };
    let shifts = shifts(call)?;
    let Some(shift) = shifts.iter().find(|shift| shift.id == **id) else {
        let known: Vec<&str> = shifts.iter().map(|shift| shift.id.as_str()).collect();
        return Err(format!("no such shift `{id}`; the site has: {}", known.join(", ")));
    };
    let clock = local(at, call)?.time();
    Ok(Value::Bool(shift.holds(clock)))
}

/// The id of the shift, `null` where no shift works.
pub(super) fn shift_at(args: &[Value], call: &FunctionContext) -> Result<Value, String> {
    let [at] = args else { return Err("it takes a time: shift_at(now)".to_owned()) };
    let clock = local(at, call)?.time();
    let found = shifts(call)?.into_iter().find(|shift| shift.holds(clock));
    Ok(found.map_or(Value::Null, |shift| Value::String(shift.id.into())))
}

/// The same instant as RFC 3339 text with the site's own offset.
pub(super) fn site_time(args: &[Value], call: &FunctionContext) -> Result<Value, String> {
    let [at] = args else { return Err("it takes a time: site_time(now)".to_owned()) };
    Ok(Value::String(local(at, call)?.to_rfc3339_opts(SecondsFormat::AutoSi, false).into()))
}

impl Shift {
    fn holds(&self, clock: NaiveTime) -> bool {
        if self.starts < self.ends {
            (self.starts..self.ends).contains(&clock)
        } else {
            clock >= self.starts || clock < self.ends
        }
    }
}

fn local(at: &Value, call: &FunctionContext) -> Result<DateTime<Tz>, String> {
    let Value::String(name) = site(call, "time_zone")? else {
        return Err("`site.time_zone` is not a text".to_owned());
    };
    let zone: Tz = name.parse().map_err(|_| format!("`{name}` is not a time zone"))?;
    Ok(time(at)?.with_timezone(&zone))
}

fn shifts(call: &FunctionContext) -> Result<Vec<Shift>, String> {
    let Value::List(items) = site(call, "shifts")? else {
        return Err("`site.shifts` is not a list".to_owned());
    };
    items.iter().map(shift).collect()
}

fn shift(item: &Value) -> Result<Shift, String> {
    let field = |name: &str| match item {
        Value::Map(map) => match map.map.get(&cel::objects::Key::from(name)) {
            Some(Value::String(text)) => Ok(text.to_string()),
            _ => Err(format!("a shift of `site.shifts` has no `{name}`")),
        },
        _ => Err("`site.shifts` holds something that is no shift".to_owned()),
    };
    let clock = |name: &str| {
        let text = field(name)?;
        let parsed = ["%H:%M", "%H:%M:%S"].iter().find_map(|f| NaiveTime::parse_from_str(&text, f).ok());
        parsed.ok_or_else(|| format!("`{text}` is not a time of day like 06:00"))
    };
    Ok(Shift { id: field("id")?, starts: clock("starts")?, ends: clock("ends")? })
}

fn site(call: &FunctionContext, field: &str) -> Result<Value, String> {
    let name = format!("site.{field}");
    let found = call.ptx.get_variable(&name).ok_or_else(|| format!("`{name}` is not in scope here"))?;
    Value::try_from(found.as_ref()).map_err(|error| error.to_string())
}
