//! The part of [`Direct`](super::Direct) for many rows of weights: the elements that a tile of positions reads are
//! gathered, and serve all rows as the right operand of a matrix product.

use crate::cpu::conv::lanes::LaneDispatch;
use crate::cpu::conv::planes::copy;
use crate::cpu::conv::planes::{Gather, RunGroup, Runs};
use crate::cpu::gemm::{GemmElement, LeftPanel, OutTile, RightPanel, TILE_ROWS};
use crate::cpu::level::Level;

/// Terms summed in registers at a time: their elements then stay in the first-level cache for all rows.
const BLOCK_TERMS: usize = 128;
/// Widest tile of any level.
const MAX_TILE_COLUMNS: usize = 64;

/// `out = weights elements` for one image, in work space of [`work_len`].
pub(super) struct ManyRows<'a, T> {
    pub runs: &'a Runs,
    /// Of a tile's width.
    pub run_groups: &'a [RunGroup],
    /// Positions of the result.
    pub positions: usize,
    pub planes: &'a [T],
    pub weights: &'a [T],
    pub out: &'a mut [T],
    pub work: &'a mut [T],
}

/// Elements of work space for so many rows: elements that are gathered, and sums.
pub(super) fn work_len(rows: usize) -> usize {
    (BLOCK_TERMS + 1 + rows.next_multiple_of(TILE_ROWS)) * MAX_TILE_COLUMNS
}

impl<T: GemmElement + LaneDispatch> ManyRows<'_, T> {
    pub fn run(self, level: Level) {
        let ManyRows {
            runs,
            run_groups,
            positions,
            planes,
            weights,
            out,
            work,
        } = self;
        let depth = runs.offsets.len();
        let (panel, sums) = work.split_at_mut((BLOCK_TERMS + 1) * MAX_TILE_COLUMNS);
        let tiles = T::micro_kernels(level);
        for run_group in run_groups {
            let width = tiles.padded(run_group.positions);
            let kernel = tiles.of[width / tiles.lanes - 1];
            let members = &runs.all[run_group.runs.clone()];
            // A tile that is done at once and whose positions are adjacent goes where it belongs at once.
            let at_once = depth <= BLOCK_TERMS && run_group.contiguous && run_group.positions == width;
            for k in (0..depth).step_by(BLOCK_TERMS) {
                let terms = k..depth.min(k + BLOCK_TERMS);
                let count = terms.len();
                let together = Gather {
                    runs,
                    run_group,
                    planes,
                    terms,
                    out: &mut *panel,
                    width,
                };
                T::dispatch(level, together);
                let right = RightPanel::Packed(panel.as_ptr());
                for (i, weights) in weights.chunks(TILE_ROWS * depth).enumerate() {
                    let start = weights[k..].as_ptr();
                    let left = LeftPanel::Rows {
                        start,
                        stride: depth,
                        ahead: start.wrapping_add(TILE_ROWS * depth),
                    };
                    let (target, stride) = if at_once {
                        (
                            out[i * TILE_ROWS * positions + members[0].position..].as_mut_ptr(),
                            positions,
                        )
                    } else {
                        (
                            sums[i * TILE_ROWS * MAX_TILE_COLUMNS..].as_mut_ptr(),
                            MAX_TILE_COLUMNS,
                        )
                    };
                    let rows = weights.len() / depth;
                    let tile = OutTile {
                        start: target,
                        stride,
                        rows,
                        cols: width,
                        add: k > 0,
                    };
                    // SAFETY: weights are whole rows; the panel has a row of the tile's width for every term; the sums
                    // have room for a tile of every row, and the result for one whose columns are adjacent.
                    unsafe { kernel(count, left, right, tile) };
                }
            }
            if !at_once {
                for (sums, out) in sums
                    .chunks_exact(MAX_TILE_COLUMNS)
                    .zip(out.chunks_exact_mut(positions))
                {
                    let mut at = 0;
                    for run in members {
                        copy(
                            &sums[at..at + run.count],
                            &mut out[run.position..run.position + run.count],
                        );
                        at += run.count;
                    }
                }
            }
        }
    }
}
