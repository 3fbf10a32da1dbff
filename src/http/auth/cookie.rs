use axum::http::{HeaderMap, HeaderValue, header};
use std::time::Duration;

/// A cookie of ours. Over TLS its name binds it to this very host: a neighbour cannot plant one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Cookie {
    plain: &'static str,
    bound: &'static str,
}

impl Cookie {
    pub(in crate::http) const SESSION: Self = Self { plain: "takt_session", bound: "__Host-takt_session" };
    pub(in crate::http) const FORM: Self = Self { plain: "takt_form", bound: "__Host-takt_form" };
    /// Of a browser that was sent to the identity provider.
    pub(in crate::http) const SSO: Self = Self { plain: "takt_sso", bound: "__Host-takt_sso" };

    fn name(self, is_https: bool) -> &'static str {
        if is_https { self.bound } else { self.plain }
    }
}

/// The value of a cookie of the request.
pub(in crate::http) fn cookie(headers: &HeaderMap, which: Cookie, is_https: bool) -> Option<&str> {
    let name = which.name(is_https);
    let pairs = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    pairs
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(given, _)| *given == name)
        .map(|(_, value)| value)
}

/// A `Set-Cookie` that scripts cannot read. `Lax`, because a link in a chat message must arrive signed in.
pub(in crate::http) fn set_cookie(
    which: Cookie,
    value: &str,
    age: Duration,
    is_https: bool,
) -> Option<HeaderValue> {
    let name = which.name(is_https);
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
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("a=1; takt_session=abc; __Host-takt_session=def"),
        );
        assert_eq!(cookie(&headers, Cookie::SESSION, false), Some("abc"));
        assert_eq!(cookie(&headers, Cookie::SESSION, true), Some("def"));
        assert_eq!(cookie(&headers, Cookie::SSO, false), None);
    }

    #[test]
    fn a_cookie_is_secure_where_the_console_is() {
        let text = |is_https| {
            let header = set_cookie(Cookie::FORM, "v", Duration::from_secs(60), is_https).unwrap();
            header.to_str().unwrap().to_owned()
        };
        assert_eq!(text(false), "takt_form=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=60");
        assert!(text(true).starts_with("__Host-takt_form=v; Path=/;") && text(true).ends_with("; Secure"));
    }
}
