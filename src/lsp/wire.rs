//! Messages over two streams: `Content-Length`, an empty line, JSON. What cannot be read is an error of its own, and
//! the next message is read all the same.

use serde_json::Value;
use std::io::{self, BufRead, Read, Write};

/// Larger than any workflow an editor would send.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
const HEADER_BYTES_MAX: u64 = 8 * 1024;

#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("the stream cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("a message has no `Content-Length`")]
    NoLength,
    #[error("a message of {0} bytes is too large")]
    TooLarge(usize),
    #[error("a message is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
}

impl WireError {
    /// Whether nothing more can come.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::Io(_))
    }
}

/// The next message; `None` at the end of the stream.
pub(super) fn read(input: &mut impl BufRead) -> Result<Option<Value>, WireError> {
    let (mut length, mut lines) = (None, 0);
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(HEADER_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        // Blank lines between messages are nobody's header.
        if line.is_empty() && lines == 0 {
            continue;
        }
        if line.is_empty() {
            break;
        }
        lines += 1;
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<usize>().ok();
        }
    }
    let length = length.ok_or(WireError::NoLength)?;
    if length > MESSAGE_BYTES_MAX {
        io::copy(&mut input.by_ref().take(length as u64), &mut io::sink())?;
        return Err(WireError::TooLarge(length));
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

pub(super) fn write(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let body = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{body}", body.len())?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_cannot_be_read_does_not_end_the_conversation() {
        let mut stream = Vec::new();
        write(&mut stream, &json!({ "a": "ü" })).expect("written");
        stream.extend(b"Content-Length: 5\r\n\r\n{oops");
        stream.extend(b"Nonsense\r\n\r\n");
        stream.extend(b"content-length: 2\r\nContent-Type: x\r\n\r\n{}");
        stream.extend(b"Content-Length: 12\r\n\r\n{\"cut\"");
        let mut input = io::Cursor::new(stream);
        assert_eq!(read(&mut input).expect("a message"), Some(json!({ "a": "ü" })));
        assert!(matches!(read(&mut input), Err(WireError::NotJson(_))));
        assert!(matches!(read(&mut input), Err(WireError::NoLength)));
        assert_eq!(read(&mut input).expect("a message"), Some(json!({})));
        assert!(read(&mut input).expect_err("it ends too early").is_end());
        assert_eq!(read(&mut input).expect("the end"), None);
    }

    #[test]
    fn a_length_of_any_size_takes_no_memory() {
        let mut input = io::Cursor::new(b"Content-Length: 99999999999999\r\n\r\n{}".to_vec());
        assert!(matches!(read(&mut input), Err(WireError::TooLarge(_))));
        assert_eq!(read(&mut input).expect("the end"), None);
    }
}
