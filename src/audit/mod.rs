//! The audit trail as a chain: sealing its records, signing where it stands, checking it, and handing out evidence.
//!
//! `store` keeps the records; whoever does something writes its record in the same transaction, without a look at the
//! chain. Shortly after, one process at a time seals what was committed, in the order of the records' numbers: `seq`
//! without gaps, `digest` = SHA-256 over the record's canonical JSON, `hash` = SHA-256(previous hash ‖ digest). Until then
//! a record can be changed unseen: a second or two where a server runs. What the chain does not protect against stands in
//! docs/audit.md.

mod anchors;
pub mod bundle;
mod chain;
mod checkpoint;
mod keeper;
mod key;
mod purges;
mod verify;

pub use chain::{digest_of_record, genesis, link};
pub use checkpoint::{Checkpoint, CheckpointError, Signed, take_checkpoint};
pub use keeper::{Keeper, purge_before, seal_all};
pub use key::{KeyError, PublicKey, SigningKey, generate};
pub use purges::Retention;
pub use verify::{Against, Broken, Place, Verdict, VerifyError, verify};
