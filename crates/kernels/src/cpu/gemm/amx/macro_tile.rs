//! The macro-tile: the part of a result that a task computes.

use std::arch::x86_64::{_mm512_add_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps};
use std::mem::MaybeUninit;
use std::ops::Range;

use super::bf16::{MaxMagnitude, first};
use super::layout::{PANEL_LINES, PANEL_STEP_WORDS, STEP_SLICES, TILE_LINES, packed_words};
use super::micro_kernel::{TileRegisters, square_corners};
use super::pack::{OperandBlock, SlicedPacking};
use super::prepared::{OutView, Prepared};
use crate::cpu::gemm::macro_kernel::Prefetch;
use crate::cpu::level::Level;
use crate::cpu::transpose::transpose_raw;

/// A task at work.
pub(super) struct MacroTile<'a> {
    pub prepared: &'a Prepared<'a>,
    pub tiles: TileRegisters,
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    pub out: OutView,
    pub prefetch: Prefetch<'a>,
    pub max_magnitude: MaxMagnitude,
}

/// Packing between the slices of products.
struct InterleavedPacking<'a> {
    packing: Option<SlicedPacking<'a>>,
    /// Slices to be packed, and slices of products in the same time.
    slices: (usize, usize),
    /// What is due, in parts of a slice of which a whole one has `slices.1`.
    due: usize,
}

impl<'a> InterleavedPacking<'a> {
    fn new(packing: Option<SlicedPacking<'a>>, steps: usize) -> InterleavedPacking<'a> {
        let slices = packing.as_ref().map_or(0, SlicedPacking::slices);
        InterleavedPacking {
            packing,
            slices: (slices, steps * STEP_SLICES),
            due: 0,
        }
    }

    /// Packs what is due after another slice of a product.
    ///
    /// # Safety
    /// AVX-512; there must be room for the block, which no other task uses.
    #[inline(always)]
    unsafe fn advance(&mut self, max_magnitude: &mut MaxMagnitude) {
        let Some(packing) = &mut self.packing else { return };
        self.due += self.slices.0;
        while self.due >= self.slices.1 {
            self.due -= self.slices.1;
            // SAFETY: as the caller promises; the last slice is due after the last slice of the products.
            unsafe { packing.slice(max_magnitude) };
        }
    }
}

/// The panel of a line among panels of `len` words, the first of which begins at line `start`.
fn panel(all: &[u32], line: usize, start: usize, len: usize) -> &[u32] {
    &all[(line - start) / PANEL_LINES * len..][..len]
}

impl MacroTile<'_> {
    /// Computes rows and columns of the result, which start at whole panels if an operand is shared. False if a
    /// number could not be split: then the result is not valid.
    ///
    /// # Safety
    /// `out` must have room for the macro-tile and be used by no other task.
    pub unsafe fn compute(
        prepared: &Prepared<'_>,
        rows: Range<usize>,
        cols: Range<usize>,
        out: OutView,
        prefetch: Prefetch<'_>,
        work: &mut [u32],
    ) -> bool {
        // SAFETY: this runs only at a level that has the instructions; the rest as the caller promises.
        unsafe {
            let mut macro_tile = MacroTile {
                prepared,
                tiles: TileRegisters::new(),
                rows,
                cols,
                out,
                prefetch,
                max_magnitude: MaxMagnitude::none(),
            };
            match (prepared.left.packed, prepared.right.packed) {
                _ if prepared.skinny => {
                    if prepared.stream_left {
                        macro_tile.skinny::<true>(work);
                    } else {
                        macro_tile.skinny::<false>(work);
                    }
                    return true;
                }
                (Some(left), Some(right)) => macro_tile.packed(left, right),
                _ => macro_tile.streamed(prepared.stream_left, work),
            }
            macro_tile.max_magnitude.in_range()
        }
    }

    /// Computes it where both operands are packed.
    ///
    /// # Safety
    /// As for [`MacroTile::compute`].
    pub unsafe fn packed(&mut self, left: &[u32], right: &[u32]) {
        let prepared = self.prepared;
        for terms in prepared.blocks() {
            let len = packed_words(PANEL_LINES, terms.len());
            let lefts = prepared.left.panels(left, self.rows.start, &terms);
            let rights = prepared.right.panels(right, self.cols.start, &terms);
            // A row of tiles at a time, so that the result is written in long rows.
            for r in self.rows.clone().step_by(PANEL_LINES) {
                for c in self.cols.clone().step_by(PANEL_LINES) {
                    let left = panel(lefts, r, self.rows.start, len);
                    let right = panel(rights, c, self.cols.start, len);
                    // SAFETY: as the caller promises.
                    unsafe {
                        self.tile(
                            (r, c),
                            (left, right),
                            terms.start > 0,
                            &mut InterleavedPacking::new(None, 0),
                        )
                    };
                }
            }
        }
    }

    /// Computes it while one operand streams: the left one, or else the right one, is packed on the way. The other
    /// operand is packed before, or a block of it at a time here.
    ///
    /// # Safety
    /// As for [`MacroTile::compute`].
    pub unsafe fn streamed(&mut self, is_left: bool, work: &mut [u32]) {
        let prepared = self.prepared;
        let (side, other) = if is_left {
            (&prepared.left, &prepared.right)
        } else {
            (&prepared.right, &prepared.left)
        };
        let (lines, other_lines) = if is_left {
            (self.rows.clone(), self.cols.clone())
        } else {
            (self.cols.clone(), self.rows.clone())
        };
        let place_len = packed_words(side.group, prepared.k.min(prepared.depth));
        let (first, work) = work.split_at_mut(place_len);
        let (second, block_place) = work.split_at_mut(place_len);
        let places = [first.as_mut_ptr(), second.as_mut_ptr()];
        let groups = lines.len().div_ceil(side.group);
        let pieces = prepared.blocks().len() * groups;
        let part = |number: usize| {
            let start = lines.start + number % groups * side.group;
            (
                start..lines.end.min(start + side.group),
                prepared.block(number / groups),
            )
        };
        let piece = |number: usize| {
            let (lines, terms) = part(number);
            (number < pieces).then(|| OperandBlock::new(side.operand, lines, terms))
        };
        // SAFETY: the places have room for a block each, and the block's place for one.
        unsafe {
            if let Some(first) = piece(0) {
                first.all(places[0], &mut self.max_magnitude);
            }
            for number in 0..pieces {
                let (some, terms) = part(number);
                if number % groups == 0 && other.packed.is_none() {
                    let block = OperandBlock::new(other.operand, other_lines.clone(), terms.clone());
                    block.all(block_place.as_mut_ptr(), &mut self.max_magnitude);
                }
                let others = match other.packed {
                    Some(all) => other.panels(all, other_lines.start, &terms),
                    None => &*block_place,
                };
                let len = packed_words(PANEL_LINES, terms.len());
                let these =
                    std::slice::from_raw_parts(places[number % 2], packed_words(some.len(), terms.len()));
                let products = some.len().div_ceil(PANEL_LINES) * other_lines.len().div_ceil(PANEL_LINES);
                let out = places[(number + 1) % 2];
                let packing = piece(number + 1).map(|next| SlicedPacking::new(next, piece(number + 2), out));
                let mut packing = InterleavedPacking::new(packing, products * len / PANEL_STEP_WORDS);
                let (rows, cols) = if is_left {
                    (&some, &other_lines)
                } else {
                    (&other_lines, &some)
                };
                for r in rows.clone().step_by(PANEL_LINES) {
                    for c in cols.clone().step_by(PANEL_LINES) {
                        let (this, that) = if is_left { (r, c) } else { (c, r) };
                        let this = panel(these, this, some.start, len);
                        let that = panel(others, that, other_lines.start, len);
                        let panels = if is_left { (this, that) } else { (that, this) };
                        self.tile((r, c), panels, terms.start > 0, &mut packing);
                    }
                }
            }
        }
    }

    /// Writes a tile, or adds it to what is there.
    ///
    /// # Safety
    /// The panels must be of one length, and the macro-tile's place have room for the tile.
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn tile(
        &mut self,
        (r, c): (usize, usize),
        panels: (&[u32], &[u32]),
        add: bool,
        packing: &mut InterleavedPacking<'_>,
    ) {
        let valid = (
            PANEL_LINES.min(self.rows.end - r),
            PANEL_LINES.min(self.cols.end - c),
        );
        if !add {
            self.prefetch
                .request(size_of::<f32>(), r..r + valid.0, c..c + valid.1);
        }
        let out = self.out.from((r - self.rows.start, c - self.cols.start));
        // SAFETY: as the caller promises; `sums` has room for a whole tile.
        unsafe {
            if valid == (PANEL_LINES, PANEL_LINES) && !out.transposed {
                let places = (square_corners(out.start, out.stride), out.stride);
                self.product(panels, add, places, packing);
                return;
            }
            let mut sums = MaybeUninit::<Sums>::uninit();
            let places = (square_corners(sums.as_mut_ptr().cast(), PANEL_LINES), PANEL_LINES);
            self.product(panels, false, places, packing);
            sums.assume_init_ref()
                .merge(self.prepared.level, (PANEL_LINES, PANEL_LINES), valid, out, add);
        }
    }

    /// Writes the products of two panels to the places of four registers, or adds them to what is there.
    ///
    /// # Safety
    /// As for [`MacroTile::tile`]; there must be room.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn product(
        &mut self,
        (left, right): (&[u32], &[u32]),
        add: bool,
        (places, stride): ([*mut f32; 4], usize),
        packing: &mut InterleavedPacking<'_>,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            self.tiles.begin(add.then_some((places, stride)));
            let mut max_magnitude = self.max_magnitude;
            for (left, right) in left
                .chunks_exact(PANEL_STEP_WORDS)
                .zip(right.chunks_exact(PANEL_STEP_WORDS))
            {
                let step = || packing.advance(&mut max_magnitude);
                self.tiles.step(left.as_ptr(), right.as_ptr(), step);
            }
            self.max_magnitude = max_magnitude;
            self.tiles.store(places, stride);
        }
    }
}

/// The sums of four registers on their way: a tile, or a skinny tile.
#[repr(C, align(64))]
pub(super) struct Sums([f32; 4 * TILE_LINES * TILE_LINES]);

impl Sums {
    /// Writes to `out` what is valid of the sums, which are so many rows and columns, or adds it to what is there.
    ///
    /// # Safety
    /// AVX-512; `out` must have room, and be used by no other task.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn merge(
        &self,
        level: Level,
        (height, width): (usize, usize),
        valid: (usize, usize),
        out: OutView,
        add: bool,
    ) {
        if !out.transposed {
            // SAFETY: as the caller promises.
            return unsafe { merge(&self.0, width, valid, out, add) };
        }
        let mut transposed = MaybeUninit::<Sums>::uninit();
        // SAFETY: as the caller promises; `transposed` has room for all, and is written.
        unsafe {
            let from = self.0.as_ptr();
            transpose_raw(
                level,
                from,
                (1, width),
                (width, height),
                transposed.as_mut_ptr().cast(),
                height,
            );
            merge(
                &transposed.assume_init_ref().0,
                height,
                (valid.1, valid.0),
                out,
                add,
            );
        }
    }
}

/// # Safety
/// As for [`Sums::merge`].
#[target_feature(enable = "avx512f")]
unsafe fn merge(sums: &[f32], width: usize, (rows, cols): (usize, usize), out: OutView, add: bool) {
    for (i, line) in sums.chunks_exact(width).take(rows).enumerate() {
        for (at, sums) in line
            .chunks_exact(TILE_LINES)
            .enumerate()
            .take(cols.div_ceil(TILE_LINES))
        {
            let mask = first(TILE_LINES.min(cols - at * TILE_LINES));
            // SAFETY: as the caller promises; what a mask leaves out is not touched.
            unsafe {
                let to = out.start.add(i * out.stride + at * TILE_LINES);
                let mut sums = _mm512_loadu_ps(sums.as_ptr());
                if add {
                    sums = _mm512_add_ps(sums, _mm512_maskz_loadu_ps(mask, to));
                }
                _mm512_mask_storeu_ps(to, mask, sums);
            }
        }
    }
}
