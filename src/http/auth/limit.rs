use crate::site::Site;
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::{collections::BTreeSet, num::NonZeroU32};

const ATTEMPTS_PER_PERSON_AND_MINUTE: NonZeroU32 = NonZeroU32::new(5).unwrap();
const ATTEMPTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// Whoever asks to be sent to the identity provider leaves a row behind; a whole shift may come at once.
const SENT_PER_MINUTE: NonZeroU32 = NonZeroU32::new(300).unwrap();

/// How often somebody may try a password: few times for one name, not too many for all names together.
pub(in crate::http) struct SignInLimit {
    people: BTreeSet<String>,
    per_person: DefaultKeyedRateLimiter<String>,
    all: DefaultDirectRateLimiter,
    sent: DefaultDirectRateLimiter,
}

impl SignInLimit {
    pub(in crate::http) fn new(site: &Site) -> Self {
        Self {
            people: site.people.iter().map(|person| person.id.clone()).collect(),
            per_person: RateLimiter::keyed(Quota::per_minute(ATTEMPTS_PER_PERSON_AND_MINUTE)),
            all: RateLimiter::direct(Quota::per_minute(ATTEMPTS_PER_MINUTE)),
            sent: RateLimiter::direct(Quota::per_minute(SENT_PER_MINUTE)),
        }
    }

    /// Unknown names share one count, so that the table stays as small as the site.
    pub(in crate::http) fn allows(&self, name: &str) -> bool {
        let key = if self.people.contains(name) { name.to_owned() } else { String::new() };
        self.all.check().is_ok() && self.per_person.check_key(&key).is_ok()
    }

    /// Whether somebody more may be sent to the identity provider.
    pub(in crate::http) fn allows_sending(&self) -> bool {
        self.sent.check().is_ok()
    }
}
