//! Styles and scripts, inside the binary.

use super::PageError;
use crate::http::problem::Cause;
use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "src/http/console/assets/"]
struct Files;

pub(in crate::http) async fn asset(
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let file = Files::get(&path).ok_or(PageError::new(Cause::NotFound))?;
    let tag = format!("\"{}\"", hex::encode(file.metadata.sha256_hash()));
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let kind = match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=300")];
    Ok((headers, [(header::ETAG, tag)], file.data.into_owned()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// The two sets of custom properties: light first, then dark.
    fn schemes() -> Vec<HashMap<String, [f64; 3]>> {
        let file = Files::get("console.css").expect("the styles");
        let css = String::from_utf8(file.data.into_owned()).expect("text");
        let read = |block: &str| {
            let pairs = block.lines().filter_map(|line| line.trim().strip_prefix("--")?.split_once(": #"));
            pairs.map(|(name, hex)| (name.to_owned(), colour(hex.trim_end_matches(';')))).collect()
        };
        css.split(":root {").skip(1).map(|block| read(block.split('}').next().unwrap_or_default())).collect()
    }

    fn colour(hex: &str) -> [f64; 3] {
        let channel =
            |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).expect("a colour")) / 255.0;
        [channel(0), channel(2), channel(4)]
    }

    /// Contrast as WCAG 2 defines it.
    fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
        let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        let light = |[r, g, b]: [f64; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) + 0.05;
        let (one, other) = (light(one), light(other));
        one.max(other) / one.min(other)
    }

    #[test]
    fn text_can_be_read_in_both_schemes() {
        let schemes = schemes();
        assert_eq!(schemes.len(), 2);
        for scheme in schemes {
            let words = ["ink", "muted", "accent", "good", "warn", "bad"];
            let mut pairs: Vec<(&str, &str)> = words
                .iter()
                .flat_map(|word| ["ground", "surface", "sunken"].map(|below| (*word, below)))
                .collect();
            pairs.extend([("on-accent", "accent"), ("accent", "accent-soft"), ("good", "good-soft")]);
            pairs.extend([
                ("warn", "warn-soft"),
                ("bad", "bad-soft"),
                ("ink", "good-soft"),
                ("ink", "accent-soft"),
            ]);
            for (word, below) in pairs {
                let contrast = contrast(scheme[word], scheme[below]);
                assert!(contrast >= 4.5, "{word} on {below}: {contrast:.2}");
            }
        }
    }
}
