//! `file:` addresses and paths.

use gen_lsp_types::Uri;
use std::path::{Path, PathBuf};

/// `None` for what lies in no file, such as `untitled:`.
pub(super) fn path_of(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.0.strip_prefix("file://")?;
    let at = rest.find('/')?;
    let decoded = decode(&rest[at..])?;
    // `/C:/plant` on Windows.
    let is_drive = decoded.as_bytes().get(2) == Some(&b':');
    Some(PathBuf::from(if is_drive { &decoded[1..] } else { decoded.as_str() }))
}

pub(super) fn uri_of(path: &Path) -> Uri {
    let text = path.to_string_lossy().replace('\\', "/");
    let slash = if text.starts_with('/') { "" } else { "/" };
    let mut uri = format!("file://{slash}");
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                uri.push(byte.into())
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    Uri(uri)
}

fn decode(text: &str) -> Option<String> {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let coded = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match coded.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_back_from_its_address() {
        let path = Path::new("/werk 1/größe/100%/w.yaml");
        let uri = uri_of(path);
        assert_eq!(uri.0, "file:///werk%201/gr%C3%B6%C3%9Fe/100%25/w.yaml");
        assert_eq!(path_of(&uri).as_deref(), Some(path));
        let windows = Uri("file:///c%3A/plant/takt.yaml".to_owned());
        assert_eq!(path_of(&windows), Some(PathBuf::from("c:/plant/takt.yaml")));
        for none in ["untitled:Untitled-1", "file:", "file:///%FF", ""] {
            assert_eq!(path_of(&Uri(none.to_owned())), None, "{none}");
        }
    }
}
