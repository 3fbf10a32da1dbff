//! Calendars, setup matrices, resources and pools of the model.

use super::super::calendar::Windows;
use super::super::error::ScheduleError;
use super::super::model::{self, Minute, Model, PoolKind};
use super::super::problem::{FamilyIx, Pool, PoolIx, Resource, Setup};
use super::super::profile::Profile;
use super::{
    MINUTE_MAX, PAIRS_MAX, WEIGHT_MAX, WINDOWS_MAX, at_most, capacity, duration, find, in_range, index,
    minute, qty, spans,
};
use std::collections::HashMap;

pub(super) struct Shop<'a> {
    pub(super) resources: Vec<Resource>,
    pub(super) pools: Vec<Pool>,
    pub(super) setups: Vec<Setup>,
    pub(super) resource_index: HashMap<&'a str, usize>,
    pub(super) pool_index: HashMap<&'a str, usize>,
    pub(super) families: HashMap<&'a str, FamilyIx>,
    /// By matrix: which families it has a row for.
    pub(super) covers: Vec<Vec<bool>>,
    /// Whether work may take 0 minutes.
    pub(super) zero_minutes: bool,
}

struct Calendar {
    open: Windows,
    regular: Windows,
}

pub(super) fn parse<'a>(model: &'a Model, warnings: &mut Vec<String>) -> Result<Shop<'a>, ScheduleError> {
    let calendar_index = index("calendars", model.calendars.iter().map(|calendar| calendar.id.as_str()))?;
    let calendars = calendars(model)?;
    let families = families(model)?;
    pairs(model, families.len())?;
    windows(model, &calendar_index, &calendars)?;
    let pool_index = index("pools", model.pools.iter().map(|pool| pool.id.as_str()))?;
    let pools = model
        .pools
        .iter()
        .enumerate()
        .map(|(position, pool)| parse_pool(pool, &format!("pools[{position}]"), &calendar_index, &calendars))
        .collect::<Result<Vec<_>, _>>()?;
    let setup_index = index("setups", model.setups.iter().map(|setup| setup.id.as_str()))?;
    let mut setups = Vec::new();
    let mut covers = Vec::new();
    for (position, matrix) in model.setups.iter().enumerate() {
        let path = format!("setups[{position}]");
        let names = matrix.families.as_ref().unwrap_or(&model.families);
        let own: Vec<FamilyIx> = names.iter().map(|name| families[name.as_str()]).collect();
        let setup = parse_setup(matrix, names, &families, &pool_index, &path)?;
        if let Some(warning) = triangle_warning(matrix, names) {
            warnings.push(warning);
        }
        let mut covered = vec![false; families.len()];
        own.iter().for_each(|&family| covered[family] = true);
        setups.push(setup);
        covers.push(covered);
    }
    let resource_index = index("resources", model.resources.iter().map(|resource| resource.id.as_str()))?;
    let lookup = Lookup { calendar_index, calendars, setup_index, families: &families, covers: &covers };
    let resources = model
        .resources
        .iter()
        .enumerate()
        .map(|(position, resource)| {
            parse_resource(model, resource, &format!("resources[{position}]"), &lookup)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let zero_minutes = model.policy.zero_minutes;
    Ok(Shop { resources, pools, setups, resource_index, pool_index, families, covers, zero_minutes })
}

fn calendars(model: &Model) -> Result<Vec<Calendar>, ScheduleError> {
    let parse = |(position, calendar): (usize, &model::Calendar)| {
        if calendar.open.is_empty() {
            let path = format!("calendars[{position}].open");
            return Err(ScheduleError::EmptyCalendar { path, id: calendar.id.clone() });
        }
        let open = Windows::new(spans(&format!("calendars[{position}].open"), &calendar.open)?);
        let regular = match &calendar.regular {
            Some(regular) => Windows::new(spans(&format!("calendars[{position}].regular"), regular)?),
            None => open.clone(),
        };
        Ok(Calendar { open, regular })
    };
    model.calendars.iter().enumerate().map(parse).collect()
}

fn families(model: &Model) -> Result<HashMap<&str, FamilyIx>, ScheduleError> {
    let mut families = index("families", model.families.iter().map(String::as_str))?;
    for (position, matrix) in model.setups.iter().enumerate() {
        if let Some(own) = &matrix.families {
            index(&format!("setups[{position}].families"), own.iter().map(String::as_str))?;
            for family in own {
                let next = families.len();
                families.entry(family).or_insert(next);
            }
        }
    }
    at_most("families", families.len(), "families", 1_000)?;
    Ok(families)
}

/// Each matrix is laid out over all families; refused with the first one there is no room for.
fn pairs(model: &Model, families: usize) -> Result<(), ScheduleError> {
    let each = families * families;
    let position = PAIRS_MAX / each.max(1);
    if position < model.setups.len() {
        let path = format!("setups[{position}]");
        return at_most(&path, each * (position + 1), "pairs of families up to this setup matrix", PAIRS_MAX);
    }
    Ok(())
}

/// Each resource and pool keeps its calendar for itself; refused with the first one there is no room for.
fn windows(model: &Model, index: &HashMap<&str, usize>, calendars: &[Calendar]) -> Result<(), ScheduleError> {
    let resources = model.resources.iter().map(|resource| resource.calendar.as_deref());
    let pools = model.pools.iter().map(|pool| pool.calendar.as_deref());
    let resources = resources.enumerate().map(|used| ("resources", used));
    let pools = pools.enumerate().map(|used| ("pools", used));
    let mut total = 0;
    for (kind, (position, calendar)) in resources.chain(pools) {
        // One that does not exist is refused where it is looked up.
        let Some(&calendar) = calendar.and_then(|id| index.get(id)) else { continue };
        total += calendars[calendar].open.spans().len() + calendars[calendar].regular.spans().len();
        let path = || format!("{kind}[{position}].calendar");
        at_most(&path(), total, "intervals of calendars up to this one", WINDOWS_MAX)?;
    }
    Ok(())
}

fn square<T>(path: &str, rows: &[Vec<T>], expected: usize) -> Result<(), ScheduleError> {
    let columns = rows.iter().map(Vec::len).find(|&columns| columns != expected);
    if rows.len() == expected && columns.is_none() {
        return Ok(());
    }
    let columns = columns.unwrap_or(expected);
    Err(ScheduleError::NotSquare { path: path.into(), rows: rows.len(), columns, expected })
}

fn parse_setup(
    matrix: &model::SetupMatrix,
    names: &[String],
    families: &HashMap<&str, FamilyIx>,
    pools: &HashMap<&str, usize>,
    path: &str,
) -> Result<Setup, ScheduleError> {
    let own: Vec<FamilyIx> = names.iter().map(|name| families[name.as_str()]).collect();
    square(&format!("{path}.minutes"), &matrix.minutes, own.len())?;
    if !matrix.cost.is_empty() {
        square(&format!("{path}.cost"), &matrix.cost, own.len())?;
    }
    let mut setup = Setup::new(families.len(), parse_needs(&matrix.needs, pools, path)?);
    for (row, &from) in own.iter().enumerate() {
        for (column, &to) in own.iter().enumerate() {
            let minutes = matrix.minutes[row][column];
            duration(&format!("{path}.minutes[{row}][{column}]"), minutes)?;
            let cost = matrix.cost.get(row).map_or(0.0, |costs| costs[column]);
            let allowed = (0.0..=WEIGHT_MAX).contains(&cost);
            in_range(
                &format!("{path}.cost[{row}][{column}]"),
                cost,
                allowed,
                "it must be a number from 0 to 1e9",
            )?;
            setup.set(from, to, Some(minutes), cost);
        }
    }
    for (position, (from, to)) in matrix.forbidden.iter().enumerate() {
        let place = |name: &String| {
            let row = names.iter().position(|own| own == name);
            row.map(|row| own[row]).ok_or_else(|| ScheduleError::Unknown {
                path: format!("{path}.forbidden[{position}]"),
                kind: "family",
                id: name.clone(),
            })
        };
        setup.set(place(from)?, place(to)?, None, 0.0);
    }
    Ok(setup)
}

pub(super) fn parse_needs(
    needs: &[model::Need],
    pools: &HashMap<&str, usize>,
    path: &str,
) -> Result<Vec<(PoolIx, i64)>, ScheduleError> {
    index(&format!("{path}.needs"), needs.iter().map(|need| need.pool.as_str()))?;
    let parse = |(position, need): (usize, &model::Need)| {
        let path = format!("{path}.needs[{position}]");
        qty(&format!("{path}.qty"), need.qty)?;
        Ok((find(pools, || format!("{path}.pool"), "pool", &need.pool)?, need.qty))
    };
    needs.iter().enumerate().map(parse).collect()
}

/// Going through a third family should not be shorter; where it is, plans look odd to people.
fn triangle_warning(matrix: &model::SetupMatrix, names: &[String]) -> Option<String> {
    let minutes = &matrix.minutes;
    let families = 0..names.len().min(100);
    for from in families.clone() {
        for to in families.clone() {
            for via in families.clone() {
                let detour = minutes[from][via] + minutes[via][to];
                if via != from && via != to && detour < minutes[from][to] {
                    return Some(format!(
                        "setup matrix {}: {} → {} takes {} min, but only {detour} by way of {}; check the matrix",
                        matrix.id, names[from], names[to], minutes[from][to], names[via]
                    ));
                }
            }
        }
    }
    None
}

fn parse_pool(
    pool: &model::Pool,
    path: &str,
    calendar_index: &HashMap<&str, usize>,
    calendars: &[Calendar],
) -> Result<Pool, ScheduleError> {
    capacity(&format!("{path}.capacity"), pool.capacity)?;
    let mut profile = Profile::constant(pool.capacity);
    let mut last = Minute::MIN;
    for (position, &(from, step)) in pool.profile.iter().enumerate() {
        let path = format!("{path}.profile[{position}]");
        minute(&path, from)?;
        capacity(&path, step)?;
        if from <= last {
            return Err(ScheduleError::BadInterval { path, from, to: last });
        }
        last = from;
        profile.step(from, step);
    }
    if let Some(calendar) = &pool.calendar {
        let calendar = find(calendar_index, || format!("{path}.calendar"), "calendar", calendar)?;
        let always = Windows::new(vec![(Minute::MIN + 1, Minute::MAX)]);
        for &(from, to) in always.minus(&calendars[calendar].open).spans() {
            profile.close(from, to);
        }
    }
    for until in [pool.calibrated_until, pool.certified_until].into_iter().flatten() {
        minute(&format!("{path}.calibrated_until"), until)?;
        profile.step(until, 0);
    }
    Ok(Pool { id: pool.id.clone(), held_over_breaks: pool.kind == PoolKind::Tool, capacity: profile })
}

struct Lookup<'a> {
    calendar_index: HashMap<&'a str, usize>,
    calendars: Vec<Calendar>,
    setup_index: HashMap<&'a str, usize>,
    families: &'a HashMap<&'a str, FamilyIx>,
    covers: &'a [Vec<bool>],
}

fn parse_resource(
    model: &Model,
    resource: &model::Resource,
    path: &str,
    lookup: &Lookup,
) -> Result<Resource, ScheduleError> {
    let within = Windows::new(vec![(-MINUTE_MAX, model.horizon)]);
    let mut closed = Vec::new();
    for (position, blocked) in resource.blocked.iter().enumerate() {
        let path = format!("{path}.blocked[{position}]");
        minute(&path, blocked.from)?;
        minute(&path, blocked.to)?;
        if blocked.to <= blocked.from {
            return Err(ScheduleError::BadInterval { path, from: blocked.from, to: blocked.to });
        }
        closed.push((blocked.from, blocked.to));
    }
    let (open, regular) = match &resource.calendar {
        None => (within.clone(), within.clone()),
        Some(id) => {
            let calendar = find(&lookup.calendar_index, || format!("{path}.calendar"), "calendar", id)?;
            let calendar = &lookup.calendars[calendar];
            (calendar.open.intersect(&within), calendar.regular.intersect(&within))
        }
    };
    let open = open.minus(&Windows::new(closed));
    let setup = match &resource.setup {
        Some(id) => Some(find(&lookup.setup_index, || format!("{path}.setup"), "setup matrix", id)?),
        None => None,
    };
    let family = match &resource.state {
        Some(id) => Some(find(lookup.families, || format!("{path}.state"), "family", id)?),
        None => None,
    };
    if let (Some(setup), Some(family), Some(id)) = (setup, family, &resource.state)
        && !lookup.covers[setup][family]
    {
        return Err(ScheduleError::Unknown { path: format!("{path}.state"), kind: "family", id: id.clone() });
    }
    let regular = regular.intersect(&open);
    Ok(Resource {
        id: resource.id.clone(),
        has_overtime: regular != open,
        regular,
        open,
        setup,
        family,
        power: power(model, resource, path)?,
    })
}

fn power(
    model: &Model,
    resource: &model::Resource,
    path: &str,
) -> Result<Option<(PoolIx, i64)>, ScheduleError> {
    capacity(&format!("{path}.power_kw"), resource.power_kw)?;
    let mut utilities = (0..model.pools.len()).filter(|&pool| model.pools[pool].kind == PoolKind::Utility);
    match (resource.power_kw, utilities.next(), utilities.next()) {
        (0, _, _) | (_, None, _) => Ok(None),
        (draw, Some(pool), None) => Ok(Some((pool, draw))),
        (_, Some(_), Some(_)) => Err(ScheduleError::AmbiguousUtility { path: format!("{path}.power_kw") }),
    }
}
