//! What is done with a row of a tile, in the vector instructions of the level: from inner products to similarities,
//! and their sums in float64.

use std::ops::{Add, AddAssign, Neg, Range};

use hyperglow_core::similarity::Similarity;

use super::signs::Signed;
use crate::cpu::element::Float;
use crate::cpu::exec::Plain;
use crate::cpu::gemm::Tiled;
use crate::cpu::level::{Level, versions};
use crate::cpu::math::{self, Lane};

/// float32 or float64 with the functions that similarities are made of.
pub(crate) trait Real:
    Tiled + Plain + Signed + Add<Output = Self> + AddAssign + Neg<Output = Self>
{
    fn exp<const FMA: bool>(self) -> Self;
    fn expm1<const FMA: bool>(self) -> Self;
    fn sqrt(self) -> Self;
}
macro_rules! real {
    ($($t:ty)*) => {$(
        impl Real for $t {
            #[inline(always)]
            fn exp<const FMA: bool>(self) -> $t {
                math::exp(Lane::<$t, FMA>(self)).0
            }
            #[inline(always)]
            fn expm1<const FMA: bool>(self) -> $t {
                math::expm1(Lane::<$t, FMA>(self)).0
            }
            #[inline(always)]
            fn sqrt(self) -> $t {
                <$t>::sqrt(self)
            }
        }
    )*};
}
real!(f32 f64);

/// Elements worked on at a time, so that loops over parameters are outside of loops over elements.
const PIECE: usize = 64;
/// Sums that run side by side: whole registers at every level.
pub(super) const LANES: usize = 16;

/// The distance from norms and inner products: squared, or of absolute values when these are sums and sums of the
/// smaller entries. Rounding never makes it negative; NaN stays.
#[inline(always)]
fn distance<T: Real>(norm: T, other: T, product: T) -> T {
    let sum = norm + other - (product + product);
    if sum < T::ZERO { T::ZERO } else { sum }
}

versions! {
    /// A row from inner products to distances: see [`distance`].
    pub(super) fn distances[T: Real](norm: T, norms: &[T], row: &mut [T]) {
        for (x, &other) in row.iter_mut().zip(norms) {
            *x = distance(norm, other, *x);
        }
    }
}

/// The factors that rows are computed with, from the parameters as the user gives them.
pub(super) fn factors<T: Real>(similarity: Similarity, parameters: impl Iterator<Item = T>, out: &mut [T]) {
    for (out, p) in out.iter_mut().zip(parameters) {
        let p = p.to_f64();
        *out = T::from_f64(match similarity {
            Similarity::Gaussian { .. } => -0.5 / (p * p),
            Similarity::Laplacian { .. } => -1.0 / p,
            Similarity::Polynomial { .. } | Similarity::InverseMultiquadric => p,
            Similarity::Linear | Similarity::Equal => unreachable!("without parameters"),
        });
    }
}

/// The similarity of a sample to itself, as [`values`] counts.
pub(super) fn own_value<T: Real>(similarity: Similarity, factors: &[T], norm: T) -> T {
    match similarity {
        Similarity::Linear => norm,
        Similarity::Polynomial { .. } => {
            let mut value = [norm];
            values(Level::PORTABLE, similarity, factors, norm, &[norm], &mut value);
            value[0]
        }
        Similarity::Gaussian { .. }
        | Similarity::Laplacian { .. }
        | Similarity::InverseMultiquadric
        | Similarity::Equal => T::ZERO,
    }
}

/// From the inner products of a sample with others, whose norms are given, to similarities minus a constant that
/// centring removes: k - 1 for gaussian and laplacian, k - 1/c, k - offset^degree. Wide similarities keep their digits.
#[inline(always)]
fn similarities<T: Real, const FMA: bool>(
    similarity: Similarity,
    factors: &[T],
    norm: T,
    norms: &[T],
    row: &mut [T],
) {
    for (row, norms) in row.chunks_mut(PIECE).zip(norms.chunks(PIECE)) {
        let n = row.len();
        match similarity {
            Similarity::Gaussian { .. } | Similarity::Laplacian { .. } => {
                if let &[factor] = factors {
                    for (x, &other) in row.iter_mut().zip(norms) {
                        *x = (factor * distance(norm, other, *x)).expm1::<FMA>();
                    }
                    continue;
                }
                let mut sum = [T::ZERO; PIECE];
                for (x, &other) in row.iter_mut().zip(norms) {
                    *x = distance(norm, other, *x);
                }
                for &factor in factors {
                    for (sum, &q) in sum[..n].iter_mut().zip(row.iter()) {
                        *sum += (factor * q).expm1::<FMA>();
                    }
                }
                let share = T::from_f64(1.0 / factors.len() as f64);
                for (x, &sum) in row.iter_mut().zip(&sum) {
                    *x = share * sum;
                }
            }
            Similarity::Linear => {}
            Similarity::Polynomial { degree } => {
                // (t + c)^p - c^p = t (b^(p-1) + b^(p-2) c + .. + c^(p-1)), b = t + c
                let (gamma, offset) = (factors[0], factors[1]);
                let mut sum = [T::from_f64(1.0); PIECE];
                let mut power = offset;
                for _ in 1..degree {
                    for (sum, &x) in sum[..n].iter_mut().zip(row.iter()) {
                        *sum = sum.fma::<FMA>(gamma.fma::<FMA>(x, offset), power);
                    }
                    power = power * offset;
                }
                for (x, &sum) in row.iter_mut().zip(&sum) {
                    *x = gamma * *x * sum;
                }
            }
            Similarity::InverseMultiquadric => {
                // 1 / s - 1 / c = -q / (c s (c + s)), s = sqrt(c^2 + q)
                let c = factors[0];
                for (x, &other) in row.iter_mut().zip(norms) {
                    let q = distance(norm, other, *x);
                    let s = (c * c + q).sqrt();
                    *x = -q / (c * s * (c + s));
                }
            }
            Similarity::Equal => {
                let other_value = T::from_f64(-1.0);
                for (x, &other) in row.iter_mut().zip(norms) {
                    *x = if norm == other { T::ZERO } else { other_value };
                }
            }
        }
    }
}

versions! {
    /// See [`similarities`].
    pub(super) fn values[T: Real](similarity: Similarity, factors: &[T], norm: T, norms: &[T], row: &mut [T]) {
        similarities::<T, FMA>(similarity, factors, norm, norms, row);
    }
}

versions! {
    /// From inner products to the factor that makes the weight of a pair into its entry of the matrix T, of which the
    /// gradient is made: see [`super::gradient`].
    pub(super) fn slopes[T: Real](similarity: Similarity, factors: &[T], norm: T, norms: &[T], row: &mut [T]) {
        for (row, norms) in row.chunks_mut(PIECE).zip(norms.chunks(PIECE)) {
            let n = row.len();
            match similarity {
                Similarity::Gaussian { .. } | Similarity::Laplacian { .. } => {
                    let scale = if matches!(similarity, Similarity::Gaussian { .. }) { -4.0 } else { 2.0 };
                    let scale = T::from_f64(scale / factors.len() as f64);
                    if let &[factor] = factors {
                        let scale = scale * factor;
                        for (x, &other) in row.iter_mut().zip(norms) {
                            *x = scale * (factor * distance(norm, other, *x)).exp::<FMA>();
                        }
                        continue;
                    }
                    let mut sum = [T::ZERO; PIECE];
                    for (x, &other) in row.iter_mut().zip(norms) {
                        *x = distance(norm, other, *x);
                    }
                    for &factor in factors {
                        let scale = scale * factor;
                        for (sum, &q) in sum[..n].iter_mut().zip(row.iter()) {
                            *sum += scale * (factor * q).exp::<FMA>();
                        }
                    }
                    row.copy_from_slice(&sum[..n]);
                }
                Similarity::Linear => row.fill(T::from_f64(2.0)),
                Similarity::Polynomial { degree } => {
                    let (gamma, offset) = (factors[0], factors[1]);
                    let mut power = [T::from_f64(2.0 * f64::from(degree)) * gamma; PIECE];
                    for _ in 1..degree {
                        for (power, &x) in power[..n].iter_mut().zip(row.iter()) {
                            *power = *power * gamma.fma::<FMA>(x, offset);
                        }
                    }
                    row.copy_from_slice(&power[..n]);
                }
                Similarity::InverseMultiquadric => {
                    let c = factors[0];
                    let two = T::from_f64(2.0);
                    for (x, &other) in row.iter_mut().zip(norms) {
                        let square = c * c + distance(norm, other, *x);
                        *x = two / (square * square.sqrt());
                    }
                }
                Similarity::Equal => row.fill(T::ZERO),
            }
        }
    }
}

versions! {
    /// `row[i] *= weights[i]`
    pub(super) fn scale_by[T: Real](row: &mut [T], weights: &[T]) {
        for (x, &weight) in row.iter_mut().zip(weights) {
            *x = *x * weight;
        }
    }
}

versions! {
    /// `weights[i] = -(shift + shifts[i])`
    pub(super) fn start_weights[T: Real](shift: T, shifts: &[T], weights: &mut [T]) {
        for (weight, &other) in weights.iter_mut().zip(shifts) {
            *weight = -(shift + other);
        }
    }
}

versions! {
    /// `to[i] += factor * row[i]`
    pub(super) fn add_scaled[T: Real](factor: T, row: &[T], to: &mut [T]) {
        for (to, &x) in to.iter_mut().zip(row) {
            *to = factor.fma::<FMA>(x, *to);
        }
    }
}

/// The extents of a tile.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub rows: usize,
    pub cols: usize,
    /// Elements between rows.
    pub side: usize,
    /// It is on the diagonal: what lies above counts.
    pub diagonal: bool,
}

impl Extent {
    /// The columns of row `i` that count.
    pub fn counted(&self, i: usize) -> Range<usize> {
        let first = if self.diagonal { i + 1 } else { 0 };
        first.min(self.cols)..self.cols
    }

    /// The same, and what shares a register with them.
    pub fn whole(&self, i: usize) -> Range<usize> {
        let counted = self.counted(i);
        counted.start / LANES * LANES..counted.end.next_multiple_of(LANES)
    }
}

/// Makes 0 what does not count in a row of which `whole` is given.
#[inline(always)]
pub(super) fn leave<T: Real>(extent: &Extent, i: usize, whole: &mut [T]) {
    let (counted, start) = (extent.counted(i), extent.whole(i).start);
    whole[..counted.start - start].fill(T::ZERO);
    whole[counted.end - start..].fill(T::ZERO);
}

/// Adds a row of whole registers to sums of columns, and gives its sum.
#[inline(always)]
fn row_sum<T: Real>(row: &[T], columns: &mut [f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (row, columns) in row
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(columns.as_chunks_mut::<LANES>().0)
    {
        let wide = row.map(T::to_f64);
        lanes.iter_mut().zip(&wide).for_each(|(lane, x)| *lane += x);
        columns.iter_mut().zip(&wide).for_each(|(column, x)| *column += x);
    }
    total(&lanes)
}

/// The sum of sums that ran side by side, by halves: each addition would wait for the one before.
#[inline(always)]
pub(super) fn total(lanes: &[f64; LANES]) -> f64 {
    let mut sums = *lanes;
    let mut n = LANES / 2;
    while n > 0 {
        for i in 0..n {
            sums[i] += sums[i + n];
        }
        n /= 2;
    }
    sums[0]
}

versions! {
    /// A tile from inner products to similarities, with the norms of its rows and columns; those that do not count become
    /// 0. Adds sums of its rows and columns to those in `sums`.
    pub(super) fn tile_of_values[T: Real](
        similarity: Similarity,
        factors: &[T],
        norms: (&[T], &[T]),
        extent: Extent,
        tile: &mut [T],
        sums: (&mut [f64], &mut [f64]),
    ) {
        let (row_sums, column_sums) = sums;
        for (i, (line, sum)) in tile.chunks_exact_mut(extent.side).zip(row_sums).enumerate().take(extent.rows) {
            let whole = extent.whole(i);
            let row = &mut line[whole.clone()];
            similarities::<T, FMA>(similarity, factors, norms.0[i], &norms.1[whole.clone()], row);
            leave(&extent, i, row);
            *sum += row_sum(row, &mut column_sums[whole]);
        }
    }
}

versions! {
    /// Adds the products of two tiles to sums that run side by side.
    pub(super) fn multiply[T: Real](a: &[T], b: &[T], extent: Extent, sums: &mut [f64; LANES]) {
        let mut lanes = *sums;
        let lines = a.chunks_exact(extent.side).zip(b.chunks_exact(extent.side));
        for (i, (a, b)) in lines.enumerate().take(extent.rows) {
            let whole = extent.whole(i);
            let (a, b) = (a[whole.clone()].as_chunks::<LANES>().0, b[whole].as_chunks::<LANES>().0);
            for (a, b) in a.iter().zip(b) {
                for i in 0..LANES {
                    lanes[i] = a[i].to_f64().fma::<FMA>(b[i].to_f64(), lanes[i]);
                }
            }
        }
        *sums = lanes;
    }
}

versions! {
    /// Adds a row of whole registers to sums of columns, and gives its sum.
    pub(super) fn tally[T: Real](row: &[T], columns: &mut [f64]) -> f64 {
        row_sum(row, columns)
    }
}
