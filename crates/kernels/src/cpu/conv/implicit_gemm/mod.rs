//! Implicit GEMM with matrix instructions: planes are packed once, as records of the channels of a position, split side
//! by side. Each tap reads the same records at its own distance. (In [`im2col`](super::im2col) an element is packed for
//! every tap that reads it.) Positions are the rows of the products, outputs the columns.

mod cells;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cpu::conv::problem::ConvGemm;
use crate::cpu::exec::{Args, Env, scratch_bytes};
use crate::cpu::gemm::{
    Matrix, PANEL_LINES, RECORD_CHANNELS, RECORD_WORDS, RECORDS_PER_TILE, TileMultiplier, pack_columns,
    pack_records, panels_words, prefetch_l2,
};
use crate::cpu::level::{Level, versions};
use crate::cpu::pool::SharedSlice;
use crate::cpu::transpose::{transpose, transpose_raw};
use cells::Cells;

/// Words of a task's records: they stay in the second-level cache beside the weights.
const MAX_RECORDS_WORDS: usize = 1 << 17;
/// Tasks wanted.
const MIN_TASKS: usize = 16;
/// Lines of cells of a task at least.
const MIN_TASK_LINES: usize = 4;
/// Multiply-adds from which on splitting the operands pays.
const MIN_FMAS: usize = 1 << 21;
/// Tenths of the multiply-adds that must not be padding.
const MIN_FILL_TENTHS: usize = 6;
/// The same where Winograd's filtering applies.
const MIN_FILL_TENTHS_WINOGRAD: usize = 9;

/// A [`ConvGemm`] by implicit GEMM.
pub(super) struct ImplicitGemm {
    cells: Cells,
    batch: usize,
    /// Groups of the convolution.
    groups: usize,
    rows: usize,
    channels: usize,
    taps: usize,
    /// Whether the weights come with the two kinds of channels exchanged.
    transposed_weights: bool,
    /// Lines of cells of a task.
    lines: usize,
}

/// Neighboring cells of a line: the line, the first, and their number.
type CellRun = (usize, usize, usize);

impl ImplicitGemm {
    /// The algorithm, if it applies and is likely to pay. Of a single tap the elements need not be kept.
    pub fn new(gemm: &ConvGemm, env: &Env, has_winograd: bool) -> Option<ImplicitGemm> {
        let work = gemm.batch * gemm.positions * gemm.rows * gemm.depth;
        let taps: usize = gemm.tap_map.kernel.iter().product();
        if !gemm.may_reassociate || !env.level.matrix() || work < MIN_FMAS || taps < 2 {
            return None;
        }
        let cells = Cells::new(&gemm.tap_map)?;
        let channels = gemm.depth / taps;
        let [height, width] = cells.cells;
        let filled = height * width.next_multiple_of(RECORDS_PER_TILE) * cells.classes.len();
        let padded =
            channels.next_multiple_of(RECORD_CHANNELS) * gemm.rows.next_multiple_of(PANEL_LINES) * filled;
        let full = if has_winograd {
            MIN_FILL_TENTHS_WINOGRAD
        } else {
            MIN_FILL_TENTHS
        };
        if cells.divisor[1] > 2 || 10 * channels * gemm.rows * gemm.positions < full * padded {
            return None;
        }
        let mut packed = ImplicitGemm {
            lines: 1,
            cells,
            batch: gemm.batch,
            groups: gemm.groups,
            rows: gemm.rows,
            channels,
            taps,
            transposed_weights: gemm.transposed_weights,
        };
        let wanted = height
            .div_ceil(MIN_TASKS.div_ceil(packed.batch * packed.groups))
            .max(MIN_TASK_LINES);
        let most = (1..=wanted.min(height)).rfind(|&lines| packed.records_len(lines) <= MAX_RECORDS_WORDS)?;
        packed.lines = height.div_ceil(height.div_ceil(most));
        Some(packed)
    }

    /// Words of what a position has.
    fn record(&self) -> usize {
        self.channels.div_ceil(RECORD_CHANNELS) * RECORD_WORDS
    }

    /// Words of the records for so many lines of cells, and for cells behind the last that are read and dropped.
    fn records_len(&self, lines: usize) -> usize {
        let (cells, behind) = (&self.cells, RECORDS_PER_TILE * self.cells.step[1]);
        (cells.lines(lines) * cells.pitch() + behind) * self.record()
    }

    /// Weights of a tap, and words of their panels.
    fn tap_lens(&self) -> (usize, usize) {
        (self.rows * self.channels, panels_words(self.rows, self.channels))
    }

    /// Elements of a thread's sums: of every class, and of two classes transposed.
    fn sums_len(&self) -> usize {
        self.cells.classes.len() * PANEL_LINES * PANEL_LINES + 2 * PANEL_LINES * RECORDS_PER_TILE
    }

    /// Bytes of scratch that [`ImplicitGemm::run`] takes.
    pub fn scratch_bytes(&self, threads: usize) -> usize {
        let (weights, panels) = self.tap_lens();
        scratch_bytes::<f32>(self.groups * self.taps * weights)
            + scratch_bytes::<u32>(self.groups * self.taps * panels)
            + scratch_bytes::<u32>(self.records_len(self.lines) * threads)
            + scratch_bytes::<f32>(self.sums_len() * threads)
    }

    /// `(x, weights) -> out`; the weights are as the operation was given them. False if a number cannot be split: then
    /// the result is not valid.
    pub fn run(&self, args: &Args<'_>, x: &[f32], weights: &[f32], out: &mut [f32]) -> bool {
        let fine = AtomicBool::new(true);
        let panels = self.pack_weights(args, weights, &fine);
        let (records_len, sums_len) = (self.records_len(self.lines), self.sums_len());
        let records = args.worker_scratch::<u32>(records_len);
        let sums = args.worker_scratch::<f32>(sums_len);
        if !fine.load(Ordering::Relaxed) {
            return false;
        }
        let (level, out) = (args.level(), SharedSlice::new(out));
        let line_blocks = self.cells.cells[0].div_ceil(self.lines);
        args.pool()
            .run(self.batch * self.groups * line_blocks, |worker, task| {
                // SAFETY: a worker's own part of the work space.
                let (records, sums) = unsafe { (records.of(worker), sums.of(worker)) };
                let (image, first) = (task / line_blocks, task % line_blocks * self.lines);
                let lines = first..self.cells.cells[0].min(first + self.lines);
                if !self.pack(level, image, lines.clone(), x, records) {
                    fine.store(false, Ordering::Relaxed);
                }
                let group = image % self.groups;
                let panels = &panels[group * self.taps * self.tap_lens().1..];
                self.compute(level, (image, lines), panels, records, sums, &out);
            });
        fine.into_inner()
    }

    /// The panels of weights: group by group of the convolution, tap by tap, panel by panel of outputs.
    fn pack_weights<'a>(&self, args: &Args<'a>, weights: &[f32], fine: &AtomicBool) -> &'a [u32] {
        let (taps, rows, channels) = (self.taps, self.rows, self.channels);
        let (weights_len, panels_words) = self.tap_lens();
        let sorted = args.scratch::<f32>(self.groups * taps * weights_len);
        let panels = args.scratch::<u32>(self.groups * taps * panels_words);
        let (level, sorted) = (args.level(), SharedSlice::new(sorted));
        args.pool().chunks(panels, panels_words, |_, i, panels| {
            let (group, tap) = (i / taps, i % taps);
            // SAFETY: a task's own tap.
            let sorted = unsafe { sorted.range(i * weights_len..(i + 1) * weights_len) };
            for (row, sorted) in sorted.chunks_exact_mut(channels).enumerate() {
                for (channel, sorted) in sorted.iter_mut().enumerate() {
                    let at = if self.transposed_weights {
                        (group * channels + channel) * rows + row
                    } else {
                        (group * rows + row) * channels + channel
                    };
                    *sorted = weights[at * taps + tap];
                }
            }
            let matrix = Matrix {
                data: &*sorted,
                row: 1,
                col: channels,
            };
            if !pack_columns(level, matrix, 0..channels, 0..rows, panels) {
                fine.store(false, Ordering::Relaxed);
            }
        });
        panels
    }

    /// Writes the records of what some lines of cells read. False if a number cannot be split.
    fn pack(&self, level: Level, image: usize, cells: Range<usize>, x: &[f32], records: &mut [u32]) -> bool {
        let (record, there) = (self.record(), self.cells.columns());
        let plane = x.len() / (self.batch * self.groups * self.channels);
        let x = &x[image * self.channels * plane..][..self.channels * plane];
        let mut fine = true;
        let lines = records.chunks_exact_mut(self.cells.pitch() * record);
        for (line, records) in lines.enumerate().take(self.cells.lines(cells.len())) {
            if !self.cells.reads(line) {
                continue;
            }
            match self.cells.source(cells.start, line) {
                Some(source) => {
                    let extents = (self.channels, there.len());
                    let own = &mut records[there.start * record..there.end * record];
                    fine &= pack_records(level, &x[source..], plane, extents, own);
                    records[..there.start * record].fill(0);
                    records[there.end * record..].fill(0);
                }
                None => records.fill(0),
            }
        }
        fine
    }

    /// The results of some lines of cells of an image.
    fn compute(
        &self,
        level: Level,
        (image, lines): (usize, Range<usize>),
        panels: &[u32],
        records: &[u32],
        sums: &mut [f32],
        out: &SharedSlice<'_, f32>,
    ) {
        let (multiplier, cells) = (TileMultiplier::new(level), &self.cells);
        let (record, step) = (self.record(), cells.step);
        let (sums, transposed) = sums.split_at_mut(cells.classes.len() * PANEL_LINES * PANEL_LINES);
        let panel_len = panels_words(PANEL_LINES, self.channels);
        assert!(records.len() >= self.records_len(lines.len()));
        let mut cell_runs = lines.clone().flat_map(|line| {
            let width = cells.cells[1];
            let positions = (0..width).step_by(RECORDS_PER_TILE);
            positions.map(move |first| (line, first, RECORDS_PER_TILE.min(width - first)))
        });
        while let Some(cell_run) = cell_runs.next() {
            let pair = [Some(cell_run), cell_runs.next()];
            let starts = pair.map(|other| {
                let (line, first, _) = other.unwrap_or(cell_run);
                let at = (line - lines.start) * step[0] * cells.pitch() + first * step[1];
                records[at * record..].as_ptr()
            });
            for panel in 0..self.rows.div_ceil(PANEL_LINES) {
                let row = image * self.rows + panel * PANEL_LINES;
                let rows = row..row + PANEL_LINES.min(self.rows - panel * PANEL_LINES);
                let rows = self.rows(rows, out);
                pair.iter()
                    .flatten()
                    .for_each(|cell_run| rows.prefetch(*cell_run));
                for (class, sums) in cells.classes.iter().zip(sums.as_chunks_mut().0) {
                    let taps = class.iter().map(|tap| {
                        let at = tap.number * self.tap_lens().1 + panel * panel_len;
                        (cells.offset(tap) * record, &panels[at..][..panel_len])
                    });
                    // SAFETY: the records of all cells of the lines and of those read behind them exist, as checked.
                    unsafe { multiplier.product_of_records(starts, step[1] * record, taps, sums) };
                }
                for (i, cell_run) in pair.iter().enumerate() {
                    if let Some(cell_run) = cell_run {
                        rows.store(
                            level,
                            *cell_run,
                            &sums[i * RECORDS_PER_TILE * PANEL_LINES..],
                            transposed,
                        );
                    }
                }
            }
        }
    }

    fn rows<'a>(&'a self, rows: Range<usize>, out: &SharedSlice<'_, f32>) -> OutRows<'a> {
        let positions = self.cells.to[0] * self.cells.to[1];
        assert!(rows.end * positions <= out.len());
        OutRows {
            cells: &self.cells,
            start: out.as_mut_ptr().wrapping_add(rows.start * positions),
            rows: rows.len(),
            positions,
        }
    }
}

/// Some rows of the result.
struct OutRows<'a> {
    cells: &'a Cells,
    start: *mut f32,
    rows: usize,
    /// Elements between rows.
    positions: usize,
}

impl OutRows<'_> {
    /// The lines of positions of a cell run, and where in the first row they start; and how many positions of each
    /// there are.
    fn lines(&self, (line, first, count): CellRun) -> (impl Iterator<Item = (usize, *mut f32)>, usize) {
        let (Cells { to, divisor, .. }, start) = (self.cells, self.start);
        let lines = (0..divisor[0]).map(move |class| (class, line * divisor[0] + class));
        let lines = lines.filter(|(_, line)| *line < to[0]);
        let first = first * divisor[1];
        (
            lines.map(move |(class, line)| (class, start.wrapping_add(line * to[1] + first))),
            (count * divisor[1]).min(to[1] - first),
        )
    }

    /// Has a cell run's positions brought into the cache.
    fn prefetch(&self, cell_run: CellRun) {
        let (lines, count) = self.lines(cell_run);
        for (_, start) in lines {
            for row in 0..self.rows {
                for at in (0..count).step_by(RECORDS_PER_TILE) {
                    prefetch_l2(start.wrapping_add(row * self.positions + at));
                }
            }
        }
    }

    /// Puts a cell run's sums where they belong; those of each class are [`PANEL_LINES`] rows of as many.
    fn store(&self, level: Level, cell_run: CellRun, sums: &[f32], transposed: &mut [f32]) {
        let (lines, count) = self.lines(cell_run);
        for (class, start) in lines {
            if self.cells.divisor[1] == 1 {
                let sums =
                    &sums[class * PANEL_LINES * PANEL_LINES..][..(cell_run.2 - 1) * PANEL_LINES + self.rows];
                // SAFETY: a task's own positions of rows that exist; sums of these positions, of which each has
                // `PANEL_LINES`.
                unsafe {
                    let extents = (self.rows, cell_run.2);
                    transpose_raw(
                        level,
                        sums.as_ptr(),
                        (1, PANEL_LINES),
                        extents,
                        start,
                        self.positions,
                    );
                }
                continue;
            }
            let (even, odd) = transposed.split_at_mut(PANEL_LINES * RECORDS_PER_TILE);
            for (i, transposed) in [&mut *even, &mut *odd].into_iter().enumerate() {
                let sums = &sums[(2 * class + i) * PANEL_LINES * PANEL_LINES..];
                transpose(
                    level,
                    sums,
                    (1, PANEL_LINES),
                    (self.rows, cell_run.2),
                    transposed,
                    RECORDS_PER_TILE,
                );
            }
            let rows = even
                .chunks_exact(RECORDS_PER_TILE)
                .zip(odd.chunks_exact(RECORDS_PER_TILE));
            for (row, (even, odd)) in rows.take(self.rows).enumerate() {
                // SAFETY: a task's own positions of a row that exists.
                let out = unsafe {
                    std::slice::from_raw_parts_mut(start.wrapping_add(row * self.positions), count)
                };
                interleave(level, even, odd, out);
            }
        }
    }
}

versions! {
    /// Elements of both in turn.
    fn interleave(even: &[f32], odd: &[f32], out: &mut [f32]) {
        let (pairs, last) = out.as_chunks_mut();
        let count = pairs.len();
        for (pair, (&even, &odd)) in pairs.iter_mut().zip(even.iter().zip(odd)) {
            *pair = [even, odd];
        }
        if let [last] = last {
            *last = even[count];
        }
    }
}
