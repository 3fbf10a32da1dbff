//! Durable time: schedules and waits against a real PostgreSQL, and with the whole binary.

mod doors;
mod firing;
mod overlap;
mod processes;
mod shop;
mod waits;
