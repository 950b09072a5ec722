//! Distances of samples of few numbers, by their differences: exact however near or far samples are, and as fast as by
//! inner products, which would first have to be made and then be undone.

use super::rows::{LANES, Real};
use crate::cpu::level::versions;

/// Numbers per sample up to which differences are taken.
pub(super) const MAX_DIFFERENCE_NUMBERS: usize = 16;

/// Writes samples (rows of `d` numbers) number by number, `stride` apart, and 0 behind the last of them.
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
    /// The distances of a sample from others, turned with `stride` between numbers, from the one at `start` on:
    /// squared, or of absolute values. The row is of whole registers.
    pub(super) fn differences[T: Real](
        absolute: bool,
        sample: &[T],
        others: &[T],
        stride: usize,
        start: usize,
        row: &mut [T],
    ) {
        for (i, sums) in row.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let mut lanes = [T::ZERO; LANES];
            let register = start + i * LANES..start + (i + 1) * LANES;
            for (&x, others) in sample.iter().zip(others.chunks_exact(stride)) {
                let others: &[T; LANES] = others[register.clone()].try_into().expect("so many");
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
