use super::*;

/// The tree as one line: `{key: value}`, `[item]`, texts as they stand, `~` for nothing, `?` behind a bare word.
fn drawn(node: &Node, source: &str) -> String {
    match &node.data {
        Data::Empty => "~".to_owned(),
        Data::Scalar(Style::Block) => format!("|{}", node.text(source).lines().count()),
        Data::Scalar(_) => node.text(source).to_owned(),
        Data::Map(entries) => {
            let entry = |entry: &Entry| match entry.bare {
                true => format!("{}?", entry.key),
                false => format!("{}: {}", entry.key, drawn(&entry.value, source)),
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Data::List(items) => {
            format!("[{}]", items.iter().map(|item| drawn(item, source)).collect::<Vec<_>>().join(", "))
        }
    }
}

#[test]
fn a_text_is_read_by_its_indentation() {
    for (text, tree) in [
        ("", "~"),
        ("a: 1\nb:\n  c: x # remark\n", "{a: 1, b: {c: x}}"),
        ("\u{FEFF}a: 1\r\nb: 2\r\n", "{a: 1, b: 2}"),
        ("steps:\n  - id: a\n    call: t.x\n\n  - id: b\n", "{steps: [{id: a, call: t.x}, {id: b}]}"),
        ("steps:\n- id: a\n- id: b\nx: 1\n", "{steps: [{id: a}, {id: b}], x: 1}"),
        ("a: { b: 'x, y', c: [1, \"}\"] } # r\nd: e\n", "{a: {b: x, y, c: [1, }]}, d: e}"),
        ("a: |\n  one\n\n  two\nb: 1\n", "{a: |4, b: 1}"),
        ("a: one\n  two\nb: 1\n", "{a: one\n  two, b: 1}"),
        ("a: \"x: y\"\n'b c': 1\n", "{a: x: y, b c: 1}"),
        ("- - a\n  - b\n-\n  c: 1\n", "[[a, b], {c: 1}]"),
        ("a: { b: \"${{ x }}\",\n     c: 1 }\nd: 1\n", "{a: {b: ${{ x }}, c: 1}, d: 1}"),
        ("+3m: { answer: a }\nplex.read: x\n", "{+3m: {answer: a}, plex.read: x}"),
    ] {
        let outline = Outline::parse(text);
        assert_eq!(drawn(&outline.root, text), tree, "{text:?}");
    }
}

#[test]
fn what_is_half_typed_has_its_place() {
    for (text, tree) in [
        ("steps:\n  - id: a\n    wi\n  - id: b\n", "{steps: [{id: a, wi?}, {id: b}]}"),
        ("steps:\n  - id: a\n    with:\n      x\n    if: y\n", "{steps: [{id: a, with: x, if: y}]}"),
        ("steps:\n  - id: a\n  x\n  - id: b\n", "{steps: [{id: a}, x, {id: b}]}"),
        ("a: { b: 1, c\nd: 1\n", "{a: {b: 1, c?}, d: 1}"),
        ("a: [x, {y: \nd: 1\n", "{a: [x, {y: ~}], d: 1}"),
        ("a: 'open\nb: 1\n", "{a: open, b: 1}"),
        ("a:\nb: ${{ x.\nc: 1\n", "{a: ~, b: ${{ x., c: 1}"),
        ("a: 1\n    deep: 2\nb: 3\n", "{a: 1, b: 3}"),
    ] {
        let outline = Outline::parse(text);
        assert_eq!(drawn(&outline.root, text), tree, "{text:?}");
    }
}

#[test]
fn a_byte_knows_its_way() {
    let text = "steps:\n  - id: a\n    with: { title: hello }\n";
    let outline = Outline::parse(text);
    let at = outline.at(text.find("hello").expect("there") + 2).expect("a place");
    assert!(!at.on_key);
    assert_eq!((at.key(), at.node().map(|node| node.text(text))), (Some("title"), Some("hello")));
    let at = outline.at(text.find("title").expect("there")).expect("a place");
    assert!(at.on_key);
    assert_eq!(outline.steps().iter().map(|(id, _)| *id).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn nothing_makes_it_fail_or_take_for_ever() {
    let deep_lists = "- ".repeat(50_000);
    let deep_flow = "[{a: ".repeat(20_000);
    let deep_maps: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let odd = "a: }\n}: {\n]]\n'\n\"\n{,,:,}\n[:]\n: :\n-\n- -\n\t x\n${{\n{{ ü😀\u{0}";
    for text in [deep_lists.as_str(), &deep_flow, &deep_maps, odd] {
        for cut in [text.len(), text.len() / 2, text.len() / 3] {
            let text = &text[..super::super::text::floor(text, cut)];
            let outline = Outline::parse(text);
            for offset in [0, text.len() / 2, text.len()] {
                outline.at(offset);
            }
        }
    }
}
