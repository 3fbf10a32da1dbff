//! Who is asked, in words, and what somebody reads who comes too late: who answered, what, when and where.

use super::tally::{did, who};
use crate::{site::Site, store::gates::Vote};

/// Names on a card; the page has all of them.
const NAMES_MAX: usize = 4;

/// "Production supervisor: Sam Carter, Noor Haddad".
pub fn whom<'n>(title: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    match (names.get(..NAMES_MAX), names.as_slice()) {
        (_, []) => title.to_owned(),
        (Some(first), all) if all.len() > NAMES_MAX => {
            format!("{title}: {} and {} more", first.join(", "), all.len() - NAMES_MAX)
        }
        (_, all) => format!("{title}: {}", all.join(", ")),
    }
}

/// "Sam Carter answered this at 06:18 in the console: chose 2."
pub fn late(site: &Site, vote: &Vote) -> String {
    let at = vote.at.with_timezone(&site.time_zone).format("%H:%M");
    let alone = if vote.overrides { "decided this alone" } else { "answered this" };
    format!("{} {alone} at {at} {}: {}.", who(site, vote), via(&vote.channel), did(vote))
}

/// The channel of an answer in words.
pub fn via(channel: &str) -> String {
    match channel {
        "web" => "in the console".to_owned(),
        "mail" => "by mail".to_owned(),
        "api" => "through the API".to_owned(),
        "embed" => "on an embedded page".to_owned(),
        chat => {
            let mut letters = chat.chars();
            let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
            format!("in {first}{}", letters.as_str())
        }
    }
}
