//! Pair by pair, for any numbers: a NaN distance is the largest and within no radius.

use super::distance_key::{DistanceKey, between};
use super::lanes::Real;
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::pool::SharedSlice;

/// Bytes of scratch of [`nearest`].
pub(super) fn scratch<T: Real>(n: usize, threads: usize) -> usize {
    scratch_bytes::<T::Key>(n * threads)
}

/// The k nearest others of each row of x (n, d), by selection.
pub(super) fn nearest<T: Real, M: DistanceKey>(
    args: &Args<'_>,
    x: &[T],
    (n, d, k): (usize, usize, usize),
    out: &SharedSlice<'_, i32>,
) {
    let keys = args.worker_scratch::<T::Key>(n);
    args.pool().ranges(n, 4, |worker, queries| {
        // SAFETY: a worker's own piece of the scratch, for one task at a time.
        let keys = unsafe { &mut keys.of(worker)[..n - 1] };
        for i in queries {
            let others = (0..n).filter(|&j| j != i);
            for (key, j) in keys.iter_mut().zip(others) {
                let far = between::<T, M>(&x[i * d..(i + 1) * d], &x[j * d..(j + 1) * d]);
                *key = far.key(j, false);
            }
            if k < keys.len() {
                keys.select_nth_unstable(k - 1);
            }
            keys[..k].sort_unstable();
            // SAFETY: this row is this task's.
            let out = unsafe { out.range(i * k..(i + 1) * k) };
            for (out, &key) in out.iter_mut().zip(&keys[..k]) {
                *out = T::position(key);
            }
        }
    });
}

/// The number of others within the radius of each row of x (n, d).
pub(super) fn count<T: Real, M: DistanceKey>(
    args: &Args<'_>,
    x: &[T],
    (n, d): (usize, usize),
    radius: &[T],
    closed: bool,
    out: &mut [i32],
) {
    args.pool().chunks(out, 4, |_, chunk, out| {
        for (i, out) in (chunk * 4..).zip(out) {
            let within = |&j: &usize| {
                let far = M::distance(between::<T, M>(&x[i * d..(i + 1) * d], &x[j * d..(j + 1) * d]));
                j != i && (far < radius[i] || (closed && far == radius[i]))
            };
            *out = (0..n).filter(within).count() as i32;
        }
    });
}
