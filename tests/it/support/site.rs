//! A copy of the sample site that a test may change, and the real `takt` over it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What the sample site is made of.
const PARTS: [&str; 9] =
    ["workflows", "prompts", "messages", "schemas", "rules", "connectors", "events", "docs", "evals"];

/// A site folder of its own that goes when the test is over.
pub struct SiteCopy(pub PathBuf);

impl SiteCopy {
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("takt-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        copy_sample_site(&folder);
        Self(folder)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    /// Runs lines of a shell in the site, with `takt` in the path: exit code, and all that was printed.
    pub fn shell(&self, lines: &str) -> (i32, String) {
        let takt = Path::new(env!("CARGO_BIN_EXE_takt")).parent().expect("a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("bash")
            .args(["-euc", &format!("exec 2>&1\n{lines}")])
            .current_dir(&self.0)
            .env("PATH", format!("{}:{path}", takt.display()))
            .env("TAKT_DATA", self.0.join("data"))
            .env("USER", "sam")
            .env_remove("DATABASE_URL")
            .output()
            .expect("bash runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        (output.status.code().expect("ends by itself"), text)
    }
}

impl Drop for SiteCopy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A command of the real binary on a site: its exit code, and what it printed.
pub fn takt(args: &[&str], site: &Path) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_takt"))
        .args(args)
        .arg("--site")
        .arg(site)
        .env_clear()
        .output()
        .expect("takt runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("ends by itself"), text(output.stdout), text(output.stderr))
}

pub fn copy_sample_site(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in PARTS {
        copy_folder(&from.join(part), &to.join(part));
    }
    fs::copy(from.join("takt.yaml"), to.join("takt.yaml")).expect("copying takt.yaml");
}

pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}
