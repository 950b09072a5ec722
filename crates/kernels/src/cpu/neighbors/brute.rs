//! Every point against every other, 4 at a time against 16.

use super::blocks::{BLOCK, Blocks, count_within};
use super::list::Nearest;
use super::measure::{Measure, Real};
use crate::cpu::level::versions;

/// Points that ask at the same time: what was loaded of the others serves all of them.
pub(super) const TOGETHER: usize = 4;
const LANES: usize = BLOCK / 2;

/// Measures from the askers (d, 4) to half a block.
#[inline(always)]
fn measures<T: Real, M: Measure>(askers: &[T], block: &[T], half: usize) -> [[T; LANES]; TOGETHER] {
    let mut far = [[T::ZERO; LANES]; TOGETHER];
    let (askers, _) = askers.as_chunks::<TOGETHER>();
    for (asker, lanes) in askers.iter().zip(block.chunks_exact(BLOCK)) {
        let lanes = &lanes[half * LANES..(half + 1) * LANES];
        for (far, &p) in far.iter_mut().zip(asker) {
            for (far, &x) in far.iter_mut().zip(lanes) {
                *far = M::add(*far, (p - x).abs());
            }
        }
    }
    far
}

/// Rows `first` to `first + 4` of x (n, d), coordinate by coordinate; rows beyond the last repeat it.
#[inline(always)]
fn gather<T: Real>(x: &[T], d: usize, first: usize, askers: &mut [T]) {
    let n = x.len() / d;
    for q in 0..TOGETHER {
        let row = (first + q).min(n - 1);
        for c in 0..d {
            askers[c * TOGETHER + q] = x[row * d + c];
        }
    }
}

versions! {
    /// The k nearest of rows `first .. first + out.len() / k`, at most 4, with `askers` (d, 4), `measures` and `rows`
    /// (4, k) for its own use.
    pub(super) fn nearest[T: Real, M: Measure](
        blocks: Blocks<'_, T>,
        x: &[T],
        first: usize,
        askers: &mut [T],
        lists: (&mut [T], &mut [u32]),
        out: &mut [i32],
        measure: M,
    ) {
        let _ = measure;
        let (far, rows) = lists;
        gather(x, blocks.d, first, askers);
        let k = far.len() / TOGETHER;
        let mut pieces = far.chunks_exact_mut(k).zip(rows.chunks_exact_mut(k));
        let mut lists: [Nearest<'_, T>; TOGETHER] = std::array::from_fn(|_| {
            let (far, rows) = pieces.next().expect("a list for each");
            Nearest::new(far, rows)
        });
        for b in 0..blocks.count() {
            let block = blocks.coordinates(b);
            for half in 0..2 {
                let start = b * BLOCK + half * LANES;
                let all = measures::<T, M>(askers, block, half);
                for (q, (list, measures)) in lists.iter_mut().zip(&all).enumerate() {
                    // Rows come in order, so one that is as near as the last of the list cannot enter.
                    let limit = list.limit();
                    if measures.iter().fold(false, |any, &m| any | (m < limit)) {
                        for (lane, &m) in measures.iter().enumerate() {
                            if m < list.limit() && start + lane != first + q {
                                list.offer(m, (start + lane) as u32);
                            }
                        }
                    }
                }
            }
        }
        for (list, out) in lists.iter().zip(out.chunks_exact_mut(k)) {
            list.write(out);
        }
    }
}

versions! {
    /// For rows `first .. first + out.len()`, at most 4, the number of points within the limits, themselves included.
    pub(super) fn count[T: Real, M: Measure](
        blocks: Blocks<'_, T>,
        x: &[T],
        first: usize,
        askers: &mut [T],
        limits: [T; TOGETHER],
        out: &mut [i32],
        measure: M,
    ) {
        let _ = measure;
        gather(x, blocks.d, first, askers);
        let mut counts = [0_u32; TOGETHER];
        for b in 0..blocks.count() {
            let block = blocks.coordinates(b);
            for half in 0..2 {
                let all = measures::<T, M>(askers, block, half);
                for ((count, measures), &limit) in counts.iter_mut().zip(&all).zip(&limits) {
                    *count += count_within(measures, limit);
                }
            }
        }
        for (out, count) in out.iter_mut().zip(counts) {
            *out = count as i32;
        }
    }
}
