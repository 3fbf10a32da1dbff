//! Numbers and tables as people read them.

use crate::schedule::{Kpis, plan::Delta, validate::Violation};
use std::fmt::Write as _;

/// Violations written one by one.
const SHOWN: usize = 50;

/// Without a fraction where there is none.
pub(super) fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// `1 234 567`.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 order`, `2 orders`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Rows of a label and one value per plan; the first row is the head.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            // Writing to a string cannot fail.
            let _ = match column {
                0 => write!(line, "{cell:width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The figures of one plan, with those of doing nothing beside them where there is a plan today.
pub(super) fn figures(kpis: &Kpis, nothing: Option<&Kpis>) -> String {
    let head = match nothing {
        Some(_) => vec![String::new(), "plan".into(), "doing nothing".into()],
        None => vec![String::new(), "plan".into()],
    };
    let row = |label: &str, of: &dyn Fn(&Kpis) -> String| {
        let mut cells = vec![label.to_owned(), of(kpis)];
        cells.extend(nothing.map(of));
        cells
    };
    let late = |kpis: &Kpis| {
        let tiers: Vec<String> = kpis
            .late_by_tier
            .iter()
            .filter(|(_, late)| **late > 0)
            .map(|(t, n)| format!("{t} {n}"))
            .collect();
        match (kpis.late_orders, tiers.len()) {
            (late, 0 | 1) => late.to_string(),
            (late, _) => format!("{late} ({})", tiers.join(", ")),
        }
    };
    let mut rows = vec![
        head,
        row("objective", &|kpis| number(kpis.objective)),
        row("last operation ends at minute", &|kpis| kpis.makespan.to_string()),
        row("late orders", &late),
        row("weighted minutes late", &|kpis| number(kpis.weighted_tardiness)),
        row("latest order, minutes late", &|kpis| kpis.max_late_minutes.to_string()),
        row("changeovers", &|kpis| format!("{}, {} min", kpis.changeovers, kpis.changeover_minutes)),
        row("utilisation", &|kpis| format!("{:.1} %", kpis.utilisation.unwrap_or_default() * 100.0)),
    ];
    if kpis.overtime_minutes > 0 || nothing.is_some_and(|nothing| nothing.overtime_minutes > 0) {
        rows.push(row("overtime", &|kpis| format!("{} min", kpis.overtime_minutes)));
    }
    if nothing.is_some() {
        rows.push(row("moved operations", &|kpis| {
            format!("{}, {} to another resource", kpis.moved_ops, kpis.machine_changes)
        }));
    }
    if kpis.unscheduled_orders > 0 || nothing.is_some_and(|nothing| nothing.unscheduled_orders > 0) {
        rows.push(row("orders left out", &|kpis| kpis.unscheduled_orders.to_string()));
    }
    table(&rows)
}

/// Figures of two plans with their differences; what is 0 in both is left out.
pub(super) fn deltas(deltas: &[Delta]) -> String {
    let head = ["", "first", "second", "change"].map(str::to_owned).to_vec();
    let rows = deltas.iter().filter(|delta| delta.before != 0.0 || delta.after != 0.0).map(|delta| {
        let sign = if delta.change > 0.0 { "+" } else { "" };
        let share = matches!(delta.figure.as_str(), "stability" | "utilisation");
        let written = |value: f64| if share { format!("{value:.3}") } else { number(value) };
        let change =
            if delta.change == 0.0 { "=".to_owned() } else { format!("{sign}{}", written(delta.change)) };
        vec![delta.figure.replace('_', " "), written(delta.before), written(delta.after), change]
    });
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

pub(super) fn violations(found: &[Violation]) -> String {
    let mut text: String = found.iter().take(SHOWN).map(|violation| format!("  {violation}\n")).collect();
    if found.len() > SHOWN {
        let _ = writeln!(text, "  and {} more", found.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            (number(12.0), number(12.25), count(1_234_567), count(12)),
            ("12".into(), "12.2".into(), "1 234 567".into(), "12".into())
        );
        let rows = [vec!["".into(), "a".into()], vec!["late orders".into(), "12".into()]];
        assert_eq!(table(&rows), "              a\nlate orders  12\n");
    }
}
