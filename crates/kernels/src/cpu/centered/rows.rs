//! What is done with a row of a tile, in the vector instructions of the level: from inner products to similarities,
//! and their sums in float64.

use std::ops::{Add, AddAssign, Neg};

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
/// Sums that run side by side.
pub(super) const LANES: usize = 16;

/// The distance from norms and inner products: squared, or of absolute values when these are sums and sums of the
/// smaller entries. Rounding never makes it negative; NaN stays.
#[inline(always)]
fn distance<T: Real>(norm: T, other: T, product: T) -> T {
    let sum = norm + other - (product + product);
    if sum < T::ZERO { T::ZERO } else { sum }
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

versions! {
    /// From the inner products of a sample with others, whose norms are given, to similarities minus a constant that
    /// centring removes: k - 1 for gaussian and laplacian, k - 1/c, k - offset^degree. Wide similarities keep their digits.
    pub(super) fn values[T: Real](similarity: Similarity, factors: &[T], norm: T, norms: &[T], row: &mut [T]) {
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

versions! {
    /// Adds a row to sums of columns, and gives its sum.
    pub(super) fn tally[T: Real](row: &[T], columns: &mut [f64]) -> f64 {
        let ((row, row_rest), (columns, columns_rest)) = (row.as_chunks::<LANES>(), columns.as_chunks_mut::<LANES>());
        let mut lanes = [0.0; LANES];
        for (row, columns) in row.iter().zip(columns) {
            for i in 0..LANES {
                lanes[i] += row[i].to_f64();
                columns[i] += row[i].to_f64();
            }
        }
        for ((x, column), lane) in row_rest.iter().zip(columns_rest).zip(&mut lanes) {
            *lane += x.to_f64();
            *column += x.to_f64();
        }
        lanes.iter().sum()
    }
}

versions! {
    /// Adds the products of two rows to sums that run side by side.
    pub(super) fn multiply[T: Real](a: &[T], b: &[T], sums: &mut [f64; LANES]) {
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        let mut lanes = *sums;
        for (a, b) in a.iter().zip(b) {
            for i in 0..LANES {
                lanes[i] = a[i].to_f64().fma::<FMA>(b[i].to_f64(), lanes[i]);
            }
        }
        for ((a, b), lane) in a_rest.iter().zip(b_rest).zip(&mut lanes) {
            *lane = a.to_f64().fma::<FMA>(b.to_f64(), *lane);
        }
        *sums = lanes;
    }
}
