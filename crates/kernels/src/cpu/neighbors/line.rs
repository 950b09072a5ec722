//! Counting points of one coordinate: sorting, and two binary searches per point.

use super::distance_key::DistanceKey;
use super::lanes::Real;
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::pool::SharedSlice;

/// Bytes of scratch.
pub(super) fn scratch<T: Real>(n: usize) -> usize {
    scratch_bytes::<T::Key>(n) + scratch_bytes::<T>(n)
}

/// The number of points of x (n) within the `limits` (n), themselves included.
pub(super) fn count<T: Real, M: DistanceKey>(
    args: &Args<'_>,
    x: &[T],
    limits: &[T],
    out: &SharedSlice<'_, i32>,
) {
    let n = x.len();
    let keys = args.scratch::<T::Key>(n);
    let values = args.scratch::<T>(n);
    for (row, (key, &v)) in keys.iter_mut().zip(x).enumerate() {
        *key = v.key(row, false);
    }
    keys.sort_unstable();
    for (value, &key) in values.iter_mut().zip(&*keys) {
        *value = x[T::position(key) as usize];
    }
    let (keys, values) = (&*keys, &*values);
    args.pool().ranges(n, 512, |_, positions| {
        for position in positions {
            let row = T::position(keys[position]) as usize;
            let (p, limit) = (values[position], limits[row]);
            // The key grows with the distance from p, on either side.
            let within = |&v: &T| M::add(T::ZERO, (p - v).abs()) <= limit;
            let before = values[..position].partition_point(|v| !within(v));
            let after = values[position..].partition_point(within);
            // SAFETY: each row has one position in the order.
            let count = unsafe { out.range(row..row + 1) };
            count[0] = (position - before + after) as i32;
        }
    });
}
