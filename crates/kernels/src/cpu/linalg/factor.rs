//! Factorisations and triangular systems, row by row on row-major matrices.

use super::vector::{add_scaled, dot};
use crate::cpu::gemm::Matrix;
use crate::cpu::level::Level;

/// a (n, n), of rows `stride` apart, becomes L with L L' = a; above the diagonal 0. Reads the lower triangle. Where a is not positive definite
/// that is the pivot and its number.
pub(super) fn cholesky(
    level: Level,
    a: &mut [f64],
    stride: usize,
    n: usize,
) -> std::result::Result<(), (usize, f64)> {
    for i in 0..n {
        let (above, rest) = a.split_at_mut(i * stride);
        let row = &mut rest[..n];
        for j in 0..i {
            let other = &above[j * stride..][..=j];
            row[j] = (row[j] - dot(level, &row[..j], &other[..j])) / other[j];
        }
        let pivot = row[i] - dot(level, &row[..i], &row[..i]);
        // NaN is refused, too.
        if !matches!(pivot.partial_cmp(&0.0), Some(std::cmp::Ordering::Greater)) {
            return Err((i, pivot));
        }
        row[i] = pivot.sqrt();
        row[i + 1..].fill(0.0);
    }
    Ok(())
}

/// The first row, in the order of [`substitute`], with 0 on the diagonal.
pub(super) fn zero_pivot(a: Matrix<'_, f64>, n: usize, forward: bool) -> Option<usize> {
    let is_zero = |&i: &usize| a.data[i * (a.row + a.col)] == 0.0;
    if forward {
        (0..n).find(is_zero)
    } else {
        (0..n).rev().find(is_zero)
    }
}

/// x (n, m) becomes the solution of a x = x for triangular a, lower where `forward`.
pub(super) fn substitute(
    level: Level,
    a: Matrix<'_, f64>,
    x: &mut [f64],
    (n, m): (usize, usize),
    forward: bool,
) {
    let at = |r: usize, c: usize| a.data[r * a.row + c * a.col];
    for step in 0..n {
        let row = if forward { step } else { n - 1 - step };
        let diagonal = at(row, row);
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
}

/// a (n, n) becomes its inverse W' W with W = L^-1, of its Cholesky factor L; w (n, n) is scratch. Reads the lower triangle.
pub(super) fn positive_inverse(
    level: Level,
    a: &mut [f64],
    w: &mut [f64],
    n: usize,
) -> std::result::Result<(), (usize, f64)> {
    cholesky(level, a, n, n)?;
    w.fill(0.0);
    (0..n).for_each(|i| w[i * n + i] = 1.0);
    let factor = Matrix {
        data: &*a,
        row: n,
        col: 1,
    };
    substitute(level, factor, w, (n, n), true);
    a.fill(0.0);
    for (k, row) in w.chunks_exact(n.max(1)).enumerate() {
        for i in 0..=k {
            add_scaled(level, &mut a[i * n..][..=k], row[i], &row[..=k]);
        }
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
