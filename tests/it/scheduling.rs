//! `takt schedule` through the real binary: problems in every format, plans that are right and wrong, bad input.
//!
//! Nothing here has a site, a database or a network.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// A folder of its own for the files of one test.
struct Desk(PathBuf);

impl Desk {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("takt-scheduling-{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    /// Exit code, standard output, standard error of `takt schedule`.
    fn takt(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_takt"))
            .arg("schedule")
            .args(args)
            .current_dir(&self.0)
            .env_clear()
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn instance(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/scheduling").join(name).display().to_string()
}

/// Two orders, two presses with changeovers, one tool.
fn model() -> Value {
    let order = |id: &str, family: &str| {
        json!({"id": id, "due": 120, "tier": "A", "weight": 2, "ops": [
            {"id": "10", "family": family, "needs": [{"pool": "T-7", "qty": 1}], "alts": [
                {"resource": "P1", "minutes": 60}, {"resource": "P2", "minutes": 70}]},
            {"id": "20", "alts": [{"resource": "W1", "minutes": 30}]}]})
    };
    json!({
        "epoch": "2026-11-23T06:00:00-06:00", "horizon": 3000, "families": ["RED", "BLUE"],
        "calendars": [{"id": "day", "open": [[0, 480], [1440, 1920]]}],
        "setups": [{"id": "S", "minutes": [[0, 20], [25, 0]]}],
        "resources": [{"id": "P1", "setup": "S", "state": "RED"}, {"id": "P2", "setup": "S", "state": "RED"},
                      {"id": "W1", "calendar": "day"}],
        "pools": [{"id": "T-7", "kind": "tool", "capacity": 1}],
        "orders": [order("PO-1", "RED"), order("PO-2", "BLUE")],
        "current": [{"op": "PO-1/10", "resource": "P1", "start": 30, "end": 90}],
    })
}

#[test]
fn every_format_is_solved_and_the_plan_is_checked_by_the_validator() {
    let desk = Desk::new();
    let model = desk.file("model.json", &model().to_string());
    let files =
        [instance("ft06.txt"), instance("Fattahi_setup_01.fjs"), instance("plantC_30x8x5_s1.json"), model];
    for file in &files {
        let (code, out, err) =
            desk.takt(&["solve", file, "--evaluations", "2000", "--json", "--out", "plan.json"]);
        assert_eq!((code, err.as_str()), (0, ""), "{file}");
        let answer: Value = serde_json::from_str(&out).unwrap();
        let plan: Value = serde_json::from_str(&desk.read("plan.json")).unwrap();
        assert_eq!(answer["options"][0]["plan"], plan);
        assert_eq!(plan["version"], json!(1));
        let (code, out, _) = desk.takt(&["validate", file, "plan.json"]);
        assert_eq!(code, 0, "{out}");
        assert!(out.contains("keeps all 15 rules"), "{out}");
        let (code, converted, _) = desk.takt(&["convert", file]);
        assert_eq!(code, 0);
        let (code, _, _) = desk.takt(&["validate", &desk.file("converted.json", &converted), "plan.json"]);
        assert_eq!(code, 0, "the JSON model is the same problem");
    }
    let (_, out, _) = desk.takt(&["solve", &files[0], "--evaluations", "20000", "--json"]);
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["options"][0]["kpis"]["makespan"], json!(55), "ft06 is solved to its optimum");
}

#[test]
fn a_seed_and_a_step_budget_write_the_same_bytes_on_any_number_of_threads() {
    let desk = Desk::new();
    let file = instance("plantC_30x8x5_s1.json");
    let solve = |threads: &str, seed: &str, out: &str| {
        let (code, _, err) = desk.takt(&[
            "solve",
            &file,
            "--evaluations",
            "3000",
            "--seed",
            seed,
            "--threads",
            threads,
            "--out",
            out,
        ]);
        assert_eq!(code, 0, "{err}");
        desk.read(out)
    };
    let one = solve("1", "7", "one.json");
    assert_eq!(one, solve("2", "7", "two.json"));
    assert_ne!(one, solve("1", "8", "other.json"));
}

#[test]
fn a_spoiled_plan_is_refused_with_rule_operation_and_times() {
    let desk = Desk::new();
    let file = desk.file("model.json", &model().to_string());
    let (code, _, err) = desk.takt(&["solve", &file, "--evaluations", "500", "--out", "plan.json"]);
    assert_eq!(code, 0, "{err}");
    let plan: Value = serde_json::from_str(&desk.read("plan.json")).unwrap();
    let spoiled = |spoil: &dyn Fn(&mut Value)| {
        let mut bare = json!({ "ops": plan["ops"] });
        spoil(&mut bare);
        let (code, out, _) = desk.takt(&["validate", &file, &desk.file("spoiled.json", &bare.to_string())]);
        (code, out)
    };
    let at = |plan: &Value, op: &str| {
        plan["ops"].as_array().unwrap().iter().position(|entry| entry["op"] == op).unwrap()
    };
    assert_eq!(spoiled(&|_| ()).0, 0, "a plan of which nothing is reported");
    type Spoil<'s> = &'s dyn Fn(&mut Value);
    let welding = at(&plan, "PO-1/20");
    let cases: [(Spoil, &str); 6] = [
        (&|plan| drop(plan["ops"].as_array_mut().unwrap().pop()), "rule 1 (each operation once): "),
        (
            &|plan| plan["ops"][0]["op"] = json!("PO-9/10"),
            "rule 1 (each operation once): PO-9/10 is planned but not in",
        ),
        (
            &|plan| plan["ops"][welding]["resource"] = json!("P1"),
            "rule 2 (eligible resource): PO-1/20 cannot be done on P1, only on W1",
        ),
        (&|plan| plan["ops"][welding]["end"] = json!(9), "PO-1/20 "),
        (&|plan| plan["ops"][welding]["start"] = json!(-5), "PO-1/20 "),
        (
            &|plan| {
                plan["ops"]
                    .as_array_mut()
                    .unwrap()
                    .iter_mut()
                    .for_each(|op| drop(op.as_object_mut().unwrap().remove("setup_start")))
            },
            "rule 7 (changeover): ",
        ),
    ];
    for (spoil, words) in cases {
        let (code, out) = spoiled(spoil);
        assert_eq!(code, 1, "{out}");
        assert!(out.contains(words), "{words} / {out}");
    }
    let (_, out) = spoiled(&|plan| {
        plan["ops"][welding]["start"] = json!(500);
        plan["ops"][welding]["end"] = json!(530);
    });
    assert!(
        out.contains(
            "rule 8 (open time): PO-1/20 runs 500 (Mon 14:20) to 530 (Mon 14:50) while W1 is closed"
        ),
        "{out}"
    );
    let mut reported = plan.clone();
    reported["kpis"]["late_orders"] = json!(17);
    let (code, out, _) =
        desk.takt(&["validate", &file, &desk.file("reported.json", &reported.to_string()), "--json"]);
    let verdict: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &verdict["violations"][0]["rule"]), (1, &json!(15)));
}

#[test]
fn what_cannot_be_planned_is_explained_and_the_rest_planned() {
    let desk = Desk::new();
    let mut model = model();
    model["pools"][0]["calibrated_until"] = json!(70);
    model["orders"][1]["ops"][0]["material_at"] = json!(60);
    let file = desk.file("model.json", &model.to_string());
    let (code, out, err) = desk.takt(&["solve", &file, "--evaluations", "300", "--out", "plan.json"]);
    assert_eq!((code, err.as_str()), (1, ""));
    let sentence = "PO-2 cannot be planned: PO-2/10 has its material from Mon 07:00 on; PO-2/10 needs tool T-7, \
                    out of calibration from Mon 07:10 on. Give up one of them";
    assert!(out.contains(sentence), "{out}");
    let plan: Value = serde_json::from_str(&desk.read("plan.json")).unwrap();
    assert_eq!(plan["unscheduled"][0]["order"], json!("PO-2"));
    assert_eq!(desk.takt(&["validate", &file, "plan.json"]).0, 0, "what it plans is right");
}

#[test]
fn plans_are_compared_and_drawn() {
    let desk = Desk::new();
    let file = instance("plantC_30x8x5_s1.json");
    for (seed, out) in [("1", "a.json"), ("2", "b.json")] {
        let args =
            ["solve", &file, "--evaluations", "1500", "--seed", seed, "--out", out, "--gantt", "plan.html"];
        assert_eq!(desk.takt(&args).0, 0);
    }
    let (code, out, err) = desk.takt(&["compare", &file, "a.json", "b.json", "--gantt", "both.svg"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("weighted tardiness") && out.contains("operations at another place"), "{out}");
    let (picture, page) = (desk.read("both.svg"), desk.read("plan.html"));
    assert!(picture.starts_with("<svg") && picture.contains("gantt-moved"));
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg"));
    let (code, _, err) = desk.takt(&["compare", &file, "a.json", "b.json", "--gantt", "both.png"]);
    assert_eq!(code, 2);
    assert!(err.contains("write a file that ends in .svg or .html"), "{err}");
    let (_, out, _) = desk.takt(&["compare", &file, "a.json", "a.json", "--json"]);
    let same: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(same["differences"], json!([]));
}

#[test]
fn bad_input_is_refused_with_its_place_in_time() {
    let desk = Desk::new();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut model = model();
        change(&mut model);
        model.to_string()
    };
    let many: String = format!("1 1\n{}\n", "0 1 ".repeat(100_000));
    let cases: [(String, &str); 17] = [
        (
            changed(&|m| m["orders"][0]["ops"][0]["after"] = json!(["20"])),
            "order `PO-1`: operations wait for each other in a circle",
        ),
        (
            changed(&|m| m["orders"][0]["ops"][0]["alts"][0]["resource"] = json!("P9")),
            "orders[0].ops[0].alts[0].resource: there is no resource `P9`",
        ),
        (
            changed(&|m| m["calendars"][0]["open"] = json!([])),
            "calendars[0].open: the calendar `day` is never open",
        ),
        (
            changed(&|m| m["orders"][0]["ops"][0]["alts"][0]["minutes"] = json!(0)),
            "orders[0].ops[0].alts[0].minutes: 0 is not allowed",
        ),
        (
            changed(&|m| m["orders"][0]["ops"][0]["alts"][0]["minutes"] = json!(-7)),
            "orders[0].ops[0].alts[0].minutes: -7 is not allowed",
        ),
        (
            changed(&|m| m["orders"][0]["due"] = json!(i64::MAX)),
            "orders[0].due: 9223372036854775807 is not allowed",
        ),
        (changed(&|m| m["horizon"] = json!(1_000_000_000)), "horizon: 1000000000 is not allowed"),
        (changed(&|m| m["orders"][1]["id"] = json!("PO-1")), "orders[1]: the id `PO-1` is used twice"),
        (changed(&|m| m["pools"][0]["capacity"] = json!(-1)), "pools[0].capacity: -1 is not allowed"),
        (changed(&|m| m["orders"][0]["weight"] = json!(0)), "orders[0].weight: 0 is not allowed"),
        (changed(&|m| m["version"] = json!(9)), "version 9 of the scheduling form is unknown"),
        (changed(&|m| m["setups"][0]["minutes"] = json!([[0]])), "setups[0].minutes: has 1 rows"),
        (model().to_string().replace("\"due\":120", "\"due\":NaN"), "line 1, column "),
        (model().to_string().replace("\"due\":120", "\"due\":1e999"), "line 1, column "),
        (many, "orders: 100000 operations are more than the 20000 allowed"),
        ("2 2\n0 3 1 4\n1 x 0 6\n".into(), "line 3, column 3: `x` is not a whole number"),
        (String::new(), "the file holds nothing"),
    ];
    for (text, words) in cases {
        let begun = Instant::now();
        let file = desk.file("bad.json", &text);
        let (code, out, err) = desk.takt(&["solve", &file, "--seconds", "1"]);
        assert_eq!((code, out.as_str()), (2, ""), "{words}: {err}");
        assert!(err.contains(words) && !err.contains("panicked"), "{words} / {err}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{words} took {:?}", begun.elapsed());
    }
    let (code, _, err) = desk.takt(&["solve", "nowhere.json"]);
    assert_eq!(code, 2);
    assert!(err.contains("nowhere.json cannot be read"), "{err}");
    let (code, _, err) =
        desk.takt(&["validate", &instance("ft06.txt"), &desk.file("plan.json", "{\"opps\": []}")]);
    assert_eq!(code, 2);
    assert!(err.contains("this is not a plan: unknown field `opps`"), "{err}");
}

#[test]
fn due_dates_in_the_past_and_frozen_operations_in_each_others_way_are_planned_and_said() {
    let desk = Desk::new();
    let mut model = model();
    model["orders"][0]["due"] = json!(-500);
    model["current"] = json!([
        {"op": "PO-1/10", "resource": "P1", "start": 30, "end": 90, "state": "frozen"},
        {"op": "PO-2/10", "resource": "P1", "start": 60, "end": 120, "state": "frozen"}]);
    let file = desk.file("model.json", &model.to_string());
    let (code, out, err) = desk.takt(&["solve", &file, "--evaluations", "300", "--out", "plan.json"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("PO-2/10 is frozen and cannot stay: P1 is busy until"), "{out}");
    assert_eq!(desk.takt(&["validate", &file, "plan.json"]).0, 0);
}

#[test]
fn progress_is_shown_only_where_it_is_wanted() {
    let desk = Desk::new();
    let file = instance("plantC_30x8x5_s1.json");
    let (_, _, err) = desk.takt(&["solve", &file, "--evaluations", "2000"]);
    assert_eq!(err, "", "standard error is no terminal here");
    let (_, out, err) =
        desk.takt(&["solve", &file, "--evaluations", "2000", "--json", "--progress", "always"]);
    assert!(err.contains("objective"), "{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    let steps: Vec<f64> = answer["timing"]["progress"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["objective"].as_f64().unwrap())
        .collect();
    assert!(!steps.is_empty() && steps.windows(2).all(|pair| pair[1] < pair[0]), "{steps:?}");
}

#[test]
fn an_interrupt_ends_a_long_search_with_the_best_plan_so_far() {
    let desk = Desk::new();
    let file = instance("plantC_30x8x5_s1.json");
    let mut child = Command::new(env!("CARGO_BIN_EXE_takt"))
        .args(["schedule", "solve", &file, "--seconds", "3600", "--progress", "always"])
        .args(["--out", &desk.path("plan.json")])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // The first line says that there is a plan.
    let mut first = String::new();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut lines, &mut first).unwrap();
    assert!(first.contains("objective"), "{first}");
    // The rest is read on, so that a full pipe does not hold the search up.
    let rest = std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let begun = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(20), "it took {:?} to stop", begun.elapsed());
    rest.join().unwrap().unwrap();
    assert_eq!(desk.takt(&["validate", &file, "plan.json"]).0, 0);
}

#[test]
fn the_forms_have_schemas_that_real_files_fit() {
    let desk = Desk::new();
    let schema = |form: &str| -> Value { serde_json::from_str(&desk.takt(&["schema", form]).1).unwrap() };
    assert!(jsonschema::is_valid(&schema("model"), &model()));
    let file = desk.file("model.json", &model().to_string());
    desk.takt(&["solve", &file, "--evaluations", "300", "--out", "plan.json"]);
    let plan: Value = serde_json::from_str(&desk.read("plan.json")).unwrap();
    assert!(jsonschema::is_valid(&schema("plan"), &plan));
    assert!(!jsonschema::is_valid(&schema("plan"), &json!({"opps": []})));
}
