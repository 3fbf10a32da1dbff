//! T020: the calendar that a schedule follows.

use super::Checker;
use crate::workflow::{CronTrigger, OnClosed, source::Node, suggest};

impl<'c> Checker<'c> {
    pub(super) fn calendar(&mut self, trigger: &CronTrigger, node: Option<&'c Node>) {
        let Some(wanted) = &trigger.calendar else { return };
        let place =
            |name: &str| node.and_then(|node| node.get(name)).map(|node| node.place).unwrap_or_default();
        let site = self.site;
        let Some(calendar) = site.calendars.get(&wanted.name) else {
            let known: Vec<&str> = site.calendars.keys().map(String::as_str).collect();
            let fix = match suggest::closest(&wanted.name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "takt.yaml has no `calendars:` yet".to_owned(),
                None => format!("takt.yaml has {}", known.join(", ")),
            };
            self.error("T020", place("calendar"), format!("there is no calendar `{}`", wanted.name), fix);
            return;
        };
        if wanted.on_closed != OnClosed::Skip && !calendar.shifts.is_empty() {
            let message = format!("`{}` is a calendar of shifts: a firing can only be skipped", wanted.name);
            let fix = "use `on_closed: skip`, or a calendar without `shifts`, which counts whole days";
            self.error("T020", place("on_closed"), message, fix);
        }
    }
}
