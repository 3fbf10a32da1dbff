//! Signed requests of other systems: webhooks that become events.

mod cloudevent;
mod receive;

pub(super) use receive::receive;
