//! Texts that no author writes: the extremes one by one through the real binary, and a minute of mutated files, expressions
//! and templates. Coverage-guided fuzzing of the same functions is `.ci/fuzz`.

use crate::support::site::SiteCopy;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    panic::catch_unwind,
    path::Path,
    time::{Duration, Instant},
};

#[path = "../../fuzz/targets.rs"]
mod targets;

const HEAD: &str = "workflow: extreme\nowner: me\ntrigger: manual\nsteps:\n";
/// Seconds that one text may take here, in an unoptimised build beside other tests.
const PATIENCE: Duration = Duration::from_secs(20);

fn extremes() -> Vec<(&'static str, Vec<u8>)> {
    let steps = |count: usize| {
        (0..count).fold(HEAD.to_owned(), |mut text, index| {
            let _ = writeln!(text, "  - {{ id: s{index}, wait: 1m }}");
            text
        })
    };
    let nested = |depth: usize| {
        let mut text = HEAD.to_owned();
        for level in 0..depth {
            let pad = "  ".repeat(level * 3 + 1);
            let _ =
                write!(text, "{pad}- id: c{level}\n{pad}  choose:\n{pad}    - if: true\n{pad}      steps:\n");
        }
        let _ = writeln!(text, "{}- {{ id: last, end: over }}", "  ".repeat(depth * 3 + 1));
        text
    };
    let expression = |text: String| format!("{HEAD}  - {{ id: a, if: \"{text}\", end: x }}\n");
    vec![
        ("ten thousand steps", steps(10_000).into_bytes()),
        ("steps nested two hundred deep", nested(200).into_bytes()),
        ("lists nested a hundred thousand deep", format!("{HEAD}  - {}", "[".repeat(100_000)).into_bytes()),
        ("maps nested ten thousand deep", format!("{HEAD}  - {}", "{a: ".repeat(10_000)).into_bytes()),
        (
            "a scalar of eight megabytes",
            format!("{HEAD}  - {{ id: a, end: {} }}\n", "x".repeat(8 << 20)).into_bytes(),
        ),
        ("parentheses nested fifty thousand deep", expression("(".repeat(50_000)).into_bytes()),
        ("a hundred thousand negations", expression(format!("{}true", "!".repeat(100_000))).into_bytes()),
        ("a sum of twenty thousand", expression(format!("1{} == 1", "+1".repeat(20_000))).into_bytes()),
        ("a byte order mark", format!("\u{feff}{HEAD}  - {{ id: a, end: over }}\n").into_bytes()),
        ("CRLF", format!("{HEAD}  - {{ id: a, end: over }}\n").replace('\n', "\r\n").into_bytes()),
        ("not UTF-8", [HEAD.as_bytes(), b"  - { id: a, end: \xff\xfe }\n"].concat()),
        ("NUL", format!("{HEAD}  - {{ id: a, end: \"a\0b\" }}\n").into_bytes()),
        ("nothing", Vec::new()),
        ("a run of itself", format!("{HEAD}  - {{ id: a, run: extreme }}\n").into_bytes()),
        (
            "anchors that multiply",
            b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nsteps: [*c, *c]\n".to_vec(),
        ),
    ]
}

#[test]
fn extremes_are_told_in_words_with_little_time_and_memory() {
    let site = SiteCopy::new("extremes");
    for (name, text) in extremes() {
        fs::write(site.0.join("workflows/extreme.yaml"), text).expect("written");
        // Two gigabytes of addresses: a check of the sample site alone takes half of that for its threads.
        let (code, printed) =
            site.shell("ulimit -v 2500000; timeout 60 takt check workflows/extreme.yaml || exit $?");
        assert!(
            code == 0 || code == 1,
            "{name}: exit {code}\n{}",
            printed.chars().take(600).collect::<String>()
        );
        assert!(!printed.contains("panicked"), "{name}: {printed}");
        assert!(printed.contains("1 workflow checked"), "{name}: {printed}");
        let is_sound = ["ten thousand steps", "a byte order mark", "CRLF"].contains(&name);
        if is_sound {
            assert_eq!(code, 0, "{name}: {printed}");
        }
    }
}

struct Mutator {
    rng: StdRng,
    seeds: Vec<String>,
    words: Vec<String>,
}

impl Mutator {
    fn new(seed: u64, seeds: Vec<String>) -> Self {
        let mut words: Vec<String> = seeds
            .iter()
            .flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned))
            .filter(|word| !word.is_empty())
            .collect();
        words.sort();
        words.dedup();
        let odd = [
            "${{",
            "}}",
            "{{",
            "{{#each x}}",
            "{{/each}}",
            "{{../../x}}",
            "!",
            "&",
            "*",
            "'",
            "\"",
            "|\n",
            ">-\n",
            "\t",
            "\r\n",
            "\u{feff}",
            "[",
            "]",
            "{",
            "}",
            "(",
            ")",
            "- ",
            ": ",
            " #",
            ".?",
            "==",
            "-9223372036854775808",
            "1e400",
            "0x",
            "ä",
            "🏭",
            "\u{0}",
            "[1].map(x, [1].map(y, [x, y]))",
            "size(string([trigger]))",
            "timestamp('x')",
            "duration('1h')",
            "'a' * 2",
        ];
        words.extend(odd.map(str::to_owned));
        Self { rng: StdRng::seed_from_u64(seed), seeds, words }
    }

    fn next(&mut self) -> String {
        let mut text: Vec<char> =
            self.seeds.choose(&mut self.rng).map_or(String::new(), Clone::clone).chars().collect();
        for _ in 0..self.rng.random_range(1..5) {
            let at = self.rng.random_range(0..=text.len());
            let to = (at + self.rng.random_range(0..40)).min(text.len());
            match self.rng.random_range(0..6) {
                0 => drop(text.drain(at..to)),
                1 => {
                    let part: Vec<char> = text[at..to].to_vec();
                    text.splice(at..at, part);
                }
                2 => {
                    let other: Vec<char> = self
                        .seeds
                        .choose(&mut self.rng)
                        .map_or(String::new(), Clone::clone)
                        .chars()
                        .collect();
                    let from = self.rng.random_range(0..=other.len());
                    let end = (from + self.rng.random_range(0..200)).min(other.len());
                    text.splice(at..to, other[from..end].iter().copied());
                }
                3 => {
                    let count = self.rng.random_range(1..60);
                    let word =
                        self.words.choose(&mut self.rng).map_or(String::new(), |word| word.repeat(count));
                    text.splice(at..at, word.chars());
                }
                _ => {
                    let word = self.words.choose(&mut self.rng).cloned().unwrap_or_default();
                    text.splice(at..to, word.chars());
                }
            }
        }
        text.truncate(60_000);
        text.into_iter().collect()
    }
}

fn texts(folders: &[(&str, &str)]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for (folder, ending) in folders {
        for entry in fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.to_string_lossy().ends_with(ending) {
                found.push(fs::read_to_string(path).expect("text"));
            }
        }
    }
    assert!(found.len() > 2, "{folders:?} hold little");
    found
}

/// What stands inside `${{ }}` and behind `if:` and the like.
fn expressions() -> Vec<String> {
    let pattern = regex::Regex::new(r"\$\{\{(.+?)\}\}|(?m)^\s*(?:- )?(?:if|where|key|check|until): (.+)$")
        .expect("a pattern");
    let files = texts(&[("workflows", ".yaml"), ("rules", ".yaml"), ("connectors", ".yaml")]);
    let found = files.iter().flat_map(|text| pattern.captures_iter(text));
    found
        .filter_map(|found| found.get(1).or(found.get(2)))
        .map(|text| text.as_str().trim().to_owned())
        .collect()
}

/// Mutates for `TAKT_FUZZ_SECONDS` (5 when it is not set, 20 in CI) from `TAKT_FUZZ_SEED`: always the same texts unless it is
/// set, as `.ci/long` does, so that a change is not refused for what it did not do.
fn fuzz(name: &str, seeds: Vec<String>, target: fn(&str)) {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).map_or(otherwise, |text| text.parse().expect("a whole number"))
    };
    let seed = number("TAKT_FUZZ_SEED", 2026);
    let seconds = Duration::from_secs(number("TAKT_FUZZ_SECONDS", 5));
    tell(&format!("{name}: TAKT_FUZZ_SEED={seed}"));
    let mut mutator = Mutator::new(seed, seeds);
    // Kept before it is tried: an overflowing stack ends the process.
    let kept = std::env::temp_dir().join(format!("takt-fuzz-{name}-{seed}"));
    let (begun, mut tried) = (Instant::now(), 0_u64);
    while begun.elapsed() < seconds {
        let text = mutator.next();
        fs::write(&kept, &text).expect("written");
        let started = Instant::now();
        let ended = catch_unwind(|| target(&text));
        let took = started.elapsed();
        assert!(
            ended.is_ok() && took < PATIENCE,
            "{name}: text {tried} of TAKT_FUZZ_SEED={seed} panicked or took {took:?}; it is {}",
            kept.display()
        );
        tried += 1;
    }
    fs::remove_file(&kept).expect("removed");
    tell(&format!("{name}: {tried} texts"));
    assert!(tried > 50, "only {tried} texts were tried");
}

/// A seed is of use only to whoever reads it.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "[fuzz] {line}");
}

#[test]
fn mutated_workflows_are_told_of() {
    let seeds = texts(&[("workflows", ".yaml"), ("src/cli/new", ".yaml")]);
    fuzz("workflow", seeds, targets::workflow);
}

#[test]
fn mutated_expressions_end() {
    fuzz("expression", expressions(), targets::expression);
}

#[test]
fn mutated_templates_end_and_show_nothing_else() {
    fuzz("template", texts(&[("messages", ".hbs"), ("prompts", ".hbs")]), targets::template);
}
