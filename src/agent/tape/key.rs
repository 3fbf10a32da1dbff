//! The key of a request: SHA-256 over its canonical JSON (RFC 8785). Nothing of the request is left out.

use crate::agent::digest;
use serde_json::{Number, Value};
use std::fmt::Write as _;

/// Lower-case hex.
pub fn request_key(request: &Value) -> String {
    digest::sha256_text(&canonical_json(request))
}

/// JSON as RFC 8785 writes it: keys in the order of their UTF-16 code units, numbers as ECMAScript prints them.
/// Integers beyond 2⁵³ keep their digits, where the RFC would round them: two requests never become one.
pub fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    let order = |a: &str, b: &str| a.encode_utf16().cmp(b.encode_utf16());
    digest::write(value, &order, &write_number, &mut text);
    text
}

fn write_number(number: &Number, out: &mut String) {
    match number.as_f64().filter(|_| number.is_f64()) {
        None => out.push_str(&number.to_string()),
        Some(0.0) => out.push('0'),
        Some(float) => write_float(float, out),
    }
}

/// `Number::toString` of ECMAScript, from the shortest digits that read back as the same number.
fn write_float(float: f64, out: &mut String) {
    let shortest = format!("{:e}", float.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let digits = even_where_tied(mantissa.chars().filter(char::is_ascii_digit).collect(), float.abs());
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    let split = |at: i32| digits.split_at(usize::try_from(at).unwrap_or(0).min(digits.len()));
    if float < 0.0 {
        out.push('-');
    }
    let _ = match point {
        p if count <= p && p <= 21 => write!(out, "{digits}{}", zeros(p - count)),
        p if 0 < p && p <= 21 => write!(out, "{}.{}", split(p).0, split(p).1),
        p if -6 < p && p <= 0 => write!(out, "0.{}{digits}", zeros(-p)),
        p => {
            let dot = if count > 1 { "." } else { "" };
            let sign = if p > 0 { "+" } else { "-" };
            write!(out, "{}{dot}{}e{sign}{}", split(1).0, split(1).1, (p - 1).abs())
        }
    };
}

/// Where two texts of this length are equally near, ECMAScript takes the one with the even last digit.
fn even_where_tied(digits: String, float: f64) -> String {
    if digits.ends_with(['0', '2', '4', '6', '8']) {
        return digits;
    }
    // All digits that a number of this kind can have.
    let exact: String =
        format!("{float:.780e}").chars().take_while(|c| *c != 'e').filter(char::is_ascii_digit).collect();
    let (head, tail) = exact.split_at(digits.len().min(exact.len()));
    let is_tied = tail.strip_prefix('5').is_some_and(|rest| rest.bytes().all(|digit| digit == b'0'));
    if is_tied && head.ends_with(['0', '2', '4', '6', '8']) { head.to_owned() } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The example of RFC 8785, section 3.2.2 and 3.2.3.
    #[test]
    fn the_example_of_the_rfc_comes_out_as_printed_there() {
        let source = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
            \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(canonical_json(&serde_json::from_str(source).unwrap()), expected);
        let keys =
            json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        let order: Vec<u64> = canonical_json(&keys)
            .split([',', '}'])
            .filter_map(|field| field.rsplit(':').next()?.parse().ok())
            .collect();
        assert_eq!(order, [2, 4, 6, 7, 1, 5, 3], "\\r, 1, U+0080, ö, €, 😀, U+FB33");
    }

    /// Appendix B of the RFC.
    #[test]
    fn numbers_are_printed_as_ecmascript_does() {
        for (bits, text) in [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            let mut written = String::new();
            write_number(&Number::from_f64(f64::from_bits(bits)).unwrap(), &mut written);
            assert_eq!(written, text);
        }
        assert_eq!(canonical_json(&json!([1.0, 1, 10.50, u64::MAX])), "[1,1,10.5,18446744073709551615]");
    }

    #[test]
    fn key_order_does_not_matter_and_every_value_does() {
        assert_eq!(request_key(&json!({"a": 1, "b": [1, 2]})), request_key(&json!({"b": [1, 2], "a": 1})));
        assert_ne!(request_key(&json!([1, 2])), request_key(&json!([2, 1])));
        assert_ne!(request_key(&json!("1")), request_key(&json!(1)));
    }
}
