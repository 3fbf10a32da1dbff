use super::super::shortage::Demand;
use super::*;

fn now() -> DateTime<Utc> {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn day(days: i64) -> DateTime<Utc> {
    now() + Duration::days(days)
}

fn source(id: &str, lead_days: f64, unit_price: f64, minimum_qty: f64) -> Source {
    Source { id: id.into(), lead_days, unit_price, minimum_qty, expedite_fee: 450.0 }
}

fn position() -> Position {
    Position {
        on_hand: 1_000.0,
        demand: vec![
            Demand { job: "J-1".into(), at: day(1), quantity: 800.0 },
            Demand { job: "J-2".into(), at: day(3), quantity: 800.0 },
        ],
        inbound: vec![Inbound { po: "PO-7704".into(), quantity: 6_000.0, due: day(2) }],
    }
}

fn late() -> Late<'static> {
    Late { part: "FST-3050", po: "PO-7704", supplier: "S-104", eta: day(8) }
}

fn answer(sources: &[Source]) -> Vec<Response> {
    responses(&late(), &position(), sources, now(), Duration::days(14))
}

#[test]
fn offers_three_different_answers_best_first() {
    let found = answer(&[
        source("S-104", 10.0, 0.8, 0.0),
        source("S-105", 2.0, 1.1, 500.0),
        source("S-106", 9.0, 0.9, 0.0),
    ]);
    let seen: Vec<_> = found.iter().map(|r| (r.kind, r.supplier.as_str(), r.qty, r.short_days)).collect();
    assert_eq!(
        seen,
        [
            (Kind::Split, "S-105", 600.0, 0.0),
            (Kind::Alternate, "S-105", 6_000.0, 0.0),
            (Kind::Resequence, "S-104", 0.0, 5.0),
        ]
    );
    assert!((found[0].cost - 660.0).abs() < 1e-9);
    assert_eq!(found[0].eta, day(2));
}

#[test]
fn a_minimum_quantity_is_bought_and_said() {
    let found = answer(&[source("S-105", 2.0, 1.0, 2_500.0)]);
    assert_eq!(found[0].qty, 2_500.0);
    assert!(found[0].rationale.contains("minimum quantity 2500"), "{}", found[0].rationale);
}

#[test]
fn without_another_source_the_supplier_is_asked() {
    let found = answer(&[source("S-104", 10.0, 0.8, 0.0)]);
    let kinds: Vec<_> = found.iter().map(|response| response.kind).collect();
    assert_eq!(kinds, [Kind::Resequence, Kind::Expedite]);
    let email = &found[1].draft_email;
    assert!(
        email.contains("PO-7704") && email.contains("2026-11-26") && email.contains("2026-12-01"),
        "{email}"
    );
}

#[test]
fn people_can_compare() {
    for response in answer(&[source("S-104", 10.0, 0.8, 0.0), source("S-105", 2.0, 1.1, 500.0)]) {
        let labels: Vec<_> = response.facts.iter().map(|fact| fact.label.as_str()).collect();
        assert_eq!(labels, ["Cost", "Here on", "Days short", "Quantity"]);
        assert!(response.rationale.chars().count() <= 200, "{}", response.rationale);
        assert!(response.title.chars().count() <= 80, "{}", response.title);
    }
}

#[test]
fn no_shortage_needs_no_answer() {
    let plenty = Position { on_hand: 10_000.0, ..position() };
    let found = responses(&late(), &plenty, &[source("S-105", 2.0, 1.1, 0.0)], now(), Duration::days(14));
    assert_eq!(found, []);
}
