//! Replays whole workflows offline: the real interpreter, recorded tool answers, recorded models,
//! recorded people and a clock that jumps. Says what got worse, and what no longer can be told.
//!
//! A replay proves plumbing, guards, rules and degradation. It says nothing about what a model would
//! answer to a changed prompt: such a case is `stale`, never green.

mod case;
mod abridge;
mod world;
mod replay;
mod record;
mod score;
mod report;

pub use case::{
    AnswerMoment, Case, CaseError, ChildMoment, EventMoment, Expect, ExpectedAgent, ExpectedWrite, Moment,
    Origin, RecordedModels,
};
pub use record::{RecordError, Recorder, Recording};
pub use replay::{ReplayError, Stage, replay};
pub use report::{Baseline, BaselineError, CaseReport, Report, Verdict};
pub use score::{Check, Metrics, Replayed, Score, score};
pub use world::{MadeCall, World, WorldAnswer, WorldCall, WorldError, WorldTools};
