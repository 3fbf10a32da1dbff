//! Addresses of takt.yaml: where secrets go, who may frame a page, who signs tokens. An address says where it leads
//! without tricks: no name before the host, and nothing behind the path.

/// The host of a whole address, with its port.
pub(super) fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    // A name before `@` is no host, and nothing a webhook has.
    let is_host = |host: &str| {
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
            && host.bytes().next().is_some_and(|byte| byte != b':')
    };
    is_host(authority).then_some(authority)
}

/// Encrypted, or on this computer.
pub(super) fn is_safe(url: &str) -> bool {
    match (host_of(url), url.split_once("://")) {
        (Some(_), Some(("https", _))) => true,
        (Some(host), Some(("http", _))) => is_this_computer(without_port(host)),
        _ => false,
    }
}

/// A whole address of another program, with a path at most.
pub(super) fn is_plain(url: &str) -> bool {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    is_web && host_of(url).is_some() && !url.contains(['?', '#', '\\', '@', ' '])
}

pub(super) fn is_this_computer(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// `https://host[:port]`; `*.` may stand for one or more names before a host of at least two.
pub(super) fn is_origin(text: &str) -> bool {
    let Some(host) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let (named, is_wild) = host.strip_prefix("*.").map_or((host, false), |rest| (rest, true));
    let (name, port) = named.split_once(':').unwrap_or((named, "443"));
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let labels = name.split('.').count();
    name.split('.').all(is_label) && port.parse::<u16>().is_ok() && (!is_wild || labels > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_where_it_seems_to() {
        for safe in
            ["https://login.example/realms/a", "http://127.0.0.1:80/x", "http://[::1]:9", "http://localhost"]
        {
            assert!(is_safe(safe), "{safe}");
        }
        let tricks = [
            "http://127.0.0.1:80@evil.example",
            "http://localhost:1@evil.example/",
            "https://ok@evil.example",
            "https://",
            "https:///x",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example:80",
            "ftp://127.0.0.1",
            "not a url",
        ];
        for trick in tricks {
            assert!(!is_safe(trick), "{trick}");
        }
        assert!(is_plain("http://plex.plant1.example:8080/api"));
        for odd in
            ["https://user:pw@plex.example", "https://plex.example?api_key=1", "ftp://plex.example", "plex"]
        {
            assert!(!is_plain(odd), "{odd}");
        }
    }

    #[test]
    fn an_origin_names_a_host() {
        for good in
            ["https://plant1.example", "http://127.0.0.1:9000", "https://*.plant1.example", "http://mes"]
        {
            assert!(is_origin(good), "{good}");
        }
        let bad = [
            "https://*",
            "https://*.com",
            "https://a.*.example",
            "https://ok@evil.example",
            "https://",
            "*",
            "https://plant1.example/x",
            "https://a;script-src",
            "https://a:99999",
            "wss://a",
        ];
        for bad in bad {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
