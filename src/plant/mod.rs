//! Domain algorithms of a plant: material shortage, answers to a late delivery, the facts of a handover.
//!
//! Pure: data in, data out, the time of asking passed in. Which system the data comes from and what is
//! done with a result is decided elsewhere.

pub mod handover;
pub mod shortage;
pub mod supply;
