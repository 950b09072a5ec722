//! Cofactors of a matrix, and their directional derivatives.
//!
//! The derivative in the directions H_1 .. H_k is the coefficient of t_1 .. t_k in the cofactors of A + t_1 H_1 + .. + t_k H_k. Elements
//! are polynomials in t_1 .. t_k without squares. A polynomial has 2^k coefficients; the bits of a coefficient's index name the t of
//! its term. A matrix of polynomials has 2^k planes. Without directions it is one plane of plain numbers.
//!
//! Elimination with complete pivoting gives P A Q = L [U V; 0 S], with pivots in U that are not 0 and S the last element (or, where
//! nothing but 0 is left, the rest). Then adj(P A Q) = det(U) [det(S) U^-1, -U^-1 V adj(S); 0, adj(S)] L^-1: the formula divides by no
//! pivot of S, so A may be singular.
//!
//! A is scaled by powers of two first and each H by another one, and the product of pivots is kept with its exponent, so that nothing
//! between A and a result of ordinary size overflows or vanishes ([`super::scaled`]).
//!
//! Where elements cancel, the remaining rounding error is replaced by 0, which changes A by no more than its own rounding. A pivot that is
//! a rounding error would make every derivative beyond the second one meaningless.

use super::scaled::{Powers, exponent, times_power};
use super::vector::add_scaled;
use crate::cpu::level::Level;

/// A polynomial.
type Element = Vec<f64>;

fn element(number: f64, width: usize) -> Element {
    let mut x = vec![0.0; width];
    x[0] = number;
    x
}

/// `each(i, j)` for all pairs of terms whose product is not 0: it belongs to term `i | j`.
fn pairs(width: usize, mut each: impl FnMut(usize, usize)) {
    for i in 0..width {
        for j in (0..width).filter(|j| i & j == 0) {
            each(i, j);
        }
    }
}

fn product(x: &[f64], y: &[f64]) -> Element {
    let mut z = vec![0.0; x.len()];
    pairs(x.len(), |i, j| z[i | j] += x[i] * y[j]);
    z
}

/// 1 / x, for a constant term that is not 0: each step of Newton's method doubles the degree up to which it is exact.
fn reciprocal(x: &[f64]) -> Element {
    let mut inverse = element(1.0 / x[0], x.len());
    let mut exact = 1;
    while exact <= x.len().ilog2() {
        let mut rest: Element = product(x, &inverse).iter().map(|x| -x).collect();
        rest[0] += 2.0;
        inverse = product(&inverse, &rest);
        exact *= 2;
    }
    inverse
}

/// A square matrix of polynomials.
struct Planes<'a> {
    /// Plane by plane; of the matrix that is eliminated one more plane: the sum of the sizes of all that was added up in an element.
    data: &'a mut [f64],
    n: usize,
    width: usize,
}

impl Planes<'_> {
    fn at(&self, plane: usize, r: usize, c: usize) -> usize {
        (plane * self.n + r) * self.n + c
    }

    fn get(&self, r: usize, c: usize) -> Element {
        (0..self.width)
            .map(|plane| self.data[self.at(plane, r, c)])
            .collect()
    }

    fn set(&mut self, r: usize, c: usize, x: &[f64]) {
        for (plane, &x) in x.iter().enumerate() {
            let at = self.at(plane, r, c);
            self.data[at] = x;
        }
    }

    /// Row `to` plus `factor` times row `from` of this matrix, from a column on.
    fn add_row(&mut self, level: Level, to: usize, factor: &[f64], from: usize, column: usize) {
        let n = self.n;
        pairs(self.width, |i, j| {
            if factor[i] == 0.0 {
                return;
            }
            let (y, x) = (self.at(i | j, to, column), self.at(j, from, column));
            let len = n - column;
            if y < x {
                let (head, tail) = self.data.split_at_mut(x);
                add_scaled(level, &mut head[y..y + len], factor[i], &tail[..len]);
            } else {
                let (head, tail) = self.data.split_at_mut(y);
                add_scaled(level, &mut tail[..len], factor[i], &head[x..x + len]);
            }
        });
    }

    /// Takes constant terms of row `r` as 0 that are no more than the rounding of what `factor` times row `k` was added to.
    fn drop_rounding(&mut self, r: usize, factor: f64, k: usize) {
        let rounding = self.n as f64 * f64::EPSILON;
        for c in k + 1..self.n {
            let added = (factor * self.data[self.at(0, k, c)]).abs();
            let (sum, x) = (self.at(self.width, r, c), self.at(0, r, c));
            self.data[sum] += added;
            if self.data[x].abs() <= rounding * self.data[sum] {
                self.data[x] = 0.0;
            }
        }
    }

    /// Row `r` times `factor`.
    fn scale_row(&mut self, r: usize, factor: &[f64]) {
        for c in 0..self.n {
            let x = product(&self.get(r, c), factor);
            self.set(r, c, &x);
        }
    }

    fn swap_rows(&mut self, i: usize, j: usize) {
        for plane in 0..=self.width {
            for c in 0..self.n {
                self.data.swap(self.at(plane, i, c), self.at(plane, j, c));
            }
        }
    }

    fn swap_columns(&mut self, i: usize, j: usize) {
        for plane in 0..=self.width {
            for r in 0..self.n {
                self.data.swap(self.at(plane, r, i), self.at(plane, r, j));
            }
        }
    }
}

/// What elimination found: how many pivots, where rows and columns come from, the sign of the exchanges.
struct Order {
    pivots: usize,
    rows: Vec<usize>,
    columns: Vec<usize>,
    sign: f64,
}

/// P A Q = L [U V; 0 S] in place of A, L without its unit diagonal.
fn eliminate(level: Level, a: &mut Planes<'_>) -> Order {
    let n = a.n;
    let (mut rows, mut columns): (Vec<usize>, Vec<usize>) = ((0..n).collect(), (0..n).collect());
    let mut sign = 1.0;
    for k in 0..n.saturating_sub(1) {
        let mut best = (0.0, k, k);
        for r in k..n {
            for c in k..n {
                let size = a.data[a.at(0, r, c)].abs();
                if size > best.0 {
                    best = (size, r, c);
                }
            }
        }
        let (size, r, c) = best;
        if size == 0.0 {
            return Order {
                pivots: k,
                rows,
                columns,
                sign,
            };
        }
        if r != k {
            sign = -sign;
            rows.swap(k, r);
            a.swap_rows(k, r);
        }
        if c != k {
            sign = -sign;
            columns.swap(k, c);
            a.swap_columns(k, c);
        }
        let inverse = reciprocal(&a.get(k, k));
        for r in k + 1..n {
            let factor = product(&a.get(r, k), &inverse);
            let negative: Element = factor.iter().map(|x| -x).collect();
            a.add_row(level, r, &negative, k, k + 1);
            a.drop_rounding(r, factor[0], k);
            a.set(r, k, &factor);
        }
    }
    Order {
        pivots: n.saturating_sub(1),
        rows,
        columns,
        sign,
    }
}

/// The determinant of the rows and columns named, by expansion; 1 of none.
fn minor(a: &Planes<'_>, rows: &[usize], columns: &[usize]) -> Element {
    let Some((&first, rest)) = rows.split_first() else {
        return element(1.0, a.width);
    };
    let mut sum = element(0.0, a.width);
    for (i, &c) in columns.iter().enumerate() {
        let others = [&columns[..i], &columns[i + 1..]].concat();
        let term = product(&a.get(first, c), &minor(a, rest, &others));
        let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
        sum.iter_mut().zip(term).for_each(|(sum, x)| *sum += sign * x);
    }
    sum
}

/// det(S) and the rows of adj(S), S the rows and columns from `first` on; `None` where products of so many of its elements,
/// which have no constant term, are all 0.
fn rest(a: &Planes<'_>, first: usize) -> Option<(Element, Vec<Vec<Element>>)> {
    let all: Vec<usize> = (first..a.n).collect();
    if all.len() > 1 + a.width.ilog2() as usize {
        return None;
    }
    let without = |i: usize| [&all[..i], &all[i + 1..]].concat();
    let adjugate = (0..all.len()).map(|r| {
        let entry = |c: usize| {
            let sign = if (r + c).is_multiple_of(2) { 1.0 } else { -1.0 };
            minor(a, &without(c), &without(r))
                .iter()
                .map(|x| sign * x)
                .collect()
        };
        (0..all.len()).map(entry).collect()
    });
    Some((minor(a, &all, &all), adjugate.collect()))
}

/// Divides the elements of a matrix by the power of two of their place and by 2^own, which is given back.
fn scale(x: &mut [f64], powers: &Powers, own: i32) -> i32 {
    let n = powers.rows.len();
    for (at, x) in x.iter_mut().enumerate() {
        *x = times_power(*x, -powers.at(at / n, at % n) - own);
    }
    own
}

/// Divides a polynomial by the power of two of its largest coefficient, which is given back.
fn normalize(x: &mut [f64]) -> i32 {
    let largest = x.iter().filter_map(|&x| exponent(x)).max().unwrap_or(0);
    x.iter_mut().for_each(|x| *x = times_power(*x, -largest));
    largest
}

/// Doubles that [`cofactors`] works in.
pub(super) fn work_len(n: usize, directions: usize) -> usize {
    ((3 << directions) + 1) * n * n
}

/// Fills in A and the directions, and scales both. Returns the powers of two of rows and columns, and the exponent by which the product of all
/// scaled matrices is too small. `None` if an entry is not finite.
fn filled(
    a: &mut [f64],
    (n, directions): (usize, usize),
    fill: impl Fn(usize, &mut [f64]),
) -> Option<(Powers, i32)> {
    let size = n * n;
    a.fill(0.0);
    fill(0, &mut a[..size]);
    for i in 0..directions {
        fill(1 + i, &mut a[size << i..][..size]);
    }
    if !a.iter().all(|x| x.is_finite()) {
        return None;
    }
    let powers = Powers::of(&a[..size], n);
    let mut divided = scale(&mut a[..size], &powers, 0);
    for i in 0..directions {
        let h = &mut a[size << i..][..size];
        let largest = (0..size).filter_map(|at| Some(exponent(h[at])? - powers.at(at / n, at % n)));
        let own = largest.max().unwrap_or(0);
        divided += scale(h, &powers, own);
    }
    Some((powers, divided))
}

/// Writes [det(S) 1, -V adj(S); 0, adj(S)], for `e` pivots in U. U^-1 is applied to the first `e` rows later.
fn upper(a: &Planes<'_>, e: usize, det: &[f64], adjugate: &[Vec<Element>], w: &mut Planes<'_>) {
    w.data.fill(0.0);
    for i in 0..e {
        w.set(i, i, det);
        for j in e..a.n {
            let mut sum = element(0.0, a.width);
            for (k, row) in adjugate.iter().enumerate() {
                let term = product(&a.get(i, e + k), &row[j - e]);
                sum.iter_mut().zip(term).for_each(|(sum, x)| *sum -= x);
            }
            w.set(i, j, &sum);
        }
    }
    for (i, row) in adjugate.iter().enumerate() {
        row.iter().enumerate().for_each(|(j, x)| w.set(e + i, e + j, x));
    }
}

/// The coefficient of t_1 .. t_k of the cofactors of A + t_1 H_1 + .. + t_k H_k, all (n, n): the element at (r, c) is the derivative of the
/// determinant in that of A. `put(place, value)` gets every element.
pub(super) fn cofactors(
    level: Level,
    n: usize,
    directions: usize,
    work: &mut [f64],
    fill: impl Fn(usize, &mut [f64]),
    mut put: impl FnMut(usize, f64),
) {
    let width = 1 << directions;
    let (size, last) = (n * n, width - 1);
    let (a, work) = work.split_at_mut((width + 1) * size);
    let (w, z) = work.split_at_mut(width * size);
    let Some((powers, mut divided)) = filled(a, (n, directions), fill) else {
        (0..size).for_each(|place| put(place, f64::NAN));
        return;
    };
    let (known, sums) = a.split_at_mut(width * size);
    sums.iter_mut()
        .zip(&known[..size])
        .for_each(|(sum, x)| *sum = x.abs());
    let mut a = Planes { data: a, n, width };
    let order = eliminate(level, &mut a);
    let e = order.pivots;
    let Some((det, adjugate)) = (n > 0).then(|| rest(&a, e)).flatten() else {
        (0..size).for_each(|place| put(place, 0.0));
        return;
    };
    let mut w = Planes { data: w, n, width };
    upper(&a, e, &det, &adjugate, &mut w);
    let mut pivots = element(order.sign, width);
    for i in (0..e).rev() {
        for j in i + 1..e {
            let factor: Element = a.get(i, j).iter().map(|x| -x).collect();
            w.add_row(level, i, &factor, j, 0);
        }
        let pivot = a.get(i, i);
        w.scale_row(i, &reciprocal(&pivot));
        pivots = product(&pivots, &pivot);
        divided += normalize(&mut pivots);
    }
    // Transposed, so that the columns that L^-1 mixes are rows.
    let mut z = Planes { data: z, n, width };
    for r in 0..n {
        for c in 0..n {
            let x = w.get(r, c);
            z.set(c, r, &x);
        }
    }
    for c in (0..e).rev() {
        for r in c + 1..n {
            let factor: Element = a.get(r, c).iter().map(|x| -x).collect();
            z.add_row(level, c, &factor, r, 0);
        }
    }
    for r in 0..n {
        for c in 0..n {
            let (row, column) = (order.rows[r], order.columns[c]);
            let power = divided + powers.without(row, column);
            let value = product(&z.get(r, c), &pivots)[last];
            put(row * n + column, times_power(value, power));
        }
    }
}
