//! The durable tool-calling loop.
