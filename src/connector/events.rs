//! Server-sent events as they come in, in pieces that end anywhere. How much may come, and what it means, is said by
//! those who read them.

use bytes::BytesMut;

/// Server-sent events: `data:` lines up to an empty one. Comments, names and ids are passed over.
#[derive(Default)]
pub struct Events {
    buffer: BytesMut,
    /// Of the buffer, what has no line end in it.
    looked: usize,
    data: Vec<u8>,
}

impl Events {
    pub fn feed(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// Bytes that belong to no whole event yet.
    pub fn waiting(&self) -> usize {
        self.buffer.len() + self.data.len()
    }

    /// The data of the next event that is whole.
    pub fn next(&mut self) -> Option<Vec<u8>> {
        while let Some(end) = self.buffer[self.looked..].iter().position(|byte| *byte == b'\n') {
            let line = self.buffer.split_to(self.looked + end + 1);
            self.looked = 0;
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() && !self.data.is_empty() {
                return Some(std::mem::take(&mut self.data));
            }
            self.line(line);
        }
        self.looked = self.buffer.len();
        None
    }

    fn line(&mut self, line: &[u8]) {
        let Some(more) = line.strip_prefix(b"data:") else { return };
        if !self.data.is_empty() {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(more.strip_prefix(b" ").unwrap_or(more));
    }

    /// What is there of an event whose end did not come.
    pub fn rest(&mut self) -> Option<Vec<u8>> {
        let line = std::mem::take(&mut self.buffer);
        self.line(line.trim_ascii_end());
        (!self.data.is_empty()).then(|| std::mem::take(&mut self.data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_events(pieces: &[&[u8]]) -> (Vec<String>, Option<String>) {
        let (mut events, mut found) = (Events::default(), Vec::new());
        let text = |data: Vec<u8>| String::from_utf8(data).expect("text");
        for piece in pieces {
            events.feed(piece);
            found.extend(std::iter::from_fn(|| events.next()).map(text));
        }
        (found, events.rest().map(text))
    }

    #[test]
    fn events_are_whole_wherever_the_wire_cuts_them() {
        let wire = b": hello\r\nevent: x\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\n\ndata:[DONE]\n\ndata: rest";
        let wanted = (vec!["{\"a\":\n1}".to_owned(), "[DONE]".to_owned()], Some("rest".to_owned()));
        assert_eq!(read_events(&[wire]), wanted);
        let bytes: Vec<&[u8]> = wire.chunks(1).collect();
        assert_eq!(read_events(&bytes), wanted);
    }
}
