//! Distances of samples of few numbers, from their differences: exact for near and far samples, and as fast as distances
//! from inner products.

use super::rows::{Real, SUM_LANES};
use crate::cpu::level::versions;

/// Most numbers per sample for distances from differences.
pub(super) const MAX_DIFFERENCE_NUMBERS: usize = 16;

/// Transposes samples (rows of `d` numbers), with `stride` between numbers, and zeros after the last sample.
pub(super) fn transpose_numbers<T: Real>(x: &[T], d: usize, stride: usize, out: &mut [T]) {
    for (k, line) in out.chunks_exact_mut(stride).enumerate() {
        let (samples, rest) = line.split_at_mut(x.len() / d);
        for (to, sample) in samples.iter_mut().zip(x.chunks_exact(d)) {
            *to = sample[k];
        }
        rest.fill(T::ZERO);
    }
}

versions! {
    /// The squared or absolute distances of a sample from the transposed others, `stride` between numbers, from other `start`
    /// on. The row has whole registers.
    pub(super) fn differences[T: Real](
        absolute: bool,
        sample: &[T],
        others: &[T],
        stride: usize,
        start: usize,
        row: &mut [T],
    ) {
        for (i, sums) in row.as_chunks_mut::<SUM_LANES>().0.iter_mut().enumerate() {
            let mut lanes = [T::ZERO; SUM_LANES];
            let register = start + i * SUM_LANES..start + (i + 1) * SUM_LANES;
            for (&x, others) in sample.iter().zip(others.chunks_exact(stride)) {
                let others: &[T; SUM_LANES] = others[register.clone()].try_into().expect("so many");
                for (sum, &other) in lanes.iter_mut().zip(others) {
                    let difference = x - other;
                    *sum = match absolute {
                        false => difference.fma::<FMA>(difference, *sum),
                        true if difference < T::ZERO => *sum - difference,
                        true => *sum + difference,
                    };
                }
            }
            *sums = lanes;
        }
    }
}
