//! A plan as a file, version 1: what `takt schedule` writes, and what it reads from any other planner.
//!
//! Only `ops` must be there. What else is reported is judged by rule 15; what is not reported is not.
//! There is no wall-clock time in it, so that the same seed and step budget give the same bytes.

mod compare;

pub use compare::{Comparison, Delta, Difference, Judged, Place, compare, differences, figures};

use super::answer::{Answer, Bound, Kpis, PlanOption, PlannedOp, Unfrozen, Unscheduled};
use super::model::Model;
use super::validate::{Placed, Reading, Reported, Violation, check_reported, read};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The only version of the form so far.
pub const PLAN_VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    #[serde(default = "version")]
    pub version: u32,
    /// What it plans, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What it is best at, or who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Every operation of the model but those of `unscheduled` orders; done and running ones too.
    pub ops: Vec<PlannedOp>,
    /// Orders left out, with the cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unscheduled: Vec<Unscheduled>,
    /// Frozen operations that cannot stay where they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfrozen: Vec<Unfrozen>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kpis: Option<Kpis>,
    /// Operations that are elsewhere than in the current plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
}

/// How a plan was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    pub seed: u64,
    /// Sequences tried.
    pub evaluated: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("this is not a plan: {0}")]
    Json(#[from] serde_json::Error),
    #[error("version {0} of the plan form is unknown; write version {PLAN_VERSION}")]
    Version(u32),
}

impl PlanFile {
    pub fn parse(text: &str) -> Result<PlanFile, PlanError> {
        let plan: PlanFile = serde_json::from_str(text)?;
        if plan.version != PLAN_VERSION {
            return Err(PlanError::Version(plan.version));
        }
        Ok(plan)
    }

    /// One option of an answer, with everything said about it.
    pub fn of(problem: &str, model: &Model, answer: &Answer, option: &PlanOption) -> PlanFile {
        PlanFile {
            version: PLAN_VERSION,
            problem: Some(problem.to_owned()),
            title: Some(option.title.clone()),
            ops: option.ops.clone(),
            unscheduled: option.unscheduled.clone(),
            unfrozen: answer.unfrozen.clone(),
            kpis: Some(option.kpis.clone()),
            moved: Some(option.moved.clone()),
            bound: Some(option.bound.clone()),
            search: Some(Search { seed: model.policy.seed, evaluated: answer.evaluated }),
        }
    }

    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub fn placed(&self) -> Placed<'_> {
        Placed { ops: &self.ops, unscheduled: &self.unscheduled, unfrozen: &self.unfrozen }
    }

    pub fn reported(&self) -> Reported<'_> {
        Reported {
            kpis: self.kpis.as_ref(),
            moved: self.moved.as_deref(),
            bound: self.bound.as_ref().map(|bound| bound.value),
        }
    }

    /// Every rule it breaks; none means it may be used.
    pub fn violations(&self, model: &Model) -> Vec<Violation> {
        check_reported(model, self.placed(), self.reported())
    }

    /// What it amounts to, whatever it reports of itself.
    pub fn read(&self, model: &Model) -> Reading {
        read(model, self.placed())
    }
}

fn version() -> u32 {
    PLAN_VERSION
}

#[cfg(test)]
mod tests {
    use super::super::{Problem, resequence, sample};
    use super::*;

    fn solved(seed: u64) -> (Model, PlanFile) {
        let model = sample::random(seed);
        let answer = resequence(&Problem::parse(model.clone()).unwrap()).unwrap();
        let plan = PlanFile::of("sample", &model, &answer, &answer.options[0]);
        (model, plan)
    }

    #[test]
    fn a_written_plan_is_read_back_valid_and_fits_its_schema() {
        let schema = serde_json::to_value(schemars::schema_for!(PlanFile)).unwrap();
        for seed in 0..10 {
            let (model, plan) = solved(seed);
            let text = plan.to_json().unwrap();
            assert_eq!(PlanFile::parse(&text).unwrap(), plan);
            assert_eq!(plan.violations(&model), []);
            assert!(jsonschema::is_valid(&schema, &serde_json::from_str(&text).unwrap()));
        }
    }

    #[test]
    fn what_is_read_from_a_plan_is_what_it_reports() {
        for seed in 0..10 {
            let (model, plan) = solved(seed);
            let reading = plan.read(&model);
            assert_eq!(
                (Some(&reading.kpis.late_by_tier), reading.late_orders.len()),
                (plan.kpis.as_ref().map(|kpis| &kpis.late_by_tier), reading.kpis.late_orders)
            );
            let mut told = plan.moved.clone().unwrap();
            let mut moved = reading.moved.clone();
            told.sort();
            moved.sort();
            assert_eq!(moved, told);
            let minutes: i64 = reading.usage.iter().map(|usage| usage.changeover_minutes).sum();
            assert_eq!(minutes, reading.kpis.changeover_minutes);
            assert!(reading.usage.iter().all(|usage| usage.utilisation <= 1.0 + 1e-9), "{:?}", reading.usage);
        }
    }

    #[test]
    fn a_plan_of_another_version_or_with_an_unknown_field_is_refused() {
        let error = PlanFile::parse(r#"{"version": 2, "ops": []}"#).unwrap_err().to_string();
        assert_eq!(error, "version 2 of the plan form is unknown; write version 1");
        let error = PlanFile::parse(r#"{"opps": []}"#).unwrap_err().to_string();
        assert!(error.starts_with("this is not a plan: unknown field `opps`"), "{error}");
    }
}
