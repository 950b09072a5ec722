//! Brute force: every query against every point, four queries at a time, by tiles of points that stay in the first-level cache
//! for all queries of a task.

use super::blocks::{BLOCK_POINTS, Blocks, distance_keys, step, to_array, within};
use super::distance_key::DistanceKey;
use super::lanes::{PointLanes, Real, by_level};
use super::list::Nearest;

/// Queries that share a load of points.
const QUERIES_PER_PASS: usize = 4;
/// Queries of a task.
pub(super) const BLOCK_QUERIES: usize = 32;
/// Bytes of the points of a tile.
const TILE_BYTES: usize = 32 << 10;

/// Copies the queries, rows `first` to `first + 32` of x (n, d), to (8, d, 4); rows after the last repeat it.
fn gather<T: Real>(x: &[T], d: usize, first: usize, queries: &mut [T]) {
    let n = x.len() / d;
    for q in 0..BLOCK_QUERIES {
        let row = (first + q).min(n - 1);
        for c in 0..d {
            queries[(q / QUERIES_PER_PASS * d + c) * QUERIES_PER_PASS + q % QUERIES_PER_PASS] =
                x[row * d + c];
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
    /// The k nearest neighbors of rows `first .. first + out.len() / k`, at most 32 rows. Work space: `queries` (d, 32) and `lists`,
    /// both (32, k).
    pub(super) fn nearest(
        blocks: Blocks<'_, T>,
        x: &[T],
        first: usize,
        queries: &mut [T],
        lists: (&mut [T], &mut [u32]),
        out: &mut [i32],
    ) {
        gather(x, blocks.d, first, queries);
        let (far, rows) = lists;
        let k = far.len() / BLOCK_QUERIES;
        let mut work = far.chunks_exact_mut(k).zip(rows.chunks_exact_mut(k));
        let mut lists: [Nearest<'_, T>; BLOCK_QUERIES] = std::array::from_fn(|_| {
            let (far, rows) = work.next().expect("a list for each query");
            Nearest::new(far, rows)
        });
        let wanted = out.len() / k;
        for tile in tiles(&blocks) {
            for start in (0..wanted).step_by(QUERIES_PER_PASS) {
                let points = &queries[start * blocks.d..(start + QUERIES_PER_PASS) * blocks.d];
                let lists = &mut lists[start..start + QUERIES_PER_PASS];
                for b in tile.clone() {
                    for lane in (0..BLOCK_POINTS).step_by(step::<V>()) {
                        // SAFETY: as the caller promises.
                        let all = unsafe { distance_keys::<V, M, QUERIES_PER_PASS>(points, blocks.coordinates(b), lane) };
                        for q in 0..QUERIES_PER_PASS {
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

/// Offers the points from row `start` on to the list of row `query`.
///
/// # Safety
/// The processor must have the instructions of `V`.
#[inline(always)]
unsafe fn enter<V: PointLanes>(list: &mut Nearest<'_, V::Elem>, far: [V; 2], start: usize, query: usize) {
    // Rows come in order, so a point at the distance of the last entry cannot enter.
    // SAFETY: as the caller promises.
    let mut mask = unsafe { within(far, list.below()) };
    if mask == 0 {
        return;
    }
    // SAFETY: as the caller promises.
    let far = unsafe { to_array(far) };
    while mask != 0 {
        let i = mask.trailing_zeros() as usize;
        mask &= mask - 1;
        if start + i != query {
            list.offer(far[i], (start + i) as u32);
        }
    }
}

by_level! {
    /// For rows `first .. first + out.len()`, at most 32 rows, the number of points within their `limits`, themselves included. Work
    /// space: `queries` (d, 32).
    pub(super) fn count(
        blocks: Blocks<'_, T>,
        x: &[T],
        first: usize,
        queries: &mut [T],
        limits: &[T; BLOCK_QUERIES],
        out: &mut [i32],
    ) {
        gather(x, blocks.d, first, queries);
        let mut counts = [0; BLOCK_QUERIES];
        for tile in tiles(&blocks) {
            for start in (0..out.len()).step_by(QUERIES_PER_PASS) {
                let points = &queries[start * blocks.d..(start + QUERIES_PER_PASS) * blocks.d];
                for b in tile.clone() {
                    for lane in (0..BLOCK_POINTS).step_by(step::<V>()) {
                        // SAFETY: as the caller promises.
                        unsafe {
                            let all = distance_keys::<V, M, QUERIES_PER_PASS>(points, blocks.coordinates(b), lane);
                            for q in 0..QUERIES_PER_PASS {
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
