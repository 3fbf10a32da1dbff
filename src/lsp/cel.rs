//! Half an expression: the path before the cursor, the macros around it, and what their variables are.
//!
//! Works on tokens, because what is being typed does not parse. Types come from the checker's inference.

use crate::expr::{Expr, MACROS, Shape, Type, Types};
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    Number,
    Text,
    /// A text whose closing quote is still to come.
    OpenText,
    Dot,
    OptionalDot,
    Open,
    Close,
    Comma,
    Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    kind: Kind,
    span: Range<usize>,
}

/// Where the cursor stands in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cursor<'s> {
    /// Behind a dot: the value before it, and what is typed of the name.
    Field { holder: &'s str, word: &'s str },
    /// A name of its own.
    Name { word: &'s str },
    /// Inside a text that is compared with this value.
    Text { with: Option<&'s str>, word: &'s str },
}

/// `source` ends at the cursor.
pub(super) fn cursor(source: &str) -> Cursor<'_> {
    let tokens = lex(source);
    let Some((last, before)) = tokens.split_last() else { return Cursor::Name { word: "" } };
    match last.kind {
        Kind::OpenText => {
            let word = &source[last.span.start + 1..];
            Cursor::Text { with: compared_with(source, before), word }
        }
        Kind::Name if last.span.end == source.len() => match before.split_last() {
            Some((dot, holder)) if is_dot(dot) => {
                Cursor::Field { holder: value_at_end(source, holder), word: &source[last.span.clone()] }
            }
            _ => Cursor::Name { word: &source[last.span.clone()] },
        },
        Kind::Dot | Kind::OptionalDot => Cursor::Field { holder: value_at_end(source, before), word: "" },
        _ => Cursor::Name { word: "" },
    }
}

/// The path that the name at this byte ends, with where the name stands.
pub(super) fn path_at(source: &str, at: usize) -> Option<(&str, Range<usize>)> {
    let tokens = lex(source);
    let index = tokens
        .iter()
        .position(|token| token.kind == Kind::Name && token.span.start <= at && at <= token.span.end)?;
    let start = start_of_value(&tokens[..=index]);
    Some((&source[tokens[start].span.start..tokens[index].span.end], tokens[index].span.clone()))
}

/// Whether a call follows the name that ends here.
pub(super) fn is_called(source: &str, end: usize) -> bool {
    source[end..].trim_start().starts_with('(')
}

/// The types of the names at the end of `source`: those around, and the variables of macros that are open there.
pub(super) fn with_variables(source: &str, types: &Types) -> Types {
    let tokens = lex(source);
    let mut types = types.clone();
    let mut open: Vec<Option<(usize, usize)>> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => open.push(macro_at(source, &tokens, index)),
            Kind::Close => drop(open.pop()),
            _ => {}
        }
    }
    for (dot, variable) in open.into_iter().flatten() {
        let list = kind_of(value_at_end(source, &tokens[..dot]), &types);
        let item = match list.present() {
            Type::List(item) => *item,
            Type::Optional(inner) => *inner,
            _ => Type::Any,
        };
        types.insert(source[tokens[variable].span.clone()].to_owned(), item);
    }
    types
}

/// `.filter(o,`: where its dot and its variable are, when the parenthesis is one of a macro.
fn macro_at(source: &str, tokens: &[Token], open: usize) -> Option<(usize, usize)> {
    let (name, dot) = (open.checked_sub(1)?, open.checked_sub(2)?);
    let variable = open + 1;
    let is_macro = |text: &str| MACROS.contains(&text) || matches!(text, "optMap" | "optFlatMap");
    let fits = is_macro(&source[tokens[name].span.clone()])
        && is_dot(&tokens[dot])
        && tokens.get(variable)?.kind == Kind::Name
        && tokens.get(variable + 1)?.kind == Kind::Comma;
    fits.then_some((dot, variable))
}

/// The type of an expression; nothing is known of one that does not parse.
pub(super) fn kind_of(source: &str, types: &Types) -> Type {
    Expr::parse(source).map_or(Type::Any, |expr| expr.infer(types).0)
}

/// What can stand behind a dot after a value of this type.
pub(super) fn fields_of(kind: &Type) -> Option<&Shape> {
    match kind {
        Type::Object(shape) => Some(shape),
        Type::Optional(inner) | Type::Nullable(inner) => fields_of(inner),
        _ => None,
    }
}

/// The value left of `==`, `!=`, `in [`, or of a comma in such a list.
fn compared_with<'s>(source: &'s str, before: &[Token]) -> Option<&'s str> {
    let mut end = before.len();
    // Back to the bracket of a list that texts are listed in.
    while end > 0 && matches!(before[end - 1].kind, Kind::Comma | Kind::Text) {
        end -= 1;
    }
    if end > 0 && before[end - 1].kind == Kind::Open && end < before.len() + 1 {
        let is_list = source[before[end - 1].span.clone()].starts_with('[');
        let after_in = end >= 2 && &source[before[end - 2].span.clone()] == "in";
        if !(is_list && after_in) {
            return None;
        }
        return Some(value_at_end(source, &before[..end - 2])).filter(|value| !value.is_empty());
    }
    let operator = before.get(end.checked_sub(1)?)?;
    let compares = matches!(&source[operator.span.clone()], "==" | "!=");
    (compares && end == before.len())
        .then(|| value_at_end(source, &before[..end - 1]))
        .filter(|v| !v.is_empty())
}

fn is_dot(token: &Token) -> bool {
    matches!(token.kind, Kind::Dot | Kind::OptionalDot)
}

/// The source of the value that ends with the last token.
fn value_at_end<'s>(source: &'s str, tokens: &[Token]) -> &'s str {
    match (tokens.get(start_of_value(tokens)), tokens.last()) {
        (Some(first), Some(last)) => &source[first.span.start..last.span.end],
        _ => "",
    }
}

/// The first token of the value that ends with the last one: `a.b[0].c(d)`; beyond all of them when there is none.
fn start_of_value(tokens: &[Token]) -> usize {
    let mut at = tokens.len();
    while at > 0 {
        let token = &tokens[at - 1];
        match token.kind {
            Kind::Close => {
                let mut depth = 0usize;
                while at > 0 {
                    at -= 1;
                    match tokens[at].kind {
                        Kind::Close => depth += 1,
                        Kind::Open => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                }
                // `a[0]`, `f(x)`: what stands before belongs to it.
                let before = at.checked_sub(1).map(|before| &tokens[before]);
                let joined = before.is_some_and(|before| {
                    before.span.end == tokens[at].span.start
                        && matches!(before.kind, Kind::Name | Kind::Close)
                });
                if joined {
                    continue;
                }
            }
            Kind::Name | Kind::Number | Kind::Text => at -= 1,
            _ => break,
        }
        if at > 0 && is_dot(&tokens[at - 1]) {
            at -= 1;
        } else {
            break;
        }
    }
    at
}

fn lex(source: &str) -> Vec<Token> {
    let bytes = source.as_bytes();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {
                at += 1;
                continue;
            }
            b'\'' | b'"' => match end_of_text(bytes, at) {
                Some(end) => {
                    at = end;
                    Kind::Text
                }
                None => {
                    at = bytes.len();
                    Kind::OpenText
                }
            },
            b'.' if bytes.get(at + 1) == Some(&b'?') => {
                at += 2;
                Kind::OptionalDot
            }
            b'.' => {
                at += 1;
                Kind::Dot
            }
            b'(' | b'[' | b'{' => {
                at += 1;
                Kind::Open
            }
            b')' | b']' | b'}' => {
                at += 1;
                Kind::Close
            }
            b',' => {
                at += 1;
                Kind::Comma
            }
            b if b.is_ascii_digit() => {
                let is_part = |b: &u8| b.is_ascii_alphanumeric() || *b == b'.';
                at += bytes[at..].iter().take_while(|b| is_part(b)).count();
                Kind::Number
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                at += bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
                Kind::Name
            }
            b'=' | b'!' | b'<' | b'>' | b'&' | b'|' => {
                at += bytes[at..].iter().take_while(|b| b"=&|".contains(b)).count().max(1);
                if bytes[start] != b'=' && bytes.get(at) == Some(&b'=') && at == start + 1 {
                    at += 1;
                }
                Kind::Operator
            }
            _ => {
                at += source[at..].chars().next().map_or(1, char::len_utf8);
                Kind::Operator
            }
        };
        tokens.push(Token { kind, span: start..at });
    }
    tokens
}

fn end_of_text(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            byte if byte == bytes[start] => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_knows_what_stands_before_it() {
        let field = |holder, word| Cursor::Field { holder, word };
        for (source, expected) in [
            ("", Cursor::Name { word: "" }),
            ("tri", Cursor::Name { word: "tri" }),
            ("a && !tri", Cursor::Name { word: "tri" }),
            ("trigger.", field("trigger", "")),
            ("x > 1 && steps.plans.options[0].ti", field("steps.plans.options[0]", "ti")),
            ("steps.?late.?po", field("steps.?late", "po")),
            ("a.filter(o, o.tier == 'A').", field("a.filter(o, o.tier == 'A')", "")),
            ("size(steps.plans.", field("steps.plans", "")),
            ("[1, 2].", field("[1, 2]", "")),
            ("x in [a.", field("a", "")),
            ("'text'.", field("'text'", "")),
            ("(a + b).", field("(a + b)", "")),
            ("event.status == 'DO", Cursor::Text { with: Some("event.status"), word: "DO" }),
            ("event.status in ['DOWN', \"", Cursor::Text { with: Some("event.status"), word: "" }),
            ("f('", Cursor::Text { with: None, word: "" }),
            ("x + 'a", Cursor::Text { with: None, word: "a" }),
            ("ü😀.", field("", "")),
            ("...", field("", "")),
            (")))", Cursor::Name { word: "" }),
        ] {
            assert_eq!(cursor(source), expected, "{source}");
        }
    }

    #[test]
    fn a_name_in_an_expression_has_its_path() {
        let source = "size(steps.plans.options) > 0 && trigger.x";
        for (at, path) in
            [(1, "size"), (7, "steps"), (12, "steps.plans"), (20, "steps.plans.options"), (42, "trigger.x")]
        {
            assert_eq!(path_at(source, at).map(|(path, _)| path), Some(path), "{at}");
        }
        assert_eq!(path_at(source, 27), None);
    }

    #[test]
    fn variables_of_open_macros_have_the_type_of_an_item() {
        let order = Type::object([("tier", Type::String), ("parts", Type::list(Type::Int))]);
        let types = Types::from([("orders".to_owned(), Type::list(order.clone()))]);
        let inside = with_variables("orders.filter(o, o.parts.exists(p, p > ", &types);
        assert_eq!(inside.get("o"), Some(&order));
        assert_eq!(inside.get("p"), Some(&Type::Int));
        let after = with_variables("orders.filter(o, o.tier == 'A').map(x, ", &types);
        assert_eq!((after.get("o"), after.get("x")), (None, Some(&order)));
    }
}
