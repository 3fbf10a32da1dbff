//! Holds the house together: which room may import which, how long a file may be, where SQL and the names
//! of vendors may stand. ARCHITECTURE.md gives the reasons.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use regex::Regex;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

const LINES_MAX: usize = 500;

/// A room and what it may use, lowest first. A row for a folder of a room replaces the room's own.
const TABLE: &[(&str, &str)] = &[
    ("expr", ""),
    ("tool", ""),
    ("schedule", ""),
    ("plant", ""),
    ("postgres", ""),
    ("simulator", ""),
    ("telemetry", ""),
    ("site", "tool"),
    ("workflow", "expr tool site"),
    ("run", "expr workflow"),
    ("store", "workflow run"),
    ("engine", "expr tool telemetry workflow run store"),
    ("agent", "tool"),
    ("gate", "site workflow run store engine"),
    ("step", "expr tool telemetry workflow run engine agent gate"),
    ("trigger", "expr telemetry site workflow run store engine"),
    ("notify", "telemetry site run store engine gate"),
    ("connector", "expr tool telemetry site agent notify"),
    ("connector/native", "expr tool site schedule plant"),
    ("audit", "workflow run store"),
    ("eval", "tool workflow run store engine agent"),
    ("testing", "expr tool site workflow run store engine agent gate step trigger"),
    ("schema", "tool site workflow"),
    ("graph", "tool workflow"),
    ("lsp", "expr tool site workflow schema"),
    (
        "http",
        "expr tool schedule telemetry site workflow run store engine agent gate trigger notify connector audit graph",
    ),
    (
        "app",
        "expr tool telemetry site workflow run store engine agent gate step trigger notify connector audit http",
    ),
    ("cli", "*"),
];

/// Rooms that may know no other system by name. (In `schedule`, slack is time to spare.)
const NO_VENDORS: &str = "expr tool workflow run store engine agent gate step trigger";
const VENDORS: &str =
    "plex slack teams outlook openai anthropic claude gpt servicenow erpnext frappe atlas sap";

/// `store` keeps all SQL; `postgres` creates a database in a cluster that has none yet.
const MAY_SQL: [&str; 2] = ["store", "postgres"];

/// One source file without its comments and tests.
struct Source {
    path: PathBuf,
    room: String,
    /// Modules down to this file, the room included.
    depth: usize,
    tokens: Vec<Token>,
}

struct Token {
    text: String,
    line: usize,
    is_literal: bool,
}

impl Source {
    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    /// The longest row of the table that covers this file.
    fn row(&self) -> Option<&'static (&'static str, &'static str)> {
        let inside = self.path.strip_prefix("src").unwrap_or(&self.path).with_extension("");
        TABLE.iter().filter(|(room, _)| inside.starts_with(room)).max_by_key(|(room, _)| room.len())
    }

    /// Rooms that are named after `crate::`, and where; `super` chains that leave the room count as well.
    fn imports(&self) -> Vec<(String, usize)> {
        let text = |at: usize| self.tokens.get(at).map_or("", |token| token.text.as_str());
        let mut found = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let follows_path = at >= 2 && text(at - 1) == ":" && text(at - 2) == ":";
            if token.text == "super" && !follows_path {
                let supers = (0..).take_while(|n| text(at + 3 * n) == "super").count();
                if supers >= self.depth {
                    found.push(("(through super)".to_owned(), token.line));
                }
            }
            if token.text != "crate" || text(at + 1) != ":" {
                continue;
            }
            if text(at + 3) != "{" {
                found.push((text(at + 3).to_owned(), token.line));
                continue;
            }
            let mut depth = 0;
            for (at, token) in self.tokens.iter().enumerate().skip(at + 3) {
                match token.text.as_str() {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    name if depth == 1 && matches!(text(at - 1), "{" | ",") => {
                        found.push((name.to_owned(), token.line));
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        }
        found
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Every file of `src` that is not a test.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    let is_test = |path: &Path| path.iter().any(|part| part == "tests" || part == "tests.rs");
    files.iter().filter(|path| !is_test(path)).map(|path| read(path)).collect()
});

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let path = path.strip_prefix(root()).unwrap().to_owned();
    let stream: TokenStream = text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    let mut modules: Vec<String> =
        path.with_extension("").iter().skip(1).map(|part| part.to_string_lossy().into_owned()).collect();
    if modules.last().is_some_and(|last| last == "mod") {
        modules.pop();
    }
    Source { room: modules[0].clone(), depth: modules.len(), path, tokens }
}

/// Leaves out documentation (comments are no tokens) and whatever `#[cfg(test)]` stands before.
fn flatten(stream: TokenStream, into: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        let line = tree.span().start().line;
        // `#![…]` of a whole file reads like `#[…]` of an item.
        if is(&tree, '#') && trees.peek().is_some_and(|next| is(next, '!')) {
            trees.next();
        }
        let attribute = match (&tree, trees.peek()) {
            (mark, Some(TokenTree::Group(group))) if is(mark, '#') => group.stream().to_string(),
            _ => String::new(),
        };
        if attribute.starts_with("doc ") {
            trees.next();
            continue;
        }
        if attribute.replace(' ', "") == "cfg(test)" {
            let is_body =
                |tree: &TokenTree| matches!(tree, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace);
            trees.find(|tree| is_body(tree) || is(tree, ';'));
            continue;
        }
        let mut push = |text: String, is_literal| into.push(Token { text, line, is_literal });
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::None => ("", ""),
                };
                push(open.to_owned(), false);
                flatten(group.stream(), into);
                into.push(Token { text: close.to_owned(), line, is_literal: false });
            }
            TokenTree::Literal(literal) => push(literal.to_string(), true),
            other => push(other.to_string(), false),
        }
    }
}

fn is(tree: &TokenTree, mark: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// `SlackNotifier`, `slack_id` and `"ask in slack"` all hold the word `slack`; `complex` does not hold `plex`.
fn words(text: &str) -> BTreeSet<String> {
    let mut spaced = String::new();
    let mut was_lower = false;
    for letter in text.chars() {
        if !letter.is_alphabetic() || (letter.is_uppercase() && was_lower) {
            spaced.push(' ');
        }
        was_lower = letter.is_lowercase();
        spaced.extend(letter.to_lowercase().filter(|letter| letter.is_alphabetic()));
    }
    spaced.split_whitespace().map(str::to_owned).collect()
}

fn assert_none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn the_table_runs_downward() {
    for (at, (room, uses)) in TABLE.iter().enumerate() {
        let stands_above = |used: &&str| !TABLE[..at].iter().any(|(lower, _)| lower == used);
        let wrong: Vec<_> =
            uses.split(' ').filter(|used| !["", "*"].contains(used)).filter(stands_above).collect();
        assert!(wrong.is_empty(), "{room} may not use what does not stand before it in the table: {wrong:?}");
    }
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let (mut found, mut imports) = (Vec::new(), 0);
    for source in SOURCES.iter().filter(|source| !["lib", "main"].contains(&source.room.as_str())) {
        let Some((room, uses)) = source.row() else {
            found.push(format!("{}: no row in the table", source.path.display()));
            continue;
        };
        for (used, line) in source.imports() {
            imports += 1;
            if used != source.room && *uses != "*" && !uses.split(' ').any(|may| may == used) {
                found.push(format!("{}: {room} uses {used}", source.place(line)));
            }
        }
    }
    assert_none(&found, "imports that the table does not allow");
    assert!(imports > 100, "only {imports} imports were found: the reader is broken");
}

#[test]
fn the_map_shows_the_same_table() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = map.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let room = cells.next()?.strip_suffix('`')?;
        let uses = cells.next()?.replace('`', "");
        Some((room, if uses == "everything" { "*".to_owned() } else { uses }))
    });
    let table = TABLE.iter().map(|(room, uses)| (*room, (*uses).to_owned()));
    assert_eq!(rows.collect::<Vec<_>>(), table.collect::<Vec<_>>());
}

#[test]
fn no_file_is_longer_than_the_wall() {
    let mut files = Vec::new();
    rust_files(&root().join("src"), &mut files);
    rust_files(&root().join("tests"), &mut files);
    let lines = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
    let long: Vec<_> = files
        .iter()
        .filter(|path| lines(path) > LINES_MAX)
        .map(|path| format!("{}: {} lines", path.display(), lines(path)))
        .collect();
    assert_none(&long, "files that are too long");
}

#[test]
fn rooms_that_serve_every_plant_name_no_vendor() {
    let mut found = Vec::new();
    for source in SOURCES.iter().filter(|source| NO_VENDORS.split(' ').any(|room| room == source.room)) {
        for token in &source.tokens {
            let words = words(&token.text);
            let named = VENDORS.split(' ').filter(|vendor| words.contains(*vendor));
            found.extend(
                named.map(|vendor| format!("{}: {vendor} in {}", source.place(token.line), token.text)),
            );
        }
    }
    assert_none(&found, "names of vendors");
}

#[test]
fn sql_stands_in_the_store_only() {
    let statement = Regex::new(
        r"(?is)\b(select\b.+\bfrom|insert\s+into|update\s+\w+\s+set|set\s+status|delete\s+from|(create|alter|drop)\s+table)\b",
    )
    .unwrap();
    let mut found = Vec::new();
    for source in SOURCES.iter().filter(|source| !MAY_SQL.contains(&source.room.as_str())) {
        for (at, token) in source.tokens.iter().enumerate() {
            let follows = source.tokens.get(at + 1).map_or("", |next| next.text.as_str());
            let is_macro = token.text.starts_with("query") && follows == "!";
            if is_macro || token.text == "raw_sql" || (token.is_literal && statement.is_match(&token.text)) {
                found.push(format!("{}: {}", source.place(token.line), token.text));
            }
        }
    }
    assert_none(&found, "SQL outside src/store");
}

#[test]
fn the_reader_sees_what_it_should() {
    let text = r#"
        //! crate::comment
        /// crate::documentation
        use crate::{a::{b, c}, d, e as f};
        fn g() { let h = crate::i::j(); super::super::k(); let _ = "crate::l"; }
        #[cfg(test)]
        mod tests { use crate::m; }
        use super::n;
    "#;
    let mut tokens = Vec::new();
    flatten(text.parse().unwrap(), &mut tokens);
    let source = Source { path: "src/x/y.rs".into(), room: "x".into(), depth: 2, tokens };
    let imports = source.imports();
    let names: Vec<_> = imports.iter().map(|(name, line)| (name.as_str(), *line)).collect();
    assert_eq!(names, [("a", 4), ("d", 4), ("e", 4), ("i", 5), ("(through super)", 5)]);
    assert!(words("SlackNotifier").contains("slack") && !words("complex_teamsters").contains("plex"));
}
