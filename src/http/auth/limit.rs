//! How often somebody may try a password: counted for names and for addresses, whether or not anybody has that name.
//!
//! Who hammers uses up their own share: what one address does keeps nobody else from signing in.

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    num::NonZeroU32,
};

const PER_NAME_AND_ADDRESS: NonZeroU32 = NonZeroU32::new(5).unwrap();
const PER_NAME: NonZeroU32 = NonZeroU32::new(20).unwrap();
const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// Each attempt hashes a password, slow on purpose.
const OF_ALL: NonZeroU32 = NonZeroU32::new(600).unwrap();
/// Whoever asks to be sent to the identity provider leaves a row behind; a whole shift may come at once.
const SENT_PER_ADDRESS: NonZeroU32 = NonZeroU32::new(300).unwrap();
const SENT_OF_ALL: NonZeroU32 = NonZeroU32::new(1500).unwrap();

/// Names and addresses share this many counts, so that invented ones fill no memory.
const COUNTS: u64 = 1 << 16;

/// All quotas are per minute.
pub(in crate::http) struct SignInLimit {
    /// Known to nobody, so that nobody can choose a name that shares a count with another one.
    hasher: RandomState,
    per_name_and_address: DefaultKeyedRateLimiter<u64>,
    per_name: DefaultKeyedRateLimiter<u64>,
    per_address: DefaultKeyedRateLimiter<u64>,
    all: DefaultDirectRateLimiter,
    sent_per_address: DefaultKeyedRateLimiter<u64>,
    sent: DefaultDirectRateLimiter,
    signed: DefaultKeyedRateLimiter<u64>,
}

impl SignInLimit {
    pub(in crate::http) fn new() -> Self {
        let keyed = |quota| RateLimiter::keyed(Quota::per_minute(quota));
        let direct = |quota| RateLimiter::direct(Quota::per_minute(quota));
        Self {
            hasher: RandomState::new(),
            per_name_and_address: keyed(PER_NAME_AND_ADDRESS),
            per_name: keyed(PER_NAME),
            per_address: keyed(PER_ADDRESS),
            all: direct(OF_ALL),
            sent_per_address: keyed(SENT_PER_ADDRESS),
            sent: direct(SENT_OF_ALL),
            signed: keyed(PER_NAME_AND_ADDRESS),
        }
    }

    /// The address first, all together last: who is refused for their own address costs nobody elsewhere anything.
    pub(in crate::http) fn allows(&self, name: &str, from: IpAddr) -> bool {
        let from = network(from);
        self.per_address.check_key(&self.count_of(from)).is_ok()
            && self.per_name_and_address.check_key(&self.count_of((name, from))).is_ok()
            && self.per_name.check_key(&self.count_of(name)).is_ok()
            && self.all.check().is_ok()
    }

    /// Whether somebody more may be sent to the identity provider.
    pub(in crate::http) fn allows_sending(&self, from: IpAddr) -> bool {
        self.sent_per_address.check_key(&self.count_of(network(from))).is_ok() && self.sent.check().is_ok()
    }

    /// Signatures of somebody who is known already: what strangers try at the sign-in does not count here.
    pub(in crate::http) fn allows_signing(&self, person: &str) -> bool {
        self.signed.check_key(&self.count_of(person)).is_ok()
    }

    fn count_of(&self, key: impl Hash) -> u64 {
        self.hasher.hash_one(key) % COUNTS
    }
}

/// One household or machine has a whole /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    const HOST_BITS: u128 = (1 << 64) - 1;
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !HOST_BITS).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn invented_names_lock_out_only_the_address_they_come_from() {
        let limit = SignInLimit::new();
        let (stranger, plant) = (at("203.0.113.9"), at("192.0.2.1"));
        let taken = (0..1000).filter(|n| limit.allows(&format!("nobody-{n}"), stranger)).count();
        assert!((55..=61).contains(&taken), "{taken}");
        assert!(!limit.allows("sam", stranger));
        assert!(limit.allows("sam", plant) && limit.allows("mia", plant));
    }

    #[test]
    fn one_name_is_not_locked_by_attempts_from_elsewhere() {
        let limit = SignInLimit::new();
        let taken = (0..50).filter(|_| limit.allows("sam", at("203.0.113.9"))).count();
        assert_eq!(taken, 5);
        assert!(limit.allows("sam", at("192.0.2.1")), "Sam sits elsewhere");
        let others = (0..100).filter(|n| limit.allows("sam", at(&format!("198.51.100.{n}")))).count();
        assert!(others <= 15, "{others} more from many addresses");
    }

    #[test]
    fn a_name_that_nobody_has_is_counted_like_one_that_somebody_has() {
        let limit = SignInLimit::new();
        let from = at("192.0.2.1");
        let answers = |name: &str| (0..7).map(|_| limit.allows(name, from)).collect::<Vec<_>>();
        assert_eq!(answers("sam"), answers("nobody"));
        assert!(limit.allows("somebody-else", from), "five attempts of one name are not those of another");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(network(at("2001:db8::1")), network(at("2001:db8::ffff:1")));
        assert_ne!(network(at("2001:db8::1")), network(at("2001:db8:0:1::1")));
        assert_eq!(network(at("::ffff:192.0.2.1")), at("192.0.2.1"));
    }
}
