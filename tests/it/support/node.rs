//! Programs of others that run on Node: installed in `target/peers/node`, once, from `tests/peers/package.json`. Needs
//! `node`, `npm` and their registry; without them the tests fail and say so.

use super::python::{ask_with, script};
use serde_json::Value;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Runs a script with JSON on its stdin; what it prints is JSON too.
pub fn ask(name: &str, question: &Value) -> Value {
    let mut node = Command::new("node");
    ask_with(node.env("NODE_PATH", home().join("node_modules")), name, question)
}

/// The language server that VS Code's YAML extension runs.
pub fn yaml_language_server() -> &'static Path {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER.get_or_init(|| home().join("node_modules/yaml-language-server/bin/yaml-language-server"))
}

fn home() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(prepare)
}

fn prepare() -> PathBuf {
    let wanted = fs::read_to_string(script("package.json")).expect("package.json");
    let peers = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("peers");
    let home = peers.join("node");
    fs::create_dir_all(&home).expect("target/peers/node");
    let lock = File::create(peers.join("node.lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let marker = home.join("installed.json");
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return home;
    }
    fs::write(home.join("package.json"), &wanted).expect("package.json");
    let args = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
    let ran = Command::new("npm").args(args).current_dir(&home).output();
    let output = ran.unwrap_or_else(|error| panic!("npm (Debian: apt install nodejs npm): {error}"));
    assert!(output.status.success(), "npm install: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(&marker, wanted).expect("the marker");
    home
}
