mod events;
mod reload;

use super::*;
use crate::workflow::tests::support::{registry, site};
use std::path::PathBuf;

/// A site folder that is removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("takt-library-{name}-{}", std::process::id()));
        for folder in ["workflows", "messages"] {
            fs::create_dir_all(path.join(folder)).expect("a folder");
        }
        Self(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.0.join(path), text).expect("written");
    }

    fn site(&self) -> Site {
        Site { folder: self.0.clone(), ..site() }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn workflow(id: &str, steps: &str) -> String {
    format!(
        "workflow: {id}\nowner: me\ntrigger: manual\ninputs: {{ part: {{ type: string }} }}\nsteps:\n{steps}\n"
    )
}

fn messages(library: &Library) -> Vec<String> {
    let drawn = library
        .problems()
        .filter(|p| p.is_error())
        .map(|p| format!("{} {}:{} {}", p.path, p.place.line, p.place.column, p.message));
    drawn.collect()
}

#[test]
fn workflows_that_run_others_are_checked_against_them() {
    let folder = Folder::new("runs");
    folder.write("workflows/a.yaml", &workflow("a", "  - { id: x, run: b, with: { part: P } }\n  - { id: y, run: b }\n  - { id: z, run: b, with: { prt: P } }\n  - { id: w, each: '${{ [1] }}', run: c }\n  - { id: v, run: broken }"));
    folder.write("workflows/b.yaml", &workflow("b", "  - { id: x, end: done }"));
    folder.write("workflows/b2.yaml", &workflow("b", "  - { id: x, end: done }"));
    folder.write("workflows/broken.yaml", &workflow("broken", "  - { id: x, call: plex.nope }"));
    let library = Library::load(&registry(), &folder.site()).expect("loads");
    assert_eq!(
        messages(&library),
        [
            "workflows/a.yaml 7:19 the workflow `b` needs `part`",
            "workflows/a.yaml 8:30 the workflow `b` takes no `prt`",
            "workflows/a.yaml 9:39 there is no workflow `c`",
            "workflows/b.yaml 1:1 the workflow `b` is also in workflows/b2.yaml",
            "workflows/b2.yaml 1:1 the workflow `b` is also in workflows/b.yaml",
            "workflows/broken.yaml 6:20 there is no tool `plex.nope`",
        ]
    );
}

#[test]
fn what_takt_yaml_says_of_workflows_and_tools_must_be_there() {
    use crate::site::{Mention, Mentioned, ToolPattern};
    let folder = Folder::new("mentions");
    folder.write("workflows/downtime.yaml", &workflow("downtime", "  - { id: x, end: done }"));
    let mention = |line, of| Mention { of, line, column: 3 };
    let mut site = folder.site();
    site.mentions = vec![
        mention(1, Mentioned::Workflow("downtime".into())),
        mention(2, Mentioned::Workflow("downtme".into())),
        mention(3, Mentioned::Tools(ToolPattern::System("plex".into()))),
        mention(4, Mentioned::Tools(ToolPattern::System("nope".into()))),
    ];
    let library = Library::load(&registry(), &site).expect("loads");
    let expected = [
        "takt.yaml 2:3 there is no workflow `downtme`",
        "takt.yaml 4:3 no tool of this site fits: nothing would be shown",
    ];
    assert_eq!(messages(&library), expected);
    let fix =
        library.problems().find(|problem| problem.place.line == 2).and_then(|problem| problem.fix.as_deref());
    assert_eq!(fix, Some("did you mean `downtime`?"));
}

#[test]
fn the_file_that_was_meant_is_guessed() {
    let folder = Folder::new("guessed");
    let gate = |message: &str| {
        let steps = format!(
            "  - {{ id: g, gate: approve, ask: lead, message: {message}, expires: 1h, on_expire: fail }}"
        );
        folder.write("workflows/a.yaml", &workflow("a", &steps));
        let library = Library::load(&registry(), &folder.site()).expect("loads");
        let found =
            library.problems().find(|problem| problem.code == "T019").expect("it is not there").clone();
        found.fix.unwrap_or_default()
    };
    folder.write("messages/still_down.hbs", "x");
    assert_eq!(gate("messages/stil_down.hbs"), "did you mean `messages/still_down.hbs`?");
    assert_eq!(gate("messages/still.hbs"), "did you mean `messages/still_down.hbs`?");
    assert_eq!(gate("messages/other.hbs"), "write the file, or correct the name");
    folder.write("workflows/b.yaml", &workflow("downtime_escalation", "  - { id: x, end: done }"));
    let library = Library::load(&registry(), &folder.site()).expect("loads");
    let absent = library.absence("downtime_escalaton");
    assert!(
        absent.starts_with("there is no workflow `downtime_escalaton`: did you mean `downtime_escalation`?"),
        "{absent}"
    );
    let near = Library::near_path(&folder.0, Path::new("workflows/bb.yaml"));
    assert!(near.is_some(), "{near:?}");
    assert_eq!(Library::near_path(&folder.0, Path::new("workflows/nothing.yaml")), None);
}

/// A test counts for the workflow it names, and not for the one it stands beside.
#[test]
fn cases_count_for_the_workflow_they_name() {
    let folder = Folder::new("named");
    for id in ["one_thing", "other_thing"] {
        folder.write(&format!("workflows/{id}.yaml"), &workflow(id, "  - { id: x, end: done }"));
    }
    folder.write(
        "workflows/one_thing.test.yaml",
        "workflow: other_thing\ncases: [{ name: it ends, expect: { outcome: done } }]\n",
    );
    let site = folder.site();
    let library = Library::load(&registry(), &site).expect("loads");
    let untested = library.untested(&site);
    let found: Vec<_> = untested.values().flatten().map(|p| (p.path.as_str(), p.fix.as_deref())).collect();
    let fix = "workflows/one_thing.test.yaml tests `other_thing`: correct its `workflow:`";
    assert_eq!(found, [("workflows/one_thing.yaml", Some(fix))]);
    let alone = |id: &str| Library::untested_in(library.get(id).expect("is there"), &site).len();
    assert_eq!((alone("one_thing"), alone("other_thing")), (1, 0));
}

#[test]
fn a_value_of_takt_yaml_that_reads_differently_is_told() {
    let folder = Folder::new("surprise");
    folder.write("workflows/a.yaml", &workflow("a", "  - { id: x, end: done }"));
    folder.write("takt.yaml", "name: Small\nvalues:\n  frozen_minutes: 015\n  line: '015'\n");
    let library = Library::load(&registry(), &folder.site()).expect("loads");
    let found: Vec<_> = library.around().iter().map(|p| (p.code, p.place.line, p.message.as_str())).collect();
    assert_eq!(found, [("T023", 3, "`015` is the number 15")]);
}

#[test]
fn a_file_cannot_reach_out_of_the_site() {
    let folder = Folder::new("reach");
    let steps = "  - { id: x, call: notify.role, with: { role: lead, message: ../../../etc/x.hbs } }";
    folder.write("workflows/a.yaml", &workflow("a", steps));
    let library = Library::load(&registry(), &folder.site()).expect("loads");
    assert!(messages(&library)[0].contains("leaves the site folder"), "{:?}", messages(&library));
}

#[test]
fn inputs_of_a_run_have_types_and_circles_are_told() {
    let folder = Folder::new("circles");
    folder.write("workflows/a.yaml", &workflow("a", "  - { id: x, run: b, with: { part: 5 } }"));
    folder.write("workflows/b.yaml", &workflow("b", "  - { id: x, run: a, with: { part: P } }"));
    folder.write("workflows/c.yaml", &workflow("c", "  - { id: x, run: c, with: { part: P } }"));
    let library = Library::load(&registry(), &folder.site()).expect("loads");
    assert_eq!(
        messages(&library),
        [
            "workflows/a.yaml 6:36 input `part` of `b`: a text is needed, this is a whole number",
            "workflows/a.yaml 6:19 `a` runs `b`, which comes back to `a`",
            "workflows/b.yaml 6:19 `b` runs `a`, which comes back to `b`",
            "workflows/c.yaml 6:19 `c` runs itself",
        ]
    );
}

#[test]
fn what_no_workflow_names_and_no_test_covers_is_told() {
    let folder = Folder::new("around");
    let gate =
        "  - { id: ok, gate: approve, ask: lead, message: messages/m.hbs, expires: 1h, on_expire: fail }";
    folder.write("workflows/a.yaml", &workflow("a", gate));
    folder.write("messages/m.hbs", "one");
    folder.write("messages/n.hbs", "two");
    let site = folder.site();
    let library = Library::load(&registry(), &site).expect("loads");
    let around: Vec<_> =
        library.around().iter().map(|problem| (problem.code, problem.path.as_str())).collect();
    assert_eq!(around, [("T021", "messages/n.hbs")]);
    let untested = |library: &Library| -> Vec<String> {
        let all = library.untested(&site).into_values().flatten();
        all.map(|p| format!("{} {}:{} {}", p.code, p.place.line, p.place.column, p.message)).collect()
    };
    assert_eq!(untested(&library), ["T024 1:1 no test covers this workflow"]);
    let drawn = |library: &Library| -> String {
        let text = fs::read_to_string(folder.0.join("workflows/a.yaml")).expect("is there");
        let all = library.untested(&site).into_values().flatten();
        all.map(|problem| crate::workflow::report(&problem, Some(&text), false)).collect()
    };
    insta::assert_snapshot!("T024_no_test", drawn(&library));
    let case = "workflow: a
cases:
  - name: yes
    timeline: { +1m: { answer: ok, by: lee }, +2m: { answer: ok, by: lee, reject: no, expect: refused } }
    expect: { outcome: done }
";
    let (no, silence) =
        ("T024 6:21 no test covers a rejection of `ok`", "T024 6:21 no test covers silence at `ok`");
    folder.write("workflows/a.test.yaml", case);
    assert_eq!(untested(&library), [no, silence]);
    insta::assert_snapshot!("T024_no_rejection", drawn(&library));
    for (timeline, expect, leaves) in [
        ("{}", "{ outcome: failed }", true),
        ("{}", "{ outcome: done }", false),
        ("{}", "{ calls: { notify.role: 0 } }", false),
        ("{}", "{ failure: { step: ok, class: expired } }", true),
        ("{}", "{ outcome: failed, not_reached: ok }", false),
        ("{}", "{ step: { ok: { decision: approve } } }", false),
        ("{ +59m: { answer: ok, by: lee } }", "{ outcome: failed }", false),
        ("{ +61m: { answer: ok, by: lee } }", "{ outcome: failed }", true),
        ("{ +1m: { cancel: lee, reason: over } }", "{ outcome: failed }", false),
    ] {
        let silent = format!("  - {{ name: silence, timeline: {timeline}, expect: {expect} }}\n");
        folder.write("workflows/a.test.yaml", &format!("{case}{silent}"));
        let wanted = if leaves { vec![no] } else { vec![no, silence] };
        assert_eq!(untested(&library), wanted, "{timeline} {expect}");
    }
    folder.write("workflows/a.test.yaml", "a: [b");
    // What is wrong with a test is told there, whatever its file is called.
    assert_eq!(untested(&library), Vec::<String>::new());
    fs::remove_file(folder.0.join("workflows/a.test.yaml")).expect("removed");
    folder.write("workflows/zzz.test.yaml", "workflow: a\ncases: []\n");
    assert_eq!(untested(&library), Vec::<String>::new());
    folder.write("workflows/zzz.test.yaml", "workflow: b\ncases: []\n");
    assert_eq!(untested(&library), ["T024 1:1 no test covers this workflow"]);
    let silent = "  - { name: silence, expect: { outcome: failed } }\n";
    folder.write("workflows/a.test.yaml", &(case.replace(", expect: refused", "") + silent));
    assert_eq!(untested(&library), Vec::<String>::new());
}

/// A pipe never ends, and neither does a device.
#[test]
fn what_is_no_plain_file_is_told_and_not_waited_for() {
    let folder = Folder::new("pipe");
    folder.write("workflows/a.yaml", &workflow("a", "  - { id: x, end: done }"));
    nix::unistd::mkfifo(&folder.0.join("workflows/pipe.yaml"), nix::sys::stat::Mode::S_IRWXU)
        .expect("a pipe");
    std::os::unix::fs::symlink("/dev/zero", folder.0.join("workflows/zero.yaml")).expect("a link");
    let library = Library::load(&registry(), &folder.site()).expect("loads");
    assert_eq!(
        messages(&library),
        [("pipe", "it is no plain file"), ("zero", "it is a link that leaves the site folder")]
            .map(|(name, why)| format!("workflows/{name}.yaml 1:1 the file cannot be read: {why}"))
    );
}

#[test]
fn nothing_is_called_of_no_use_while_a_workflow_is_broken_and_what_is_not_read_is_named() {
    let folder = Folder::new("unread");
    folder.write("workflows/a.yaml", &workflow("a", "  - { id: x, end: done }"));
    folder.write("workflows/b.yaml", "workflow: b\nsteps: [{ id: g, gate approve }]\n");
    folder.write("workflows/c.yml", "workflow: c");
    folder.write("messages/b.hbs", "x");
    let (tools, site) = (registry(), folder.site());
    let mut library = Library::load(&tools, &site).expect("loads");
    let around = |library: &Library| library.around().iter().map(|p| p.path.clone()).collect::<Vec<_>>();
    assert_eq!(around(&library), ["workflows/c.yml"]);
    folder.write("workflows/b.yaml", &workflow("b", "  - { id: x, end: done }"));
    library.reload(&tools, &site).expect("reloads");
    assert_eq!(around(&library), ["workflows/c.yml", "messages/b.hbs"]);
}

#[test]
fn what_another_workflow_shows_a_model_is_told_where_it_is_given() {
    let folder = Folder::new("given");
    for inner in ["prompts", "schemas"] {
        fs::create_dir_all(folder.0.join(inner)).expect("a folder");
    }
    folder.write("prompts/p.hbs", "Judge.");
    folder.write("schemas/s.json", r#"{ "type": "object", "properties": { "word": { "type": "string" } } }"#);
    let agent = "  - { id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: { turns: 3 }, with: { x: '${{ inputs.part }}' }, fallback: { word: x } }";
    folder.write("workflows/child.yaml", &workflow("child", agent));
    folder.write(
        "workflows/between.yaml",
        &workflow("between", "  - { id: r, run: child, with: { part: '${{ inputs.part }}' } }"),
    );
    let parent = |given: &str| {
        let steps = format!(
            "  - {{ id: p, call: hr.people }}\n  - {{ id: r, run: between, with: {{ part: '${{{{ {given} }}}}' }} }}\n  - {{ id: e, each: '${{{{ steps.p.people }}}}', as: one, run: child, with: {{ part: '${{{{ one.shift }}}}' }} }}"
        );
        workflow("parent", &steps)
    };
    folder.write("workflows/parent.yaml", &parent("steps.p.people[0].name"));
    let (tools, site) = (registry(), folder.site());
    let mut library = Library::load(&tools, &site).expect("loads");
    let leaks = |library: &Library| -> Vec<String> {
        let found = library.problems().filter(|problem| problem.code == "T018");
        found.map(|p| format!("{} {}:{} {}", p.path, p.place.line, p.place.column, p.message)).collect()
    };
    let told = "workflows/parent.yaml 7:36 `part` goes from `between` to a model: `name` (employee) would reach the model unmasked, as `x` (workflows/child.yaml:6)";
    assert_eq!(leaks(&library), [told]);
    folder.write("workflows/parent.yaml", &parent("steps.p.people[0].shift"));
    library.reload(&tools, &site).expect("reloads");
    assert_eq!(leaks(&library), Vec::<String>::new());
}

#[test]
fn a_class_that_is_none_is_told_and_does_not_count_as_public() {
    let mut events = Events::default();
    let mut told = |schema: &str| {
        events
            .add("andon.call", schema)
            .err()
            .map(|wrong| (wrong.place.line, wrong.place.column, wrong.message))
    };
    let class = "{ \"properties\": {\n  \"by\": { \"type\": \"string\", \"x-takt-class\": \"employe\" } } }";
    let known = "public, employee, customer, proprietary, secret";
    assert_eq!(told(class), Some((2, 45, format!("`employe` is no class of data: there is {known}"))));
    let why = |schema: &str, why: &str| (schema.to_owned(), why.to_owned());
    for (schema, why) in [
        why(
            r#"{ "x-takt-repeat": true }"#,
            "there is no word `x-takt-repeat`: there is x-takt-class, x-takt-repeats, x-takt-entity",
        ),
        why(r#"{ "x-takt-repeats": "yes" }"#, "`x-takt-repeats` is true or false"),
    ] {
        assert_eq!(told(&schema), Some((1, 3, why)));
    }
    assert_eq!(told(&class.replace("employe", "employee")), None);
}

#[test]
fn what_another_workflow_puts_out_is_known() {
    let folder = Folder::new("outputs");
    let child = "  - { id: p, call: hr.people }\n  - { id: short, if: size(steps.p.people) == 0, end: nobody }\n  - { id: stock, call: plex.inventory, with: { work_center: P } }\n  - id: both\n    parallel: { q: { call: hr.people } }\n";
    folder.write("workflows/b.yaml", &workflow("b", child));
    let parent = |condition: &str| {
        workflow(
            "a",
            &format!(
                "  - {{ id: r, run: b, with: {{ part: P }} }}\n  - {{ id: x, if: \"{condition}\", end: over }}"
            ),
        )
    };
    for (condition, said) in [
        ("steps.r.p.people.exists(one, one.shift == 'A')", None),
        ("steps.r.outcome == 'nobody'", None),
        ("steps.r.?stock.?free.orValue(0) > 1", None),
        ("steps.r.p.peple.exists(one, one.shift == 'A')", Some("7:29 no such field `peple` in `steps.r.p`")),
        ("steps.r.pp == null", Some("7:27 no such field `pp` in `steps.r`")),
        ("steps.r.outcome == 'nobdy'", Some("7:38 it is never `nobdy`")),
        ("steps.r.stock.free > 1", Some("7:27 the field `stock` of `steps.r` may be absent")),
        ("steps.r.both.q != null", Some("7:27 no such field `both` in `steps.r`")),
    ] {
        folder.write("workflows/a.yaml", &parent(condition));
        let library = Library::load(&registry(), &folder.site()).expect("loads");
        let said: Vec<String> = said.into_iter().map(|said| format!("workflows/a.yaml {said}")).collect();
        assert_eq!(messages(&library), said, "{condition}");
        // An editor is told the same.
        let found = library.findings("workflows/a.yaml", &parent(condition), &registry(), &folder.site());
        assert_eq!(found.iter().filter(|found| found.is_error()).count(), said.len());
    }
}

#[test]
fn what_another_workflow_has_read_is_confidential_under_any_name() {
    let folder = Folder::new("outputs-classes");
    fs::create_dir_all(folder.0.join("prompts")).expect("a folder");
    fs::create_dir_all(folder.0.join("schemas")).expect("a folder");
    folder.write("prompts/p.hbs", "Judge.");
    folder.write("schemas/s.json", r#"{ "type": "object", "properties": { "severity": { "type": "string" } }, "required": ["severity"] }"#);
    let child = "  - { id: p, call: hr.people }\n  - { id: names, each: \"${{ steps.p.people.map(one, {'badge': one.name, 'shift': one.shift}) }}\", as: one, steps: [{ id: g, gate: approve, draft: \"${{ one }}\", ask: lead, expires: 1h, on_expire: fail }] }\n";
    folder.write("workflows/b.yaml", &workflow("b", child));
    let parent = |given: &str| {
        let agent = format!(
            "  - {{ id: a, agent: prompts/p.hbs, output: schemas/s.json, limits: {{ turns: 3 }}, with: {{ x: \"${{{{ {given} }}}}\" }}, fallback: {{ severity: low }} }}"
        );
        workflow("a", &format!("  - {{ id: r, run: b, with: {{ part: P }} }}\n{agent}"))
    };
    folder.write("workflows/a.yaml", &parent("steps.r.names.map(one, one.g.edited)"));
    let library = Library::load(&registry(), &folder.site()).expect("loads");
    let found = messages(&library);
    assert!(
        found.iter().any(|found| found.contains("`name` (employee) would reach the model unmasked")),
        "{found:?}"
    );
    folder.write("workflows/a.yaml", &parent("size(steps.r.names)"));
    let library = Library::load(&registry(), &folder.site()).expect("loads");
    assert_eq!(messages(&library), Vec::<String>::new());
}
