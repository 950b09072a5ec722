//! Samples shifted by a center near their mean, so that inner products of close samples keep their digits.

use std::ops::Range;

use hyperglow_core::similarity::Similarity;

use super::rows::{Real, SUM_LANES, total};
use crate::cpu::element::Float;
use crate::cpu::level::{Level, versions};

/// Columns of a strip, which is centered in one pass.
pub(super) const STRIP_COLUMNS: usize = 64;

/// The center of some columns of samples (m, d): near their mean if a shift of all samples leaves the centered matrix unchanged, else
/// 0. If all samples are equal, it is exactly their value.
pub(super) fn center<T: Real>(
    level: Level,
    similarity: Similarity,
    (samples, d): (&[T], usize),
    columns: Range<usize>,
    center: &mut [T],
) {
    if matches!(similarity, Similarity::Polynomial { .. } | Similarity::Equal) {
        center.fill(T::ZERO);
        return;
    }
    for (start, center) in columns
        .step_by(STRIP_COLUMNS)
        .zip(center.chunks_mut(STRIP_COLUMNS))
    {
        center_of_strip(level, samples, d, start, center);
    }
}

/// Approximate number of samples whose mean is the center: of more samples a regular subset is used.
const MEAN_SAMPLES: usize = 128;

versions! {
    /// The center of at most [`STRIP_COLUMNS`] columns. Any center is correct; one near the mean avoids large numbers.
    fn center_of_strip[T: Real](samples: &[T], d: usize, start: usize, center: &mut [T]) {
        let step = (samples.len() / (d * MEAN_SAMPLES)).max(1);
        let share = T::from_f64(1.0 / (samples.len() / d).div_ceil(step) as f64);
        let n = center.len();
        let (mut first, mut sums) = ([T::ZERO; STRIP_COLUMNS], [T::ZERO; STRIP_COLUMNS]);
        first[..n].copy_from_slice(&samples[start..start + n]);
        for row in samples.chunks_exact(d).step_by(step) {
            if let Ok(row) = <&[T; STRIP_COLUMNS]>::try_from(&row[start..start + n]) {
                for ((sum, &x), &first) in sums.iter_mut().zip(row).zip(&first) {
                    *sum = share.fma::<FMA>(x - first, *sum);
                }
            } else {
                for ((sum, &x), &first) in sums.iter_mut().zip(&row[start..start + n]).zip(&first) {
                    *sum = share.fma::<FMA>(x - first, *sum);
                }
            }
        }
        for ((center, &first), &sum) in center.iter_mut().zip(&first).zip(&sums) {
            *center = first + sum;
        }
    }
}

versions! {
    /// `to[i] = row[i] - center[i]`
    pub(super) fn subtract[T: Real](row: &[T], center: &[T], to: &mut [T]) {
        for ((to, &x), &center) in to.iter_mut().zip(row).zip(center) {
            *to = x - center;
        }
    }
}

versions! {
    /// `to[i] = row[i] - center[i]`; returns the sum of squares of the differences, or (laplacian and equality) their sum.
    pub(super) fn shifted[T: Real](similarity: Similarity, row: &[T], center: &[T], to: &mut [T]) -> f64 {
        let squares = !matches!(similarity, Similarity::Laplacian { .. } | Similarity::Equal);
        let n = row.len();
        let (row, center, to) = (&row[..n], &center[..n], &mut to[..n]);
        let whole = n / SUM_LANES * SUM_LANES;
        let mut lanes = [0.0; SUM_LANES];
        let mut add = |lane: usize, x: f64| {
            lanes[lane] = if squares { x.fma::<FMA>(x, lanes[lane]) } else { lanes[lane] + x };
        };
        for start in (0..whole).step_by(SUM_LANES) {
            for lane in 0..SUM_LANES {
                let x = row[start + lane] - center[start + lane];
                to[start + lane] = x;
                add(lane, x.to_f64());
            }
        }
        for i in whole..n {
            to[i] = row[i] - center[i];
            add(i - whole, to[i].to_f64());
        }
        total(&lanes)
    }
}
