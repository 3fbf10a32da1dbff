//! Numbers as people type them into forms, where half of the world writes a comma for the point.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotANumber {
    /// `1,500` is fifteen hundred to some and one and a half to others.
    Ambiguous,
    None,
}

/// A number with a point or a comma before its decimals, and nothing between thousands.
pub(super) fn read(text: &str) -> Result<f64, NotANumber> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some((whole, rest)) = digits.split_once([',', '.']) {
        let is_thousands = rest.len() == 3 && !whole.starts_with('0') && !whole.is_empty();
        if is_thousands && rest.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotANumber::Ambiguous);
        }
    }
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || b".,".contains(&byte));
    let number = text.replace(',', ".").parse::<f64>().ok();
    number.filter(|number| is_plain && number.is_finite()).ok_or(NotANumber::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_in_two_ways_is_asked_again() {
        for (text, number) in
            [("1500", 1500.0), ("0,5", 0.5), ("1.25", 1.25), ("0.125", 0.125), ("-2,5", -2.5)]
        {
            assert_eq!(read(text), Ok(number), "{text}");
        }
        for text in ["1,500", "1.500", "-12,345"] {
            assert_eq!(read(text), Err(NotANumber::Ambiguous), "{text}");
        }
        for text in ["1,500.5", "1.500,5", "1 500", "twelve", "", "1e308", "inf", "NaN", "0x10"] {
            assert_eq!(read(text), Err(NotANumber::None), "{text}");
        }
    }
}
