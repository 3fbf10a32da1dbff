use std::fmt::Write;

/// Text as the value of a query: everything that could mean something there is percent-encoded.
pub(in crate::http) fn query_value(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A path of this console to go on to, or the inbox: a link must not lead people to another site.
pub(super) fn local_path(next: Option<&str>) -> &str {
    let is_local = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && !path.contains('\\')
            && !path.contains(char::is_control)
    };
    next.filter(is_local).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_followed() {
        assert_eq!(local_path(Some("/gates/1?a=b")), "/gates/1?a=b");
        for foreign in ["https://evil.example", "//evil.example", "/\\evil.example", "", "/a\r\nb"] {
            assert_eq!(local_path(Some(foreign)), "/", "{foreign}");
        }
    }

    #[test]
    fn a_query_value_has_no_syntax_in_it() {
        assert_eq!(query_value("/runs?a=b&c=d e#ü"), "/runs%3Fa%3Db%26c%3Dd%20e%23%C3%BC");
    }
}
