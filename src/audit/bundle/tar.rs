//! A tar archive (POSIX ustar) in exactly one form: no times, no owners, no freedom. What is not written like that was
//! not written by us, so a flipped bit in a header or a filling shows like one in a file.

const BLOCK: usize = 512;
const NAME_BYTES_MAX: usize = 100;

/// Why bytes are no archive of ours, and at which file, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfit {
    pub index: usize,
    pub why: &'static str,
}

pub(super) fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, body) in files {
        out.extend_from_slice(&header(name, body.len()));
        out.extend_from_slice(body);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(place) = header.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(0, &name.as_bytes()[..name.len().min(NAME_BYTES_MAX)]);
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// The files, in order.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Unfit> {
    let mut files = Vec::new();
    let mut rest = bytes;
    loop {
        let unfit = |why| Unfit { index: files.len(), why };
        let (head, after) = rest.split_at_checked(BLOCK).ok_or_else(|| unfit("is cut off"))?;
        if head.iter().all(|byte| *byte == 0) {
            let is_end = after.len() == BLOCK && after.iter().all(|byte| *byte == 0);
            return if is_end { Ok(files) } else { Err(unfit("is not where the archive says it ends")) };
        }
        let name = head[..NAME_BYTES_MAX].split(|byte| *byte == 0).next().unwrap_or_default();
        let name = std::str::from_utf8(name).map_err(|_| unfit("has a changed header"))?;
        let size = std::str::from_utf8(&head[124..135]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size, 8).ok());
        let size = size.filter(|size| *size <= after.len()).ok_or_else(|| unfit("has a changed header"))?;
        if header(name, size) != *head {
            return Err(unfit("has a changed header"));
        }
        let (body, after) = after.split_at(size);
        let filling = size.next_multiple_of(BLOCK) - size;
        let (filled, after) = after.split_at_checked(filling).ok_or_else(|| unfit("is cut off"))?;
        if filled.iter().any(|byte| *byte != 0) {
            return Err(unfit("has something behind its end"));
        }
        files.push((name.to_owned(), body.to_vec()));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<(String, Vec<u8>)> {
        vec![("a.json".into(), b"{}".to_vec()), ("b/empty".into(), Vec::new()), ("c".into(), vec![7; 1024])]
    }

    #[test]
    fn every_flipped_byte_is_seen_or_is_in_a_file() {
        let whole = pack(&files());
        assert_eq!(unpack(&whole).unwrap(), files());
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_ne!(unpack(&changed).ok(), Some(files()), "byte {at}");
        }
        for length in 0..whole.len() {
            assert!(unpack(&whole[..length]).is_err(), "{length} bytes");
        }
        let mut longer = whole;
        longer.extend_from_slice(&[0; 512]);
        assert!(unpack(&longer).is_err());
    }

    /// Another implementation of the format reads the same.
    #[test]
    fn the_tar_crate_reads_it() {
        let whole = pack(&files());
        let mut archive = ::tar::Archive::new(whole.as_slice());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["a.json", "b/empty", "c"]);
    }
}
