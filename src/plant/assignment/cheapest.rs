//! The cheapest assignment of rows to columns: the Hungarian method, and the smallest set of rows that
//! cannot all have one.

/// What a pair costs; `None` is forbidden.
pub(super) type Costs = Vec<Vec<Option<i64>>>;

/// By row its column. `left_out[row]` is what it costs to leave a row without one.
pub(super) fn cheapest(costs: &Costs, left_out: &[i64]) -> Vec<Option<usize>> {
    let (rows, columns) = (costs.len(), costs.first().map_or(0, Vec::len));
    // A column of its own for every row makes a complete assignment always possible.
    let all = columns + rows;
    let cost = |row: usize, column: usize| match column.checked_sub(columns) {
        None => costs[row][column],
        Some(own) => (own == row).then(|| left_out[row]),
    };
    // Potentials and matches count from 1; 0 stands for "none".
    let (mut u, mut v) = (vec![0i64; rows + 1], vec![0i64; all + 1]);
    let mut row_of = vec![0usize; all + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut column = 0;
        let mut least = vec![i64::MAX; all + 1];
        let mut before = vec![0usize; all + 1];
        let mut used = vec![false; all + 1];
        while row_of[column] != 0 {
            used[column] = true;
            let at = row_of[column];
            let (mut delta, mut next) = (i64::MAX, 0);
            for to in 1..=all {
                if used[to] {
                    continue;
                }
                if let Some(cost) = cost(at - 1, to - 1) {
                    let reduced = cost - u[at] - v[to];
                    if reduced < least[to] {
                        (least[to], before[to]) = (reduced, column);
                    }
                }
                if least[to] < delta {
                    (delta, next) = (least[to], to);
                }
            }
            for to in 0..=all {
                if used[to] {
                    u[row_of[to]] += delta;
                    v[to] -= delta;
                } else if least[to] != i64::MAX {
                    least[to] -= delta;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[before[column]];
            column = before[column];
        }
    }
    let mut column_of = vec![None; rows];
    for (column, row) in row_of[1..=columns].iter().enumerate() {
        if let Some(row) = row.checked_sub(1) {
            column_of[row] = Some(column);
        }
    }
    column_of
}

/// The rows of `costs` that cannot all have a column though all but any one of them could; empty when
/// every row can.
pub(super) fn uncovered(costs: &Costs) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..costs.len()).collect();
    if covers(costs, &rows) {
        return Vec::new();
    }
    let mut index = 0;
    while index < rows.len() {
        let row = rows.remove(index);
        if covers(costs, &rows) {
            rows.insert(index, row);
            index += 1;
        }
    }
    rows
}

/// Whether every one of `rows` can have a column of its own.
fn covers(costs: &Costs, rows: &[usize]) -> bool {
    let columns = costs.first().map_or(0, Vec::len);
    let mut row_of: Vec<Option<usize>> = vec![None; columns];
    rows.iter().all(|&row| augment(costs, row, &mut row_of, &mut vec![false; columns]))
}

fn augment(costs: &Costs, row: usize, row_of: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    for (column, cost) in costs[row].iter().enumerate() {
        if cost.is_none() || std::mem::replace(&mut seen[column], true) {
            continue;
        }
        if row_of[column].is_none_or(|other| augment(costs, other, row_of, seen)) {
            row_of[column] = Some(row);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All assignments, one by one.
    fn brute(costs: &Costs, left_out: &[i64], row: usize, taken: &mut Vec<usize>) -> i64 {
        if row == costs.len() {
            return 0;
        }
        let mut best = left_out[row] + brute(costs, left_out, row + 1, taken);
        for (column, cost) in costs[row].iter().enumerate() {
            if let Some(cost) = cost.filter(|_| !taken.contains(&column)) {
                taken.push(column);
                best = best.min(cost + brute(costs, left_out, row + 1, taken));
                taken.pop();
            }
        }
        best
    }

    fn total(costs: &Costs, left_out: &[i64], found: &[Option<usize>]) -> i64 {
        let cost = |(row, column): (usize, &Option<usize>)| match column {
            Some(column) => costs[row][*column].expect("a forbidden pair was assigned"),
            None => left_out[row],
        };
        found.iter().enumerate().map(cost).sum()
    }

    fn costs() -> impl Strategy<Value = Costs> {
        (0usize..6, 0usize..6).prop_flat_map(|(rows, columns)| {
            prop::collection::vec(prop::collection::vec(prop::option::weighted(0.6, 0i64..50), columns), rows)
        })
    }

    proptest! {
        #[test]
        fn it_is_as_cheap_as_trying_everything(costs in costs(), left_out in prop::collection::vec(0i64..200, 6)) {
            let left_out = &left_out[..costs.len()];
            let found = cheapest(&costs, left_out);
            let mut columns: Vec<usize> = found.iter().flatten().copied().collect();
            columns.sort_unstable();
            prop_assert!(columns.windows(2).all(|pair| pair[0] != pair[1]), "a column twice");
            prop_assert_eq!(total(&costs, left_out, &found), brute(&costs, left_out, 0, &mut Vec::new()));
        }

        #[test]
        fn the_uncovered_set_is_smallest(costs in costs()) {
            let rows = uncovered(&costs);
            let is_full = covers(&costs, &(0..costs.len()).collect::<Vec<_>>());
            prop_assert_eq!(rows.is_empty(), is_full);
            for left_out in 0..rows.len() {
                prop_assert!(!covers(&costs, &rows));
                let rest: Vec<usize> = rows.iter().copied().filter(|row| *row != rows[left_out]).collect();
                prop_assert!(covers(&costs, &rest));
            }
        }
    }
}
