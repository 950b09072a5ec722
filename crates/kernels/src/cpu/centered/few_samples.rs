//! Few samples of many numbers, divided by columns: a thread multiplies the columns that it has shifted and packed. Each
//! block of columns has a partial Gram matrix; the partial matrices are added in order. The diagonal has the norms.

use std::ops::Range;

use hyperglow_core::similarity::Similarity;

use super::geometry::{Geometry, uses_bf16x3};
use super::gram;
use super::rows::{Real, SUM_LANES};
use super::shift::{center, subtract};
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::gemm::{Matrix, RightOperand, work_len};
use crate::cpu::level::{Level, versions};
use crate::cpu::pool::SharedSlice;

/// Memory of the shifted samples, if the gradient reads them, and of norms and Gram matrices; set after set.
pub(super) struct FewOutputs<'a, T> {
    pub x: &'a mut [T],
    pub norms: &'a mut [T],
    pub grams: &'a mut [T],
}

/// Elements of the kinds of scratch.
#[derive(Default)]
struct ScratchSizes {
    /// Partial Gram matrices of all sets, without the first of each set.
    parts: usize,
    /// A worker's samples and their center, work of the matrix product, and packed samples of both kinds.
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
            sizes.samples = sizes.samples.max((g.m + 1) * columns).next_multiple_of(SUM_LANES);
            sizes.work = sizes.work.max(work).next_multiple_of(SUM_LANES);
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

/// For each wanted set: its number, its blocks of columns, and the offset of its partial Gram matrices.
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

/// Shifts the samples of the `wanted` sets, and computes their norms and Gram matrices on and above the diagonal.
pub(super) fn grams<T: Real>(
    args: &Args<'_>,
    g: &Geometry,
    wanted: impl Fn(usize) -> bool + Sync,
    outputs: FewOutputs<'_, T>,
) {
    let level = args.level();
    let sizes = ScratchSizes::of::<T>(g, level);
    let parts = args.scratch::<T>(sizes.parts);
    let work = args.worker_scratch::<T>(sizes.samples + sizes.work);
    let bf16x3 = args.worker_scratch::<u32>(sizes.bf16x3);
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
        // SAFETY: the worker's work space, and the block's partial matrix; the first block's is the set's Gram matrix.
        let task = unsafe {
            let (shifted, work) = work.of(worker).split_at_mut(sizes.samples);
            Task {
                g,
                level,
                set,
                samples: inputs.input::<T>(set),
                columns: columns..g.widths[set].min(columns + g.columns(set)),
                kept: (g.x[set] < g.x[set + 1]).then(|| kept.as_mut_ptr().add(g.x[set])),
                shifted,
                work,
                bf16x3: bf16x3.of(worker),
                part: match block {
                    0 => first.range(g.grams[set]..g.grams[set] + size),
                    _ => rest.range(start + (block - 1) * size..start + block * size),
                },
            }
        };
        // SAFETY: the columns are this task's.
        unsafe { task.run() };
    });
    for (set, blocks, start) in divided(g, &wanted) {
        let gram = &mut outputs.grams[g.grams[set]..g.grams[set] + size];
        let norms = &mut outputs.norms[set * g.padded()..];
        for (i, norm) in norms.iter_mut().enumerate().take(g.m) {
            let above = i * g.stride() + i / SUM_LANES * SUM_LANES..(i + 1) * g.stride();
            let row = &mut gram[above.clone()];
            for part in parts[start..start + (blocks - 1) * size].chunks_exact(size) {
                add(level, &part[above.clone()], row);
            }
            *norm = row[i % SUM_LANES];
        }
    }
}

versions! {
    /// `to[i] += from[i]`
    fn add[T: Real](from: &[T], to: &mut [T]) {
        to.iter_mut().zip(from).for_each(|(to, &from)| *to += from);
    }
}

/// The task of a block of columns.
struct Task<'a, T> {
    g: &'a Geometry,
    level: Level,
    set: usize,
    samples: &'a [T],
    columns: Range<usize>,
    /// Memory of the whole shifted set, if the gradient reads it.
    kept: Option<*mut T>,
    /// Memory of the block's center and shifted samples.
    shifted: &'a mut [T],
    work: &'a mut [T],
    bf16x3: &'a mut [u32],
    part: &'a mut [T],
}

impl<T: Real> Task<'_, T> {
    /// # Safety
    /// No other task may use the block's columns of the kept samples.
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
                // SAFETY: the memory of the set's samples; the columns are this task's.
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
