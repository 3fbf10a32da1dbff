use super::super::Problem;
use super::*;
use proptest::prelude::*;

const FLEXIBLE: &str = "2 2 2\n2 2 1 25 2 37 2 1 32 2 24\n2 2 1 45 2 65 1 1 21\n";

fn format(text: &str) -> Format {
    let (model, format) = read_with_format(text).unwrap();
    Problem::parse(model).unwrap();
    format
}

#[test]
fn the_format_is_told_by_the_content() {
    assert_eq!(format("2 2\n0 3 1 4\n1 2 0 6\n"), Format::JobShop);
    assert_eq!(format("# remark\n2 2\n0 3 1 4 0 5 -1 -1\n1 2 -1 -1\n"), Format::JobShop);
    assert_eq!(format("2 2\n0 3 1 4   4 30\n1 2 0 6   1 20\n"), Format::WeightedTardiness);
    assert_eq!(format(FLEXIBLE), Format::Flexible);
    assert_eq!(format(&format!("{FLEXIBLE}0 1\n2 0\n0 3\n4 0\n")), Format::SetupsByJob);
    let by_op = "1 2 3 4\n".repeat(8);
    assert_eq!(format(&format!("{FLEXIBLE}\n{by_op}")), Format::SetupsByOperation);
    assert_eq!(format(r#"{"orders":[{"id":"J","due":4,"ops":[]}],"resources":[]}"#), Format::Plant);
    assert_eq!(
        format(r#"{"epoch":"2026-11-23T06:00:00Z","horizon":9,"orders":[],"resources":[]}"#),
        Format::Model
    );
}

#[test]
fn machines_times_and_setups_stay_as_given() {
    let model = read(&format!("{FLEXIBLE}0 1\n2 0\n0 3\n4 0\n")).unwrap();
    assert_eq!(model.orders[1].ops[1].alts[0].resource, "M1");
    assert_eq!(model.orders[0].ops[1].alts[1].minutes, 24);
    assert_eq!(model.orders[1].ops[0].family.as_deref(), Some("J2"));
    assert_eq!(model.setups[1].minutes, [[0, 3], [4, 0]]);
    assert_eq!(model.resources[1].state, None);
    let model = read("2 2\n0 3 1 4   4 30\n1 2 0 6   1 20\n").unwrap();
    assert_eq!((model.orders[0].weight, model.orders[0].due, model.orders[0].ops.len()), (4.0, 30, 2));
    assert_eq!((model.policy.weights.tardiness, model.policy.weights.makespan), (1.0, 0.0));
}

#[test]
fn errors_name_the_place() {
    let message = |text: &str| read(text).unwrap_err().to_string();
    assert!(message(" \n").starts_with("the file holds nothing"));
    assert!(message("2 2\n0 3 1 4\n1 x 0 6\n").starts_with("line 3, column 3: `x`"));
    assert!(
        message("2 2\n0 3 1 4\n1 2 7 6\n").starts_with("line 3, column 5: 7 is not allowed as a machine")
    );
    assert!(message("2 2\n0 3 1 4\n1 2 0 -6\n").starts_with("line 3, column 7: -6 is not allowed as a time"));
    assert!(message("2 2\n0 3 1 4\n").contains("1 job lines follow the header, which says 2"));
    assert!(message("2 2 2\n2 2 1 25 2 37\n").starts_with("the file ends after line 2"));
    assert!(message(&format!("{FLEXIBLE}1 2 3\n")).contains("3 numbers are left over"));
    assert!(message("99999999999999999999 2\n").starts_with("line 1, column 1"));
    assert!(message("{\"orders\": [}").starts_with("line 1, column 13"));
    let plant = r#"{"orders":[{"id":"J","ops":[]}],"resources":[]}"#;
    assert!(message(plant).starts_with("orders[0].due"));
    assert!(message(r#"{"orders":[],"resources":[],"time_unit":"s"}"#).starts_with("time_unit: `s`"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[0-9 \n.#{}:,\"a-c-]{0,80}") {
        if let Ok(model) = read(&text) {
            let _ = Problem::parse(model);
        }
    }

    #[test]
    fn numbers_in_any_arrangement_are_read_or_refused(
        lines in prop::collection::vec(prop::collection::vec(-2i64..9, 0..9), 0..7),
    ) {
        let text: Vec<String> = lines.iter().map(|line| line.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")).collect();
        if let Ok(model) = read(&text.join("\n")) {
            prop_assert!(Problem::parse(model).is_ok());
        }
    }
}
