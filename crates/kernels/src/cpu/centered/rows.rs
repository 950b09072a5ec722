//! Loops over a row of a tile, in the vector instructions of the level: similarities from inner products, and their sums in
//! float64.

use std::ops::{Add, AddAssign, Neg, Range};

use hyperglow_core::similarity::Similarity;

use super::sign_kernels::Signed;
use crate::cpu::element::Float;
use crate::cpu::exec::Plain;
use crate::cpu::gemm::GemmElement;
use crate::cpu::level::{Level, versions};
use crate::math::{self, Lane};

/// float32 or float64 with the functions of similarities.
pub(crate) trait Real:
    GemmElement + Plain + Signed + Add<Output = Self> + AddAssign + Neg<Output = Self>
{
    /// e^x and e^x - 1 for x <= 0.
    fn exp<const FMA: bool>(self) -> Self;
    fn expm1<const FMA: bool>(self) -> Self;
    fn sqrt(self) -> Self;
}
macro_rules! real {
    ($($t:ty)*) => {$(
        impl Real for $t {
            #[inline(always)]
            fn exp<const FMA: bool>(self) -> $t {
                math::exp_of_negative(Lane::<$t, FMA>(self)).0
            }
            #[inline(always)]
            fn expm1<const FMA: bool>(self) -> $t {
                math::expm1_of_negative(Lane::<$t, FMA>(self)).0
            }
            #[inline(always)]
            fn sqrt(self) -> $t {
                <$t>::sqrt(self)
            }
        }
    )*};
}
real!(f32 f64);

/// Elements of a block: the loop over parameters is outside of the loop over a block's elements.
const CHUNK_ELEMENTS: usize = 64;
/// Lanes of the partial sums of a row: whole vector registers at every level.
pub(super) const SUM_LANES: usize = 16;

/// The squared distance from norms and an inner product, or the absolute distance from sums and the sum of the smaller
/// entries. At least 0 in spite of rounding; NaN stays NaN.
#[inline(always)]
fn distance<T: Real>(norm: T, other: T, product: T) -> T {
    let sum = norm + other - (product + product);
    if sum < T::ZERO { T::ZERO } else { sum }
}

versions! {
    /// Replaces a row's inner products by distances: see [`distance`].
    pub(super) fn distances[T: Real](norm: T, norms: &[T], row: &mut [T]) {
        for (x, &other) in row.iter_mut().zip(norms) {
            *x = distance(norm, other, *x);
        }
    }
}

/// The factors of the row loops, from the user's parameters.
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

/// The similarity of a sample to itself, minus the constant of [`values`].
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

/// Similarities minus a constant that centering removes, from the inner products of a sample with others and their norms:
/// k - 1 for gaussian and laplacian, k - 1/c, k - offset^degree. Similarities near the constant keep their digits.
#[inline(always)]
fn similarities<T: Real, const FMA: bool>(
    similarity: Similarity,
    factors: &[T],
    norm: T,
    norms: &[T],
    row: &mut [T],
) {
    for (row, norms) in row.chunks_mut(CHUNK_ELEMENTS).zip(norms.chunks(CHUNK_ELEMENTS)) {
        let n = row.len();
        match similarity {
            Similarity::Gaussian { .. } | Similarity::Laplacian { .. } => {
                if let &[factor] = factors {
                    for (x, &other) in row.iter_mut().zip(norms) {
                        *x = (factor * distance(norm, other, *x)).expm1::<FMA>();
                    }
                    continue;
                }
                let mut sum = [T::ZERO; CHUNK_ELEMENTS];
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
                let mut sum = [T::from_f64(1.0); CHUNK_ELEMENTS];
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
    /// The derivative of the similarity, from inner products: the factor of A_ij in T_ij, see [`super::gradient`].
    pub(super) fn slopes[T: Real](similarity: Similarity, factors: &[T], norm: T, norms: &[T], row: &mut [T]) {
        for (row, norms) in row.chunks_mut(CHUNK_ELEMENTS).zip(norms.chunks(CHUNK_ELEMENTS)) {
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
                    let mut sum = [T::ZERO; CHUNK_ELEMENTS];
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
                    let mut power = [T::from_f64(2.0 * f64::from(degree)) * gamma; CHUNK_ELEMENTS];
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

/// Rows of a band: the rows of a band stay in the first-level cache.
pub(super) const BAND_ROWS: usize = 8;

/// The extents of a tile.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub rows: usize,
    pub cols: usize,
    /// Elements between rows.
    pub side: usize,
    /// Whether the tile is on the diagonal; only its upper triangle is used.
    pub diagonal: bool,
}

impl Extent {
    /// The tile's rows, [`BAND_ROWS`] at a time.
    pub fn bands(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.rows)
            .step_by(BAND_ROWS)
            .map(move |first| first..self.rows.min(first + BAND_ROWS))
    }

    /// The used columns of row `i`.
    pub fn counted(&self, i: usize) -> Range<usize> {
        let first = if self.diagonal { i + 1 } else { 0 };
        first.min(self.cols)..self.cols
    }

    /// The used columns, extended to whole registers; the same for all rows of a band.
    pub fn whole(&self, i: usize) -> Range<usize> {
        let counted = self.counted(i / BAND_ROWS * BAND_ROWS);
        counted.start / SUM_LANES * SUM_LANES..counted.end.next_multiple_of(SUM_LANES)
    }
}

/// Sets the unused columns among `whole` of a row to 0.
#[inline(always)]
pub(super) fn leave<T: Real>(extent: &Extent, i: usize, whole: &mut [T]) {
    let (counted, start) = (extent.counted(i), extent.whole(i).start);
    whole[..counted.start - start].fill(T::ZERO);
    whole[counted.end - start..].fill(T::ZERO);
}

/// Adds rows of whole registers to sums of columns, and returns the sums of the rows.
#[inline(always)]
fn sums_of_rows<T: Real, const ROWS: usize>(rows: [&[T]; ROWS], columns: &mut [f64]) -> [f64; ROWS] {
    let mut lanes = [[0.0; SUM_LANES]; ROWS];
    let rows = rows.map(|row| row.as_chunks::<SUM_LANES>().0);
    for (at, columns) in columns.as_chunks_mut::<SUM_LANES>().0.iter_mut().enumerate() {
        let mut all = *columns;
        for (row, lanes) in rows.iter().zip(&mut lanes) {
            let wide = row[at].map(T::to_f64);
            lanes.iter_mut().zip(&wide).for_each(|(lane, x)| *lane += x);
            all.iter_mut().zip(&wide).for_each(|(sum, x)| *sum += x);
        }
        *columns = all;
    }
    lanes.each_ref().map(total)
}

/// The sum of partial sums, pairwise: a sequential sum would wait for each addition.
#[inline(always)]
pub(super) fn total(lanes: &[f64; SUM_LANES]) -> f64 {
    let mut sums = *lanes;
    let mut n = SUM_LANES / 2;
    while n > 0 {
        for i in 0..n {
            sums[i] += sums[i + n];
        }
        n /= 2;
    }
    sums[0]
}

versions! {
    /// Replaces the inner products of a band's rows by similarities, with the norms of rows and columns; unused ones become 0.
    /// Adds the sums of rows and columns to `sums`.
    pub(super) fn values_of_band[T: Real](
        similarity: Similarity,
        factors: &[T],
        norms: (&[T], &[T]),
        extent: Extent,
        band: Range<usize>,
        tile: &mut [T],
        sums: (&mut [f64], &mut [f64]),
    ) {
        let (row_sums, column_sums) = sums;
        let whole = extent.whole(band.start);
        for i in band.clone() {
            let row = &mut tile[i * extent.side..][whole.clone()];
            similarities::<T, FMA>(similarity, factors, norms.0[i], &norms.1[whole.clone()], row);
            leave(&extent, i, row);
        }
        add_band(extent, band.clone(), &tile[band.start * extent.side..], row_sums, column_sums);
    }
}

/// Adds the sums of a band's rows and columns; `rows` has the band's rows.
#[inline(always)]
fn add_band<T: Real>(
    extent: Extent,
    band: Range<usize>,
    rows: &[T],
    row_sums: &mut [f64],
    column_sums: &mut [f64],
) {
    const PASS_ROWS: usize = BAND_ROWS / 2;
    let whole = extent.whole(band.start);
    let row = |i: usize| &rows[i * extent.side..][whole.clone()];
    let (row_sums, columns) = (&mut row_sums[band], &mut column_sums[whole.clone()]);
    let (fours, rest) = row_sums.as_chunks_mut::<PASS_ROWS>();
    let single = fours.len() * PASS_ROWS;
    for (i, all) in fours.iter_mut().enumerate() {
        let sums: [f64; PASS_ROWS] = sums_of_rows(std::array::from_fn(|r| row(i * PASS_ROWS + r)), columns);
        all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
    }
    for (i, all) in rest.iter_mut().enumerate() {
        let [sum] = sums_of_rows([row(single + i)], columns);
        *all += sum;
    }
}

versions! {
    /// Adds the sums of a band's rows and columns; `rows` has the band's rows.
    pub(super) fn tally_band[T: Real](
        extent: Extent,
        band: Range<usize>,
        rows: &[T],
        row_sums: &mut [f64],
        column_sums: &mut [f64],
    ) {
        add_band(extent, band, rows, row_sums, column_sums);
    }
}

versions! {
    /// Adds the products of a band's rows of two tiles to partial sums.
    pub(super) fn multiply[T: Real](a: &[T], b: &[T], extent: Extent, band: Range<usize>, sums: &mut [f64; SUM_LANES]) {
        let mut lanes = *sums;
        let whole = extent.whole(band.start);
        for i in band {
            let line = i * extent.side + whole.start..i * extent.side + whole.end;
            let (a, b) = (a[line.clone()].as_chunks::<SUM_LANES>().0, b[line].as_chunks::<SUM_LANES>().0);
            for (a, b) in a.iter().zip(b) {
                for i in 0..SUM_LANES {
                    lanes[i] = a[i].to_f64().fma::<FMA>(b[i].to_f64(), lanes[i]);
                }
            }
        }
        *sums = lanes;
    }
}

versions! {
    /// Adds a row of whole registers to sums of columns, and returns the row's sum.
    pub(super) fn tally[T: Real](row: &[T], columns: &mut [f64]) -> f64 {
        let [sum] = sums_of_rows([row], columns);
        sum
    }
}
