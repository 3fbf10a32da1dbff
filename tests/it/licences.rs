//! What we depend on, held against deny.toml without cargo-deny: licences, bans, and where it comes from.

use std::process::Command;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn packages() -> Vec<Value> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let arguments = ["metadata", "--format-version", "1", "--locked"];
    let output = Command::new(cargo).args(arguments).current_dir(ROOT).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    serde_json::from_value(metadata["packages"].take()).expect("a list")
}

/// The quoted strings of deny.toml between two markers; its form is ours, so no TOML parser is needed.
fn quoted(from: &str, to: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("{ROOT}/deny.toml")).expect("deny.toml");
    let section = text.split_once(from).expect(from).1.split_once(to).expect(to).0;
    let lines = section.lines().map(|line| line.trim_start().trim_start_matches("{ crate = "));
    lines.filter_map(|line| Some(line.strip_prefix('"')?.split_once('"')?.0.to_owned())).collect()
}

/// SPDX as the crates use it: `OR` (old: `/`) of `AND`s, with one level of parentheses around either.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let either = |text: &str| {
        text.split(" OR ")
            .flat_map(|part| part.split('/'))
            .any(|name| allowed.iter().any(|known| known == name.trim()))
    };
    if expression.contains(" AND ") {
        return expression.split(" AND ").all(|part| either(part.trim().trim_matches(['(', ')'])));
    }
    either(expression)
}

#[test]
fn every_licence_is_one_we_decided_on() {
    let allowed = quoted("\nallow = [", "]");
    assert!(allowed.len() > 5, "deny.toml was read: {allowed:?}");
    let strangers: Vec<String> = packages()
        .iter()
        .filter(|package| !is_allowed(package["license"].as_str().unwrap_or("none"), &allowed))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(strangers.is_empty(), "not allowed in deny.toml: {strangers:#?}");
}

#[test]
fn an_expression_is_allowed_only_where_all_its_duties_are() {
    let allowed = ["MIT".to_owned(), "Zlib".to_owned()];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND Zlib", true),
        ("(GPL-3.0 OR BSD-2-Clause) AND Zlib", false),
        ("none", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn nothing_banned_and_nothing_from_elsewhere_is_built_in() {
    let banned = quoted("\ndeny = [", "\n]");
    assert!(banned.contains(&"openssl-sys".to_owned()), "deny.toml was read: {banned:?}");
    let resolved = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{lib}|{p}",
        ])
        .current_dir(ROOT)
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&resolved.stdout);
    let names: Vec<&str> =
        text.lines().filter_map(|line| line.split_once('|')?.1.split_whitespace().next()).collect();
    assert!(names.contains(&"tokio"), "the tree was read");
    assert!(
        names.iter().all(|name| !banned.iter().any(|ban| ban == name)),
        "one of {banned:?} is in {names:?}"
    );
    let source = |package: &Value| package["source"].as_str().map(str::to_owned);
    let foreign: Vec<String> =
        packages().iter().filter_map(source).filter(|source| !source.contains("crates.io-index")).collect();
    assert!(foreign.is_empty(), "not from crates.io: {foreign:?}");
}
