use super::super::facts::Facts;
use super::super::model::Weights;
use super::super::problem::Problem;
use super::super::read::read;
use super::graph::Graph;
use super::neighbourhood::{Kind, Neighbourhood};
use super::*;
use proptest::prelude::*;
use rand::Rng as _;

/// A flexible shop with setups between jobs, as text of the classic format.
fn shop_text(seed: u64, with_setups: bool) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (jobs, machines) = (rng.random_range(2..6), rng.random_range(2..5));
    let mut text = format!("{jobs} {machines} 1\n");
    for _ in 0..jobs {
        let ops = rng.random_range(1..5);
        text += &format!("{ops}");
        for _ in 0..ops {
            let first = rng.random_range(0..machines);
            let alts = rng.random_range(1..=machines);
            text += &format!(" {alts}");
            for alt in 0..alts {
                text += &format!(" {} {}", (first + alt) % machines + 1, rng.random_range(1..20));
            }
        }
        text.push('\n');
    }
    for _ in 0..if with_setups { machines * jobs } else { 0 } {
        let row: Vec<String> = (0..jobs).map(|_| rng.random_range(0..12).to_string()).collect();
        text += &(row.join(" ") + "\n");
    }
    text
}

fn problem(seed: u64) -> Problem {
    Problem::parse(read(&shop_text(seed, seed.is_multiple_of(2))).unwrap()).unwrap()
}

fn shop(problem: &Problem) -> Shop {
    let free: Vec<usize> = (0..problem.ops.len()).collect();
    Shop::of(problem, &Facts::of(problem), &free).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn heads_and_tails_stay_those_of_a_full_computation(seed in any::<u64>()) {
        let problem = problem(seed);
        let shop = shop(&problem);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (order, choice) = relink::random(&shop, &mut rng);
        let mut graph = Graph::new(&shop, &order, &choice);
        let mut neighbourhood = Neighbourhood::default();
        for _ in 0..30 {
            neighbourhood.collect(&graph, &mut rng);
            if neighbourhood.moves.is_empty() {
                break;
            }
            let picked = neighbourhood.moves[rng.random_range(0..neighbourhood.moves.len())];
            let before = graph.makespan;
            if !graph.insert(picked.insertion) {
                prop_assert_eq!(before, graph.makespan);
            }
            let fresh = Graph::new(&shop, graph.order(), &graph.choices());
            prop_assert_eq!(graph.makespan, fresh.makespan);
            for node in 0..shop.len() {
                prop_assert_eq!(graph.items[node].head, fresh.items[node].head);
                prop_assert_eq!(graph.items[node].tail, fresh.items[node].tail);
                prop_assert_eq!(graph.items[node].before, fresh.items[node].before);
            }
            let longest = (0..shop.len()).map(|node| graph.items[node]).map(|item| item.head + item.time + item.tail);
            prop_assert_eq!(longest.max(), Some(graph.makespan));
        }
    }

    #[test]
    fn children_respect_routings_and_no_schedule_beats_the_bound(seed in any::<u64>()) {
        let problem = problem(seed);
        let shop = shop(&problem);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut parent = || {
            let (order, choice) = relink::random(&shop, &mut rng);
            Kept::of(&Graph::new(&shop, &order, &choice))
        };
        let (one, other) = (parent(), parent());
        let (order, choice) = relink::child(&shop, &one, &other, &mut rng);
        let mut places = vec![None; shop.len()];
        for (place, &node) in order.iter().enumerate() {
            places[node as usize] = Some(place);
            let pred = shop.fixed[node as usize].pred;
            prop_assert!(pred == shop.none() || places[pred as usize].is_some());
        }
        let child = Graph::new(&shop, &order, &choice);
        prop_assert!(bound(&shop) <= child.cost.min(one.cost).min(other.cost));
        prop_assert_eq!(relink::distance(&shop, &one, &one), 0.0);
    }
}

fn late_shop(problem: &Problem) -> Option<Shop> {
    let free: Vec<usize> = (0..problem.ops.len()).collect();
    let facts = Facts::of(problem);
    let weights = Weights { tardiness: 1.0, late_orders: 3.0, ..Weights::NOTHING };
    Shop::of(problem, &facts, &free)?.priced(problem, &facts, &weights)
}

/// A job shop with a weight and a due time behind each job.
fn late_text(seed: u64) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (jobs, machines) = (rng.random_range(2..7), rng.random_range(2..5));
    let mut text = format!("{jobs} {machines}\n");
    for _ in 0..jobs {
        let first = rng.random_range(0..machines);
        for step in 0..machines {
            text += &format!("{} {} ", (first + step) % machines, rng.random_range(1..20));
        }
        text += &format!("{} {}\n", rng.random_range(1..5), rng.random_range(1..60));
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn late_orders_cost_what_the_objective_says_and_swaps_are_not_overrated(seed in any::<u64>()) {
        let problem = Problem::parse(read(&late_text(seed)).unwrap()).unwrap();
        let shop = late_shop(&problem).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (order, choice) = relink::random(&shop, &mut rng);
        let mut graph = Graph::new(&shop, &order, &choice);
        let mut neighbourhood = Neighbourhood::default();
        for _ in 0..30 {
            let lateness = |order: usize| {
                let last = *problem.orders[order].ops.last().unwrap();
                let late = (i64::from(graph.end(last as Node)) - problem.orders[order].due).max(0) as f64;
                problem.orders[order].weight * late + if late > 0.0 { 3.0 } else { 0.0 }
            };
            prop_assert_eq!(graph.cost, (0..problem.orders.len()).map(lateness).sum::<f64>());
            let fresh = Graph::new(&shop, graph.order(), &graph.choices());
            for node in 0..shop.len() as Node {
                prop_assert_eq!(graph.row(node), fresh.row(node));
                let longest = graph.row(node).iter().max().copied();
                prop_assert_eq!(longest, Some(graph.items[node as usize].tail));
            }
            neighbourhood.collect(&graph, &mut rng);
            if neighbourhood.moves.is_empty() {
                break;
            }
            let picked = neighbourhood.moves[rng.random_range(0..neighbourhood.moves.len())];
            // Nothing that a swap of neighbours waits for changes, so the ways it is judged by are real ones.
            let is_swap = matches!(picked.kind, Kind::Later(at, to) if to == at + 1);
            if graph.insert(picked.insertion) && is_swap {
                prop_assert!(picked.estimate <= graph.cost, "{} above {}", picked.estimate, graph.cost);
            }
        }
    }
}

#[test]
fn late_orders_of_a_small_shop_are_planned_the_same_on_one_thread_or_two() {
    let text = "6 6
2 1 0 3 1 6 3 7 5 3 4 6 4 34
1 8 2 5 4 10 5 10 0 10 3 4 2 61
2 5 3 4 5 8 0 9 1 1 4 7 2 44
1 5 0 5 2 5 3 3 4 8 5 9 2 45
2 9 1 3 4 5 5 4 0 3 3 1 2 32
1 3 3 3 5 9 0 10 4 4 2 1 1 39
";
    let solve = |threads: usize| {
        let mut model = read(text).unwrap();
        model.policy.evaluations = Some(40_000);
        model.policy.threads = threads;
        super::super::resequence(&Problem::parse(model).unwrap()).unwrap()
    };
    let (one, two) = (solve(1), solve(2));
    assert_eq!(one, two);
    let best = &one.options[0].kpis;
    assert_eq!(best.objective, best.weighted_tardiness);
    assert!(best.objective < one.baseline.kpis.objective, "{best:?}");
}

#[test]
fn the_famous_ten_by_ten_is_solved_and_the_same_on_one_thread_or_two() {
    let text = "10 10
0 29 1 78 2 9 3 36 4 49 5 11 6 62 7 56 8 44 9 21
0 43 2 90 4 75 9 11 3 69 1 28 6 46 5 46 7 72 8 30
1 91 0 85 3 39 2 74 8 90 5 10 7 12 6 89 9 45 4 33
1 81 2 95 0 71 4 99 6 9 8 52 7 85 3 98 9 22 5 43
2 14 0 6 1 22 5 61 3 26 4 69 8 21 7 49 9 72 6 53
2 84 1 2 5 52 3 95 8 48 9 72 0 47 6 65 4 6 7 25
1 46 0 37 3 61 2 13 6 32 5 21 9 32 8 89 7 30 4 55
2 31 0 86 1 46 5 74 4 32 6 88 8 19 9 48 7 36 3 79
0 76 1 69 3 76 5 51 2 85 9 11 6 40 7 89 4 26 8 74
1 85 0 13 2 61 6 7 8 64 9 76 5 47 3 52 4 90 7 45
";
    let solve = |threads: usize| {
        let mut model = read(text).unwrap();
        model.policy.evaluations = Some(120_000);
        model.policy.threads = threads;
        super::super::resequence(&Problem::parse(model).unwrap()).unwrap()
    };
    let (one, two) = (solve(1), solve(2));
    assert_eq!(one, two);
    let makespan = one.options[0].kpis.makespan;
    assert!((930..=945).contains(&makespan), "{makespan}");
}
