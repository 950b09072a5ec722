//! One product on its way: operands, what of them is packed for all tasks, and the region that a task computes.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Split;
use super::kernel::{PANEL, PANEL_STEP, STEP, Tiles};
use super::pack::{Operand, pack, packed_len};
use crate::cpu::exec::Args;
use crate::cpu::gemm::region::Warm;
use crate::cpu::level::Level;
use crate::cpu::pool::{Pool, SharedSlice};
use crate::cpu::transpose::transpose_raw;

/// Where a region goes.
#[derive(Clone, Copy)]
pub(super) struct Out {
    pub start: *mut f32,
    /// Elements between rows.
    pub stride: usize,
    /// Rows and columns exchanged.
    pub transposed: bool,
}

/// An operand, and its packed form if that is shared.
#[derive(Clone, Copy)]
struct Side<'a> {
    operand: Operand<'a>,
    lines: usize,
    packed: Option<&'a [u32]>,
}

impl<'a> Side<'a> {
    /// The operand, packed into `place` unless that is empty. `None` if a number cannot be split.
    fn new(
        level: Level,
        pool: &Pool,
        operand: Operand<'a>,
        (lines, k, depth): (usize, usize, usize),
        place: &'a mut [u32],
    ) -> Option<Side<'a>> {
        if place.is_empty() {
            return Some(Side {
                operand,
                lines,
                packed: None,
            });
        }
        // Some panels at a time, since rows may be read across them.
        const GROUP: usize = 4 * PANEL;
        let groups = lines.div_ceil(GROUP);
        let fine = AtomicBool::new(true);
        let out = SharedSlice::new(place);
        pool.run(k.div_ceil(depth) * groups, |_, task| {
            let (k0, line) = (task / groups * depth, task % groups * GROUP);
            let (terms, some) = (k0..k.min(k0 + depth), line..lines.min(line + GROUP));
            let start = packed_len(lines, k0) + packed_len(line, terms.len());
            let len = packed_len(some.len(), terms.len());
            // SAFETY: tasks pack different panels; the processor has AVX-512 where it has these instructions.
            if !unsafe { pack(level, operand, some, terms, out.range(start..start + len)) } {
                fine.store(false, Ordering::Relaxed);
            }
        });
        fine.into_inner().then_some(Side {
            operand,
            lines,
            packed: Some(place),
        })
    }

    /// The packed panels of some lines and a block of terms; packed on the way into `work` if they are not shared.
    /// Whether all numbers could be split.
    fn panels<'b>(
        &self,
        level: Level,
        lines: Range<usize>,
        terms: Range<usize>,
        work: &'b mut [u32],
    ) -> (&'b [u32], bool)
    where
        'a: 'b,
    {
        match self.packed {
            Some(all) => (
                &all[packed_len(self.lines, terms.start) + packed_len(lines.start, terms.len())..],
                true,
            ),
            None => {
                // SAFETY: the processor has AVX-512 where it has these instructions.
                let fine = unsafe { pack(level, self.operand, lines, terms, work) };
                (work, fine)
            }
        }
    }
}

/// One product, with what is shared packed.
pub(super) struct Job<'a> {
    level: Level,
    k: usize,
    depth: usize,
    left: Side<'a>,
    right: Side<'a>,
}

impl<'a> Job<'a> {
    /// `None` if a number of a shared operand cannot be split.
    pub fn new(
        split: &Split,
        args: &Args<'_>,
        a: &'a [f32],
        b: &'a [f32],
        place: (&'a mut [u32], &'a mut [u32]),
    ) -> Option<Job<'a>> {
        let shape = split.shape;
        let rows = Operand {
            data: a,
            line: shape.a.0,
            term: shape.a.1,
            right: split.swapped,
        };
        let cols = Operand {
            data: b,
            line: shape.b.1,
            term: shape.b.0,
            right: !split.swapped,
        };
        let (left, right) = if split.swapped { (cols, rows) } else { (rows, cols) };
        let (level, pool, extents) = (args.level(), args.pool(), split.extents());
        Some(Job {
            level,
            k: shape.k,
            depth: split.depth,
            left: Side::new(level, pool, left, (extents.0, shape.k, split.depth), place.0)?,
            right: Side::new(level, pool, right, (extents.1, shape.k, split.depth), place.1)?,
        })
    }

    /// Computes rows and columns of the result, which start at whole panels if an operand is shared. False if a
    /// number could not be split: then the result is not valid.
    ///
    /// # Safety
    /// `out` must have room for the region and be used by nobody else.
    pub unsafe fn region(
        &self,
        rows: Range<usize>,
        cols: Range<usize>,
        out: Out,
        warm: Warm<'_>,
        work: &mut [u32],
    ) -> bool {
        let depth = self.k.min(self.depth);
        let left_len = if self.left.packed.is_some() {
            0
        } else {
            packed_len(PANEL, depth)
        };
        let (left_work, right_work) = work.split_at_mut(left_len);
        // SAFETY: this runs only at a level that has the instructions.
        let tiles = unsafe { Tiles::new() };
        let mut fine = true;
        for k0 in (0..self.k).step_by(self.depth) {
            let terms = k0..self.k.min(k0 + self.depth);
            let panel = terms.len().div_ceil(STEP) * PANEL_STEP;
            let (right, split) = self
                .right
                .panels(self.level, cols.clone(), terms.clone(), right_work);
            fine &= split;
            // A row of tiles at a time, so that the result is written in long rows.
            for r in rows.clone().step_by(PANEL) {
                let (left, split) =
                    self.left
                        .panels(self.level, r..rows.end.min(r + PANEL), terms.clone(), left_work);
                fine &= split;
                for (c, right) in cols.clone().step_by(PANEL).zip(right.chunks_exact(panel)) {
                    let valid = (PANEL.min(rows.end - r), PANEL.min(cols.end - c));
                    if k0 == 0 {
                        warm.ask(size_of::<f32>(), r..r + valid.0, c..c + valid.1);
                    }
                    let (i, j) = (r - rows.start, c - cols.start);
                    let at = if out.transposed {
                        j * out.stride + i
                    } else {
                        i * out.stride + j
                    };
                    // SAFETY: the panels hold the steps, and the tile lies in the region.
                    unsafe {
                        let out = Out {
                            start: out.start.add(at),
                            ..out
                        };
                        tile(self.level, &tiles, (&left[..panel], right), out, valid, k0 > 0);
                    }
                }
            }
        }
        fine
    }
}

/// Writes a tile, or adds it to what is there.
///
/// # Safety
/// The panels must be of one length, and `out` have room for the valid rows and columns.
unsafe fn tile(
    level: Level,
    tiles: &Tiles,
    (left, right): (&[u32], &[u32]),
    out: Out,
    (rows, cols): (usize, usize),
    add: bool,
) {
    let steps = right.len() / PANEL_STEP;
    // SAFETY: as the caller promises; `sums` and `turned` have room for a whole tile.
    unsafe {
        if (rows, cols) == (PANEL, PANEL) && !out.transposed && !add {
            tiles.product(steps, left.as_ptr(), right.as_ptr(), out.start, out.stride);
            return;
        }
        let mut sums = MaybeUninit::<Sums>::uninit();
        tiles.product(
            steps,
            left.as_ptr(),
            right.as_ptr(),
            sums.as_mut_ptr().cast(),
            PANEL,
        );
        if !out.transposed {
            merge(sums.assume_init_ref(), (rows, cols), out, add);
            return;
        }
        let mut turned = MaybeUninit::<Sums>::uninit();
        let (from, to) = (sums.as_ptr().cast::<f32>(), turned.as_mut_ptr().cast());
        transpose_raw(level, from, (1, PANEL), (PANEL, PANEL), to, PANEL);
        merge(turned.assume_init_ref(), (cols, rows), out, add);
    }
}

/// A tile on its way.
#[repr(C, align(64))]
struct Sums([f32; PANEL * PANEL]);

/// # Safety
/// As for [`tile`], and AVX-512.
#[target_feature(enable = "avx512f")]
unsafe fn merge(sums: &Sums, (rows, cols): (usize, usize), out: Out, add: bool) {
    for (i, line) in sums.0.chunks_exact(PANEL).take(rows).enumerate() {
        // SAFETY: as the caller promises.
        let to = unsafe { std::slice::from_raw_parts_mut(out.start.add(i * out.stride), cols) };
        if add {
            to.iter_mut().zip(line).for_each(|(to, sum)| *to += sum);
        } else {
            to.copy_from_slice(&line[..cols]);
        }
    }
}
