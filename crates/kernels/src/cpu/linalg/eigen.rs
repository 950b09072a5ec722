//! Eigenvalues and eigenvectors of a symmetric matrix: Householder's reduction to tridiagonal form, then QL
//! iterations with implicit shifts (Golub and Van Loan, Matrix Computations, sections 8.3.1 and 8.3.3; the
//! shifted QL step as in Parlett, The Symmetric Eigenvalue Problem, section 8.15).
//!
//! Eigenvectors are held as rows, so that a rotation works on two contiguous rows; the rotations of an iteration
//! are collected and applied to stretches of columns, which threads share.

use hyperglow_core::Result;
use hyperglow_core::reference::refusal::{no_convergence, not_finite};

use super::vector::{add_scaled, add_two_scaled, dot, rotate};
use crate::cpu::level::Level;
use crate::cpu::pool::{Pool, SharedSlice};

/// Iterations for one eigenvalue after which it is given up; two or three are usual.
const MAX_ITERATIONS: usize = 60;
/// Components this close to the largest count as tied with it, since rounding decides between them.
const TIE_RATIO: f64 = 1.0 - 1e-6;
/// Sum of squares below which what a reflection would remove counts as 0. Elements are near 1, so it is far below their rounding; the
/// reduction of equal rows comes down to squares that underflow, of which no reflection can be made.
const MIN_SQUARE: f64 = 1e-200;
/// Columns that a task rotates.
const STRIP_COLUMNS: usize = 64;

/// Doubles of scratch for one matrix, with room for the matrix itself.
pub(super) fn work_len(n: usize) -> usize {
    2 * n * n + 6 * n
}

/// Writes eigenvalues, ascending, to places 0 to n - 1, and below them the eigenvectors as columns of length 1,
/// the largest component of each, the first on ties, positive. Reads the lower triangle of a.
pub(super) fn eigh(
    pool: &Pool,
    level: Level,
    a: &mut [f64],
    work: &mut [f64],
    n: usize,
    number: usize,
    mut write: impl FnMut(usize, f64),
) -> Result<()> {
    let mut largest = 0.0_f64;
    for r in 0..n {
        for c in 0..n {
            let value = a[r.max(c) * n + r.min(c)];
            if !value.is_finite() {
                return Err(not_finite("eigh", number, r.max(c), r.min(c), value));
            }
            a[r * n + c] = value;
            largest = largest.max(value.abs());
        }
    }
    // A power of two, so that nothing overflows and nothing is rounded. Zero stays as it is.
    let scale = if largest > 0.0 {
        2.0_f64.powi((largest.log2().floor() as i32).clamp(-1000, 1000))
    } else {
        1.0
    };
    a.iter_mut().for_each(|x| *x /= scale);
    let (vectors, rest) = work.split_at_mut(n * n);
    let (diagonal, rest) = rest.split_at_mut(n);
    let (off, rest) = rest.split_at_mut(n);
    let (p, rest) = rest.split_at_mut(n);
    let (rotations, _) = rest.split_at_mut(2 * n);
    tridiagonal(level, a, diagonal, off, p, n);
    accumulate(level, a, vectors, p, n);
    let negligible = f64::EPSILON * row_norm(diagonal, off);
    for l in 0..n {
        let mut iterations = 0;
        while let Some(m) = unsettled(off, negligible, l) {
            if iterations == MAX_ITERATIONS {
                return Err(no_convergence("eigh", number, MAX_ITERATIONS));
            }
            iterations += 1;
            let from = ql_step(diagonal, off, l, m, rotations);
            apply(pool, level, vectors, n, from..m, rotations);
        }
    }
    // `off` is done with: it becomes the order, as doubles that hold small integers exactly.
    off.iter_mut()
        .enumerate()
        .for_each(|(i, place)| *place = i as f64);
    off.sort_unstable_by(|&i, &j| {
        diagonal[i as usize]
            .total_cmp(&diagonal[j as usize])
            .then(i.total_cmp(&j))
    });
    for (column, &from) in off.iter().enumerate() {
        let vector = &vectors[from as usize * n..][..n];
        write(column, diagonal[from as usize] * scale);
        let largest = vector.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        let leading = vector.iter().find(|x| x.abs() >= largest * TIE_RATIO);
        let sign = leading.map_or(1.0, |x| x.signum());
        for (r, x) in vector.iter().enumerate() {
            write((r + 1) * n + column, x * sign);
        }
    }
    Ok(())
}

/// a becomes tridiagonal by reflections I - beta v v': v is left in row k of a, from column k + 1 on, beta in its
/// place k. `off[k]` couples k and k + 1.
fn tridiagonal(level: Level, a: &mut [f64], diagonal: &mut [f64], off: &mut [f64], p: &mut [f64], n: usize) {
    off.fill(0.0);
    for k in 0..n {
        diagonal[k] = a[k * n + k];
        a[k * n + k] = 0.0;
        if k + 2 > n {
            continue;
        }
        let (head, tail) = a.split_at_mut((k + 1) * n);
        let (beta, v) = head[k * n + k..].split_first_mut().expect("row k has column k");
        let rest = dot(level, &v[1..], &v[1..]);
        if rest <= MIN_SQUARE {
            off[k] = v[0];
            continue;
        }
        let length = (v[0] * v[0] + rest).sqrt();
        let alpha = if v[0] > 0.0 { -length } else { length };
        off[k] = alpha;
        v[0] -= alpha;
        *beta = 2.0 / (v[0] * v[0] + rest);
        // a <- a - v w' - w v' with w = p - (beta p'v / 2) v, p = beta a v, on the rows and columns after k.
        let size = n - k - 1;
        let w = &mut p[..size];
        for (i, w) in w.iter_mut().enumerate() {
            *w = *beta * dot(level, &tail[i * n + k + 1..][..size], v);
        }
        let half = -0.5 * *beta * dot(level, w, v);
        add_scaled(level, w, half, v);
        for i in 0..size {
            add_two_scaled(level, &mut tail[i * n + k + 1..][..size], -v[i], w, -w[i], v);
        }
    }
}

/// The product of the reflections, transposed, so that rows are the vectors that the iterations rotate.
fn accumulate(level: Level, a: &[f64], vectors: &mut [f64], p: &mut [f64], n: usize) {
    vectors.fill(0.0);
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    for k in (0..n.saturating_sub(1)).rev() {
        let (beta, v) = (a[k * n + k], &a[k * n + k + 1..(k + 1) * n]);
        if beta == 0.0 {
            continue;
        }
        // q <- (I - beta v v') q on the rows and columns after k.
        let p = &mut p[..v.len()];
        p.fill(0.0);
        for (i, &v) in v.iter().enumerate() {
            add_scaled(level, p, v, &vectors[(k + 1 + i) * n + k + 1..][..p.len()]);
        }
        for (i, &v) in v.iter().enumerate() {
            add_scaled(
                level,
                &mut vectors[(k + 1 + i) * n + k + 1..][..p.len()],
                -beta * v,
                p,
            );
        }
    }
    for r in 0..n {
        for c in 0..r {
            vectors.swap(r * n + c, c * n + r);
        }
    }
}

/// The largest sum of absolute values in a row of the tridiagonal matrix; no eigenvalue is further from 0.
fn row_norm(diagonal: &[f64], off: &[f64]) -> f64 {
    let mut before = 0.0;
    let sums = diagonal.iter().zip(off).map(|(d, &e)| {
        let sum = before + d.abs() + e.abs();
        before = e.abs();
        sum
    });
    sums.fold(0.0, f64::max)
}

/// The end of the block that starts at l and does not fall apart; `None` when l stands alone.
///
/// An element couples as long as it exceeds the rounding of the matrix as a whole: the reduction and every rotation leave errors
/// of that size in all elements, so beside small diagonal elements none would ever become smaller than they are.
fn unsettled(off: &[f64], negligible: f64, l: usize) -> Option<usize> {
    let last = off.len() - 1;
    let end = (l..last).find(|&i| off[i].abs() <= negligible).unwrap_or(last);
    (end > l).then_some(end)
}

/// One QL step on the block l..=m, from its end upwards. Leaves cos and sin of the rotation of rows i and i + 1 in
/// `rotations[2 i..]`; gives the first i that has one.
fn ql_step(d: &mut [f64], e: &mut [f64], l: usize, m: usize, rotations: &mut [f64]) -> usize {
    // Wilkinson's shift: the eigenvalue of the leading 2 x 2 block that is nearer to d[l].
    let half = (d[l + 1] - d[l]) / (2.0 * e[l]);
    let root = half.hypot(1.0);
    let mut g = d[m] - d[l] + e[l] / (half + if half >= 0.0 { root } else { -root });
    let (mut sin, mut cos, mut shift) = (1.0, 1.0, 0.0);
    for i in (l..m).rev() {
        let (f, b) = (sin * e[i], cos * e[i]);
        let r = f.hypot(g);
        e[i + 1] = r;
        if r == 0.0 {
            // The block fell apart on the way.
            d[i + 1] -= shift;
            e[m] = 0.0;
            return i + 1;
        }
        (sin, cos) = (f / r, g / r);
        g = d[i + 1] - shift;
        let turned = (d[i] - g) * sin + 2.0 * cos * b;
        shift = sin * turned;
        d[i + 1] = g + shift;
        g = cos * turned - b;
        (rotations[2 * i], rotations[2 * i + 1]) = (cos, sin);
    }
    d[l] -= shift;
    e[l] = g;
    e[m] = 0.0;
    l
}

/// Applies the rotations of rows i and i + 1, for i in `range` from its end, to all columns.
fn apply(
    pool: &Pool,
    level: Level,
    vectors: &mut [f64],
    n: usize,
    range: std::ops::Range<usize>,
    rotations: &[f64],
) {
    let work = range.len() * n;
    let width = if work < 1 << 13 { n } else { STRIP_COLUMNS };
    let shared = SharedSlice::new(vectors);
    pool.ranges(n, width, |_, columns| {
        for i in range.clone().rev() {
            let at = |row: usize| row * n + columns.start..row * n + columns.end;
            // SAFETY: two rows, and columns that no other task has.
            let (upper, lower) = unsafe { (shared.range(at(i)), shared.range(at(i + 1))) };
            rotate(level, upper, lower, rotations[2 * i], rotations[2 * i + 1]);
        }
    });
}
