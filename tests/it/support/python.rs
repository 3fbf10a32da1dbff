//! Official Python libraries as peers: a virtual environment in `target/peers`, made once from
//! `tests/peers/requirements.txt`. Needs `python3` with `venv` and the package index; without them the tests
//! fail and say so.

use serde_json::Value;
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

/// The environment's interpreter.
pub fn interpreter() -> &'static Path {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER.get_or_init(prepare)
}

pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}

/// Runs a script with JSON on its stdin; what it prints is JSON too.
pub fn ask(name: &str, question: &Value) -> Value {
    ask_with(&mut Command::new(interpreter()), name, question)
}

/// The same with the interpreter that this command starts.
pub fn ask_with(interpreter: &mut Command, name: &str, question: &Value) -> Value {
    let mut child = interpreter
        .arg(script(name))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the interpreter starts (Debian: apt install python3-venv nodejs npm)");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(question.to_string().as_bytes()).expect("the script reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the script ends");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn prepare() -> PathBuf {
    let wanted = fs::read_to_string(script("requirements.txt")).expect("requirements");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("peers");
    fs::create_dir_all(&home).expect("target/peers");
    let lock = File::create(home.join("lock")).expect("a lock file");
    lock.lock().expect("the lock");
    let (python, marker) = (home.join("venv/bin/python"), home.join("installed.txt"));
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return python;
    }
    let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(home.join("venv")).output();
    check("python3 -m venv (Debian: apt install python3-venv)", made);
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "-r"];
    let installed = Command::new(&python).args(pip).arg(script("requirements.txt")).output();
    check("pip install -r tests/peers/requirements.txt", installed);
    fs::write(&marker, wanted).expect("the marker");
    python
}

fn check(what: &str, ran: std::io::Result<Output>) {
    let output = ran.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}
