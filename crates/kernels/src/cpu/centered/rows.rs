//! What is done with a row of a tile, in the vector instructions of the level: from inner products to similarities,
//! and their sums in float64.

use std::ops::{Add, AddAssign, Neg, Range};

use hyperglow_core::similarity::Similarity;

use super::sign_kernels::Signed;
use crate::cpu::element::Float;
use crate::cpu::exec::Plain;
use crate::cpu::gemm::GemmElement;
use crate::cpu::level::{Level, versions};
use crate::math::{self, Lane};

/// float32 or float64 with the functions that similarities are made of.
pub(crate) trait Real:
    GemmElement + Plain + Signed + Add<Output = Self> + AddAssign + Neg<Output = Self>
{
    /// e^x and e^x - 1, of numbers that are not above 0.
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

/// Elements worked on at a time, so that loops over parameters are outside of loops over elements.
const CHUNK_ELEMENTS: usize = 64;
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
/// centering removes: k - 1 for gaussian and laplacian, k - 1/c, k - offset^degree. Wide similarities keep their
/// digits.
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
    /// From inner products to the factor that makes the weight of a pair into its entry of the matrix T, of which the
    /// gradient is made: see [`super::gradient`].
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

/// Rows that are worked on together, so that what is made of one is used while it is near.
pub(super) const BAND_ROWS: usize = 8;

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
    /// Its rows, [`BAND_ROWS`] at a time.
    pub fn bands(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.rows)
            .step_by(BAND_ROWS)
            .map(move |first| first..self.rows.min(first + BAND_ROWS))
    }

    /// The columns of row `i` that count.
    pub fn counted(&self, i: usize) -> Range<usize> {
        let first = if self.diagonal { i + 1 } else { 0 };
        first.min(self.cols)..self.cols
    }

    /// The same, and what shares a register with them; the same for all rows of a band.
    pub fn whole(&self, i: usize) -> Range<usize> {
        let counted = self.counted(i / BAND_ROWS * BAND_ROWS);
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

/// Adds rows of whole registers to sums of columns, and gives their sums.
#[inline(always)]
fn sums_of_rows<T: Real, const ROWS: usize>(rows: [&[T]; ROWS], columns: &mut [f64]) -> [f64; ROWS] {
    let mut lanes = [[0.0; LANES]; ROWS];
    let rows = rows.map(|row| row.as_chunks::<LANES>().0);
    for (at, columns) in columns.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
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
    /// Rows of a tile (all of one band) from inner products to similarities, with the norms of its rows and columns;
    /// those that do not count become 0. Adds sums of rows and columns to those in `sums`.
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

/// Adds the sums of a band's rows, of which `rows` holds the first and the others, and of their columns.
#[inline(always)]
fn add_band<T: Real>(
    extent: Extent,
    band: Range<usize>,
    rows: &[T],
    row_sums: &mut [f64],
    column_sums: &mut [f64],
) {
    const TOGETHER: usize = BAND_ROWS / 2;
    let whole = extent.whole(band.start);
    let row = |i: usize| &rows[i * extent.side..][whole.clone()];
    let (row_sums, columns) = (&mut row_sums[band], &mut column_sums[whole.clone()]);
    let (fours, rest) = row_sums.as_chunks_mut::<TOGETHER>();
    let single = fours.len() * TOGETHER;
    for (i, all) in fours.iter_mut().enumerate() {
        let sums: [f64; TOGETHER] = sums_of_rows(std::array::from_fn(|r| row(i * TOGETHER + r)), columns);
        all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
    }
    for (i, all) in rest.iter_mut().enumerate() {
        let [sum] = sums_of_rows([row(single + i)], columns);
        *all += sum;
    }
}

versions! {
    /// Adds the sums of a band's rows, of which `rows` holds the first and the others, and of their columns.
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
    /// Adds the products of a band's rows of two tiles to sums that run side by side.
    pub(super) fn multiply[T: Real](a: &[T], b: &[T], extent: Extent, band: Range<usize>, sums: &mut [f64; LANES]) {
        let mut lanes = *sums;
        let whole = extent.whole(band.start);
        for i in band {
            let line = i * extent.side + whole.start..i * extent.side + whole.end;
            let (a, b) = (a[line.clone()].as_chunks::<LANES>().0, b[line].as_chunks::<LANES>().0);
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
        let [sum] = sums_of_rows([row], columns);
        sum
    }
}
