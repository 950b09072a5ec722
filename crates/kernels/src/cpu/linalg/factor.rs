//! Factorisations and triangular systems, row by row on row-major matrices.

use hyperglow_core::Result;
use hyperglow_core::reference::refusal::{not_positive_definite, singular};

use super::vector::{add_scaled, dot};
use crate::cpu::level::Level;

/// a (n, n) becomes L with L L' = a; above the diagonal 0. Reads the lower triangle.
pub(super) fn cholesky(level: Level, a: &mut [f64], n: usize, number: usize) -> Result<()> {
    for i in 0..n {
        let (above, rest) = a.split_at_mut(i * n);
        let row = &mut rest[..n];
        for j in 0..i {
            let other = &above[j * n..][..=j];
            row[j] = (row[j] - dot(level, &row[..j], &other[..j])) / other[j];
        }
        let pivot = row[i] - dot(level, &row[..i], &row[..i]);
        // NaN is refused, too.
        if !matches!(pivot.partial_cmp(&0.0), Some(std::cmp::Ordering::Greater)) {
            return Err(not_positive_definite(number, i, pivot));
        }
        row[i] = pivot.sqrt();
        row[i + 1..].fill(0.0);
    }
    Ok(())
}

/// x (n, m) becomes the solution of op(a) x = x.
#[expect(
    clippy::too_many_arguments,
    reason = "the operands, and what the message names"
)]
pub(super) fn triangular_solve(
    level: Level,
    a: &[f64],
    x: &mut [f64],
    (n, m): (usize, usize),
    lower: bool,
    transpose: bool,
    op: &str,
    number: usize,
) -> Result<()> {
    let at = |r: usize, c: usize| if transpose { a[c * n + r] } else { a[r * n + c] };
    let forward = lower != transpose;
    for step in 0..n {
        let row = if forward { step } else { n - 1 - step };
        let diagonal = at(row, row);
        if diagonal == 0.0 {
            return Err(singular(op, number, row));
        }
        let (before, rest) = x.split_at_mut(row * m);
        let (line, after) = rest.split_at_mut(m);
        let (known, first) = if forward {
            (&*before, 0)
        } else {
            (&*after, row + 1)
        };
        for k in 0..step {
            add_scaled(level, line, -at(row, first + k), &known[k * m..][..m]);
        }
        line.iter_mut().for_each(|x| *x /= diagonal);
    }
    Ok(())
}

/// Gaussian elimination with partial pivoting: a (n, n) becomes upper triangular (below the diagonal something),
/// and b (n, m) changes with it. Gives the sign of the exchanges, or the column without a pivot.
pub(super) fn eliminate(
    level: Level,
    a: &mut [f64],
    b: &mut [f64],
    (n, m): (usize, usize),
) -> std::result::Result<f64, usize> {
    let mut sign = 1.0;
    for k in 0..n {
        let larger = |best: usize, r: usize| {
            if a[r * n + k].abs() > a[best * n + k].abs() {
                r
            } else {
                best
            }
        };
        let pivot = (k + 1..n).fold(k, larger);
        if a[pivot * n + k] == 0.0 {
            return Err(k);
        }
        if pivot != k {
            sign = -sign;
            swap_rows(a, n, k, pivot);
            swap_rows(b, m, k, pivot);
        }
        let (above, below) = a.split_at_mut((k + 1) * n);
        let pivot_row = &above[k * n + k..];
        let (b_above, b_below) = b.split_at_mut((k + 1) * m);
        for r in 0..n - k - 1 {
            let row = &mut below[r * n + k..(r + 1) * n];
            let factor = row[0] / pivot_row[0];
            if factor != 0.0 {
                add_scaled(level, &mut row[1..], -factor, &pivot_row[1..]);
                add_scaled(level, &mut b_below[r * m..][..m], -factor, &b_above[k * m..]);
            }
        }
    }
    Ok(sign)
}

fn swap_rows(x: &mut [f64], width: usize, i: usize, j: usize) {
    let (head, tail) = x.split_at_mut(j * width);
    head[i * width..(i + 1) * width].swap_with_slice(&mut tail[..width]);
}
