use super::*;

fn problems(text: &str) -> Vec<String> {
    let found = Document::parse("w.yaml", text).expect_err("should not parse");
    found
        .iter()
        .map(|p| {
            format!("{}:{} {} | {}", p.place.line, p.place.column, p.message, p.fix.as_deref().unwrap_or(""))
        })
        .collect()
}

/// The place of the first character of `needle` in the scalar at `pointer`.
#[track_caller]
fn place_of_text(text: &str, pointer: &str, needle: &str) -> (u32, u32) {
    let document = Document::parse("w.yaml", text).expect("parses");
    let scalar = document.root.at(pointer).and_then(Node::scalar).expect("a scalar");
    let byte = scalar.text.find(needle).expect("is in the scalar");
    let offset = scalar.text[..byte].chars().count();
    let place = document.place_in(scalar, offset);
    (place.line, place.column)
}

#[test]
fn places_inside_scalars_of_every_style() {
    assert_eq!(place_of_text("a: x == y", "/a", "y"), (1, 9));
    assert_eq!(place_of_text("é: 'it''s ö == y'", "/é", "y"), (1, 16));
    assert_eq!(place_of_text(r#"a: "q \" \u00e9 \t y""#, "/a", "y"), (1, 20));
    assert_eq!(place_of_text("a:\n  b: |\n    one\n      two y\n", "/a/b", "two"), (4, 7));
    assert_eq!(place_of_text("a:\n  b: >-\n    one\n    two\n\n    three y\n", "/a/b", "y"), (6, 11));
    assert_eq!(place_of_text("a: one\n   two\n   y", "/a", "y"), (3, 4));
    assert_eq!(place_of_text("a: [x, {b: 'y'}]", "/a/1/b", "y"), (1, 13));
}

#[test]
fn an_open_quote_is_told_where_it_opens() {
    let fix = "close it, or indent what belongs to the text";
    for (text, told) in [
        (r#"a: "open"#, "1:4 this quote is not closed"),
        ("a: 1\nb: { c: \"open, d: 2 }\ne: \"x\"\nf: \"y\"\n", "2:9 this quote is not closed"),
        ("a: \"two\n  lines\"\n# a \" in a remark\nb: \"open\nc: 1\n", "4:4 this quote is not closed"),
        ("a: 12\" pipe\nb: \"open\nc: 1\n", "2:4 this quote is not closed"),
        ("a: 'open\nb: 1\n", "2:1 the quote before is not closed"),
    ] {
        assert_eq!(problems(text), [format!("{told} | {fix}")], "{text}");
    }
}

#[test]
fn what_yaml_does_behind_the_back_is_refused() {
    insta::assert_debug_snapshot!([
        problems("if: !event.planned"),
        problems("if: !a && b"),
        problems("if: &x 1"),
        problems("if: *x"),
        problems("a: 1\na: 2"),
        problems("a:\n\tb: 1"),
        problems("a: 1\n---\nb: 2"),
        problems("a: b: c"),
        problems("{a: 1}: 2"),
        problems("a: ${{ x }}\nb: {{ x }}"),
        problems(""),
        problems("a: 'open"),
        problems("%YAML 1.1\n---\na: 1"),
    ]);
}
