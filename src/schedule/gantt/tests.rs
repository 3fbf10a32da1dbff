use super::*;

fn bar(resource: &str, job: &str, start: i64, end: i64) -> Bar {
    Bar {
        resource: resource.into(),
        job: job.into(),
        op: "10".into(),
        start,
        end,
        setup_start: None,
        setup_minutes: None,
        late: false,
        moved: false,
        tier: "A".into(),
    }
}

fn plan(bars: Vec<Bar>) -> Plan {
    let resources =
        ["PRESS-1", "PRESS-2", "PRESS-3", "PRESS-4", "WELD-1", "PAINT-1"].map(String::from).to_vec();
    let closed = |resource: &str, from, to, why: &str, breakdown| Closed {
        resource: resource.into(),
        from,
        to,
        why: why.into(),
        breakdown,
    };
    Plan {
        epoch: "2026-11-23T06:00:00-06:00".parse().unwrap(),
        now: 10,
        resources,
        bars,
        down: vec![
            closed("PRESS-4", 5, 250, "hydraulic pressure lost", true),
            closed("PRESS-2", 420, 480, "PM-17", false),
        ],
    }
}

fn plans() -> (Plan, Plan) {
    let before = plan(vec![
        bar("PRESS-2", "J-1038", -20, 95),
        bar("PRESS-2", "J-1051", 240, 330),
        bar("PRESS-3", "J-1040", 0, 140),
        bar("PRESS-4", "J-1042", 15, 120),
        bar("PRESS-4", "J-1043", 120, 210),
        bar("PRESS-4", "J-1044", 210, 330),
        bar("WELD-1", "J-1042b", 130, 190),
        bar("PAINT-1", "J-1002", 30, 300),
    ]);
    let moved = |mut bar: Bar, setup: Option<(i64, i64)>, late: bool| {
        (bar.moved, bar.late) = (true, late);
        (bar.setup_start, bar.setup_minutes) = (setup.map(|setup| setup.0), setup.map(|setup| setup.1));
        bar
    };
    let after = plan(vec![
        bar("PRESS-2", "J-1038", -20, 95),
        moved(bar("PRESS-2", "J-1042", 120, 240), Some((95, 25)), false),
        moved(bar("PRESS-2", "J-1051", 265, 355), Some((240, 25)), false),
        bar("PRESS-3", "J-1040", 0, 140),
        moved(bar("PRESS-3", "J-1043", 160, 255), Some((140, 20)), false),
        moved(bar("PRESS-4", "J-1044", 250, 370), None, true),
        moved(bar("WELD-1", "J-1042b", 245, 305), None, false),
        bar("PAINT-1", "J-1002", 30, 300),
    ]);
    (before, after)
}

#[test]
fn the_chart_of_a_breakdown_is_as_looked_at() {
    let (before, after) = plans();
    insta::assert_snapshot!(svg(&before, &after, &Options::default()).replace("><", ">\n<"));
}

#[test]
fn the_description_tells_the_moves_without_the_picture() {
    let (before, after) = plans();
    let chart = svg(&before, &after, &Options::default());
    assert!(
        chart.contains("5 operations move. J-1042/10: from PRESS-4 Mon 06:15 to PRESS-2 Mon 08:00."),
        "{chart}"
    );
    assert!(chart.contains("PRESS-4 down 06:05–10:10: hydraulic pressure lost."));
    assert!(chart.contains("Late orders: J-1044."));
}

#[test]
fn only_changed_resources_are_drawn_unless_all_are_asked_for() {
    let (before, after) = plans();
    let chart = svg(&before, &after, &Options::default());
    assert!(!chart.contains(">PAINT-1</text>") && chart.contains("2 more resources are unchanged"));
    let all = svg(&before, &after, &Options { all_resources: true, ..Options::default() });
    assert!(all.contains(">PAINT-1</text>") && !all.contains("unchanged"));
}

#[test]
fn names_from_outside_cannot_break_out_of_the_markup() {
    let (mut before, mut after) = plans();
    let nasty = "</text><script>alert(\"1\")</script>&\u{0}";
    for plan in [&mut before, &mut after] {
        plan.bars[1].job = nasty.into();
        plan.bars[1].resource = nasty.into();
        plan.down[0].why = nasty.into();
    }
    let chart =
        svg(&before, &after, &Options { id: "a\"b".into(), title: nasty.into(), ..Options::default() });
    assert!(!chart.contains("<script") && !chart.contains('\u{0}') && !chart.contains("a\"b"));
    let opened = chart.matches("<svg").count();
    assert_eq!(opened, chart.matches("</svg>").count());
}

#[test]
fn plans_without_bars_or_far_in_time_are_drawn_too() {
    let empty = Plan { bars: Vec::new(), down: Vec::new(), ..plan(Vec::new()) };
    assert!(svg(&empty, &empty, &Options::default()).contains("No operation moves."));
    let (before, mut after) = plans();
    after.bars[1].start += 10_000_000;
    after.bars[1].end += 10_000_000;
    after.now = i64::from(i32::MIN);
    assert!(
        svg(&before, &after, &Options { until: Some(i64::from(i32::MIN)), ..Options::default() })
            .ends_with("</svg>")
    );
}
