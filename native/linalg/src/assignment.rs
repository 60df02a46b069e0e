//! The linear assignment problem, exactly: which column goes to which row so that the sum of the costs is least.
//!
//! Reductions that settle most rows, then a shortest augmenting path for each of the others: R. Jonker and A. Volgenant, *A shortest
//! augmenting path algorithm for dense and sparse linear assignment problems*, Computing 38, 1987. O(n³) at worst, and about
//! O(n²) where the least cost of nearly every column is in a row of its own.

use crate::control::{Control, Failure};

/// No row, or no column.
const NONE: usize = usize::MAX;

/// For each row the column that it gets, of an n × n row-major matrix of finite costs: the sum of the costs is least, up to the
/// rounding of sums of them in f64. Of equal choices the diagonal is taken before others, and lower indices before higher: the
/// answer depends on the costs alone.
///
/// # Errors
/// [`Failure::Cancelled`].
///
/// # Panics
/// When `costs` is not n² long.
pub fn assignment(costs: &[f64], n: usize, control: &Control) -> Result<Vec<usize>, Failure> {
    assert_eq!(Some(costs.len()), n.checked_mul(n), "an {n} × {n} matrix");
    let mut state = State { costs, n, column_of: vec![NONE; n], row_of: vec![NONE; n], prices: vec![0.0; n] };
    let mut free = state.reduce_columns(control)?;
    for _ in 0..2 {
        free = state.reduce_rows(free, control)?;
    }
    let mut paths = Paths::new(n);
    let count = free.len();
    for (done, row) in free.into_iter().enumerate() {
        control.report(done as f64 / count as f64);
        state.augment(row, &mut paths, control)?;
    }
    control.report(1.0);
    Ok(state.column_of)
}

/// A part of the rows and columns assigned, and prices under which no assigned row has a cheaper column: cost − price is least,
/// over the row, in its own.
struct State<'a> {
    costs: &'a [f64],
    n: usize,
    column_of: Vec<usize>,
    row_of: Vec<usize>,
    /// Of each column: what its cost in every row is reduced by.
    prices: Vec<f64>,
}

/// Workspace of the search for shortest paths.
struct Paths {
    /// Length of the shortest path found to each column; −∞ once it is known to be the shortest.
    lengths: Vec<f64>,
    /// The row before each column on that path.
    before: Vec<usize>,
    /// Columns whose shortest paths are known, with their lengths.
    known: Vec<(usize, f64)>,
}

impl Paths {
    fn new(n: usize) -> Self {
        Self { lengths: vec![0.0; n], before: vec![NONE; n], known: Vec::with_capacity(n) }
    }
}

impl State<'_> {
    fn row(&self, row: usize) -> &[f64] {
        &self.costs[row * self.n..(row + 1) * self.n]
    }

    fn assign(&mut self, row: usize, column: usize) {
        self.column_of[row] = column;
        self.row_of[column] = row;
    }

    /// Sets each column's price to its least cost and gives it to that row, if no other column has it; then lowers the price of
    /// each row's column as far as the row's next best choice allows. Answers the rows that are left.
    fn reduce_columns(&mut self, control: &Control) -> Result<Vec<usize>, Failure> {
        let n = self.n;
        let mut least = vec![0usize; n];
        self.prices.copy_from_slice(&self.costs[..n]);
        for row in 1..n {
            control.check()?;
            let costs = &self.costs[row * n..(row + 1) * n];
            for ((price, least), &cost) in self.prices.iter_mut().zip(&mut least).zip(costs) {
                if cost < *price {
                    (*price, *least) = (cost, row);
                }
            }
        }
        // Columns whose own row is among the best come first, so that equal choices end on the diagonal.
        let diagonal = |column: usize| self.costs[column * n + column] == self.prices[column];
        let (on, off): (Vec<usize>, Vec<usize>) = (0..n).partition(|&column| diagonal(column));
        on.into_iter().for_each(|column| self.assign(column, column));
        for column in off {
            if self.column_of[least[column]] == NONE {
                self.assign(least[column], column);
            }
        }
        for row in 0..n {
            control.check()?;
            let own = self.column_of[row];
            if own == NONE {
                continue;
            }
            let reduced = self.row(row).iter().zip(&self.prices).enumerate().filter(|&(column, _)| column != own);
            let second = reduced.map(|(_, (cost, price))| cost - price).fold(f64::INFINITY, f64::min);
            if second.is_finite() {
                self.prices[own] -= second.max(0.0);
            }
        }
        Ok((0..n).filter(|&row| self.column_of[row] == NONE).collect())
    }

    /// Gives each of the `free` rows its best column, whose price falls by what the second best is worse; whoever had the column
    /// is free again. Answers the rows that are left.
    fn reduce_rows(&mut self, free: Vec<usize>, control: &Control) -> Result<Vec<usize>, Failure> {
        let mut left = Vec::new();
        // Rows in the order in which they were given, but those that lost their column first.
        let mut waiting: Vec<usize> = free.into_iter().rev().collect();
        // Where prices fall by little, rows could take columns from one another for long; paths settle those sooner.
        let mut steps = 4 * self.n;
        while let Some(row) = waiting.pop() {
            control.check()?;
            if steps == 0 {
                left.push(row);
                continue;
            }
            steps -= 1;
            let ((first, best), (second, next)) = self.two_best(row);
            let lowered = self.prices[first] - (next - best);
            // A fall that rounding swallows is none.
            let falls = next.is_finite() && lowered < self.prices[first];
            let column = if falls {
                self.prices[first] = lowered;
                first
            } else if self.row_of[first] != NONE && second != NONE && next == best {
                second
            } else {
                first
            };
            let owner = self.row_of[column];
            self.assign(row, column);
            if owner != NONE {
                self.column_of[owner] = NONE;
                if falls { waiting.push(owner) } else { left.push(owner) }
            }
        }
        left.sort_unstable();
        Ok(left)
    }

    /// The columns with the least and the second least cost − price of `row`, and these.
    fn two_best(&self, row: usize) -> ((usize, f64), (usize, f64)) {
        let (mut first, mut second) = ((NONE, f64::INFINITY), (NONE, f64::INFINITY));
        for (column, (cost, price)) in self.row(row).iter().zip(&self.prices).enumerate() {
            let reduced = cost - price;
            if reduced < second.1 {
                second = (column, reduced);
                if reduced < first.1 {
                    (first, second) = (second, first);
                }
            }
        }
        (first, second)
    }

    /// Assigns the free `row` along the shortest path to a free column, every row on the way passing to the next column (Dijkstra
    /// over reduced costs).
    fn augment(&mut self, row: usize, paths: &mut Paths, control: &Control) -> Result<(), Failure> {
        let Paths { lengths, before, known } = paths;
        known.clear();
        before.fill(row);
        for (length, (cost, price)) in lengths.iter_mut().zip(self.row(row).iter().zip(&self.prices)) {
            *length = cost - price;
        }
        let (end, shortest) = loop {
            control.check()?;
            let shortest = lengths.iter().fold(f64::INFINITY, |least, &length| {
                if length < least && length != f64::NEG_INFINITY { length } else { least }
            });
            let mut nearest = NONE;
            for (column, _) in lengths.iter().enumerate().filter(|&(_, &length)| length == shortest) {
                if self.row_of[column] == NONE {
                    nearest = column;
                    break;
                }
                if nearest == NONE {
                    nearest = column;
                }
            }
            let owner = self.row_of[nearest];
            if owner == NONE {
                break (nearest, shortest);
            }
            known.push((nearest, shortest));
            lengths[nearest] = f64::NEG_INFINITY;
            let costs = &self.costs[owner * self.n..(owner + 1) * self.n];
            let offset = shortest - (costs[nearest] - self.prices[nearest]);
            let reduced = costs.iter().zip(&self.prices).map(|(cost, price)| cost - price + offset);
            for ((length, before), through) in lengths.iter_mut().zip(before.iter_mut()).zip(reduced) {
                let nearer = through < *length;
                *length = if nearer { through } else { *length };
                *before = if nearer { owner } else { *before };
            }
        };
        for &(column, length) in &*known {
            self.prices[column] += length - shortest;
        }
        let mut column = end;
        loop {
            let owner = before[column];
            let passed = self.column_of[owner];
            self.assign(owner, column);
            if owner == row {
                return Ok(());
            }
            column = passed;
        }
    }
}
