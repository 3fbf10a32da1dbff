//! A cron trigger: when it fires, on which days, and what becomes of firings that are late or overlap.

use super::{Decoder, Fields};
use crate::workflow::{
    CatchUp, CronTimes, CronTrigger, OnCalendar, OnClosed, Overlap, duration, source::Node,
};
use std::time::Duration;

const OVERLAPS: [(&str, Overlap); 5] = [
    ("skip", Overlap::Skip),
    ("buffer_one", Overlap::BufferOne),
    ("buffer_all", Overlap::BufferAll),
    ("cancel_other", Overlap::CancelOther),
    ("allow_all", Overlap::AllowAll),
];
/// More than this is another time of day, not jitter.
const JITTER_MAX: Duration = Duration::from_secs(12 * 3600);

impl<'d> Decoder<'d> {
    pub(super) fn cron(&mut self, fields: &mut Fields<'d>) -> Option<CronTrigger> {
        let node = fields.get("cron")?;
        let cron = self.text(node).filter(|cron| match CronTimes::new(cron, chrono_tz::UTC) {
            Ok(_) => true,
            Err(problem) => {
                let fix = "five fields: minute hour day month weekday, like `0 6 * * 1-5`";
                let offset = cron[..problem.at].chars().count();
                let place = node.scalar().map_or(node.place, |scalar| self.place_in(scalar, offset));
                self.error("T020", place, problem.message, fix);
                false
            }
        });
        let time_zone = self.time_zone(fields);
        let catch_up = fields.get("catch_up").map_or(Some(CatchUp::default()), |node| self.catch_up(node));
        let overlap =
            fields.get("overlap").map_or(Some(Overlap::default()), |node| self.one_of(node, &OVERLAPS));
        let jitter = fields.get("jitter").map(|node| self.jitter(node));
        let calendar = self.on_calendar(fields);
        self.finish(fields, "a cron trigger");
        Some(CronTrigger {
            cron: cron?,
            time_zone: time_zone?,
            catch_up: catch_up?,
            overlap: overlap?,
            jitter: jitter.map_or(Some(None), |jitter| jitter.map(Some))?,
            calendar: calendar?,
        })
    }

    fn time_zone(&mut self, fields: &mut Fields<'d>) -> Option<chrono_tz::Tz> {
        let Some(node) = fields.get("time_zone") else {
            let fix = "add `time_zone:` with an IANA name like America/Chicago";
            let place = fields.node.get("cron").map_or(fields.node.place, |cron| cron.place);
            self.error("T020", place, "a schedule needs a time zone", fix);
            return None;
        };
        let name = self.text(node)?;
        let zone = name.parse::<chrono_tz::Tz>().ok();
        if zone.is_none() {
            let message = format!("`{name}` is not a time zone");
            self.error("T020", node.place, message, "write an IANA name like America/Chicago");
        }
        zone
    }

    /// `none`, `last`, `all`, `last within 12h`, `all within 2d`.
    fn catch_up(&mut self, node: &'d Node) -> Option<CatchUp> {
        let text = self.scalar(node, "a word")?.text.as_str();
        let Some((word, length)) = text.split_once(" within ") else {
            let words = [
                ("none", CatchUp::None),
                ("last", CatchUp::Last { within: None }),
                ("all", CatchUp::All { within: None }),
            ];
            return self.one_of(node, &words);
        };
        let within = duration::parse(length);
        match (word.trim(), within) {
            ("last", Some(_)) => Some(CatchUp::Last { within }),
            ("all", Some(_)) => Some(CatchUp::All { within }),
            _ => {
                let message = format!("`{text}` does not say what is caught up");
                let fix = "write `none`, `last`, `all`, or with a limit `last within 12h`, `all within 2d`";
                self.error("T020", node.place, message, fix);
                None
            }
        }
    }

    fn jitter(&mut self, node: &'d Node) -> Option<Duration> {
        let jitter = self.duration(node)?;
        if jitter > JITTER_MAX {
            let fix = "write at most 12h, or change the time of day in `cron`";
            self.error("T020", node.place, "this jitter is longer than half a day", fix);
            return None;
        }
        Some(jitter)
    }

    /// The outer `None` is a problem, the inner one no calendar.
    fn on_calendar(&mut self, fields: &mut Fields<'d>) -> Option<Option<OnCalendar>> {
        let name = fields.get("calendar").map(|node| self.id(node));
        let closed = fields.get("on_closed");
        let on_closed = closed.map_or(Some(OnClosed::default()), |node| {
            let words =
                [("skip", OnClosed::Skip), ("next", OnClosed::Next), ("previous", OnClosed::Previous)];
            self.one_of(node, &words)
        });
        match (name, closed) {
            (None, Some(node)) => {
                let fix = "add `calendar:` with the name of a calendar of takt.yaml";
                self.error("T020", node.place, "`on_closed` without `calendar` has no closed day", fix);
                None
            }
            (None, None) => Some(None),
            (Some(name), _) => Some(Some(OnCalendar { name: name?, on_closed: on_closed? })),
        }
    }
}
