//! The whole loop against scripted models.

mod adversarial;
mod crash;
mod hijacked;
mod replay;
mod servers;
mod traced;
mod world;
