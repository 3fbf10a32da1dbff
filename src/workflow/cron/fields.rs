//! What a five-field cron expression says: the values of each field, or what is wrong and where.

use super::CronError;
use std::collections::BTreeSet;

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// In a leap year.
const LENGTHS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

struct Field {
    name: &'static str,
    from: u32,
    to: u32,
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", from: 0, to: 59, words: &[] },
    Field { name: "hour", from: 0, to: 23, words: &[] },
    Field { name: "day", from: 1, to: 31, words: &[] },
    Field { name: "month", from: 1, to: 12, words: &MONTHS },
    // 0 and 7 are both Sunday.
    Field { name: "weekday", from: 0, to: 7, words: &DAYS },
];

/// The values of minute, hour, day, month and weekday. The error says which field is wrong and what it may hold.
pub(super) fn read(cron: &str) -> Result<[BTreeSet<u32>; 5], CronError> {
    let at_start = |message: String| CronError { at: 0, message };
    let parts: Vec<&str> = cron.split_whitespace().collect();
    let [minutes, hours, days, months, weekdays] = parts.as_slice() else {
        return Err(at_start(format!("`{cron}` has {} fields, cron has five", parts.len())));
    };
    let mut from = 0;
    for (part, field) in parts.iter().zip(&FIELDS) {
        let mut at = from + cron[from..].find(part).unwrap_or_default();
        from = at + part.len();
        for item in part.split(',') {
            if !field.takes(item) {
                let message = format!(
                    "`{part}` is no {}: it takes {} to {}, `*`, `a-b`, `a,b` and `*/n`",
                    field.name, field.from, field.to
                );
                return Err(CronError { at, message });
            }
            at += item.len() + 1;
        }
    }
    if *days != "*" && *weekdays != "*" {
        let message = format!("`{cron}` names a day of the month and a weekday: give one of them");
        return Err(at_start(message));
    }
    let texts = [minutes, hours, days, months, weekdays];
    let values = std::array::from_fn(|index| FIELDS[index].values(texts[index]));
    never(cron, &values).map_err(at_start)?;
    Ok(values)
}

/// The 31st of June does not come.
fn never(cron: &str, [_, _, days, months, _]: &[BTreeSet<u32>; 5]) -> Result<(), String> {
    let first = days.first().copied().unwrap_or_default();
    let longest = months.iter().filter_map(|month| LENGTHS.get(*month as usize - 1)).max().copied();
    match longest {
        Some(longest) if first > longest => {
            Err(format!("`{cron}` never comes: its month has {longest} days"))
        }
        _ => Ok(()),
    }
}

impl Field {
    fn takes(&self, item: &str) -> bool {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let step_fits =
            step.is_none_or(|step| step.parse::<u32>().is_ok_and(|n| n >= 1 && n <= self.to.max(1)));
        let range_fits = match range.split_once('-') {
            _ if range == "*" => true,
            Some((from, to)) => match (self.value(from), self.value(to)) {
                (Some(from), Some(to)) => from <= to,
                _ => false,
            },
            None => step.is_none() && self.value(range).is_some(),
        };
        step_fits && range_fits
    }

    /// Every value of a field that `takes` accepted.
    fn values(&self, part: &str) -> BTreeSet<u32> {
        let item = |item: &str| {
            let (range, step) =
                item.split_once('/').map_or((item, 1), |(range, step)| (range, step.parse().unwrap_or(1)));
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (Some(self.from), Some(self.to)),
                Some((from, to)) => (self.value(from), self.value(to)),
                None => (self.value(range), self.value(range)),
            };
            from.zip(to).map(|(from, to)| (from..=to).step_by(step)).into_iter().flatten()
        };
        part.split(',').flat_map(item).collect()
    }

    fn value(&self, text: &str) -> Option<u32> {
        if let Some(index) = self.words.iter().position(|word| word.eq_ignore_ascii_case(text)) {
            return Some(index as u32 + self.from);
        }
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|n| digits && (self.from..=self.to).contains(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fields_in_range() {
        let good = [
            "0 6 * * *",
            "30 5,13,21 * * 1-5",
            "*/15 * * * *",
            "0 6 * * FRI",
            "0 0 29 2 *",
            "0 0 1 JAN-MAR *",
            "0 0 31 */2 *",
        ];
        for cron in good {
            assert!(read(cron).is_ok(), "{cron}");
        }
        let bad = [
            "",
            "0 6 * *",
            "0 0 6 * * *",
            "60 * * * *",
            "0 24 * * *",
            "0 6 0 * *",
            "0 6 * 13 *",
            "0 6 * * 8",
            "0 6 * * FRI-MON",
            "5/2 * * * *",
            "*/0 * * * *",
            "a * * * *",
            "+1 * * * *",
            "0 6 13 * FRI",
            "0 6 31 4,6 *",
            "0 6 30-31 FEB *",
        ];
        for cron in bad {
            assert!(read(cron).is_err(), "{cron}");
        }
    }
}
