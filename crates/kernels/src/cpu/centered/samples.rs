//! Preparation of samples for tiles: copies, shifted by their mean for similarities of differences, norms, and packed
//! operands of inner products.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use hyperglow_core::similarity::Similarity;

use super::differences;
use super::few_samples::{self, FewOutputs};
use super::geometry::{Geometry, GramAlgorithm, end};
use super::gram;
use super::rows::{Real, SUM_LANES, distances, factors};
use super::shift::{STRIP_COLUMNS, center, shifted};
use crate::cpu::element::{same, same_mut};
use crate::cpu::exec::{Args, scratch_bytes};
use crate::cpu::gemm::{Matrix, PANEL_LINES, PackRight, RightOperand, block_terms};
use crate::cpu::level::Level;
use crate::cpu::pool::{Pool, SharedSlice, WorkerSlices};

/// Fewest elements of samples that are prepared in parallel.
const MIN_PARALLEL_ELEMENTS: usize = 1 << 12;

/// All prepared sets.
pub(super) struct Prepared<'a, T> {
    pub geometry: &'a Geometry,
    x: &'a [T],
    packed: &'a [T],
    bf16x3: &'a [u32],
    /// For each set 1 if all numbers could be split.
    can_split: &'a [u8],
    factors: &'a [T],
    norms: &'a [T],
    grams: &'a [T],
}

/// A prepared set of samples.
#[derive(Clone, Copy)]
pub(super) struct Samples<'a, T> {
    pub similarity: Similarity,
    pub factors: &'a [T],
    /// (m, d); for few samples only in gradients.
    pub x: &'a [T],
    pub d: usize,
    /// For each sample the square of its length; laplacian: the sum of its entries; equality: the number itself. Padded with 0
    /// to whole registers.
    pub norms: &'a [T],
    gram: GramSource<'a, T>,
}

/// Source of inner products.
#[derive(Clone, Copy)]
enum GramSource<'a, T> {
    Nothing,
    /// Blocks of transposed samples.
    NumberMajor(&'a [T]),
    /// The Gram matrix, and the elements between its rows.
    Known(&'a [T], usize),
    Pack,
    /// The right operand, block by block.
    Packed(&'a [T]),
    /// Both operands of each block, and the words of a block's operand.
    Bf16x3(&'a [u32], usize),
}

/// Bytes of scratch that [`prepare`] takes.
pub(super) fn prepared_bytes<T: Real>(g: &Geometry, level: Level, threads: usize) -> usize {
    let of_elements = [
        end(&g.x),
        end(&g.packed),
        end(&g.factors),
        end(&g.grams),
        g.padded() * g.sets(),
        g.widest(),
        g.panel_len() * threads,
    ];
    let elements = of_elements.into_iter().map(scratch_bytes::<T>);
    elements.sum::<usize>()
        + scratch_bytes::<u32>(end(&g.bf16x3))
        + scratch_bytes::<u8>(g.sets())
        + few_samples::scratch::<T>(g, level, threads)
}

/// Prepares the `wanted` sets.
pub(super) fn prepare<'a, T: Real>(
    geometry: &'a Geometry,
    args: &'a Args<'a>,
    wanted: impl Fn(usize) -> bool + Sync,
) -> Prepared<'a, T> {
    let g = geometry;
    let x = args.scratch::<T>(end(&g.x));
    let packed = args.scratch::<T>(end(&g.packed));
    let bf16x3 = args.scratch::<u32>(end(&g.bf16x3));
    let factors = args.scratch::<T>(end(&g.factors));
    let norms = args.scratch::<T>(g.padded() * g.sets());
    let grams = args.scratch::<T>(end(&g.grams));
    let center = args.scratch::<T>(g.widest());
    let panel_samples = args.worker_scratch::<T>(g.panel_len());
    let can_split = args.scratch::<u8>(g.sets());
    norms.fill(T::ZERO);
    let outputs = FewOutputs {
        x: &mut *x,
        norms: &mut *norms,
        grams: &mut *grams,
    };
    few_samples::grams(args, g, &wanted, outputs);
    for a in (0..g.sets()).filter(|&a| wanted(a)) {
        let similarity = g.products.similarities[a];
        let parameters = g.products.parameters(a).map(|p| args.input::<T>(p)[0]);
        self::factors(
            similarity,
            parameters,
            &mut factors[g.factors[a]..g.factors[a + 1]],
        );
        if g.algorithms[a] == GramAlgorithm::Columns {
            continue;
        }
        let (level, d, samples) = (args.level(), g.widths[a], args.input::<T>(a));
        centers(args, similarity, (samples, d), &mut center[..d]);
        let preparation = BlockPreparation {
            g,
            level,
            a,
            samples,
            center: &center[..d],
            x: SharedSlice::new(&mut x[g.x[a]..g.x[a + 1]]),
            panel_samples: &panel_samples,
            norms: SharedSlice::new(&mut norms[a * g.padded()..(a + 1) * g.padded()]),
            packed: SharedSlice::new(&mut packed[g.packed[a]..g.packed[a + 1]]),
            bf16x3: SharedSlice::new(&mut bf16x3[g.bf16x3[a]..g.bf16x3[a + 1]]),
        };
        if g.algorithms[a] == GramAlgorithm::Bf16x3 {
            let fine = preparation.panels(args.pool());
            can_split[a] = u8::from(fine);
            if fine || g.keeps {
                continue;
            }
        }
        // SAFETY: each block is prepared once.
        spread(args.pool(), samples.len(), g.blocks(), |_, block| unsafe {
            preparation.block(block);
        });
    }
    Prepared {
        geometry,
        x,
        packed,
        bf16x3,
        can_split,
        factors,
        norms,
        grams,
    }
}

/// The center of every column, some columns a task.
fn centers<T: Real>(args: &Args<'_>, similarity: Similarity, (samples, d): (&[T], usize), out: &mut [T]) {
    let (level, shared) = (args.level(), SharedSlice::new(out));
    let strips = d.div_ceil(STRIP_COLUMNS);
    spread(args.pool(), samples.len(), strips, |_, strip| {
        let columns = strip * STRIP_COLUMNS..d.min((strip + 1) * STRIP_COLUMNS);
        // SAFETY: a task's own columns.
        let center = unsafe { shared.range(columns.clone()) };
        self::center(level, similarity, (samples, d), columns, center);
    });
}

/// Calls `task(worker, i)` for every i below `tasks`, on one thread if there are few `elements`.
fn spread(pool: &Pool, elements: usize, tasks: usize, task: impl Fn(usize, usize) + Sync) {
    if elements <= MIN_PARALLEL_ELEMENTS {
        (0..tasks).for_each(|i| task(0, i));
    } else {
        pool.run(tasks, task);
    }
}

/// The tasks of a set's blocks or panels.
struct BlockPreparation<'a, T> {
    g: &'a Geometry,
    level: Level,
    a: usize,
    samples: &'a [T],
    center: &'a [T],
    x: SharedSlice<'a, T>,
    /// A worker's buffer for the samples of a panel that are not kept.
    panel_samples: &'a WorkerSlices<'a, T>,
    norms: SharedSlice<'a, T>,
    packed: SharedSlice<'a, T>,
    bf16x3: SharedSlice<'a, u32>,
}

impl<T: Real> BlockPreparation<'_, T> {
    /// Prepares all panels for matrix instructions. False if a number cannot be split.
    fn panels(&self, pool: &Pool) -> bool {
        let fine = AtomicBool::new(true);
        let count = self.g.m.div_ceil(PANEL_LINES);
        spread(pool, self.samples.len(), count, |worker, panel| {
            // SAFETY: each panel is prepared once.
            if !unsafe { self.panel(worker, panel) } {
                fine.store(false, Ordering::Relaxed);
            }
        });
        fine.into_inner()
    }

    /// Shifts the samples of a panel, computes their norms, and packs them for matrix instructions while they are in the cache.
    /// False if a number cannot be split.
    ///
    /// # Safety
    /// No other task may access the panel, and no other thread has the worker's number.
    unsafe fn panel(&self, worker: usize, panel: usize) -> bool {
        let (g, level, d) = (self.g, self.level, self.g.widths[self.a]);
        let block = g.block(panel * PANEL_LINES / g.side);
        let rows = panel * PANEL_LINES..block.end.min((panel + 1) * PANEL_LINES);
        let len = gram::packed_words(g.side, d);
        let number = block.start / g.side;
        // SAFETY: as the caller promises, these are the panel's and the worker's own; of a block's packed samples each
        // panel writes its part.
        let (x, norms, left, right) = unsafe {
            let x = match g.keeps {
                true => self.x.range(rows.start * d..rows.end * d),
                false => &mut self.panel_samples.of(worker)[..rows.len() * d],
            };
            let start = self.bf16x3.as_mut_ptr().add(2 * number * len);
            (x, self.norms.range(rows.clone()), start, start.add(len))
        };
        self.shift_rows(rows.start, x, norms);
        let x = same::<T, f32>(x).expect("float32 alone is split");
        let within = rows.start - block.start..rows.end - block.start;
        // SAFETY: as above.
        unsafe { gram::pack(level, (x, block.len(), d), within, left, right) }
    }

    /// Copies a block, computes its norms, and packs it for inner products or distances.
    ///
    /// # Safety
    /// No other task may access the block.
    unsafe fn block(&self, block: usize) {
        let (g, level, d) = (self.g, self.level, self.g.widths[self.a]);
        let rows = g.block(block);
        // SAFETY: as the caller promises, these are the block's own.
        let (x, norms) = unsafe {
            (
                self.x.range(rows.start * d..rows.end * d),
                self.norms.range(rows.clone()),
            )
        };
        self.shift_rows(rows.start, x, norms);
        let x = &*x;
        match g.algorithms[self.a] {
            GramAlgorithm::Differences => {
                let padded = rows.len().next_multiple_of(SUM_LANES);
                // SAFETY: as above.
                let turned = unsafe { self.packed.range(rows.start * d..(rows.start + padded) * d) };
                differences::transpose_numbers(x, d, padded, turned);
            }
            GramAlgorithm::Packed => {
                let tiles = T::micro_kernels(level);
                let padded = tiles.padded(rows.len());
                // SAFETY: as above.
                let panels = unsafe { self.packed.range(rows.start * d..rows.start * d + padded * d) };
                let columns = Matrix {
                    data: x,
                    row: 1,
                    col: d,
                };
                let terms = block_terms(level);
                for k0 in (0..d).step_by(terms) {
                    let ks = k0..d.min(k0 + terms);
                    let out = &mut panels[k0 * padded..ks.end * padded];
                    columns.pack(level, ks, 0..rows.len(), tiles.widths(), out);
                }
            }
            GramAlgorithm::Nothing | GramAlgorithm::Columns | GramAlgorithm::Pack | GramAlgorithm::Bf16x3 => {
            }
        }
    }

    /// Copies rows from `first` on, and computes their norms.
    fn shift_rows(&self, first: usize, x: &mut [T], norms: &mut [T]) {
        let (level, d) = (self.level, self.g.widths[self.a]);
        let similarity = self.g.products.similarities[self.a];
        for (i, norm) in norms.iter_mut().enumerate() {
            let from = (first + i) * d;
            let (from, to) = (&self.samples[from..from + d], &mut x[i * d..(i + 1) * d]);
            *norm = T::from_f64(shifted(level, similarity, from, self.center, to));
        }
    }
}

impl<'a, T: Real> Prepared<'a, T> {
    /// Set `a`, which must be prepared.
    pub fn set(&self, a: usize) -> Samples<'a, T> {
        let g = self.geometry;
        let d = g.widths[a];
        Samples {
            similarity: g.products.similarities[a],
            factors: &self.factors[g.factors[a]..g.factors[a + 1]],
            x: &self.x[g.x[a]..g.x[a + 1]],
            d,
            norms: &self.norms[a * g.padded()..(a + 1) * g.padded()],
            gram: match g.algorithms[a] {
                GramAlgorithm::Nothing => GramSource::Nothing,
                GramAlgorithm::Differences => {
                    GramSource::NumberMajor(&self.packed[g.packed[a]..g.packed[a + 1]])
                }
                GramAlgorithm::Columns => {
                    GramSource::Known(&self.grams[g.grams[a]..g.grams[a + 1]], g.stride())
                }
                GramAlgorithm::Packed => GramSource::Packed(&self.packed[g.packed[a]..g.packed[a + 1]]),
                GramAlgorithm::Bf16x3 if self.can_split[a] != 0 => {
                    let all = &self.bf16x3[g.bf16x3[a]..g.bf16x3[a + 1]];
                    GramSource::Bf16x3(all, gram::packed_words(g.side, d))
                }
                GramAlgorithm::Bf16x3 | GramAlgorithm::Pack => GramSource::Pack,
            },
        }
    }
}

impl<T: Real> Samples<'_, T> {
    /// Squared or (laplacian) absolute distances of samples `rows` from samples `cols`, with the layout of
    /// [`Samples::products`].
    pub fn distances(
        &self,
        level: Level,
        (rows, cols): (Range<usize>, Range<usize>),
        side: usize,
        out: &mut [T],
        work: &mut [T],
    ) {
        let width = cols.len().next_multiple_of(SUM_LANES);
        let first = |i: usize| {
            if rows == cols {
                i / SUM_LANES * SUM_LANES
            } else {
                0
            }
        };
        match self.gram {
            GramSource::Nothing => {}
            GramSource::NumberMajor(all) => {
                let absolute = matches!(self.similarity, Similarity::Laplacian { .. });
                let others = &all[cols.start * self.d..(cols.start + width) * self.d];
                for (i, row) in out.chunks_exact_mut(side).take(rows.len()).enumerate() {
                    let sample = &self.x[(rows.start + i) * self.d..][..self.d];
                    let row = &mut row[first(i)..width];
                    differences::differences(level, absolute, sample, others, width, first(i), row);
                }
            }
            GramSource::Known(..) | GramSource::Pack | GramSource::Packed(_) | GramSource::Bf16x3(..) => {
                self.products(level, (rows.clone(), cols.clone()), side, out, work);
                for (i, row) in out.chunks_exact_mut(side).take(rows.len()).enumerate() {
                    let norms = &self.norms[cols.start + first(i)..cols.start + width];
                    distances(
                        level,
                        self.norms[rows.start + i],
                        norms,
                        &mut row[first(i)..width],
                    );
                }
            }
        }
    }

    /// Inner products (laplacian: sums of the smaller entries) of samples `rows` with samples `cols`, row by row with `stride`
    /// between rows, and 0 up to whole registers. For `rows` = `cols` the lower triangle is undefined.
    pub fn products(
        &self,
        level: Level,
        (rows, cols): (Range<usize>, Range<usize>),
        side: usize,
        out: &mut [T],
        work: &mut [T],
    ) {
        let is_same = rows == cols;
        let (d, smaller) = (self.d, matches!(self.similarity, Similarity::Laplacian { .. }));
        let left = Matrix {
            data: self.x,
            row: d,
            col: 1,
        };
        let right = Matrix {
            data: self.x.get(cols.start * d..).unwrap_or_default(),
            row: 1,
            col: d,
        };
        let right = match self.gram {
            GramSource::Nothing => return,
            GramSource::NumberMajor(_) => unreachable!("only distances are wanted"),
            GramSource::Known(all, stride) => {
                for (to, row) in out.chunks_exact_mut(side).zip(rows) {
                    let from = &all[row * stride..(row + 1) * stride];
                    to[..cols.len()].copy_from_slice(&from[cols.clone()]);
                }
                fill_up(out, side, cols.len());
                return;
            }
            GramSource::Bf16x3(all, len) => {
                if let Some(out) = same_mut::<T, f32>(out) {
                    let block = |samples: &Range<usize>| &all[2 * (samples.start / side) * len..][..2 * len];
                    let (left, right) = (&block(&rows)[..len], &block(&cols)[len..]);
                    let (left, right) = ((left, rows.len()), (right, cols.len()));
                    gram::of_packed(level, d, left, right, is_same, (out, side));
                }
                return;
            }
            GramSource::Pack => RightOperand::Pack(&right),
            GramSource::Packed(all) => RightOperand::Packed(&all[cols.start * d..], cols.len()),
        };
        let (left, right) = ((left, rows), (&right, cols.len()));
        gram::products(level, smaller, d, left, right, is_same, (out, side), work);
        fill_up(out, side, cols.len());
    }
}

/// Pads the columns with 0 to whole registers.
fn fill_up<T: Real>(out: &mut [T], stride: usize, columns: usize) {
    let end = columns.next_multiple_of(SUM_LANES);
    if columns < end {
        out.chunks_exact_mut(stride)
            .for_each(|row| row[columns..end].fill(T::ZERO));
    }
}
