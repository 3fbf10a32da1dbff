use axum::http::{HeaderMap, HeaderValue, header};
use std::time::Duration;

/// The value of a cookie of the request.
pub(in crate::http) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    pairs
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(given, _)| *given == name)
        .map(|(_, value)| value)
}

/// A `Set-Cookie` that scripts cannot read. `Lax`, because a link in a chat message must arrive signed in.
pub(in crate::http) fn set_cookie(
    name: &str,
    value: &str,
    age: Duration,
    is_https: bool,
) -> Option<HeaderValue> {
    let secure = if is_https { "; Secure" } else { "" };
    let seconds = age.as_secs();
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_cookie_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; takt_session=abc; b=2"));
        assert_eq!(cookie(&headers, "takt_session"), Some("abc"));
        assert_eq!(cookie(&headers, "session"), None);
    }

    #[test]
    fn a_cookie_is_secure_where_the_console_is() {
        let text = |is_https| {
            let header = set_cookie("n", "v", Duration::from_secs(60), is_https).unwrap();
            header.to_str().unwrap().to_owned()
        };
        assert_eq!(text(false), "n=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=60");
        assert!(text(true).ends_with("; Secure"));
    }
}
