//! What is said of a run that is held, wherever a terminal shows one: why, and the command that lets it go on.

use crate::{cli::cluster::ClusterArgs, store::control::Target};
use std::path::PathBuf;
use uuid::Uuid;

/// Where a command that is suggested has to look.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Place {
    demo: bool,
    data: Option<PathBuf>,
}

impl Place {
    pub(in crate::cli) fn new(demo: bool, cluster: &ClusterArgs) -> Self {
        Self { demo, data: cluster.data.clone() }
    }

    pub(in crate::cli) fn command(&self, word: &str, run: Uuid) -> String {
        let demo = if self.demo { " --demo" } else { "" };
        let data = self.data.as_ref().map(|data| format!(" --data {}", data.display()));
        format!("takt run {word} {run}{demo}{}", data.unwrap_or_default())
    }
}

/// Absent when nothing holds the run.
pub(in crate::cli) fn held(target: &Target, place: &Place) -> Option<String> {
    let hold = target.hold.as_deref().filter(|_| target.ended_at.is_none())?;
    let word = if hold == "paused" { "resume" } else { "retry" };
    Some(format!(
        "{}: {}; `{} --reason WHY` lets it go on",
        hold.replace('_', " "),
        target.hold_reason.as_deref().unwrap_or("nobody said why"),
        place.command(word, target.id)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_held_says_why_and_how_it_goes_on() {
        let mut target = Target {
            id: Uuid::nil(),
            workflow: "downtime_escalation".into(),
            key: None,
            parent_run: None,
            ended_at: None,
            outcome: None,
            hold: Some("quarantined".into()),
            hold_reason: Some("a worker died over it 3 times".into()),
            dismissed_at: None,
            state: Some("set_aside".into()),
        };
        let id = target.id;
        let site = Place { demo: false, data: None };
        let said = format!(
            "quarantined: a worker died over it 3 times; `takt run retry {id} --reason WHY` lets it go on"
        );
        assert_eq!(held(&target, &site), Some(said));
        target.hold = Some("paused".into());
        let demo = Place { demo: true, data: Some("/data".into()) };
        let said = held(&target, &demo).unwrap();
        assert!(said.contains(&format!("`takt run resume {id} --demo --data /data --reason WHY`")), "{said}");
        target.hold = None;
        assert_eq!(held(&target, &demo), None);
    }
}
