//! What is told once and at its place: what only follows from a mistake is not, and a site that does not load is told by
//! every command alike.

use super::*;

/// One mistake leads to one finding, and none of what only follows from it.
#[test]
fn what_follows_from_a_mistake_in_another_file_is_not_told() {
    let site = Folder::new("check-follows");
    let told = || -> Vec<String> {
        let (_, out, _) = check(&["--format", "json"], &site.0);
        let found: Vec<serde_json::Value> = serde_json::from_str(&out).expect("JSON");
        let line = |problem: &serde_json::Value| {
            let [code, path] = ["code", "path"].map(|name| problem[name].as_str().unwrap_or_default());
            format!("{code} {path}:{}", problem["place"]["line"])
        };
        found.iter().map(line).collect()
    };
    let test = |name: &str, case: &str| {
        let defaults = "defaults: { start: 2026-12-07T06:10:00-06:00 }";
        site.write(
            &format!("workflows/{name}.test.yaml"),
            &format!("workflow: w\n{defaults}\ncases: {case}\n"),
        );
    };
    let case = "[{ name: it ends, by: ann, expect: { outcome: done } }]";
    test("w", case);
    assert_eq!(told(), Vec::<String>::new());
    // A test that cannot be read is told at its place, and not as a workflow without a test.
    for wrong in
        ["[]", "[{ name: it ends, by: ann }]", "[{ name: it ends, bi: ann, expect: { outcome: done } }]"]
    {
        test("w", wrong);
        assert_eq!(told(), ["T002 workflows/w.test.yaml:3"], "{wrong}");
    }
    // It goes by the workflow it names, whatever its file is called.
    fs::remove_file(site.0.join("workflows/w.test.yaml")).expect("removed");
    test("zzz", "[]");
    assert_eq!(told(), ["T002 workflows/zzz.test.yaml:3"]);
    for command in ["check", "test"] {
        let (code, out, err) = takt(&[command, "workflows/w.yaml"], &site.0);
        assert!(code == 1 && out.contains("workflows/zzz.test.yaml:3:"), "{out}{err}");
    }
    test("zzz", case);
    let (code, out, err) = takt(&["test", "workflows/w.yaml"], &site.0);
    assert!(code == 0 && out.contains("1 passed"), "{out}{err}");

    // A workflow that is there and cannot be read is there for whoever runs it.
    site.write(
        "workflows/parent.yaml",
        "workflow: parent\nowner: me\ntrigger: manual\nsteps: [{ id: x, run: child }]\n",
    );
    site.write("workflows/child.yaml", "workflow: child\nowner: me\ntrigger: manual\nsteps\n");
    let errors = || -> Vec<String> { told().into_iter().filter(|line| !line.starts_with("T02")).collect() };
    let found = errors();
    assert!(found.len() == 1 && found[0].starts_with("T001 workflows/child.yaml:"), "{found:?}");
}

/// The file of a fixture was never named: its uses were told, one by one, to have no answer.
#[test]
fn a_fixture_that_is_no_json_is_told_once_in_its_file() {
    let site = Folder::new("check-fixture");
    fs::create_dir_all(site.0.join("workflows/fixtures/old")).expect("a folder");
    site.write("workflows/fixtures/told.json", "{ \"a\": 1,\n  \"b\": }\n");
    let test = |fixture: &str| {
        let case = |name: &str| {
            format!(
                "  - {{ name: {name}, by: ann, tools: {{ notify.role: {fixture} }}, expect: {{ outcome: done }} }}\n"
            )
        };
        let head = "workflow: w\ndefaults: { start: 2026-12-07T06:10:00-06:00 }\ncases:\n";
        site.write("workflows/w.test.yaml", &(head.to_owned() + &case("one") + &case("two")));
        [takt(&["check"], &site.0), takt(&["test"], &site.0)]
    };
    for (code, out, err) in test("fixtures/told.json") {
        assert_eq!((code, out.matches("error[").count()), (1, 1), "{out}{err}");
        assert!(
            out.contains("error[T001]: not valid JSON") && out.contains("workflows/fixtures/told.json:2:8"),
            "{out}"
        );
    }
    for (code, out, err) in test("fixtures/old/told.json") {
        assert_eq!(
            (code, out.matches("error[T007]: fixtures/old/told.json is not looked at").count()),
            (1, 2),
            "{out}{err}"
        );
        assert!(out.contains("only `fixtures/<name>.json` is looked at"), "{out}");
    }
}

#[test]
fn a_test_that_is_not_read_is_told_where_tests_belong() {
    let site = Folder::new("check-sub");
    fs::create_dir_all(site.0.join("workflows/sub")).expect("a folder");
    site.write("workflows/sub/third.test.yaml", "workflow: w\n");
    let (_, out, _) = check(&[], &site.0);
    let said = "this file is not read: a test is a file `workflows/<name>.test.yaml`, beside its workflow";
    assert!(out.contains(said) && out.contains("help: move it to workflows/ itself"), "{out}");
}

/// The path was not looked at where the site does not load.
#[test]
fn a_path_that_leads_nowhere_is_told_on_a_broken_site_too() {
    let site = Folder::new("check-nowhere");
    site.write("takt.yaml", &SITE.replace("ladder: up", "ladder: upp"));
    let (code, out, err) = check(&["workflows/v.yaml"], &site.0);
    assert_eq!(code, 1);
    assert!(out.contains("there is no ladder `upp`"), "{out}");
    assert!(err.starts_with("takt: there is no workflows/v.yaml: did you mean workflows/w.yaml?\n"), "{err}");
    let (_, _, err) = check(&["workflows/w.yaml"], &site.0);
    assert_eq!(err, "the site cannot be checked: 1 error\n");
}

/// Every command says what `takt check` says of a site that does not load, also to programs.
#[test]
fn a_broken_site_is_told_at_its_place_by_every_command() {
    let site = Folder::new("check-commands");
    site.write("takt.yaml", &format!("{SITE}systems: {{ cmms: {{ base_url: http://127.0.0.1:1 }} }}\n"));
    site.write("connectors/cmms.yaml", "system: cmmss\ntools: {}\n");
    let said =
        "error[T026]: takt.yaml has no system `cmmss` under `systems:`\n --> connectors/cmms.yaml:1:9\n";
    for args in [&["test"][..], &["try", "w"], &["new", "other"], &["graph", "w"], &["schema"]] {
        let (code, out, err) = takt(args, &site.0);
        assert_eq!((code, out.as_str()), (1, ""), "{args:?}: {err}");
        assert!(err.contains(said) && err.contains("help: did you mean `cmms`?"), "{args:?}: {err}");
    }
    let programs = |format: &str| {
        let (code, out, err) = takt(&["test", "--format", format], &site.0);
        assert_eq!((code, err.as_str()), (1, ""), "{out}");
        out
    };
    let found = programs("github");
    let annotation =
        "::error file=connectors/cmms.yaml,line=1,col=9,title=T026::takt.yaml has no system `cmmss`";
    assert!(found.starts_with(annotation), "{found}");
    assert_eq!(found, check(&["--format", "github"], &site.0).1, "both say it in the same way");
    let found = programs("junit");
    assert!(found.contains("errors=\"1\"") && found.contains("connectors/cmms.yaml:1:9: T026"), "{found}");
    let suite: serde_json::Value = serde_json::from_str(&programs("json")).expect("JSON");
    assert_eq!(suite["files"][0]["problems"][0]["code"], "T026");
}

#[test]
fn a_test_that_is_no_text_is_told_alike_by_check_and_test() {
    let site = Folder::new("check-bytes");
    fs::write(site.0.join("workflows/w.test.yaml"), b"workflow: \xff\n").expect("written");
    for command in ["check", "test"] {
        let (code, out, err) = takt(&[command], &site.0);
        assert!(code == 1 && out.contains("error[T001]: the file is not UTF-8"), "{out}{err}");
        assert!(out.contains("help: save it as UTF-8"), "{out}");
    }
}
