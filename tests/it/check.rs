//! `takt check` through the real binary: what it prints, and its exit code.

mod told;

use crate::support::site::takt;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

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
    assert!(err.contains("/etc/hosts is no workflow or test of the site"), "{err}");
    let (code, _, err) = check(&["workflows/v.yaml"], &site);
    assert_eq!(
        (code, err.as_str()),
        (1, "takt: there is no workflows/v.yaml: did you mean workflows/w.yaml?\n")
    );
    let (code, _, err) = check(&["workflows/nothing.yaml"], &site);
    assert_eq!((code, err.as_str()), (1, "takt: there is no workflows/nothing.yaml: correct the path\n"));
    fs::write(site.join("workflows/w.test.yaml"), "").expect("written");
    let (code, out, err) = check(&["workflows/w.test.yaml"], &site);
    assert_eq!((code, err.as_str()), (1, "1 test file checked: 1 error, 0 warnings\n"), "{out}");
    let (code, out, err) = check(&["workflows/w.yaml", "workflows/w.test.yaml"], &site);
    assert_eq!(
        (code, err.as_str()),
        (1, "1 workflow and 1 test file checked: 2 errors, 0 warnings\n"),
        "{out}"
    );
    fs::remove_file(site.join("workflows/w.test.yaml")).expect("removed");

    // `| head` has read enough.
    let (reader, closed) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_takt"));
    command.args(["check", "--format", "sarif", "--site"]).arg(&site).stdout(closed);
    let output = command.output().expect("takt runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*err), (Some(1), "1 workflow checked: 1 error, 0 warnings\n"));
    fs::remove_dir_all(&site).expect("removed");
}

/// A site folder of one workflow that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let site = std::env::temp_dir().join(format!("takt-{name}-{}", std::process::id()));
        for folder in ["workflows", "connectors", "messages"] {
            fs::create_dir_all(site.join(folder)).expect("a folder");
        }
        let folder = Self(site);
        folder.write("takt.yaml", SITE);
        folder.write(
            "workflows/w.yaml",
            "workflow: w\nowner: me\ntrigger: manual\nsteps: [{ id: x, end: done }]\n",
        );
        folder
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.0.join(path), text).expect("written");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_broken_site_file_is_told_like_a_broken_workflow() {
    let site = Folder::new("check-site");
    site.write("takt.yaml", &SITE.replace("ladder: up", "ladder: upp").replace("America/", "Amerika/"));
    let (code, out, err) = check(&[], &site.0);
    assert_eq!((code, err.as_str()), (1, "the site cannot be checked: 2 errors\n"), "{out}");
    assert!(
        out.contains("error[T026]: there is no ladder `upp`\n --> takt.yaml:4:39\n")
            && out.contains("= help: did you mean `up`?"),
        "{out}"
    );
    let caret = format!("{}^^^\n", " ".repeat(38));
    assert!(out.contains(&caret), "{out}");

    let (code, out, _) = check(&["--format", "json"], &site.0);
    let found: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let at = serde_json::json!({ "line": 2, "column": 12 });
    assert_eq!((code, &found[0]["path"], &found[0]["place"]), (1, &serde_json::json!("takt.yaml"), &at));
    assert_eq!(found[0]["fix"], "write one like America/Chicago");
    let (_, out, _) = check(&["--format", "github"], &site.0);
    assert!(
        out.starts_with("::error file=takt.yaml,line=2,col=12,title=T026::`Amerika/Chicago` is no"),
        "{out}"
    );
    let (_, out, _) = check(&["--format", "sarif"], &site.0);
    let log: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(log.pointer("/runs/0/results/0/ruleId"), Some(&serde_json::json!("T026")));

    for (more, said) in [
        ("nam: x\n", "there is no key `nam` here\n --> takt.yaml:7:1\n"),
        ("name: x\n", "`name` stands here twice\n --> takt.yaml:7:1\n"),
        ("limits: 5\n", "a group of keys is needed here\n --> takt.yaml:7:9\n"),
    ] {
        site.write("takt.yaml", &format!("{SITE}{more}"));
        let (code, out, _) = check(&[], &site.0);
        assert!(code == 1 && out.contains(said), "{out}");
    }

    site.write("takt.yaml", SITE);
    site.write("connectors/c.yaml", "system: c\ntols: {}\n");
    let (code, out, _) = check(&[], &site.0);
    let said = "error[T026]: there is no key `tols` here\n --> connectors/c.yaml:2:1\n";
    assert!(code == 1 && out.contains(said), "{out}");
}

#[test]
fn a_link_out_of_the_site_folder_is_refused() {
    let (site, elsewhere) = (Folder::new("check-links"), Folder::new("check-elsewhere"));
    let link = |path: &str, to: &str| {
        std::os::unix::fs::symlink(elsewhere.0.join(to), site.0.join(path)).expect("a link");
    };
    elsewhere.write(
        "other.yaml",
        "workflow: other\nowner: me\ntrigger: manual\nsteps: [{ id: x, end: secret }]\n",
    );
    elsewhere.write("ask.hbs", "It failed: secret");
    link("workflows/other.yaml", "other.yaml");
    link("messages/ask.hbs", "ask.hbs");
    let gate = "  - { id: g, gate: acknowledge, ask: lead, message: messages/ask.hbs, expires: 1h, on_expire: fail }\n";
    site.write("workflows/w.yaml", &format!("workflow: w\nowner: me\ntrigger: manual\nsteps:\n{gate}"));
    let (code, out, _) = check(&[], &site.0);
    assert!(code == 1 && !out.contains("secret"), "{out}");
    assert!(out.contains("it is a link that leaves the site folder\n--> workflows/other.yaml:1:1"), "{out}");
    assert!(
        out.contains("`messages/ask.hbs` is a link that leaves the site folder\n --> workflows/w.yaml:5:"),
        "{out}"
    );

    link("connectors/c.yaml", "other.yaml");
    let (code, out, _) = check(&[], &site.0);
    assert!(code == 1 && !out.contains("secret"), "{out}");
    assert!(out.contains("it is a link that leaves the site folder\n--> connectors/c.yaml:1:1"), "{out}");
}

#[test]
fn many_mistakes_are_told_in_time_that_grows_with_their_number() {
    let site = Folder::new("check-many");
    let mut text = "workflow: w\nowner: me\ntrigger: manual\nsteps: [{ id: x, end: done }]\n".to_owned();
    (0..20_000).for_each(|number| text.push_str(&format!("unknown_key_{number}: x\n")));
    site.write("workflows/w.yaml", &text);
    let began = Instant::now();
    let (code, _, err) = check(&[], &site.0);
    assert_eq!((code, err.as_str()), (1, "1 workflow checked: 20000 errors, 0 warnings\n"));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// GitHub and code scanning name files from the repository, which is where `takt` is started.
#[test]
fn annotations_name_files_from_where_takt_was_started() {
    let repository = Folder::new("check-below");
    let site = repository.0.join("plants/one");
    for folder in ["workflows", "connectors"] {
        fs::create_dir_all(site.join(folder)).expect("a folder");
    }
    fs::write(site.join("takt.yaml"), SITE).expect("written");
    fs::write(
        site.join("workflows/w.yaml"),
        "workflow: w\nowner: me\ntrigger: manual\nsteps: [{ id: x, ends: done }]\n",
    )
    .expect("written");
    fs::write(site.join("workflows/w.test.yaml"), "workflow: w\ncases: [{ nam: x }]\n").expect("written");
    let printed = |command: &str, format: &str| {
        let args = [command, "--site", "plants/one", "--format", format];
        let mut takt = std::process::Command::new(env!("CARGO_BIN_EXE_takt"));
        let output = takt.args(args).current_dir(&repository.0).env_clear().output().expect("takt runs");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let found = printed("check", "github");
    assert!(found.starts_with("::error file=plants/one/workflows/w.yaml,line=4,"), "{found}");
    let found = printed("test", "github");
    assert!(found.contains("::error file=plants/one/workflows/w.test.yaml,line=2,"), "{found}");
    let log: serde_json::Value = serde_json::from_str(&printed("check", "sarif")).expect("JSON");
    let uri = log.pointer("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri");
    assert_eq!(uri, Some(&serde_json::json!("plants/one/workflows/w.yaml")));
}

/// One mistake hid all others: those of connectors were told when takt.yaml was mended, those of workflows after these.
#[test]
fn the_findings_of_all_files_are_told_together() {
    let site = Folder::new("check-together");
    fs::create_dir_all(site.0.join("events")).expect("a folder");
    let system = "systems: { erp: { base_url: http://127.0.0.1:1 } }\n";
    site.write(
        "takt.yaml",
        &(SITE.replace("America/", "Amerika/").replace("ladder: up", "ladder: upp") + system),
    );
    site.write("connectors/erp.yaml", "system: erp\ntool: {}\n");
    site.write("events/andon.call.json", "{ \"type\": \"strng\" }");
    site.write("workflows/w.yaml", "workflow: w\nowner: me\ntrigger: manual\nkee: x\nsteps: [{ id: x, call: erp.open, with: { by: nobody } }]\n");
    site.write("workflows/w.test.yaml", "workflow: w\ncases: []\n");
    let places = || -> Vec<String> {
        let (code, out, _) = check(&["--format", "github"], &site.0);
        assert_eq!(code, 1);
        let place = |line: &str| {
            let (file, rest) = line.split_once("file=")?.1.split_once(",line=")?;
            Some(format!("{file}:{}", rest.split(',').next()?))
        };
        out.lines().filter_map(place).collect()
    };
    let others = [
        "connectors/erp.yaml:2",
        "events/andon.call.json:1",
        "workflows/w.yaml:4",
        "workflows/w.test.yaml:2",
    ];
    assert_eq!(places(), [&["takt.yaml:2", "takt.yaml:4"][..], &others].concat());
    // Without a takt.yaml that can be read, the form of all others is still told.
    site.write("takt.yaml", &(SITE.to_owned() + "nam: x\n"));
    assert_eq!(places(), [&["takt.yaml:7"][..], &others].concat());

    let (code, out, err) = takt(&["schema"], &site.0);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("error[T026]: there is no key `nam` here\n --> takt.yaml:7:1\n"), "{err}");
    assert!(err.contains("help: did you mean `name`?"), "{err}");
}

/// `takt check` was silent about tests that `takt test` refuses.
#[test]
fn a_test_that_would_be_refused_is_told_at_its_place() {
    let site = Folder::new("check-tests");
    let case = |workflow: &str, rest: &str| {
        let case = format!("  - {{ name: it ends, by: ann, {rest}expect: {{ outcome: done }} }}\n");
        site.write(
            "workflows/w.test.yaml",
            &format!(
                "workflow: {workflow}\ndefaults: {{ start: 2026-12-07T06:10:00-06:00 }}\ncases:\n{case}"
            ),
        );
        let (code, out, err) = check(&[], &site.0);
        let (tested, _, _) = takt(&["test"], &site.0);
        assert_eq!((code, tested), (i32::from(err.contains(" 1 error,")), code), "{out}{err}");
        out
    };
    assert_eq!(case("w", ""), "");
    let found = case("ww", "");
    assert!(
        found.contains("error[T006]: there is no workflow `ww`\n --> workflows/w.test.yaml:1:11"),
        "{found}"
    );
    assert!(found.contains("help: did you mean `w`?"), "{found}");
    assert!(found.contains("warning[T024]: no test covers this workflow"), "{found}");
    let found = case("w", "timeline: { +1m: { answer: akc, by: ann } }, ");
    assert!(found.contains("error[T006]: there is no gate `akc`\n --> workflows/w.test.yaml:4:"), "{found}");
    let found = case("w", "tools: { notify.rle: {} }, ");
    assert!(found.contains("error[T009]: there is no tool `notify.rle`"), "{found}");
    let found = case("w", "tools: { notify.role: fixtures/none.json }, ");
    assert!(found.contains("fixtures/none.json is not beside the test"), "{found}");

    // A word that is none and a step that is none, together.
    let test = "workflow: w\ndefaults: { start: 2026-12-07T06:10:00-06:00 }\ncases:\n  - { name: both, by: ann, expect: { sla: { ack: mett, aprove: met } } }\n";
    site.write("workflows/w.test.yaml", test);
    let (code, out, _) = check(&[], &site.0);
    assert!(
        code == 1 && out.contains("`mett` is not known here") && out.contains("called `aprove`"),
        "{out}"
    );
}

/// What is said of a site's own files, each with the line and a caret.
#[test]
fn mistakes_of_the_sites_own_files_are_drawn() {
    let site = Folder::new("check-drawn");
    let wrong = [
        ("ladder: up", "ladder: upp"),
        ("America/Chicago", "Amerika/Chicago"),
        ("06:00", "6 o'clock"),
        ("roles: [lead]", "roles: [led]"),
        ("within: 5m", "within: soon"),
    ];
    let broken = wrong.into_iter().fold(SITE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    site.write("takt.yaml", &broken);
    let (code, out, _) = check(&[], &site.0);
    assert_eq!(code, 1);
    insta::assert_snapshot!("T026_takt_yaml", out);

    site.write("takt.yaml", &format!("{SITE}systems: {{ erp: {{ base_url: http://127.0.0.1:1 }} }}\n"));
    site.write(
        "connectors/erp.yaml",
        "system: erp\nclasses: { numbr: proprietary }\ntools:\n  erp.open:\n    description: Open orders.\n    effect: read\n    input: { part: strng }\n    output: { number: string }\n    requests: [{ id: list, method: GET, path: \"orders/${{ input.prt }}\" }]\n    returns: { number: \"${{ responses.list.number\" }\n",
    );
    let (code, out, _) = check(&[], &site.0);
    assert_eq!(code, 1);
    insta::assert_snapshot!("T026_connector", out);
}

/// `takt … | head`: whoever has seen enough gets neither an error nor another exit code.
#[test]
fn a_closed_pipe_ends_no_command_with_an_error() {
    for args in [
        &["check"][..],
        &["schema"],
        &["graph", "downtime_escalation"],
        &["test", "workflows/supplier_delay.test.yaml"],
        &["eval", "--json"],
        &["token", "new"],
    ] {
        let (reads, writes) = std::io::pipe().expect("a pipe");
        drop(reads);
        let output = Command::new(env!("CARGO_BIN_EXE_takt"))
            .args(args)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env_clear()
            .stdout(writes)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .and_then(std::process::Child::wait_with_output)
            .expect("takt runs");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {err}");
        assert!(!err.to_lowercase().contains("pipe") && !err.contains("panicked"), "{args:?}: {err}");
    }
}

#[test]
fn what_cannot_be_written_is_told_and_is_no_success() {
    let full = fs::File::options().write(true).open("/dev/full").expect("a full disk");
    let output =
        Command::new(env!("CARGO_BIN_EXE_takt")).args(["token", "new"]).env_clear().stdout(full).output();
    let output = output.expect("takt runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"), "{output:?}");
}
