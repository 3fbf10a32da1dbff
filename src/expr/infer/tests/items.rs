//! What is known of the items of a list, and what would only fail when it runs.

use super::*;

fn past() -> Types {
    let one = json!({ "type": "object", "properties": {
        "minutes": { "type": ["number", "null"] }, "hours": { "type": "number" },
        "at": { "type": "string", "format": "date-time" } } });
    let past = Type::list(Type::of_output(&one));
    let trigger = Type::open([("planned", Type::Bool), ("name", Type::String), ("since", Type::Time)]);
    Types::from([("past".to_owned(), past), ("trigger".to_owned(), trigger), ("now".to_owned(), Type::Time)])
}

#[test]
fn what_was_asked_before_is_known_of_items_too() {
    for right in [
        "past.filter(p, p.minutes != null).exists(p, p.minutes > 5)",
        "past.filter(p, p.minutes != null).map(p, p.minutes).exists(m, m > 5)",
        "max(past.filter(p, p.minutes != null).map(p, p.minutes)) > 5",
        "past.map(p, p.minutes).filter(m, m != null).exists(m, m > 5)",
        "past[0].minutes != null && past[0].minutes > 5",
        "sum(past.map(p, p.minutes != null, p.minutes)) > 5",
        "minutes_between(max(past.map(p, timestamp(p.at))), now) > 5",
        "past.sortBy(p, timestamp(p.at))[0].hours > 5",
        "timestamp(now).getHours('America/Chicago') > 5 && duration('1h').getHours() == 1",
        "math.ceil(past[0].hours) > 5",
        "(trigger.planned ? past[0].hours : 1) > 5",
    ] {
        let (kind, found) = Expr::parse(right).expect(right).infer(&past());
        assert_eq!((kind, found), (Type::Bool, vec![]), "{right}");
    }
}

#[test]
fn what_fails_when_it_runs_is_told_before() {
    let mut drawn = String::new();
    for wrong in [
        "past.filter(p, p.hours > 1).exists(p, p.minutes > 5)",
        "past[0].minutes != null && past[1].minutes > 5",
        "sum(past.map(p, p.minutes)) > 1",
        "past.sortBy(p, p.minutes)[0].hours > 1",
        "past.sortBy(p, p.at)[0].hours > 1",
        "past.sortBy(p, p.hours)[0].hour > 1",
        "past.map(p, p.at).sort()[0] == now",
        "minutes_between(max(past.map(p, p.at)), now) > 5",
        "max([trigger.since, now]) == now",
        "trigger.planned ? 'a' : 1",
        "(trigger.planned ? 1 : 'b') == 'c'",
        "now.getHours() > 5",
        "timestamp(now).getHours('Mars/X') > 5",
        "past[-1].hours > 1",
        "past[0.5].hours > 1",
        "-trigger.name == 'x'",
        "size(past) % 2.5 == 0.5",
        "'Shift ' + shift_at(now) == ''",
        "shift_at(now).lowerAscii() == ''",
        "string(past) == ''",
        "string(past[0].minutes) == ''",
    ] {
        let (_, found) = Expr::parse(wrong).expect(wrong).infer(&past());
        let told: Vec<String> =
            found.iter().map(|p| format!("  {}:{} {}; {}\n", p.line, p.column, p.message, p.fix)).collect();
        assert!(!told.is_empty(), "{wrong}");
        drawn.push_str(&format!("{wrong}\n{}", told.concat()));
    }
    insta::assert_snapshot!(drawn);
}

#[test]
fn a_slip_among_thousands_of_names_lists_a_few() {
    let steps = Type::object((0..5_000).map(|number| (format!("step_{number}"), Type::Any)));
    let types = Types::from([("steps".to_owned(), steps)]);
    let (_, found) = Expr::parse("steps.setp_4321").expect("parses").infer(&types);
    let [TypeProblem { kind: TypeProblemKind::Unknown { known, .. }, fix, .. }] = found.as_slice() else {
        panic!("one unknown name, not {found:?}")
    };
    assert!(known.len() <= 100 && known.iter().any(|name| name == "step_4321"), "{known:?}");
    assert!(fix.ends_with("and 4960 more"), "{fix}");
}
