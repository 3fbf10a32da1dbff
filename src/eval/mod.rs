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
mod scan;
mod judge;
mod score;
mod report;
mod made_with;
mod formats;

pub use case::{
    AnswerMoment, Attack, Budget, Case, CaseError, ChildMoment, CrashPoint, EndState, EventMoment, Expect,
    ExpectedAgent, ExpectedKpi, ExpectedWrite, FailedReply, Forbidden, Judge, KpiBaseline, Label, Moment,
    Origin, RecordedModels, Reply, ReplyCall, Split, StepValue, Vote,
};
pub use formats::{
    Conversation, Imported, InspectSample, chat_lines, conversations, inspect_log, promptfoo_tests,
    read_promptfoo,
};
pub use judge::{Brief, Judgement, Opinion, Unjudged, may_judge};
pub use made_with::{Asked, asked_with};
pub use record::{RecordError, Recorder, Recording, other_terms, terms};
pub use replay::{ReplayError, Stage, replay};
pub use report::{
    Baseline, BaselineError, CaseReport, Difference, Matrix, MatrixCell, Report, Summary, Trial, Verdict,
    html, junit,
};
pub use scan::{Findings, scan, unclean};
pub use score::{
    Answered, AnsweredStep, Check, Metrics, Passes, Replayed, Score, answered, score, stale_as_expected,
};
pub use world::{MadeCall, World, WorldAnswer, WorldCall, WorldError, WorldTools};
