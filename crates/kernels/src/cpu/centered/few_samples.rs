//! Few samples of many numbers: they are divided by columns, so that what a thread has moved and packed it uses itself.
//! Each block of columns leaves its part of all inner products; the parts are added in order. What a sample makes with
//! itself is its norm.

use std::ops::Range;

use hyperglow_core::similarity::Similarity;

use super::geometry::{Geometry, uses_bf16x3};
use super::gram;
use super::rows::{LANES, Real};
use super::shift::{center, subtract};
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::gemm::{Matrix, RightOperand, work_len};
use crate::cpu::level::{Level, versions};
use crate::cpu::pool::SharedSlice;

/// Where the samples go, if they are wanted again, and what is computed of them; set after set.
pub(super) struct FewOutputs<'a, T> {
    pub x: &'a mut [T],
    pub norms: &'a mut [T],
    pub grams: &'a mut [T],
}

/// Numbers of elements in scratch.
#[derive(Default)]
struct ScratchSizes {
    /// Parts of inner products of all sets, but for the first of each.
    parts: usize,
    /// A worker's: samples and their center, work of the matrix product, and packed samples of both kinds.
    samples: usize,
    work: usize,
    bf16x3: usize,
}

impl ScratchSizes {
    fn of<T: Real>(g: &Geometry, level: Level) -> ScratchSizes {
        let mut sizes = ScratchSizes::default();
        for (a, &similarity) in g.products.similarities.iter().enumerate() {
            let (blocks, columns) = (g.column_blocks(a), g.columns(a).min(g.widths[a]));
            if blocks == 0 {
                continue;
            }
            let work = work_len::<T>(level, columns, g.m, g.m, false, true);
            sizes.parts += (blocks - 1) * g.stride() * g.stride();
            sizes.samples = sizes.samples.max((g.m + 1) * columns).next_multiple_of(LANES);
            sizes.work = sizes.work.max(work).next_multiple_of(LANES);
            if uses_bf16x3::<T>(similarity, columns, level) {
                sizes.bf16x3 = sizes.bf16x3.max(2 * gram::packed_words(g.m, columns));
            }
        }
        sizes
    }
}

/// Bytes of scratch that [`grams`] takes.
pub(super) fn scratch<T: Real>(g: &Geometry, level: Level, threads: usize) -> usize {
    let sizes = ScratchSizes::of::<T>(g, level);
    scratch_bytes::<T>(sizes.parts)
        + scratch_bytes::<T>((sizes.samples + sizes.work) * threads)
        + scratch_bytes::<u32>(sizes.bf16x3 * threads)
}

/// Of each wanted set: its number, its blocks of columns, and where its parts begin.
fn divided(g: &Geometry, wanted: &impl Fn(usize) -> bool) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut parts = 0;
    (0..g.sets())
        .filter(|&a| wanted(a) && g.column_blocks(a) > 0)
        .map(move |a| {
            let (blocks, start) = (g.column_blocks(a), parts);
            parts += (blocks - 1) * g.stride() * g.stride();
            (a, blocks, start)
        })
}

/// Moves the samples, and computes norms and all inner products on and above the diagonal, of those sets that are
/// `wanted`.
pub(super) fn grams<T: Real>(
    args: &Args<'_>,
    g: &Geometry,
    wanted: impl Fn(usize) -> bool + Sync,
    outputs: FewOutputs<'_, T>,
) {
    let (level, threads) = (args.level(), args.pool().threads());
    let sizes = ScratchSizes::of::<T>(g, level);
    let parts = args.scratch::<T>(sizes.parts);
    let worker_len = sizes.samples + sizes.work;
    let work = SharedSlice::new(args.scratch::<T>(worker_len * threads));
    let bf16x3 = SharedSlice::new(args.scratch::<u32>(sizes.bf16x3 * threads));
    let size = g.stride() * g.stride();
    let (kept, first) = (SharedSlice::new(outputs.x), SharedSlice::new(&mut *outputs.grams));
    let rest = SharedSlice::new(&mut *parts);
    let inputs = args.inputs();
    let tasks = divided(g, &wanted).map(|(_, blocks, _)| blocks).sum();
    args.pool().run(tasks, |worker, mut block| {
        let (set, start) = divided(g, &wanted)
            .find_map(|(a, blocks, start)| match block.checked_sub(blocks) {
                None => Some((a, start)),
                Some(others) => {
                    block = others;
                    None
                }
            })
            .expect("a block of a set");
        let columns = block * g.columns(set);
        let worker_start = worker * worker_len;
        // SAFETY: a worker's own work space, a block's own part; the first one's is the set's.
        let task = unsafe {
            Task {
                g,
                level,
                set,
                samples: inputs.input::<T>(set),
                columns: columns..g.widths[set].min(columns + g.columns(set)),
                kept: (g.x[set] < g.x[set + 1]).then(|| kept.as_mut_ptr().add(g.x[set])),
                shifted: work.range(worker_start..worker_start + sizes.samples),
                work: work.range(worker_start + sizes.samples..worker_start + worker_len),
                bf16x3: bf16x3.range(worker * sizes.bf16x3..(worker + 1) * sizes.bf16x3),
                part: match block {
                    0 => first.range(g.grams[set]..g.grams[set] + size),
                    _ => rest.range(start + (block - 1) * size..start + block * size),
                },
            }
        };
        // SAFETY: these columns are this task's.
        unsafe { task.run() };
    });
    for (set, blocks, start) in divided(g, &wanted) {
        let gram = &mut outputs.grams[g.grams[set]..g.grams[set] + size];
        let norms = &mut outputs.norms[set * g.padded()..];
        for (i, norm) in norms.iter_mut().enumerate().take(g.m) {
            let above = i * g.stride() + i / LANES * LANES..(i + 1) * g.stride();
            let row = &mut gram[above.clone()];
            for part in parts[start..start + (blocks - 1) * size].chunks_exact(size) {
                add(level, &part[above.clone()], row);
            }
            *norm = row[i % LANES];
        }
    }
}

versions! {
    /// `to[i] += from[i]`
    fn add[T: Real](from: &[T], to: &mut [T]) {
        to.iter_mut().zip(from).for_each(|(to, &from)| *to += from);
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
    shifted: &'a mut [T],
    work: &'a mut [T],
    bf16x3: &'a mut [u32],
    part: &'a mut [T],
}

impl<T: Real> Task<'_, T> {
    /// # Safety
    /// Nobody else uses these columns of the samples that are kept.
    unsafe fn run(self) {
        let Task { g, level, set, .. } = self;
        let (m, d) = (g.m, g.widths[set]);
        let similarity = g.products.similarities[set];
        let width = self.columns.len();
        let (center, x) = self.shifted[..(m + 1) * width].split_at_mut(width);
        self::center(level, similarity, (self.samples, d), self.columns.clone(), center);
        for i in 0..m {
            let row = &mut x[i * width..(i + 1) * width];
            let from = &self.samples[i * d..(i + 1) * d];
            subtract(level, &from[self.columns.clone()], center, row);
            if let Some(kept) = self.kept {
                // SAFETY: the set's samples lie there, these columns are this task's.
                let to =
                    unsafe { std::slice::from_raw_parts_mut(kept.add(i * d + self.columns.start), width) };
                to.copy_from_slice(row);
            }
        }
        let x = &*x;
        let smaller = matches!(similarity, Similarity::Laplacian { .. });
        if uses_bf16x3::<T>(similarity, width, level)
            && let (Some(x), Some(part)) = (same::<T, f32>(x), same_mut::<T, f32>(self.part))
        {
            let (left, right) = self.bf16x3.split_at_mut(self.bf16x3.len() / 2);
            // SAFETY: there is room for all samples in this worker's work space.
            let can_split =
                unsafe { gram::pack(level, (x, m, width), 0..m, left.as_mut_ptr(), right.as_mut_ptr()) };
            if can_split {
                gram::of_packed(level, width, (left, m), (right, m), true, (part, g.stride()));
                return;
            }
        }
        let rows = Matrix {
            data: x,
            row: width,
            col: 1,
        };
        let columns = rows.t();
        gram::products(
            level,
            smaller,
            width,
            (rows, 0..m),
            (&RightOperand::Pack(&columns), m),
            true,
            (self.part, g.stride()),
            self.work,
        );
    }
}
