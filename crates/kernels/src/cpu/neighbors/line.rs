//! Counting on a line: the points in order, and two binary searches a point.

use super::lanes::Real;
use super::measure::Measure;
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::pool::SharedSlice;

/// Bytes of scratch.
pub(super) fn scratch<T: Real>(n: usize) -> usize {
    scratch_bytes::<T::Key>(n) + scratch_bytes::<T>(n)
}

/// The number of points of x (n) within the `limits` (n), themselves included.
pub(super) fn count<T: Real, M: Measure>(args: &Args<'_>, x: &[T], limits: &[T], out: &SharedSlice<'_, i32>) {
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
    args.pool().ranges(n, 512, |_, places| {
        for place in places {
            let row = T::position(keys[place]) as usize;
            let (p, limit) = (values[place], limits[row]);
            // The measure grows with the way from p, on either side.
            let within = |&v: &T| M::add(T::ZERO, (p - v).abs()) <= limit;
            let before = values[..place].partition_point(|v| !within(v));
            let after = values[place..].partition_point(within);
            // SAFETY: each row has one place.
            let count = unsafe { out.range(row..row + 1) };
            count[0] = (place - before + after) as i32;
        }
    });
}
