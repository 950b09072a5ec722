//! The part of [`Direct`](super::direct::Direct) for many rows of weights: the elements that a tile of places meets are
//! brought together, and serve all rows as the right operand of a matrix product.

use super::lanes::Vectors;
use super::line::copy;
use super::pieces::{Group, Pieces, Together};
use crate::cpu::gemm::{GemmElement, LeftPanel, OutTile, RightPanel, TILE_ROWS};
use crate::cpu::level::Level;

/// Terms summed in registers at a time: their elements then stay in the first-level cache for all rows.
const DEPTH: usize = 128;
/// Widest tile of any level.
const WIDEST: usize = 64;

/// `out = weights elements` for one image, in work space of [`work_len`].
pub(super) struct Many<'a, T> {
    pub pieces: &'a Pieces,
    /// Of a tile's width.
    pub groups: &'a [Group],
    /// Places of the result.
    pub places: usize,
    pub planes: &'a [T],
    pub weights: &'a [T],
    pub out: &'a mut [T],
    pub work: &'a mut [T],
}

/// Elements of work space for so many rows: elements that are brought together, and sums.
pub(super) fn work_len(rows: usize) -> usize {
    (DEPTH + 1 + rows.next_multiple_of(TILE_ROWS)) * WIDEST
}

impl<T: GemmElement + Vectors> Many<'_, T> {
    pub fn run(self, level: Level) {
        let Many {
            pieces,
            groups,
            places,
            planes,
            weights,
            out,
            work,
        } = self;
        let depth = pieces.offsets.len();
        let (panel, sums) = work.split_at_mut((DEPTH + 1) * WIDEST);
        let tiles = T::micro_kernels(level);
        for group in groups {
            let width = tiles.padded(group.places);
            let kernel = tiles.of[width / tiles.lanes - 1];
            let members = &pieces.all[group.pieces.clone()];
            // A tile that is done at once and whose places are neighbours goes where it belongs at once.
            let at_once = depth <= DEPTH && group.neighbours && group.places == width;
            for k in (0..depth).step_by(DEPTH) {
                let terms = k..depth.min(k + DEPTH);
                let count = terms.len();
                let together = Together {
                    pieces,
                    group,
                    planes,
                    terms,
                    out: &mut *panel,
                    width,
                };
                T::run(level, together);
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
                            out[i * TILE_ROWS * places + members[0].place..].as_mut_ptr(),
                            places,
                        )
                    } else {
                        (sums[i * TILE_ROWS * WIDEST..].as_mut_ptr(), WIDEST)
                    };
                    let rows = weights.len() / depth;
                    let tile = OutTile {
                        start: target,
                        stride,
                        rows,
                        cols: width,
                        add: k > 0,
                    };
                    // SAFETY: weights are whole rows; the panel has a row of the tile's width for every term; the sums have
                    // room for a tile of every row, and the result for one whose columns are neighbours.
                    unsafe { kernel(count, left, right, tile) };
                }
            }
            if !at_once {
                for (sums, out) in sums.chunks_exact(WIDEST).zip(out.chunks_exact_mut(places)) {
                    let mut at = 0;
                    for piece in members {
                        copy(
                            &sums[at..at + piece.count],
                            &mut out[piece.place..piece.place + piece.count],
                        );
                        at += piece.count;
                    }
                }
            }
        }
    }
}
