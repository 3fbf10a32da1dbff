//! Parts of a condition that never change, and where they begin.

use super::*;

fn parts(source: &str) -> Vec<(bool, u32, u32)> {
    let found = Expr::parse(source).expect(source).constant_parts(&types());
    found.into_iter().map(|part| (part.answer, part.line, part.column)).collect()
}

#[test]
fn a_part_that_never_changes_is_known() {
    for (source, answer, column) in [
        ("trigger.a == trigger.a && trigger.b == 'x'", true, 1),
        ("trigger.b == 'x' && trigger.a == trigger.a", true, 21),
        ("trigger.b == 'x' || !(trigger.a == trigger.a)", false, 21),
        ("trigger.b == 'x' && (trigger.c || size(trigger.a) >= 0)", true, 22),
        ("trigger.b == 'x' && (trigger.a == 'x' || trigger.a != 'x')", true, 22),
        ("(1 == 1 ? trigger.a : trigger.b) == 'x'", true, 2),
        ("trigger.list.exists(x, x.a == x.a && x.b == 'y')", true, 24),
        ("trigger.list.filter(x, x.n > 2 && x.a == x.a).size() > 0", true, 35),
    ] {
        assert_eq!(parts(source), [(answer, 1, column)], "{source}");
    }
    assert_eq!(parts("trigger.b == 'x' &&\n  1 == 1"), [(true, 2, 3)]);
}

#[test]
fn a_part_that_may_change_is_let_be() {
    for source in [
        "trigger.a == trigger.b && trigger.c == 'x'",
        "trigger.a ? true : trigger.b",
        "trigger.list.exists(steps, steps.plans.kind == 'low' || steps.plans.kind == 'high')",
        "trigger.list.all(x, x.a == 'x' || trigger.b)",
        "size(trigger.a) >= 1 && size(trigger.a) <= 3",
        "has(trigger.a) && trigger.a == 'x'",
    ] {
        let found = parts(source);
        assert!(found.is_empty(), "{source}: {found:?}");
    }
}

/// `past` is how a gate was answered before where it is that of a gate; an item may be called so, too.
#[test]
fn an_item_called_past_is_no_past_of_a_gate() {
    let past = [("answers", Type::Int), ("accepted", Type::Int), ("share", Type::Number)];
    let mut types = types();
    let item = "trigger.items.exists(past, past.share > 1.5 && past.kind == 'x')";
    let whole = "past.share > 1.5 && trigger.a == 'x'";
    let count = |source: &str, types: &Types| Expr::parse(source).expect(source).constant_parts(types).len();
    assert_eq!((count(item, &types), count(whole, &types)), (0, 0));
    types.insert("past".to_owned(), Type::object([("share", Type::Number)]));
    assert_eq!((count(item, &types), count(whole, &types)), (0, 0));
    types.insert("past".to_owned(), Type::object(past));
    assert_eq!((count(item, &types), count(whole, &types)), (0, 1));
    assert_eq!(count("past.accepted <= past.answers && trigger.a == 'x'", &types), 1);
}
