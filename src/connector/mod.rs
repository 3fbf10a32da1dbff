//! The rooms of other systems: HTTP systems and MCP servers declared in `connectors/*.yaml`, models behind the OpenAI wire
//! format, chats, mail, the identity provider. Most implement a trait of another room (`Tool`, `Model`, `Notifier`).
//!
//! Only here does Takt speak another system's language; the engine and the store are never imported.

pub mod breaker;
pub mod declared;
mod events;
pub mod http;
pub mod jws;
mod load;
pub mod mail;
pub mod mcp;
pub mod native;
pub mod oidc;
pub mod openai;
pub mod pace;
pub mod redact;
pub mod slack;
pub mod teams;

pub use load::{forms, load};
