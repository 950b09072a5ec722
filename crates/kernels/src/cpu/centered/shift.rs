//! Samples moved to where they lie around: what is computed from differences keeps its digits then.

use std::ops::Range;

use hyperglow_core::similarity::Similarity;

use super::rows::{LANES, Real, total};
use crate::cpu::element::Float;
use crate::cpu::level::{Level, versions};

/// Columns that are gone through at a time.
pub(super) const COLUMNS: usize = 64;

/// Where to move some columns of samples, `d` apart, from: near their mean, where the centered matrix does not depend
/// on where samples are; else 0. It is where the first sample is if all are the same.
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
    for (panel_kernel, center) in columns.step_by(COLUMNS).zip(center.chunks_mut(COLUMNS)) {
        center_of_strip(level, samples, d, panel_kernel, center);
    }
}

/// Samples whose mean is near enough: of more, some are left out.
const ENOUGH: usize = 128;

versions! {
    /// The center of at most [`COLUMNS`] columns. Any would do, but a near one leaves no large numbers.
    fn center_of_strip[T: Real](samples: &[T], d: usize, start: usize, center: &mut [T]) {
        let step = (samples.len() / (d * ENOUGH)).max(1);
        let share = T::from_f64(1.0 / (samples.len() / d).div_ceil(step) as f64);
        let n = center.len();
        let (mut first, mut sums) = ([T::ZERO; COLUMNS], [T::ZERO; COLUMNS]);
        first[..n].copy_from_slice(&samples[start..start + n]);
        for row in samples.chunks_exact(d).step_by(step) {
            if let Ok(row) = <&[T; COLUMNS]>::try_from(&row[start..start + n]) {
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
    /// The same; gives the sum of squares of what was written, or (laplacian and equality) the sum of the numbers.
    pub(super) fn shifted[T: Real](similarity: Similarity, row: &[T], center: &[T], to: &mut [T]) -> f64 {
        let squares = !matches!(similarity, Similarity::Laplacian { .. } | Similarity::Equal);
        let n = row.len();
        let (row, center, to) = (&row[..n], &center[..n], &mut to[..n]);
        let whole = n / LANES * LANES;
        let mut lanes = [0.0; LANES];
        let mut add = |lane: usize, x: f64| {
            lanes[lane] = if squares { x.fma::<FMA>(x, lanes[lane]) } else { lanes[lane] + x };
        };
        for start in (0..whole).step_by(LANES) {
            for lane in 0..LANES {
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
