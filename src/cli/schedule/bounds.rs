//! How much better a plan could be at most, in words, and what would be late without any changeover.

use super::report::{count, number};
use crate::schedule::{Capacity, Kpis, PlanOption, WithoutChangeovers};

/// Share of the objective above the bound; `None` where the bound says nothing.
pub(super) fn gap(option: &PlanOption) -> Option<f64> {
    let objective = option.kpis.objective;
    let tells = option.bound.informative && objective > 0.0;
    tells.then(|| (objective - option.bound.value) / objective)
}

/// Share of the time until the last operation ends that is above its bound.
pub(super) fn makespan_gap(option: &PlanOption) -> Option<f64> {
    let (ends, bound) = (option.kpis.makespan, option.bound.makespan);
    (ends > 0 && bound > 0).then(|| (ends - bound).max(0) as f64 / ends as f64)
}

/// Of the objective, of the end of the last operation, and of the places that are busy longest.
pub(super) fn told(option: &PlanOption) -> String {
    let bound = number(option.bound.value);
    let mut lines = vec![match gap(option) {
        Some(gap) if gap < 1e-9 => format!("bound {bound}: this plan is optimal"),
        Some(gap) => format!("bound {bound}: at most {:.1} % of the objective could be saved", gap * 100.0),
        None => "no bound that says anything".to_owned(),
    }];
    let ends = option.bound.makespan;
    lines.extend(makespan_gap(option).map(|gap| match gap {
        gap if gap < 1e-9 => "no plan of these orders ends sooner".to_owned(),
        gap => format!(
            "no plan of these orders ends before minute {ends}, at most {:.1} % sooner than this one",
            gap * 100.0
        ),
    }));
    let needs = |needs: &Capacity| {
        let work = count(needs.work_minutes.unsigned_abs());
        format!("{} needs until minute {} for {work} min that only it can do", needs.id, needs.until)
    };
    lines.extend(option.bound.capacity.iter().map(needs));
    lines.join("\n") + "\n"
}

/// Beside the figures of the plan that it belongs to.
pub(super) fn without_changeovers(remains: &WithoutChangeovers, plan: &Kpis) -> String {
    format!(
        "with no changeovers at all this search finds {} weighted minutes late, where the plan has {}; \
         no proof",
        number(remains.weighted_tardiness),
        number(plan.weighted_tardiness)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Problem, resequence_in_full};
    use serde_json::json;

    #[test]
    fn a_plant_with_changeovers_is_told_what_can_be_known() {
        let order = |id: &str, family: &str, due: i64| {
            json!({"id": id, "due": due, "ops": [
                {"id": "10", "family": family, "alts": [{"resource": "M07", "minutes": 60}]}]})
        };
        let model = serde_json::from_value(json!({
            "epoch": "2026-11-23T06:00:00Z", "horizon": 2000, "families": ["RED", "BLUE"],
            "setups": [{"id": "S", "minutes": [[0, 100], [100, 0]]}],
            "resources": [{"id": "M07", "setup": "S", "state": "RED"}],
            "orders": [order("A", "RED", 60), order("B", "BLUE", 110)],
            "policy": {"evaluations": 200, "options": 1},
        }))
        .unwrap();
        let answer = resequence_in_full(&Problem::parse(model).unwrap(), &()).unwrap();
        let option = &answer.options[0];
        assert_eq!(
            told(option),
            "no bound that says anything\n\
             no plan of these orders ends before minute 120, at most 45.5 % sooner than this one\n\
             M07 needs until minute 120 for 120 min that only it can do\n"
        );
        assert_eq!(
            without_changeovers(&answer.without_changeovers.unwrap(), &option.kpis),
            "with no changeovers at all this search finds 10 weighted minutes late, where the plan has 110; \
             no proof"
        );
    }
}
