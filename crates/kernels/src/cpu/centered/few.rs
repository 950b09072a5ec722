//! Few samples of many numbers: they are divided by columns, so that what a thread has moved and packed it uses itself.
//! Each block of columns leaves its part of all inner products and norms; the parts are added in order.

use std::ops::Range;

use hyperglow_core::similarity::Similarity;

use super::geometry::{Geometry, splits};
use super::inner;
use super::rows::{LANES, Real};
use super::shift::{center, norm, subtract};
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::gemm::{Matrix, Source, work_len};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;

/// Where the samples go, if they are wanted again, and what is computed of them; set after set.
pub(super) struct Places<'a, T> {
    pub x: &'a mut [T],
    pub norms: &'a mut [T],
    pub grams: &'a mut [T],
}

/// Numbers of elements in scratch.
#[derive(Default)]
struct Room {
    /// Parts of inner products and of norms, of the set that has most.
    parts: usize,
    norms: usize,
    /// A worker's: samples and their center, work of the matrix product, and packed samples of both kinds.
    samples: usize,
    work: usize,
    split: usize,
}

impl Room {
    fn of<T: Real>(g: &Geometry, level: Level) -> Room {
        let mut room = Room::default();
        for (a, &similarity) in g.products.similarities.iter().enumerate() {
            let (blocks, columns) = (g.column_blocks(a), g.columns(a).min(g.widths[a]));
            if blocks == 0 {
                continue;
            }
            let work = work_len::<T>(level, columns, g.m, g.m, false, true);
            room.parts = room.parts.max((blocks - 1) * g.stride() * g.stride());
            room.norms = room.norms.max(blocks * g.m);
            room.samples = room.samples.max((g.m + 1) * columns).next_multiple_of(LANES);
            room.work = room.work.max(work).next_multiple_of(LANES);
            if splits::<T>(similarity, columns, level) {
                room.split = room.split.max(2 * inner::packed_len(g.m, columns));
            }
        }
        room
    }
}

/// Bytes of scratch that [`grams`] takes.
pub(super) fn scratch<T: Real>(g: &Geometry, level: Level, threads: usize) -> usize {
    let room = Room::of::<T>(g, level);
    scratch_bytes::<T>(room.parts)
        + scratch_bytes::<f64>(room.norms)
        + scratch_bytes::<T>((room.samples + room.work) * threads)
        + scratch_bytes::<u32>(room.split * threads)
}

/// Moves the samples, and computes norms and all inner products, of those sets that are `wanted`.
pub(super) fn grams<T: Real>(
    args: &Args<'_>,
    g: &Geometry,
    wanted: impl Fn(usize) -> bool,
    places: Places<'_, T>,
) {
    let (level, threads) = (args.level(), args.pool().threads());
    let room = Room::of::<T>(g, level);
    let parts = args.scratch::<T>(room.parts);
    let norms = args.scratch::<f64>(room.norms);
    let worker_len = room.samples + room.work;
    let work = SharedSlice::new(args.scratch::<T>(worker_len * threads));
    let split = SharedSlice::new(args.scratch::<u32>(room.split * threads));
    let size = g.stride() * g.stride();
    for set in (0..g.sets()).filter(|&a| wanted(a)) {
        let (blocks, d) = (g.column_blocks(set), g.widths[set]);
        if blocks == 0 {
            continue;
        }
        let samples = args.input::<T>(set);
        let (parts, norms) = (&mut parts[..(blocks - 1) * size], &mut norms[..blocks * g.m]);
        let gram = &mut places.grams[g.grams[set]..g.grams[set] + size];
        let kept = SharedSlice::new(&mut places.x[g.x[set]..g.x[set + 1]]);
        let (shared_gram, shared_parts) = (SharedSlice::new(&mut *gram), SharedSlice::new(&mut *parts));
        args.pool().chunks(norms, g.m, |worker, block, norms| {
            let start = block * g.columns(set);
            // SAFETY: a worker's own work space, a block's own part; the first one's is the set's.
            let task = unsafe {
                let worker_start = worker * worker_len;
                Task {
                    g,
                    level,
                    set,
                    samples,
                    columns: start..d.min(start + g.columns(set)),
                    kept: (kept.len() > 0).then(|| kept.as_mut_ptr()),
                    moved: work.range(worker_start..worker_start + room.samples),
                    work: work.range(worker_start + room.samples..worker_start + worker_len),
                    split: split.range(worker * room.split..(worker + 1) * room.split),
                    part: match block {
                        0 => shared_gram.range(0..size),
                        _ => shared_parts.range((block - 1) * size..block * size),
                    },
                    norms,
                }
            };
            // SAFETY: these columns are this task's.
            unsafe { task.run() };
        });
        let (sums, more) = norms.split_at_mut(g.m);
        for (norms, part) in more.chunks_exact(g.m).zip(parts.chunks_exact(size)) {
            sums.iter_mut().zip(norms).for_each(|(sum, more)| *sum += more);
            gram.iter_mut().zip(part).for_each(|(sum, &more)| *sum += more);
        }
        let place = &mut places.norms[set * g.padded()..];
        place
            .iter_mut()
            .zip(&*sums)
            .for_each(|(norm, &sum)| *norm = T::from_f64(sum));
    }
}

/// What is done with a block of columns.
struct Task<'a, T> {
    g: &'a Geometry,
    level: Level,
    set: usize,
    samples: &'a [T],
    columns: Range<usize>,
    /// Where the whole set goes, if it is wanted again.
    kept: Option<*mut T>,
    /// Where its center and samples are moved.
    moved: &'a mut [T],
    work: &'a mut [T],
    split: &'a mut [u32],
    part: &'a mut [T],
    norms: &'a mut [f64],
}

impl<T: Real> Task<'_, T> {
    /// # Safety
    /// Nobody else uses these columns of the samples that are kept.
    unsafe fn run(self) {
        let Task { g, level, set, .. } = self;
        let (m, d) = (g.m, g.widths[set]);
        let similarity = g.products.similarities[set];
        let width = self.columns.len();
        let (center, x) = self.moved[..(m + 1) * width].split_at_mut(width);
        self::center(level, similarity, (self.samples, d), self.columns.clone(), center);
        for (i, norm) in self.norms.iter_mut().enumerate() {
            let row = &mut x[i * width..(i + 1) * width];
            let from = &self.samples[i * d..(i + 1) * d];
            subtract(level, &from[self.columns.clone()], center, row);
            *norm = self::norm(level, similarity, row);
            if let Some(kept) = self.kept {
                // SAFETY: the set's samples lie there, these columns are this task's.
                let to =
                    unsafe { std::slice::from_raw_parts_mut(kept.add(i * d + self.columns.start), width) };
                to.copy_from_slice(row);
            }
        }
        let x = &*x;
        let smaller = matches!(similarity, Similarity::Laplacian { .. });
        if splits::<T>(similarity, width, level)
            && let (Some(x), Some(part)) = (same::<T, f32>(x), same_mut::<T, f32>(self.part))
        {
            let (left, right) = self.split.split_at_mut(self.split.len() / 2);
            if inner::pack(level, (x, m, width), left, right) {
                inner::of_packed(level, width, (left, m), (right, m), true, (part, g.stride()));
                return;
            }
        }
        let rows = Matrix {
            data: x,
            row: width,
            col: 1,
        };
        let columns = rows.t();
        inner::products(
            level,
            smaller,
            width,
            (rows, 0..m),
            (&Source::Pack(&columns), m),
            true,
            (self.part, g.stride()),
            self.work,
        );
    }
}
