//! The review of a decision that somebody made alone: a run of a small workflow that comes with Takt, begun in the
//! transaction that takes the decision.
//!
//! A run of its own, because the overridden run may end at once, and with it every question it has open; and because
//! a run brings what a review needs: an inbox, a time, reminders, a ladder and a journal. Who decided alone is who
//! started it, and the one who starts a run cannot answer its approval.

use super::{DecideError, did, policy::via_of, standing::name_of};
use crate::{
    engine::start_run,
    run::{NewRun, RunId, StepPath, Turn},
    site::Site,
    store::{PgConnection, StoreError, gates, versions},
    workflow::Bundle,
};
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

pub const REVIEW_WORKFLOW: &str = "override_review";
const WORKFLOW: &str = include_str!("review/override_review.yaml");
const MESSAGE: &str = include_str!("review/override_review.hbs");

/// The run that reviews what was decided at this gate of a run, in the partition of that run.
pub fn review_of(run: RunId, gate: Uuid) -> RunId {
    RunId::child_of(run, &StepPath::from(format!("{gate}.{REVIEW_WORKFLOW}")))
}

/// The workflow, which asks the role that the site names.
fn bundle(role: &str) -> Bundle {
    let path = format!("takt/{REVIEW_WORKFLOW}.yaml");
    let files = BTreeMap::from([
        (path.clone(), WORKFLOW.replace("ROLE", role)),
        ("messages/override_review.hbs".to_owned(), MESSAGE.to_owned()),
    ]);
    Bundle { path, files }
}

pub(super) async fn begin(
    db: &mut PgConnection,
    site: &Site,
    gate: &gates::Gate,
    vote: &gates::Vote,
) -> Result<(), DecideError> {
    let role = site.answering.override_review.as_deref().unwrap_or_default();
    let bundle = bundle(role);
    let sha256 = bundle.sha256();
    versions::save(db, REVIEW_WORKFLOW, &sha256, &bundle).await?;
    let text = |field: &str| gate.ask.get(field).and_then(|text| text.as_str()).unwrap_or_default();
    let title = text("title");
    let mut trigger =
        json!({ "type": "takt.override", "by": vote.person, "subject": gate.ask.get("subject") });
    if let Some(program) = &vote.named_by {
        trigger["via"] = json!(via_of(program));
    }
    let run = NewRun {
        id: review_of(RunId(gate.run_id), gate.id),
        workflow: REVIEW_WORKFLOW.to_owned(),
        title: format!("Review: {title}"),
        subject: Some(text("subject")).filter(|subject| !subject.is_empty()).map(str::to_owned),
        key: None,
        sha256,
        trigger,
        inputs: json!({
            "name": name_of(site, &vote.person), "title": title, "did": did(vote), "asked": text("role_title"),
            "reason": vote.reason, "link": format!("/gates/{}", gate.id),
        }),
        parent: None,
        approved: false,
        shadow: false,
        started_by: Some(vote.person.clone()),
        event: None,
        trace: None,
        turn: Turn::default(),
    };
    start_run(db, &run, vote.at).await.map_err(StoreError::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Definition, StepKind};

    #[test]
    fn the_review_compiles_and_asks_the_role_of_the_site() {
        let definition = Definition::compile(bundle("quality_lead")).expect("a sound workflow");
        let StepKind::Gate(gate) = &definition.workflow.steps[0].kind else { panic!("no gate") };
        assert_eq!((gate.ask.as_str(), gate.expires.as_secs()), ("quality_lead", 24 * 3600));
        assert_ne!(bundle("a").sha256(), bundle("b").sha256());
    }
}
