//! Texts of others: cut to the room there is, and read as they are written.

/// Shortens to at most so many characters, the last being an ellipsis.
pub fn clip(text: &str, chars_max: usize) -> String {
    let text = visible(text);
    if text.chars().count() <= chars_max {
        return text;
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Marks what nobody sees and what turns the order of letters round, so that a quantity or a lot is read as it was sent.
pub fn visible(text: &str) -> String {
    let is_hidden = |letter: char| match letter {
        '\n' | '\t' | '\r' => false,
        '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        letter => letter.is_control(),
    };
    text.chars().map(|letter| if is_hidden(letter) { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_turns_letters_round() {
        assert_eq!(clip("lot \u{202e}321\u{202c}-A", 20), "lot \u{fffd}321\u{fffd}-A");
        assert_eq!(visible("a\nb\u{200b}c\u{7}"), "a\nb\u{fffd}c\u{fffd}");
        assert_eq!(clip("नि\u{200d} 1,5 µm", 20), "नि\u{200d} 1,5 µm");
    }
}
