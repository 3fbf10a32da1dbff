//! How a text reads, whatever it is written with: letters of other alphabets that look or sound like Latin ones, full
//! width and mathematical letters, accents, and the escapes of JSON, URLs and HTML. Each character of a reading knows
//! which part of the text it stands for, so that what is found in the reading is replaced in the text.

use std::{iter::Peekable, ops::Range};
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// An escape of an escape of an escape is nothing that somebody reads.
const ESCAPES_MAX: usize = 3;

/// Look like the Latin letter beside them; what Unicode itself calls compatible is not listed.
const LOOKS_LIKE: [(char, &str); 26] = [
    ('a', "аαɑᴀ"),
    ('b', "Ьƅʙ"),
    ('c', "сϲᴄ"),
    ('d', "ԁɗᴅđ"),
    ('e', "еєҽᴇ"),
    ('f', "ƒꜰ"),
    ('g', "ɡɢ"),
    ('h', "һհʜ"),
    ('i', "іιıɩɪӏ"),
    ('j', "јϳᴊ"),
    ('k', "кκᴋ"),
    ('l', "ʟł"),
    ('m', "мᴍ"),
    ('n', "пηոɴ"),
    ('o', "оοօᴏøσ"),
    ('p', "рρᴘ"),
    ('q', "ԛզ"),
    ('r', "гʀ"),
    ('s', "ѕꜱ"),
    ('t', "тτᴛ"),
    ('u', "υսᴜ"),
    ('v', "νѵᴠ"),
    ('w', "ԝωᴡ"),
    ('x', "хχ"),
    ('y', "уүγʏ"),
    ('z', "ᴢ"),
];

/// Capitals that look like another letter than their small form does.
const CAPITALS: [(char, &str); 13] = [
    ('A', "АΑ"),
    ('B', "ВΒ"),
    ('C', "СϹ"),
    ('E', "ЕΕ"),
    ('H', "НΗ"),
    ('K', "КΚ"),
    ('M', "МΜ"),
    ('N', "Ν"),
    ('O', "ОΟ"),
    ('P', "РΡ"),
    ('T', "ТΤ"),
    ('X', "ХΧ"),
    ('Y', "УΥҮ"),
];

/// How letters of other alphabets are commonly written in Latin ones.
const SOUNDS_LIKE: [(&str, &str); 32] = [
    ("аα", "a"),
    ("бβ", "b"),
    ("вω", "v"),
    ("гγ", "g"),
    ("дδ", "d"),
    ("еёэεη", "e"),
    ("ж", "zh"),
    ("зζ", "z"),
    ("иыιі", "i"),
    ("й", "y"),
    ("кκ", "k"),
    ("лλ", "l"),
    ("мμ", "m"),
    ("нν", "n"),
    ("оο", "o"),
    ("пπ", "p"),
    ("рρ", "r"),
    ("сσς", "s"),
    ("тτ", "t"),
    ("уυ", "u"),
    ("фφ", "f"),
    ("хχ", "kh"),
    ("ц", "ts"),
    ("ч", "ch"),
    ("ш", "sh"),
    ("щ", "shch"),
    ("ъь", ""),
    ("ю", "yu"),
    ("я", "ya"),
    ("θ", "th"),
    ("ξ", "x"),
    ("ψ", "ps"),
];

const ENTITIES: [(&str, char); 14] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("commat", '@'),
    ("period", '.'),
    ("lowbar", '_'),
    ("hyphen", '-'),
    ("dash", '-'),
    ("plus", '+'),
    ("colon", ':'),
    ("sol", '/'),
];

/// A character as it reads, and the bytes of the text that it stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Read {
    c: char,
    from: usize,
    to: usize,
}

/// A text as it reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    pub(super) text: String,
    /// For each byte of it, the bytes of the original.
    from: Vec<(usize, usize)>,
}

impl Reading {
    /// Every way to read a text, the plain one first; those that are equal to one before are left out.
    pub(super) fn all(text: &str) -> Vec<Self> {
        let mut plain: Vec<Read> =
            text.char_indices().map(|(at, c)| Read { c, from: at, to: at + c.len_utf8() }).collect();
        let mut readings: Vec<Self> = Vec::new();
        for _ in 0..=ESCAPES_MAX {
            let mut read = vec![Self::of(&looking(&plain))];
            if !text.is_ascii() || plain.iter().any(|read| !read.c.is_ascii()) {
                read.push(Self::of(&sounding(&plain)));
            }
            for reading in read {
                if readings.iter().all(|known| known.text != reading.text) {
                    readings.push(reading);
                }
            }
            let without = unescaped(&plain);
            if without == plain {
                break;
            }
            plain = without;
        }
        readings
    }

    fn of(read: &[Read]) -> Self {
        let mut reading = Self { text: String::new(), from: Vec::new() };
        for Read { c, from, to } in read {
            reading.text.push(*c);
            reading.from.extend(std::iter::repeat_n((*from, *to), c.len_utf8()));
        }
        reading
    }

    /// The bytes of the original that a part of the reading stands for.
    pub(super) fn original(&self, part: &Range<usize>) -> Range<usize> {
        let inside = self.from.get(part.clone()).unwrap_or_default();
        let from = inside.iter().map(|(from, _)| *from).min().unwrap_or(0);
        from..inside.iter().map(|(_, to)| *to).max().unwrap_or(from)
    }
}

/// How a value of the dictionary reads.
pub(super) fn spellings(value: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let plain: Vec<Read> = value.chars().map(|c| Read { c, from: 0, to: 0 }).collect();
    let spelled_out = value.replace(['ä', 'Ä'], "ae").replace(['ö', 'Ö'], "oe").replace(['ü', 'Ü'], "ue");
    let spelled_out: Vec<Read> = spelled_out.chars().map(|c| Read { c, from: 0, to: 0 }).collect();
    for read in [looking(&plain), sounding(&plain), looking(&spelled_out)] {
        let text: String = read.iter().map(|read| read.c).collect();
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

/// As a reader would take it for Latin letters.
pub(in crate::agent::guard) fn plain(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let read: Vec<Read> = text.chars().map(|c| Read { c, from: 0, to: 0 }).collect();
    looking(&read).iter().map(|read| read.c).collect()
}

fn looking(read: &[Read]) -> Vec<Read> {
    let mut out = Vec::with_capacity(read.len());
    for read in read {
        let mut push = |c: char| out.push(Read { c, ..*read });
        match read.c {
            c if c.is_ascii() => push(c),
            'ß' | 'ẞ' => "ss".chars().for_each(push),
            'æ' | 'Æ' => "ae".chars().for_each(push),
            'œ' | 'Œ' => "oe".chars().for_each(push),
            c => {
                // Letters of the alphabet itself before its marks go: ё is no е with two dots to a Latin reader, but looks so.
                for c in std::iter::once(unsquared(c)).nfkd().filter(|c| !is_combining_mark(*c)) {
                    push(latin(c));
                }
            }
        }
    }
    out
}

fn sounding(read: &[Read]) -> Vec<Read> {
    let mut out = Vec::with_capacity(read.len());
    for one in read {
        let lower = one.c.to_lowercase().next().unwrap_or(one.c);
        let base = || std::iter::once(lower).nfd().next().unwrap_or(lower);
        let sound =
            |c: char| SOUNDS_LIKE.iter().find(|(letters, _)| letters.contains(c)).map(|(_, sound)| *sound);
        match sound(lower).or_else(|| sound(base())).filter(|_| !one.c.is_ascii()) {
            Some(sound) => out.extend(sound.chars().map(|c| Read { c, ..*one })),
            None => out.extend(looking(std::slice::from_ref(one))),
        }
    }
    out
}

fn latin(c: char) -> char {
    let of =
        |table: &[(char, &str)]| table.iter().find(|(_, like)| like.contains(c)).map(|(latin, _)| *latin);
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{2043}' => '-',
        '\u{2018}' | '\u{2019}' | '\u{02bc}' | '\u{2032}' => '\'',
        '·' | '•' | '‧' | '∙' | '․' | '。' => '.',
        '⁄' | '∕' => '/',
        c if c.is_ascii() => c,
        c => of(&CAPITALS).or_else(|| of(&LOOKS_LIKE)).unwrap_or_else(|| {
            let lower = c.to_lowercase().next().unwrap_or(c);
            let found = LOOKS_LIKE.iter().find(|(_, like)| like.contains(lower));
            found.map_or(c, |(latin, _)| latin.to_ascii_uppercase())
        }),
    }
}

/// Letters in dark squares and circles, and the two of a flag, for which Unicode knows no plain form.
fn unsquared(c: char) -> char {
    let code = u32::from(c);
    let first = [0x1f150, 0x1f170, 0x1f1e6].into_iter().find(|first| (*first..first + 26).contains(&code));
    let letter = first.and_then(|first| u8::try_from(code - first).ok());
    letter.map_or(c, |letter| char::from(b'A' + letter))
}

/// Without one layer of escapes.
fn unescaped(read: &[Read]) -> Vec<Read> {
    let mut out = Vec::with_capacity(read.len());
    let mut at = 0;
    while let Some(one) = read.get(at) {
        let rest = read.get(at..).unwrap_or_default();
        let found = match one.c {
            '\\' => backslash(rest),
            '%' => percent(rest),
            '&' => entity(rest),
            _ => None,
        };
        let Some((chars, length)) = found.filter(|(_, length)| *length > 0) else {
            out.push(*one);
            at += 1;
            continue;
        };
        let to = rest.get(length - 1).map_or(one.to, |last| last.to);
        out.extend(chars.into_iter().map(|c| Read { c, from: one.from, to }));
        at += length;
    }
    out
}

/// `\u0041`, `\u{41}`, `\x41`, `\n`; gives what it says and how many characters it takes.
fn backslash(read: &[Read]) -> Option<(Vec<char>, usize)> {
    let kind = read.get(1)?.c;
    let code = |from: usize, count: usize| {
        let digits: String = read.get(from..from + count)?.iter().map(|read| read.c).collect();
        u32::from_str_radix(&digits, 16).ok()
    };
    match kind {
        'u' | 'x' if read.get(2)?.c == '{' => {
            let digits: String = read.iter().skip(3).take(7).map(|r| r.c).take_while(|c| *c != '}').collect();
            let value = u32::from_str_radix(&digits, 16).ok()?;
            Some((vec![char::from_u32(value)?], digits.len() + 4))
        }
        'u' => {
            let first = code(2, 4)?;
            let low = || read.get(6).is_some_and(|r| r.c == '\\').then(|| code(8, 4)).flatten();
            if let Some(c) = char::from_u32(first) {
                return Some((vec![c], 6));
            }
            let pair = [u16::try_from(first).ok()?, u16::try_from(low()?).ok()?];
            Some((vec![char::decode_utf16(pair).next()?.ok()?], 12))
        }
        'U' => Some((vec![char::from_u32(code(2, 8)?)?], 10)),
        'x' => Some((vec![char::from_u32(code(2, 2)?)?], 4)),
        'n' | 'r' | 't' => Some((vec![' '], 2)),
        '/' | '"' | '\'' | '\\' => Some((vec![kind], 2)),
        _ => None,
    }
}

/// `%41`, several of them as UTF-8, and `%u0041`.
fn percent(read: &[Read]) -> Option<(Vec<char>, usize)> {
    let hex = |from: usize, count: usize| {
        let digits: String = read.get(from..from + count)?.iter().map(|read| read.c).collect();
        let is_hex = digits.chars().all(|c| c.is_ascii_hexdigit());
        is_hex.then(|| u32::from_str_radix(&digits, 16).ok()).flatten()
    };
    if read.get(1)?.c == 'u' {
        return Some((vec![char::from_u32(hex(2, 4)?)?], 6));
    }
    let mut bytes = Vec::new();
    while read.get(bytes.len() * 3).is_some_and(|read| read.c == '%')
        && let Some(byte) = hex(bytes.len() * 3 + 1, 2)
    {
        bytes.push(u8::try_from(byte).ok()?);
    }
    let length = bytes.len() * 3;
    let text = String::from_utf8(bytes).ok()?;
    (length > 0).then(|| (text.chars().collect(), length))
}

/// `&#65;`, `&#x41;`, `&amp;`; browsers do without the semicolon of a number.
fn entity(read: &[Read]) -> Option<(Vec<char>, usize)> {
    let mut rest = read.iter().skip(1).map(|read| read.c).peekable();
    let mut length = 1;
    let value = if rest.next_if_eq(&'#').is_some() {
        length += 1;
        let radix = if rest.next_if(|c| matches!(c, 'x' | 'X')).is_some() { 16 } else { 10 };
        length += usize::from(radix == 16);
        let digits = taken(&mut rest, |c| c.is_digit(radix), 8);
        length += digits.len();
        char::from_u32(u32::from_str_radix(&digits, radix).ok()?)?
    } else {
        let name = taken(&mut rest, char::is_ascii_alphabetic, 8);
        length += name.len();
        rest.peek().filter(|c| **c == ';')?;
        ENTITIES.iter().find(|(known, _)| *known == name)?.1
    };
    length += usize::from(rest.peek() == Some(&';'));
    Some((vec![value], length))
}

fn taken(
    from: &mut Peekable<impl Iterator<Item = char>>,
    is_wanted: impl Fn(&char) -> bool,
    most: usize,
) -> String {
    let mut text = String::new();
    while text.len() < most
        && let Some(c) = from.next_if(|c| is_wanted(c))
    {
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> Vec<String> {
        Reading::all(text).into_iter().map(|reading| reading.text).collect()
    }

    #[test]
    fn letters_of_other_alphabets_and_escapes_read_as_latin_ones() {
        for written in [
            "Miа Kеllеr",
            "Ｍｉａ Ｋｅｌｌｅｒ",
            "𝐌𝐢𝐚 𝕶𝖊𝖑𝖑𝖊𝖗",
            "Ⓜⓘⓐ Keller",
            "Mía Kéllèr",
            "M\\u0069a K\\x65ller",
            "Mia%20K%65ller",
            "M&#105;a K&#x65;ller",
            "M&#105a Keller",
            "Mia%2520Keller",
            "M\\\\u0069a Keller",
            "Миа Келлер",
        ] {
            let found = reads(written).iter().any(|read| read.eq_ignore_ascii_case("mia keller"));
            assert!(found, "{written}: {:?}", reads(written));
        }
        assert_eq!(reads("plain & simple 100% \\ done"), ["plain & simple 100% \\ done"]);
    }

    #[test]
    fn what_is_found_in_a_reading_has_its_place_in_the_text() {
        let text = "ask M\\u0069a, ß";
        let reading = Reading::all(text).into_iter().find(|reading| reading.text.contains("Mia")).unwrap();
        let at = reading.text.find("Mia").unwrap();
        assert_eq!(&text[reading.original(&(at..at + 3))], "M\\u0069a");
        let end = reading.text.len();
        assert_eq!(&text[reading.original(&(end - 2..end))], "ß");
    }

    #[test]
    fn a_value_is_spelled_as_it_is_read() {
        assert!(spellings("Zoë Müller").contains(&"Zoe Muller".to_owned()));
        assert!(spellings("Zoë Müller").contains(&"Zoe Mueller".to_owned()));
        assert!(spellings("Иван").contains(&"ivan".to_owned()));
    }
}
