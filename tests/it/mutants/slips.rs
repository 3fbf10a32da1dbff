//! Slips of the hand: what becomes of a token when somebody mistypes it.

use super::tokens::{Kind, Token};

/// How many slips of each word and number are tried; the next token tries the next ones.
const OF_EACH: usize = 2;

/// Different texts that this token, the `index`th of its file, may be mistyped as.
pub fn slips(token: &Token, index: usize) -> Vec<String> {
    let text = token.text.as_str();
    let mut found = match token.kind {
        Kind::Key | Kind::Word | Kind::Name | Kind::Literal => word(text),
        Kind::Number => number(text),
        Kind::Operator => operator(text),
        Kind::Bracket => bracket(text),
    };
    found.retain(|slip| slip != text);
    found.dedup();
    if !matches!(token.kind, Kind::Operator | Kind::Bracket) && !found.is_empty() {
        let first = index % found.len();
        found.rotate_left(first);
        found.truncate(OF_EACH);
    }
    found
}

/// A letter too few, one too many, two swapped, another one, and a capital.
fn word(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let middle = letters.len() / 2;
    let with = |change: &dyn Fn(&mut Vec<char>)| {
        let mut letters = letters.clone();
        change(&mut letters);
        letters.into_iter().collect::<String>()
    };
    let mut found = vec![
        with(&|letters| letters.insert(middle, letters[middle])),
        with(&|letters| letters[middle] = if letters[middle] == 'x' { 'y' } else { 'x' }),
    ];
    if letters.len() > 1 {
        found.push(with(&|letters| letters.swap(middle - 1, middle)));
        found.push(letters[..letters.len() - 1].iter().collect());
    }
    found
}

/// No unit or another one, a digit twice, a letter among digits.
fn number(text: &str) -> Vec<String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let mut found = vec![format!("{count}o{unit}"), format!("{count}{}{unit}", &count[count.len() - 1..])];
    if !unit.is_empty() {
        found.extend([count.to_owned(), format!("{count}{unit}x"), format!("{count}{unit}{unit}")]);
    }
    found
}

fn operator(text: &str) -> Vec<String> {
    let slips: &[&str] = match text {
        "==" => &["=", "==="],
        "!=" => &["=", "=!"],
        ">=" => &["=>", "=>="],
        "<=" => &["=<"],
        "&&" => &["&", "and"],
        "||" => &["|", "or"],
        ">" => &[">>"],
        "<" => &["<<"],
        "!" => &["not "],
        "+" => &["++", "&"],
        "?" => &["??"],
        ":" => &[";"],
        ".?" => &["?.", "."],
        _ => &[],
    };
    slips.iter().map(|slip| (*slip).to_owned()).collect()
}

fn bracket(text: &str) -> Vec<String> {
    let slips: &[&str] = match text {
        "${{" => &["{{", "${", "$ {{"],
        "}}" => &["}", ")}"],
        _ => &[""],
    };
    slips.iter().map(|slip| (*slip).to_owned()).collect()
}
