//! Durations and rates as people write them: `90s`, `2m`, `1h30m`, `21d`, `10 per 10m`.

use super::Rate;
use std::time::Duration;

const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

const YEARS_TEN: u64 = 10 * 366 * 86_400_000;

/// `None` when it is no duration, or none that fits ten years.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let total = millis(text)?;
    (total <= YEARS_TEN).then(|| Duration::from_millis(total))
}

/// It is written as a duration, however long.
pub(super) fn is_meant(text: &str) -> bool {
    millis(text).is_some()
}

/// What is wrong with a text that is no duration, and what to do.
pub(super) fn wrong(text: &str) -> (String, String) {
    let example = "write a number and a unit: 90s, 2m, 12h, 21d";
    match millis(text) {
        _ if text.trim().is_empty() => ("a duration is missing here".to_owned(), example.to_owned()),
        Some(_) => (format!("`{text}` is longer than ten years"), "write a shorter time".to_owned()),
        None => {
            let fix = meant(text).map_or(example.to_owned(), |meant| {
                format!("write `{meant}`: a number and a unit, like 90s, 2m, 12h, 21d")
            });
            (format!("`{text}` is not a duration"), fix)
        }
    }
}

/// `30m` for `30 minutes`: a number and the name of a unit, written out or after a blank.
fn meant(text: &str) -> Option<String> {
    let text = text.trim();
    let (count, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "ms" | "millisecond" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "w" | "week" | "weeks" => "w",
        _ => return None,
    };
    parse(&format!("{count}{unit}")).map(|_| format!("{count}{unit}"))
}

/// As many as there can be when it is more.
fn millis(text: &str) -> Option<u64> {
    let (mut rest, mut total) = (text.trim(), 0u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
        let (count, after) = rest.split_at(digits);
        let unit = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit);
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let count = count.parse::<u64>().unwrap_or(u64::MAX);
        total = count.saturating_mul(*millis).saturating_add(total);
        rest = next.trim_start();
    }
    Some(total)
}

/// `10 per 10m`; the error says what is wrong, and what to do.
pub(super) fn parse_rate(text: &str) -> Result<Rate, (String, &'static str)> {
    let example = "write it like `10 per 10m`";
    let read = || {
        let (count, within) = text.split_once(" per ")?;
        Some(Rate { count: count.trim().parse().ok()?, within: parse(within)? })
    };
    match read() {
        None => Err((format!("`{text}` is not a rate"), example)),
        Some(rate) if rate.count == 0 => Err((format!("`{text}` lets nothing through"), example)),
        Some(rate) if rate.within.is_zero() => Err((format!("`{text}` is no limit"), example)),
        Some(rate) => Ok(rate),
    }
}

/// `12h`, `1h30m`: as people would have written it.
pub fn words(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in UNITS.iter().rev().skip(1) {
        if rest >= *millis {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_read_back() {
        for text in ["12h", "1h30m", "21d", "90s", "250ms", "0s"] {
            let duration = parse(text).expect("a duration");
            assert_eq!(parse(&words(duration)), Some(duration), "{text}");
        }
        assert_eq!(words(Duration::from_secs(5400)), "1h30m");
    }

    #[test]
    fn durations_of_the_examples() {
        let seconds = |text| parse(text).map(|d| d.as_secs());
        assert_eq!(seconds("2m"), Some(120));
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("12h"), Some(43_200));
        assert_eq!(seconds("21d"), Some(1_814_400));
        assert_eq!(seconds("1h30m"), Some(5_400));
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
        for wrong in ["", "5", "m", "2 minutes", "-2m", "2.5h", "2m!", "99999999999999999999d", "9999d"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(wrong("").0, "a duration is missing here");
        assert_eq!(wrong("99999999999999999999d").0, "`99999999999999999999d` is longer than ten years");
        assert_eq!(wrong("2 minutes").0, "`2 minutes` is not a duration");
        let meant = |text| wrong(text).1.split('`').nth(1).map(str::to_owned);
        assert_eq!(meant("2 minutes").as_deref(), Some("2m"));
        assert_eq!(meant("3 Weeks").as_deref(), Some("3w"));
        assert_eq!(meant("90 s").as_deref(), Some("90s"));
        assert_eq!((meant("soon"), meant("2.5h"), meant("2 moons"), meant("5")), (None, None, None, None));
        let wrong = |text| parse_rate(text).map_err(|(message, _)| message);
        assert_eq!(wrong("0 per 10m"), Err("`0 per 10m` lets nothing through".to_owned()));
        assert_eq!(wrong("10 per 0s"), Err("`10 per 0s` is no limit".to_owned()));
    }

    #[test]
    fn rates() {
        let rate = Rate { count: 10, within: Duration::from_secs(600) };
        assert_eq!(parse_rate("10 per 10m"), Ok(rate));
        for wrong in ["10", "per 10m", "0 per 1m", "10 per 0s", "10 per"] {
            assert!(parse_rate(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_duration_or_none(text in "[0-9a-z ]{0,8}") {
            let _ = parse(&text);
        }
    }
}
