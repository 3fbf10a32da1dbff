//! The rooms of other systems: HTTP systems declared in `connectors/*.yaml`, models behind the OpenAI wire
//! format, chats and mail. Each implements a trait of another room (`Tool`, `Model`, `Notifier`).
//!
//! Only here does Takt speak another system's language; the engine and the store are never imported.

pub mod breaker;
pub mod declared;
pub mod http;
pub mod mail;
pub mod native;
pub mod openai;
pub mod pace;
pub mod redact;
pub mod slack;
pub mod teams;
