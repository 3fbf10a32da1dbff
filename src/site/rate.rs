//! A rate as people write it: `200 per 1m`.

use super::parse_duration;
use std::{num::NonZeroU32, time::Duration};

/// So many calls, or tokens, in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub calls: NonZeroU32,
    pub period: Duration,
}

pub fn parse_rate(text: &str) -> Result<Rate, String> {
    let wrong = || format!("`{text}` is not a rate: write `200 per 1m`");
    let (calls, period) = text.split_once(" per ").ok_or_else(wrong)?;
    let calls = calls.trim().parse().map_err(|_| wrong())?;
    let period = parse_duration(period).ok().filter(|period| !period.is_zero()).ok_or_else(wrong)?;
    Ok(Rate { calls, period })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_rate_and_refuses_what_is_none() {
        let calls = NonZeroU32::new(200).expect("not zero");
        assert_eq!(parse_rate("200 per 1m"), Ok(Rate { calls, period: Duration::from_secs(60) }));
        for text in ["200", "0 per 1m", "200 per", "per 1m", "5 per 0s"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
