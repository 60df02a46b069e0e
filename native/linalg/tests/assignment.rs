//! Assignments against all permutations, against SciPy's sums (`fixtures/assignment.py`), and what holds for every one.

use proptest::prelude::*;
use serde::Deserialize;
use weight_loupe_linalg::assignment::assignment;
use weight_loupe_linalg::{Control, Failure};

#[derive(Deserialize)]
struct Reference {
    kind: String,
    n: usize,
    seed: u64,
    total: f64,
}

fn solve(costs: &[f64], n: usize) -> Vec<usize> {
    let found = assignment(costs, n, &Control::unattended(1)).expect("an assignment");
    let mut sorted = found.clone();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..n), "every column once");
    found
}

fn total(costs: &[f64], n: usize, assigned: &[usize]) -> f64 {
    assigned.iter().enumerate().map(|(row, &column)| costs[row * n + column]).sum()
}

/// The SplitMix64 sequence as multiples of 2⁻⁵² in [−1, 1).
fn uniform(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn costs(kind: &str, n: usize, seed: u64) -> Vec<f64> {
    let mut costs = uniform(seed, n * n);
    match kind {
        "uniform" => {}
        "few values" => costs.iter_mut().for_each(|cost| *cost = (*cost * 3.0).floor()),
        "product" => {
            let (first, last) = (costs[..n].to_vec(), costs[n * (n - 1)..].to_vec());
            (0..n * n).for_each(|at| costs[at] = first[at / n] * last[at % n]);
        }
        "near a permutation" => (0..n).for_each(|row| costs[row * n + (row * 7 + 3) % n] -= 1.25),
        other => panic!("unknown kind {other}"),
    }
    costs
}

#[test]
fn sums_are_those_of_scipy() {
    let references: Vec<Reference> = serde_json::from_str(include_str!("fixtures/assignment.json")).expect("generated");
    for Reference { kind, n, seed, total: expected } in references {
        let costs = costs(&kind, n, seed);
        let found = total(&costs, n, &solve(&costs, n));
        let tolerance = if kind == "few values" { 0.0 } else { 1e-13 * n as f64 };
        assert!((found - expected).abs() <= tolerance, "{kind} {n}: {found} is not {expected}");
    }
}

/// The least sum over all permutations of the columns from `row` on.
fn least(costs: &[f64], n: usize, row: usize, taken: u32) -> f64 {
    if row == n {
        return 0.0;
    }
    let free = (0..n).filter(|column| taken & 1 << column == 0);
    free.map(|column| costs[row * n + column] + least(costs, n, row + 1, taken | 1 << column))
        .fold(f64::INFINITY, f64::min)
}

/// Costs of mixed magnitude with many repeats.
fn problems(most: usize) -> impl Strategy<Value = (usize, Vec<f64>)> {
    (0..=most).prop_flat_map(|n| {
        let cost = prop_oneof![
            3 => (-3i32..4).prop_map(f64::from),
            2 => -1.0..1.0f64,
            1 => (-30i32..12).prop_map(|e| 10f64.powi(e)),
        ];
        (Just(n), prop::collection::vec(cost, n * n))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_permutation_costs_less((n, costs) in problems(7)) {
        let found = total(&costs, n, &solve(&costs, n));
        let scale: f64 = costs.iter().map(|cost| cost.abs()).fold(1.0, f64::max);
        prop_assert!(found <= least(&costs, n, 0, 0) + 1e-13 * scale);
    }

    /// What no exchange of two, and no constant added to a row or a column, changes.
    #[test]
    fn larger_ones_are_stable((n, costs) in problems(40), shift in -2.0..2.0f64) {
        let assigned = solve(&costs, n);
        let scale: f64 = costs.iter().map(|cost| cost.abs()).fold(1.0, f64::max);
        for i in 0..n {
            for j in 0..i {
                let now = costs[i * n + assigned[i]] + costs[j * n + assigned[j]];
                let exchanged = costs[i * n + assigned[j]] + costs[j * n + assigned[i]];
                prop_assert!(now <= exchanged + 1e-12 * scale);
            }
        }
        let mut shifted = costs.clone();
        (0..n * n).for_each(|at| shifted[at] += shift * (1 + at / n) as f64 - (at % n) as f64);
        let again = total(&costs, n, &solve(&shifted, n));
        prop_assert!((again - total(&costs, n, &assigned)).abs() <= 1e-11 * scale * n as f64);
    }
}

#[test]
fn equal_choices_stay_where_they_are() {
    assert_eq!(solve(&[0.0; 49], 7), (0..7).collect::<Vec<_>>());
    // Rows 1 and 3 are the same.
    let rows = [[0.0, 1.0, 9.0, 1.0], [2.0, 0.0, 7.0, 0.0], [4.0, 3.0, 0.0, 3.0], [2.0, 0.0, 7.0, 0.0]];
    assert_eq!(solve(&rows.concat(), 4), [0, 1, 2, 3]);
}

#[test]
fn cancelling_ends_it() {
    let costs = uniform(1, 100 * 100);
    let cancelled = || true;
    assert_eq!(assignment(&costs, 100, &Control::new(1, &cancelled, &|_| {})), Err(Failure::Cancelled));
}
