//! Completion, hover, definition and symbols on the sample site: a text and a cursor, and what an editor is given.

mod ask;
mod complete;
mod look;
