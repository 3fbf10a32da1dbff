//! What the headers of an answer say: who answered, and how much the account has left.

use reqwest::header::HeaderMap;
use std::{collections::BTreeMap, time::Duration};

/// Kept with an answer: they identify it at the other side.
const KEPT: [&str; 9] = [
    "x-request-id",
    "x-ms-request-id",
    "openai-processing-ms",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
];
const VALUE_CHARS_MAX: usize = 200;
/// A server that has nothing left for longer will say so with an error.
const PAUSE_MAX: Duration = Duration::from_secs(60);

pub(super) fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let kept = KEPT.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?)));
    kept.map(|(name, value)| (name, value.chars().take(VALUE_CHARS_MAX).collect())).collect()
}

/// How long to leave the server alone because this was the last request it had to give.
pub(super) fn pause(headers: &BTreeMap<String, String>) -> Option<Duration> {
    let left = headers.get("x-ratelimit-remaining-requests")?;
    let reset = headers.get("x-ratelimit-reset-requests").and_then(|text| reset(text))?;
    (left.trim() == "0").then(|| reset.min(PAUSE_MAX))
}

/// `6m0s`, `1.5s`, `20ms`: as the servers write it.
fn reset(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text.trim();
    if let Ok(plain) = rest.parse::<f64>() {
        return Duration::try_from_secs_f64(plain).ok();
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let letters = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
        seconds += number
            * match &unit[..letters] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &unit[letters..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_servers_write_a_time() {
        let seconds = |text: &str| reset(text).map(|time| time.as_secs_f64());
        assert_eq!(seconds("6m0s"), Some(360.0));
        assert_eq!(seconds("1.5s"), Some(1.5));
        assert_eq!(seconds("20ms"), Some(0.02));
        assert_eq!(seconds("1d2h"), Some(93_600.0));
        assert_eq!(seconds("3"), Some(3.0));
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("5 s"), None);
    }

    #[test]
    fn only_the_last_request_makes_a_pause() {
        let headers = |left: &str, reset: &str| {
            BTreeMap::from([
                ("x-ratelimit-remaining-requests".to_owned(), left.to_owned()),
                ("x-ratelimit-reset-requests".to_owned(), reset.to_owned()),
            ])
        };
        assert_eq!(pause(&headers("0", "2s")), Some(Duration::from_secs(2)));
        assert_eq!(pause(&headers("0", "6m0s")), Some(PAUSE_MAX));
        assert_eq!(pause(&headers("1", "2s")), None);
        assert_eq!(pause(&BTreeMap::new()), None);
    }
}
