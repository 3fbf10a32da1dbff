use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time: write a number and a unit, like 90s, 5m, 1h30m or 14d")]
pub struct DurationError(String);

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// `250ms`, `90s`, `5m`, `1h30m`, `14d`: whole numbers, larger units first or not at all.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = || DurationError(text.to_owned());
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(error());
    }
    let (mut total, mut last_unit) = (0_u64, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let &(_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        if millis >= last_unit {
            return Err(error());
        }
        let number: u64 = number.parse().map_err(|_| error())?;
        total = number.checked_mul(millis).and_then(|ms| total.checked_add(ms)).ok_or_else(error)?;
        (last_unit, rest) = (millis, tail);
    }
    Ok(Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("1h30m", 5_400), ("14d", 1_209_600), (" 2m ", 120)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn refuses_what_has_two_meanings() {
        for text in ["", "5", "m", "5 m", "-5m", "1.5h", "5M", "30m1h", "5m5m", "5é"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
