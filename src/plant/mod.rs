//! Domain algorithms of a plant: material shortage, answers to a late delivery, the facts of a handover,
//! who does what, what is urgent, and what may start now.
//!
//! Pure: data in, data out, the time of asking passed in. Which system the data comes from and what is
//! done with a result is decided elsewhere.

pub mod assignment;
pub mod dispatch;
pub mod handover;
pub mod priority;
pub mod shortage;
pub mod supply;
