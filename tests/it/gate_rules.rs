//! What a workflow can ask of people, through the real `takt check` and `takt test`: quorum, forms, reasons,
//! overrides, questions that are asked again, and ladders over shift changes and the two nights of the wall clock.

use crate::support::site;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn takt(args: &[&str], site: &Path) -> (i32, String) {
    let (code, out, err) = site::takt(args, site);
    (code, out + &err)
}

fn gates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gates")
}

/// A copy with one text replaced.
struct Changed(PathBuf);

impl Changed {
    fn new(name: &str, file: &str, from: &str, to: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("takt-gates-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        site::copy_folder(&gates(), &folder);
        let text = fs::read_to_string(folder.join(file)).expect("there");
        assert!(text.contains(from), "{file} holds no `{from}`");
        fs::write(folder.join(file), text.replacen(from, to, 1)).expect("written");
        Self(folder)
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_cases_of_the_gates_site_hold() {
    let (code, said) = takt(&["check"], &gates());
    assert_eq!(code, 0, "{said}");
    let (code, said) = takt(&["test"], &gates());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("release") && said.contains("scrap") && said.contains("watch"), "{said}");
}

#[test]
fn a_mistake_is_told_with_its_place_and_what_to_do() {
    let release = "workflows/release.yaml";
    let scrap = "workflows/scrap.yaml";
    let cases = [
        (
            "many",
            release,
            "quorum: 2",
            "quorum: 7",
            "release.yaml:15:13",
            "7 people have to agree, and 6 have",
        ),
        (
            "few",
            release,
            "quorum: 2",
            "quorum: 5",
            "release.yaml:15:13",
            "in shift A, B, C fewer than 5 people",
        ),
        ("none", release, "quorum: 2", "quorum: 0", "release.yaml:15:13", "a quorum of 0 is none"),
        ("nobody", release, "author: deb", "author: debb", "release.yaml:17:17", "did you mean `deb`?"),
        ("unsaid", release, "author: deb\n", "", "release.yaml:16:17", "add `author:`"),
        (
            "mail",
            "schemas/scrap.json",
            "\"date\"",
            "\"email\"",
            "scrap.yaml:13:13",
            "this form cannot be shown",
        ),
        ("field", scrap, "fields.stop }}", "fields.stopp }}", "scrap.yaml:", "stopp"),
        ("alone", "takt.yaml", "override_review: lead\n", "", "takt.yaml:22:13", "needs `override_review:`"),
        ("self", "takt.yaml", "review: lead", "review: manager", "takt.yaml:23:18", "name another role"),
        ("args", "connectors/mes.yaml", "input.lot", "args.lot", "mes.yaml:14:", "unknown name `args`"),
        ("code", "takt.yaml", "code: later", "code: Not now", "takt.yaml:", "is no code"),
    ];
    for (name, file, from, to, place, says) in cases {
        let site = Changed::new(name, file, from, to);
        let (code, said) = takt(&["check"], &site.0);
        assert_eq!(code, 1, "{name}: {said}");
        assert!(said.contains(place) && said.contains(says), "{name}: {said}");
    }
}
