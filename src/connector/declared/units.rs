//! Durations and rates as people write them: `200ms`, `30s`, `5m`, `200 per 1m`.

use std::{num::NonZeroU32, time::Duration};

/// So many calls in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub calls: NonZeroU32,
    pub period: Duration,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration: write a number and ms, s, m or h, like 30s");
    let text_end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(text_end);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(milliseconds).filter(|total| *total > 0).map(Duration::from_millis).ok_or_else(wrong)
}

pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let wrong = || format!("`{text}` is not a rate: write `200 per 1m`");
    let (calls, period) = text.split_once(" per ").ok_or_else(wrong)?;
    let calls = calls.trim().parse().map_err(|_| wrong())?;
    Ok(Rate { calls, period: duration(period.trim()).map_err(|_| wrong())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_and_rates() {
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        let per_minute =
            Rate { calls: NonZeroU32::new(200).expect("200"), period: Duration::from_secs(60) };
        assert_eq!(rate("200 per 1m"), Ok(per_minute));
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", "5", "s", "5 fortnights", "0s", "99999999999999999999s", "-1s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["200", "0 per 1m", "200 per", "per 1m"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
