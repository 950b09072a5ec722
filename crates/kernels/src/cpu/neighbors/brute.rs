//! Every point against every other, four at a time, by tiles of points that stay in the nearest cache while all askers
//! of a task pass over them.

use super::blocks::{BLOCK_POINTS, Blocks, measures, spread, step, within};
use super::lanes::{PointLanes, Real, by_level};
use super::list::Nearest;
use super::measure::Measure;

/// Points that ask at the same time: what was loaded of the others serves all of them.
const ASKERS_TOGETHER: usize = 4;
/// Points that ask in one task.
pub(super) const BLOCK_ASKERS: usize = 32;
/// Bytes of the points of a tile.
const TILE_BYTES: usize = 32 << 10;

/// Rows `first` to `first + 32` of x (n, d), four by four, coordinate by coordinate; rows beyond the last repeat it.
fn gather<T: Real>(x: &[T], d: usize, first: usize, askers: &mut [T]) {
    let n = x.len() / d;
    for q in 0..BLOCK_ASKERS {
        let row = (first + q).min(n - 1);
        for c in 0..d {
            askers[(q / ASKERS_TOGETHER * d + c) * ASKERS_TOGETHER + q % ASKERS_TOGETHER] = x[row * d + c];
        }
    }
}

/// The blocks of each tile.
fn tiles<T: Real>(blocks: &Blocks<'_, T>) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = blocks.count();
    let many = (TILE_BYTES / (blocks.d * BLOCK_POINTS * size_of::<T>())).max(1);
    (0..count)
        .step_by(many)
        .map(move |start| start..count.min(start + many))
}

by_level! {
    /// The k nearest of rows `first .. first + out.len() / k`, at most 32, with `askers` (d, 32) and `lists`, both (32,
    /// k), for its own use.
    pub(super) fn nearest(
        blocks: Blocks<'_, T>,
        x: &[T],
        first: usize,
        askers: &mut [T],
        lists: (&mut [T], &mut [u32]),
        out: &mut [i32],
    ) {
        gather(x, blocks.d, first, askers);
        let (far, rows) = lists;
        let k = far.len() / BLOCK_ASKERS;
        let mut pieces = far.chunks_exact_mut(k).zip(rows.chunks_exact_mut(k));
        let mut lists: [Nearest<'_, T>; BLOCK_ASKERS] = std::array::from_fn(|_| {
            let (far, rows) = pieces.next().expect("a list for each");
            Nearest::new(far, rows)
        });
        let wanted = out.len() / k;
        for tile in tiles(&blocks) {
            for start in (0..wanted).step_by(ASKERS_TOGETHER) {
                let points = &askers[start * blocks.d..(start + ASKERS_TOGETHER) * blocks.d];
                let lists = &mut lists[start..start + ASKERS_TOGETHER];
                for b in tile.clone() {
                    for lane in (0..BLOCK_POINTS).step_by(step::<V>()) {
                        // SAFETY: as the caller promises.
                        let all = unsafe { measures::<V, M, ASKERS_TOGETHER>(points, blocks.coordinates(b), lane) };
                        for q in 0..ASKERS_TOGETHER {
                            // SAFETY: as the caller promises.
                            unsafe { enter::<V>(&mut lists[q], all[q], b * BLOCK_POINTS + lane, first + start + q) };
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

/// Offers the points from row `start` on to the list of row `asker`.
///
/// # Safety
/// The processor must have the instructions of `V`.
#[inline(always)]
unsafe fn enter<V: PointLanes>(list: &mut Nearest<'_, V::Elem>, far: [V; 2], start: usize, asker: usize) {
    // Rows come in order, so one that is as far as the last of the list cannot enter.
    // SAFETY: as the caller promises.
    let mut mask = unsafe { within(far, list.below()) };
    if mask == 0 {
        return;
    }
    // SAFETY: as the caller promises.
    let far = unsafe { spread(far) };
    while mask != 0 {
        let i = mask.trailing_zeros() as usize;
        mask &= mask - 1;
        if start + i != asker {
            list.offer(far[i], (start + i) as u32);
        }
    }
}

by_level! {
    /// For rows `first .. first + out.len()`, at most 32, the number of points within their `limits`, themselves
    /// included, with `askers` (d, 32) for its own use.
    pub(super) fn count(
        blocks: Blocks<'_, T>,
        x: &[T],
        first: usize,
        askers: &mut [T],
        limits: &[T; BLOCK_ASKERS],
        out: &mut [i32],
    ) {
        gather(x, blocks.d, first, askers);
        let mut counts = [0; BLOCK_ASKERS];
        for tile in tiles(&blocks) {
            for start in (0..out.len()).step_by(ASKERS_TOGETHER) {
                let points = &askers[start * blocks.d..(start + ASKERS_TOGETHER) * blocks.d];
                for b in tile.clone() {
                    for lane in (0..BLOCK_POINTS).step_by(step::<V>()) {
                        // SAFETY: as the caller promises.
                        unsafe {
                            let all = measures::<V, M, ASKERS_TOGETHER>(points, blocks.coordinates(b), lane);
                            for q in 0..ASKERS_TOGETHER {
                                counts[start + q] += within(all[q], limits[start + q]).count_ones();
                            }
                        }
                    }
                }
            }
        }
        for (out, count) in out.iter_mut().zip(counts) {
            *out = count as i32;
        }
    }
}
