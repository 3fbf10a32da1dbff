//! `docs/tutorial.md`, done from top to bottom in a copy of the sample site: every file written, every command run, and
//! what the tutorial says is printed compared with what is.

use crate::support::site::SiteCopy;

const TUTORIAL: &str = include_str!("../../docs/tutorial.md");

/// A fenced block: the words after the fence, and its lines.
struct Block {
    line: usize,
    info: String,
    text: String,
}

impl Block {
    fn language(&self) -> &str {
        self.info.split_whitespace().next().unwrap_or_default()
    }

    fn word(&self, name: &str) -> Option<&str> {
        self.info.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }
}

fn blocks() -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut is_inside = false;
    for (index, line) in TUTORIAL.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if is_inside => is_inside = false,
            Some(info) => {
                is_inside = true;
                found.push(Block { line: index + 1, info: info.to_owned(), text: String::new() });
            }
            None if is_inside => {
                let block = found.last_mut().expect("a block is open");
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    found
}

/// Every line stands in what was printed, in this order; `…` stands for any lines, and a `…` at the end of a line for any end.
fn assert_printed(block: &Block, printed: &str) {
    let mut lines = printed.lines();
    for wanted in block.text.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "…") {
        let fits = |line: &str| match wanted.strip_suffix('…') {
            Some(begin) => line.trim().starts_with(begin.trim_end()),
            None => line.trim() == wanted,
        };
        assert!(
            lines.any(fits),
            "docs/tutorial.md:{}: this is not printed, or not in this order:\n{wanted}\n--- printed:\n{printed}",
            block.line
        );
    }
}

#[test]
fn everything_in_the_tutorial_works_as_it_says() {
    let site = SiteCopy::new("tutorial");
    let mut printed = String::new();
    let (mut files, mut commands, mut outputs) = (0, 0, 0);
    for block in blocks() {
        match (block.language(), block.word("title")) {
            (_, Some(path)) => {
                site.write(path, &block.text);
                files += 1;
            }
            ("sh", None) => {
                let wanted: i32 = block.word("exit").map_or(0, |code| code.parse().expect("a number"));
                let (code, text) = site.shell(&block.text);
                assert_eq!(code, wanted, "docs/tutorial.md:{}: {}\n{text}", block.line, block.text);
                printed = text;
                commands += 1;
            }
            ("text", None) => {
                assert_printed(&block, &printed);
                outputs += 1;
            }
            (other, None) => panic!("docs/tutorial.md:{}: a block of `{other}` is not run", block.line),
        }
    }
    assert!(
        files >= 6 && commands >= 8 && outputs >= 6,
        "{files} files, {commands} commands, {outputs} outputs"
    );
}
