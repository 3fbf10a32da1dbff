//! `takt check` through the real binary: what it prints, and its exit code.

use crate::support::site::takt;
use std::{fs, path::Path};

fn check(args: &[&str], site: &Path) -> (i32, String, String) {
    takt(&[&["check"], args].concat(), site)
}

const SITE: &str = r#"name: Small
time_zone: America/Chicago
shifts: [{ id: A, starts: "06:00", ends: "14:00" }]
roles: { lead: { title: Lead, ladder: up } }
people: [{ id: ann, name: Ann, roles: [lead] }]
ladders: { up: [{ person: ann, within: 5m }] }
"#;

#[test]
fn the_sample_site_has_no_error() {
    let (code, out, err) = check(&[], Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(code == 0 && err.starts_with("5 workflows checked: 0 errors, "), "{out}{err}");
    // What has no test yet is told; nothing else is.
    let others: Vec<&str> = out
        .lines()
        .filter(|line| line.starts_with("warning[") && !line.starts_with("warning[T024]"))
        .collect();
    assert_eq!(others, Vec::<&str>::new());
}

#[test]
fn a_broken_workflow_is_told_at_its_place() {
    let site = std::env::temp_dir().join(format!("takt-check-{}", std::process::id()));
    fs::create_dir_all(site.join("workflows")).expect("a folder");
    fs::create_dir_all(site.join("connectors")).expect("a folder");
    fs::write(site.join("takt.yaml"), SITE).expect("written");
    let steps =
        "workflow: w\nowner: me\ntrigger: manual\nsteps:\n  - id: x\n    if: inputs.a = 1\n    end: done\n";
    fs::write(site.join("workflows/w.yaml"), steps).expect("written");
    let (code, out, err) = check(&[], &site);
    assert_eq!((code, err.as_str()), (1, "1 workflow checked: 1 error, 0 warnings\n"), "{out}");
    assert!(out.starts_with("error[T004]: `=` is not an operator"), "{out}");
    assert!(out.contains("--> workflows/w.yaml:6:18"), "{out}");

    let file = site.join("workflows/w.yaml");
    let (code, out, _) = check(&["--format", "json", file.to_str().expect("UTF-8")], &site);
    let found: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &found[0]["place"]), (1, &serde_json::json!({ "line": 6, "column": 18 })));

    let (code, out, _) = check(&["--format", "github"], &site);
    assert_eq!(code, 1);
    assert!(out.starts_with("::error file=workflows/w.yaml,line=6,col=18,title=T004::`=` is not"), "{out}");
    let (code, out, _) = check(&["--format", "sarif"], &site);
    let log: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let region = log.pointer("/runs/0/results/0/locations/0/physicalLocation/region");
    assert_eq!((code, region), (1, Some(&serde_json::json!({ "startLine": 6, "startColumn": 18 }))));

    let (code, _, err) = check(&["/etc/hosts"], &site);
    assert_eq!(code, 1);
    assert!(err.contains("/etc/hosts is no workflow of the site"), "{err}");
    fs::remove_dir_all(&site).expect("removed");
}
