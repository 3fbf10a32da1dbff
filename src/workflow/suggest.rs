//! "Did you mean": the known word closest to an unknown one.

/// Longer texts are no words.
const LENGTH_MAX: usize = 200;
/// A file of ten thousand steps with a slip in each is checked in seconds, too.
const LOOKED_MAX: usize = 200;

/// A shorter beginning could be that of anything.
const BEGINNING_MIN: usize = 4;

/// `None` when nothing is close enough to be what was meant.
pub(super) fn closest<'k>(wrong: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let known: Vec<&str> = known.into_iter().collect();
    nearest(wrong, known.iter().copied())
        .or_else(|| cut_short(wrong, &known))
        .or_else(|| abbreviated(wrong, &known))
}

/// The only known word that is written with some letters of this one, or the other way round: `qty` and `quantity`.
fn abbreviated<'k>(wrong: &str, known: &[&'k str]) -> Option<&'k str> {
    let is_one = |word: &&str| is_abbreviation(word, wrong) || is_abbreviation(wrong, word);
    let mut found = known.iter().copied().filter(is_one);
    found.next().filter(|_| found.next().is_none())
}

/// Both ends and the order of the letters are kept; a path or a sentence is no word.
fn is_abbreviation(short: &str, long: &str) -> bool {
    const LETTERS_MIN: usize = 3;
    let is_word =
        |text: &str| text.len() <= LENGTH_MAX && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_within = || {
        let mut rest = long.bytes();
        short.bytes().all(|letter| rest.any(|other| other == letter))
    };
    short.len() >= LETTERS_MIN
        && short.len() < long.len()
        && is_word(short)
        && is_word(long)
        && short.as_bytes().first() == long.as_bytes().first()
        && short.as_bytes().last() == long.as_bytes().last()
        && is_within()
}

/// The only known word that begins so.
fn cut_short<'k>(wrong: &str, known: &[&'k str]) -> Option<&'k str> {
    let is_long_enough = wrong.chars().count() >= BEGINNING_MIN;
    let mut longer = known.iter().copied().filter(|word| is_long_enough && word.starts_with(wrong));
    longer.next().filter(|_| longer.next().is_none())
}

/// Of shorter words two may well differ by a letter.
const SLIP_MIN: usize = 5;

/// The known word that differs by one slip of the finger, where one may be missing without harm.
pub(super) fn one_slip<'k>(wrong: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let long = wrong.chars().count() >= SLIP_MIN;
    known.into_iter().find(|word| long && wrong.len().abs_diff(word.len()) <= 1 && distance(wrong, word) == 1)
}

fn nearest<'k>(wrong: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let length = wrong.chars().count();
    let limit = (length / 3).max(1);
    // Two words are as far apart as their lengths at least, and nobody slips a hundred times in one.
    let may_be_near = |word: &&str| {
        let other = word.chars().count();
        length.abs_diff(other) <= limit && length.max(other) <= LENGTH_MAX
    };
    let known = known.filter(may_be_near);
    let near = known.scan(0, |looked, word| {
        *looked += 1;
        // Of very many words only those that read alike at both ends are compared letter by letter.
        Some((*looked <= LOOKED_MAX || ends_alike(wrong, word)).then_some(word))
    });
    let near = near.flatten().map(|word| (distance(wrong, word), word));
    near.filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

fn ends_alike(a: &str, b: &str) -> bool {
    let front = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let back = a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count();
    front + back + 2 >= a.len().max(b.len())
}

/// What two words do not share at their ends: of alike words very little is left to compare.
fn apart<'w>(a: &'w str, b: &'w str) -> (&'w str, &'w str) {
    if !(a.is_ascii() && b.is_ascii()) {
        return (a, b);
    }
    let same = |(a, b): &(u8, u8)| a.eq_ignore_ascii_case(b);
    let front = a.bytes().zip(b.bytes()).take_while(same).count();
    let (a, b) = (&a[front..], &b[front..]);
    let back = a.bytes().rev().zip(b.bytes().rev()).take_while(same).count();
    (&a[..a.len() - back], &b[..b.len() - back])
}

/// Edits between two words; a swap of neighbours counts as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = apart(a, b);
    match (a.len(), b.len()) {
        (0, _) => return b.chars().count(),
        (_, 0) => return a.chars().count(),
        (1, 1) => return usize::from(!a.eq_ignore_ascii_case(b)),
        _ => {}
    }
    let (a, b): (Vec<char>, Vec<char>) =
        (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_found_and_strangers_are_not() {
        let known = ["call", "gate", "wait", "expires", "on_expire", "with"];
        assert_eq!(closest("expiers", known), Some("expires"));
        assert_eq!(closest("wiht", known), Some("with"));
        assert_eq!(closest("Gate", known), Some("gate"));
        assert_eq!(closest("timeout", known), None);
        assert_eq!(closest("x", known), None);
        assert_eq!(closest("on_fail", ["on_failure", "owner"]), Some("on_failure"));
        assert_eq!(closest("step", ["steps_done", "steps_open"]), None, "it may be either");
        assert_eq!(closest("quantity", ["part", "qty", "supplier"]), Some("qty"));
        assert_eq!(closest("qty", ["part", "quantity", "supplier"]), Some("quantity"));
        assert_eq!(closest("quantity", ["qty", "quy"]), None, "it may be either");
        for (a, b, edits) in [
            ("aab", "ab", 1),
            ("abab", "ab", 2),
            ("late_1", "late_2", 1),
            ("acb", "abc", 1),
            ("größe", "Größe", 0),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (edits, edits), "{a} {b}");
        }
        let many: Vec<String> = (1000..3000).map(|number| format!("step_{number}")).collect();
        assert_eq!(closest("setp_2999", many.iter().map(String::as_str)), Some("step_2999"));
    }
}
