use super::*;
use proptest::prelude::*;

fn now() -> DateTime<Utc> {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn hour(hours: i64) -> DateTime<Utc> {
    now() + Duration::hours(hours)
}

fn demand(job: &str, hours: i64, quantity: f64) -> Demand {
    Demand { job: job.into(), at: hour(hours), quantity }
}

fn inbound(po: &str, hours: i64, quantity: f64) -> Inbound {
    Inbound { po: po.into(), quantity, due: hour(hours) }
}

const HORIZON: Duration = Duration::days(14);

#[test]
fn a_delivery_in_time_leaves_no_gap() {
    let position = Position {
        on_hand: 100.0,
        demand: vec![demand("J-1", 24, 80.0), demand("J-2", 48, 80.0)],
        inbound: vec![inbound("PO-1", 48, 60.0)],
    };
    let forecast = position.forecast(now(), HORIZON);
    assert_eq!((forecast.cover_days, forecast.short_quantity, forecast.short_days), (14.0, 0.0, 0.0));
    assert_eq!(forecast.summary, "Stock and orders cover the next 14 days.");
}

#[test]
fn a_late_delivery_makes_jobs_wait_until_it_arrives() {
    let position = Position {
        on_hand: 100.0,
        demand: vec![demand("J-2", 48, 80.0), demand("J-1", 24, 80.0), demand("J-3", 60, 10.0)],
        inbound: vec![inbound("PO-1", 40, 500.0)],
    };
    let forecast = position.clone().with_delivery_at("PO-1", hour(96)).forecast(now(), HORIZON);
    assert_eq!(forecast.runs_out_at, Some(hour(48)));
    assert_eq!(forecast.cover_days, 2.0);
    assert_eq!(forecast.short_quantity, 70.0);
    assert_eq!(forecast.short_days, 2.0, "from hour 48 to hour 96, counted once for both jobs");
    let jobs: Vec<_> = forecast.waiting.iter().map(|w| (w.job.as_str(), w.missing, w.covered_at)).collect();
    assert_eq!(jobs, [("J-2", 60.0, Some(hour(96))), ("J-3", 10.0, Some(hour(96)))]);
    assert_eq!(position.on_order("PO-1"), 500.0);
}

#[test]
fn nothing_on_order_is_said_so() {
    let position = Position { on_hand: 0.0, demand: vec![demand("J-1", -5, 3.0)], inbound: vec![] };
    let forecast = position.forecast(now(), HORIZON);
    assert_eq!(forecast.waiting[0].covered_at, None);
    assert_eq!((forecast.cover_days, forecast.short_days), (0.0, 14.0));
    assert_eq!(
        forecast.summary,
        "1 job waits, the first in 0.0 days; up to 3 pieces are missing, for 14.0 days."
    );
}

#[test]
fn what_is_needed_after_the_horizon_does_not_count() {
    let position = Position { on_hand: 0.0, demand: vec![demand("J-1", 15 * 24, 3.0)], inbound: vec![] };
    assert_eq!(position.forecast(now(), HORIZON).waiting, []);
}

prop_compose! {
    fn any_position()(
        on_hand in 0_u32..500,
        demand in prop::collection::vec((-24_i64..400, 0_u32..200), 0..12),
        inbound in prop::collection::vec((-24_i64..400, 0_u32..400), 0..6),
    ) -> Position {
        Position {
            on_hand: on_hand.into(),
            demand: demand.iter().map(|(h, q)| super::tests::demand("J", *h, (*q).into())).collect(),
            inbound: inbound.iter().enumerate().map(|(i, (h, q))| super::tests::inbound(&format!("PO-{i}"), *h, (*q).into())).collect(),
        }
    }
}

proptest! {
    #[test]
    fn more_stock_never_makes_it_worse(position in any_position(), extra in 1_u32..300) {
        let before = position.forecast(now(), HORIZON);
        let richer = Position { on_hand: position.on_hand + f64::from(extra), ..position };
        let after = richer.forecast(now(), HORIZON);
        prop_assert!(after.cover_days >= before.cover_days);
        prop_assert!(after.short_quantity <= before.short_quantity);
        prop_assert!(after.short_days <= before.short_days);
    }

    #[test]
    fn a_later_delivery_never_makes_it_better(position in any_position(), hours in 400_i64..800) {
        let before = position.forecast(now(), HORIZON);
        let after = position.with_delivery_at("PO-0", hour(hours)).forecast(now(), HORIZON);
        prop_assert!(after.cover_days <= before.cover_days);
        prop_assert!(after.short_quantity >= before.short_quantity);
    }

    #[test]
    fn the_order_of_the_lists_does_not_matter(position in any_position()) {
        let mut reversed = position.clone();
        reversed.inbound.reverse();
        let (a, b) = (position.forecast(now(), HORIZON), reversed.forecast(now(), HORIZON));
        prop_assert_eq!(a, b);
    }

    #[test]
    fn it_never_says_more_is_missing_than_is_needed(position in any_position()) {
        let forecast = position.forecast(now(), HORIZON);
        let needed: f64 = position.demand.iter().map(|d| d.quantity).sum();
        prop_assert!(forecast.short_quantity <= needed);
        prop_assert!(forecast.short_days <= 14.0);
        prop_assert_eq!(forecast.runs_out_at.is_none(), forecast.waiting.is_empty());
    }
}
