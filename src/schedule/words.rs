//! Titles, rationales and facts of options, made from their figures and nothing else.

use super::answer::{Fact, Kpis};
use super::problem::Problem;

type Figure = fn(&Kpis) -> f64;

/// What an option can be best at, in the order people ask: the figure and the name it gives.
const METRICS: [(&str, Figure); 6] = [
    ("Least late", |kpis| kpis.weighted_tardiness),
    ("Fewest machine changes", |kpis| kpis.machine_changes as f64),
    ("Fewest moves", |kpis| kpis.moved_ops as f64),
    ("Least changeover", |kpis| kpis.changeover_minutes as f64),
    ("Least overtime", |kpis| kpis.overtime_minutes as f64),
    ("Done first", |kpis| kpis.makespan as f64),
];

/// A difference of less than a twentieth is no reason to choose.
const CLEARLY: f64 = 0.95;
const RATIONALE_MAX: usize = 200;

/// One title per option, each used once: strict winners of a metric first, then shared ones.
pub(super) fn titles(options: &[&Kpis]) -> Vec<String> {
    let mut titles: Vec<Option<&str>> = vec![None; options.len()];
    for strictly in [true, false] {
        for (name, figure) in METRICS {
            if titles.contains(&Some(name)) {
                continue;
            }
            let best = options.iter().map(|kpis| figure(kpis)).fold(f64::MAX, f64::min);
            let winners = options.iter().filter(|kpis| figure(kpis) <= best).count();
            // With one metric equal everywhere, being best at it says nothing.
            let tells = if strictly { winners == 1 } else { winners < options.len() };
            let untitled =
                (0..options.len()).find(|&index| titles[index].is_none() && figure(options[index]) <= best);
            if let Some(index) = untitled.filter(|_| tells || options.len() == 1) {
                titles[index] = Some(name);
            }
        }
    }
    let name = |(index, title): (usize, Option<&str>)| match title {
        Some(title) => title.to_owned(),
        None if index == 0 => "Best balance".to_owned(),
        None => format!("Alternative {}", index + 1),
    };
    titles.into_iter().enumerate().map(name).collect()
}

/// Whether a plan beats all `others` clearly in something people ask for, so that it deserves a look.
pub(super) fn stands_out(kpis: &Kpis, others: &[&Kpis]) -> bool {
    METRICS.iter().any(|(_, figure)| {
        let best = others.iter().map(|other| figure(other)).fold(f64::MAX, f64::min);
        figure(kpis) < best * CLEARLY
    })
}

/// Says what changes against doing nothing; every number is a figure of one of the two.
pub(super) fn rationale(kpis: &Kpis, nothing: &Kpis) -> String {
    let mut parts = vec![
        format!("{} (doing nothing: {})", plural(kpis.late_orders, "late order"), nothing.late_orders),
        format!(
            "{} weighted min late ({})",
            number(kpis.weighted_tardiness),
            number(nothing.weighted_tardiness)
        ),
        match kpis.machine_changes {
            0 => format!("{} moved", plural(kpis.moved_ops, "operation")),
            changes => format!("{} moved, {changes} to another machine", plural(kpis.moved_ops, "operation")),
        },
    ];
    if kpis.unscheduled_orders > 0 {
        parts.insert(0, format!("leaves out {}", plural(kpis.unscheduled_orders, "order")));
    }
    if kpis.changeover_minutes != nothing.changeover_minutes {
        parts.push(format!("{} min changeover ({})", kpis.changeover_minutes, nothing.changeover_minutes));
    }
    if kpis.overtime_minutes != nothing.overtime_minutes {
        parts.push(format!("{} min overtime ({})", kpis.overtime_minutes, nothing.overtime_minutes));
    }
    let mut text = String::new();
    for part in parts {
        let separator = if text.is_empty() { "" } else { "; " };
        if text.chars().count() + separator.len() + part.chars().count() + 1 > RATIONALE_MAX {
            break;
        }
        text.push_str(separator);
        text.push_str(&part);
    }
    text.push('.');
    text
}

/// The same labels for every option of one problem.
pub(super) fn facts(problem: &Problem, kpis: &Kpis) -> Vec<Fact> {
    let mut facts = vec![
        fact("Late orders", late(kpis)),
        fact("Weighted minutes late", number(kpis.weighted_tardiness)),
        fact("Moved operations", format!("{}, {} to another machine", kpis.moved_ops, kpis.machine_changes)),
        fact("Changeovers", format!("{}, {} min", kpis.changeovers, kpis.changeover_minutes)),
    ];
    if problem.resources.iter().any(|resource| resource.has_overtime) {
        facts.push(fact("Overtime", format!("{} min", kpis.overtime_minutes)));
    }
    facts.push(fact("Last operation ends", problem.clock(kpis.makespan)));
    facts.push(fact("Orders left out", kpis.unscheduled_orders.to_string()));
    facts
}

fn late(kpis: &Kpis) -> String {
    let tiers: Vec<String> =
        kpis.late_by_tier.iter().map(|(tier, count)| format!("{tier} {count}")).collect();
    match tiers.len() {
        0 | 1 => kpis.late_orders.to_string(),
        _ => format!("{} ({})", kpis.late_orders, tiers.join(", ")),
    }
}

fn fact(label: &str, value: String) -> Fact {
    Fact { label: label.into(), value }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}
