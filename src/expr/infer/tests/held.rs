//! Random expressions, checked and then run: what passes the checker runs on every value that its types allow.

use super::*;
use crate::expr::Scope;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

/// Errors that depend on the values, which no type tells.
const OF_VALUES: [&str; 16] = [
    "by zero",
    "overflow",
    "out of range",
    "out of bounds",
    "no such item",
    "needs at least one",
    "is too large",
    "not a number",
    "is not a time",
    "negative",
    "parse error",
    "parsing error",
    "premature end",
    "time zone",
    "no such shift",
    "conversion error",
];

fn schema() -> Value {
    json!({ "type": "object", "required": ["i", "n", "s", "w", "b", "li", "ln", "ls", "lo", "t", "q", "o"], "properties": {
        "i": { "type": "integer" }, "n": { "type": "number" }, "s": { "type": "string" },
        "w": { "enum": ["A", "B"] }, "b": { "type": "boolean" },
        "li": { "type": "array", "items": { "type": "integer" } },
        "ln": { "type": "array", "items": { "type": "number" } },
        "ls": { "type": "array", "items": { "type": "string" } },
        "lo": { "type": "array", "items": { "$ref": "#/properties/o" } },
        "t": { "type": "string", "format": "date-time" },
        "q": { "type": ["string", "null"] },
        "p": { "type": "integer" },
        "o": { "type": "object", "required": ["i", "s"], "properties": { "i": { "type": "integer" }, "s": { "type": "string" } } },
    } })
}

fn values() -> Vec<Scope> {
    let of = |n: Value, q: Value, p: Option<i64>, w: &str, long: bool| {
        let mut x = json!({
            "i": 3, "n": n, "s": "text", "w": w, "b": long, "t": "2026-11-23T12:10:00Z", "q": q,
            "li": [1, 2, 3], "ln": [1, 2.5, 3], "ls": ["a", "b", "c"],
            "lo": [{ "i": 1, "s": "x" }, { "i": 2, "s": "y" }, { "i": 3, "s": "z" }],
            "o": { "i": 7, "s": "inner" },
        });
        if let Some(p) = p {
            x["p"] = p.into();
        }
        let site =
            json!({ "shifts": [{ "id": "A", "starts": "06:00", "ends": "14:00" }], "time_zone": "UTC" });
        let now = json!("2026-11-23T13:00:00Z");
        [("x".to_owned(), x), ("site".to_owned(), site), ("now".to_owned(), now)].into_iter().collect()
    };
    vec![of(json!(5), json!(null), None, "A", false), of(json!(5.5), json!("note"), Some(4), "B", true)]
}

const TRIES: u32 = 20_000;
const LEAVES: &[&str] = &[
    "x.i",
    "x.n",
    "x.s",
    "x.w",
    "x.b",
    "x.li",
    "x.ln",
    "x.ls",
    "x.lo",
    "x.t",
    "x.q",
    "x.o",
    "x.o.i",
    "x.o.s",
    "x.p",
    "x.?p.orValue(1)",
    "x.?p",
    "x.li[0]",
    "x.lo[0].s",
    "now",
    "1",
    "2",
    "1.5",
    "'a'",
    "'A'",
    "true",
    "null",
    "[]",
    "[1, 2]",
    "['a']",
    "{'k': 1}",
    "duration('1h')",
    "timestamp(now)",
];
/// What is made of one or two others, `α` and `β`, or of a third, `γ`.
const FORMS: &[&[&str]] = &[
    &["(α + β)", "(α - β)", "(α * β)", "(α / β)", "(α % β)"],
    &["(α == β)", "(α != β)", "(α < β)", "(α >= β)", "(α in β)"],
    &["(α && β)", "(α || β)", "!α", "-α", "(α ? β : γ)"],
    &["size(α)", "int(α)", "double(α)", "string(α)", "bool(α)", "timestamp(α)", "duration(α)", "round(α)"],
    &[
        "sum(α)",
        "min(α)",
        "max(α)",
        "avg(α)",
        "site_time(α)",
        "shift_at(α)",
        "lists.range(α)",
        "strings.quote(α)",
    ],
    &["math.abs(α)", "math.ceil(α)", "math.sqrt(α)", "math.isNaN(α)", "math.sign(α)", "math.bitNot(α)"],
    &["minutes_between(α, β)", "hours_between(α, β)", "in_shift(α, β)", "round(α, β)"],
    &["math.greatest(α, β)", "math.least(α, β)", "math.bitAnd(α, β)"],
    &["α.size()", "α.lowerAscii()", "α.trim()", "α.sort()", "α.distinct()", "α.reverse()", "α.flatten()"],
    &["α.hasValue()", "α.value()", "α.getFullYear()", "α.getHours()", "α.join()"],
    &["α.contains(β)", "α.startsWith(β)", "α.matches(β)", "α.indexOf(β)", "α.join(β)", "α.split(β)"],
    &["α.charAt(β)", "α.substring(β)", "α.orValue(β)", "α.or(β)", "α.getHours(β)"],
    &[
        "α.all(v, ν)",
        "α.exists(v, ν)",
        "α.exists_one(v, ν)",
        "α.filter(v, ν)",
        "α.map(v, ν)",
        "α.sortBy(v, ν)",
    ],
    &["'%s'.format([α])", "'%d'.format([α])", "'%.1f'.format([α])", "'%s %d'.format([α])"],
    &[
        "[α][0]",
        "α[0]",
        "α[?0]",
        "{'k': α}.k",
        "α.?i",
        "[α, α]",
        "(has(x.p) ? x.p : β)",
        "(α == null ? β : α)",
    ],
];

struct Writer(StdRng);

impl Writer {
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of.choose(&mut self.0).copied().unwrap_or_default()
    }

    fn expression(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.one(LEAVES).to_owned();
        }
        let forms = FORMS.choose(&mut self.0).copied().unwrap_or_default();
        let form = self.one(forms);
        let parts = [self.expression(depth - 1), self.expression(depth - 1), self.expression(depth - 1)];
        let of_variable = parts[1].replace("x.i", "v").replace("x.o", "v");
        form.chars().fold(String::new(), |mut written, letter| {
            match letter {
                'α' => written.push_str(&parts[0]),
                'β' => written.push_str(&parts[1]),
                'γ' => written.push_str(&parts[2]),
                'ν' => written.push_str(&of_variable),
                letter => written.push(letter),
            }
            written
        })
    }
}

#[test]
fn what_passes_the_checker_runs() {
    let mut writer = Writer(StdRng::seed_from_u64(4));
    let site = Type::open([("shifts", Type::list(Type::open([("id", Type::Word(vec!["A".into()]))])))]);
    let types = Types::from([
        ("x".to_owned(), Type::from_schema(&schema())),
        ("now".to_owned(), Type::Time),
        ("site".to_owned(), site),
    ]);
    let scopes = values();
    let (mut passed, mut silent) = (0, BTreeMap::new());
    for _ in 0..TRIES {
        let depth = writer.0.random_range(1..4);
        let source = writer.expression(depth);
        let Ok(expr) = Expr::parse(&source) else { continue };
        if !expr.infer(&types).1.is_empty() {
            continue;
        }
        let of_types = |error: &crate::expr::EvalError| {
            let message = error.message.to_lowercase();
            !OF_VALUES.iter().any(|word| message.contains(word))
        };
        match scopes.iter().find_map(|scope| expr.eval(scope).err().filter(of_types)) {
            None => passed += 1,
            Some(error) => drop(silent.entry(error.message).or_insert(source)),
        }
    }
    let drawn: Vec<String> =
        silent.iter().map(|(message, source)| format!("{message}\n    {source}")).collect();
    assert!(drawn.is_empty(), "{} passed, these are silent:\n{}", passed, drawn.join("\n"));
    assert!(passed > 500, "only {passed} passed");
}
