//! Who is asking: the session cookie of a browser, the token of a program, and the proof that a form is ours.
//!
//! Signing in itself is a page of the console.

mod address;
mod caller;
mod cookie;
mod form;
mod hashing;
mod limit;
mod needs;
mod session;

pub(super) use address::ClientAddress;
pub(super) use caller::Caller;
pub(super) use cookie::{Cookie, cookie, set_cookie};
pub(super) use form::{Fields, PostedForm};
pub(super) use hashing::Hashing;
pub(super) use limit::SignInLimit;
pub(super) use needs::Needs;
pub(super) use session::{SignedIn, password_mark};

use subtle::ConstantTimeEq;

/// Equality that takes the same time wherever the difference is.
pub(super) fn is_same_secret(given: &str, known: &str) -> bool {
    given.as_bytes().ct_eq(known.as_bytes()).into()
}
