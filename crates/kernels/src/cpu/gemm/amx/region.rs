//! The region of a result that a task computes.

use std::arch::x86_64::{_mm512_add_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps};
use std::mem::MaybeUninit;
use std::ops::Range;

use super::job::{Job, Out};
use super::kernel::{PANEL, PANEL_STEP, SLICES, Tiles, UNIT, square};
use super::pack::{Packing, Piece, packed_len};
use super::parts::{Largest, first};
use crate::cpu::gemm::region::Warm;
use crate::cpu::level::Level;
use crate::cpu::transpose::transpose_raw;

/// A task at work.
pub(super) struct Region<'a> {
    pub job: &'a Job<'a>,
    pub tiles: Tiles,
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    pub out: Out,
    pub warm: Warm<'a>,
    pub largest: Largest,
}

/// What is packed between the slices of products.
struct Chore<'a> {
    packing: Option<Packing<'a>>,
    /// Slices to be packed, and slices of products meanwhile.
    slices: (usize, usize),
    /// What is due, in parts of a slice of which a whole one has `slices.1`.
    due: usize,
}

impl<'a> Chore<'a> {
    fn new(packing: Option<Packing<'a>>, steps: usize) -> Chore<'a> {
        let slices = packing.as_ref().map_or(0, Packing::slices);
        Chore {
            packing,
            slices: (slices, steps * SLICES),
            due: 0,
        }
    }

    /// Packs what is due after another slice of a product.
    ///
    /// # Safety
    /// AVX-512; there must be room for the piece, which nobody else uses.
    #[inline(always)]
    unsafe fn advance(&mut self, largest: &mut Largest) {
        let Some(packing) = &mut self.packing else { return };
        self.due += self.slices.0;
        while self.due >= self.slices.1 {
            self.due -= self.slices.1;
            // SAFETY: as the caller promises; the last slice is due after the last slice of the products.
            unsafe { packing.slice(largest) };
        }
    }
}

/// The panel of a line among panels of `len` words, the first of which begins at line `start`.
fn panel(all: &[u32], line: usize, start: usize, len: usize) -> &[u32] {
    &all[(line - start) / PANEL * len..][..len]
}

impl Region<'_> {
    /// Computes it where both operands are packed.
    ///
    /// # Safety
    /// As for [`Job::region`].
    pub unsafe fn packed(&mut self, left: &[u32], right: &[u32]) {
        let job = self.job;
        for terms in job.blocks() {
            let len = packed_len(PANEL, terms.len());
            let lefts = job.left.panels(left, self.rows.start, &terms);
            let rights = job.right.panels(right, self.cols.start, &terms);
            // A row of tiles at a time, so that the result is written in long rows.
            for r in self.rows.clone().step_by(PANEL) {
                for c in self.cols.clone().step_by(PANEL) {
                    let left = panel(lefts, r, self.rows.start, len);
                    let right = panel(rights, c, self.cols.start, len);
                    // SAFETY: as the caller promises.
                    unsafe { self.tile((r, c), (left, right), terms.start > 0, &mut Chore::new(None, 0)) };
                }
            }
        }
    }

    /// Computes it with an operand packed on the way: the left one, or else the right one. The other one is packed, or
    /// else a block of it at a time here.
    ///
    /// # Safety
    /// As for [`Job::region`].
    pub unsafe fn on_the_way(&mut self, is_left: bool, work: &mut [u32]) {
        let job = self.job;
        let (side, other) = if is_left {
            (&job.left, &job.right)
        } else {
            (&job.right, &job.left)
        };
        let (lines, other_lines) = if is_left {
            (self.rows.clone(), self.cols.clone())
        } else {
            (self.cols.clone(), self.rows.clone())
        };
        let place_len = packed_len(side.group, job.k.min(job.depth));
        let (first, work) = work.split_at_mut(place_len);
        let (second, block_place) = work.split_at_mut(place_len);
        let places = [first.as_mut_ptr(), second.as_mut_ptr()];
        let groups = lines.len().div_ceil(side.group);
        let pieces = job.blocks().len() * groups;
        let part = |number: usize| {
            let start = lines.start + number % groups * side.group;
            (
                start..lines.end.min(start + side.group),
                job.block(number / groups),
            )
        };
        let piece = |number: usize| {
            let (lines, terms) = part(number);
            (number < pieces).then(|| Piece::new(side.operand, lines, terms))
        };
        // SAFETY: the places have room for a piece each, and the block's place for one.
        unsafe {
            if let Some(first) = piece(0) {
                first.all(places[0], &mut self.largest);
            }
            for number in 0..pieces {
                let (some, terms) = part(number);
                if number % groups == 0 && other.packed.is_none() {
                    let block = Piece::new(other.operand, other_lines.clone(), terms.clone());
                    block.all(block_place.as_mut_ptr(), &mut self.largest);
                }
                let others = match other.packed {
                    Some(all) => other.panels(all, other_lines.start, &terms),
                    None => &*block_place,
                };
                let len = packed_len(PANEL, terms.len());
                let these =
                    std::slice::from_raw_parts(places[number % 2], packed_len(some.len(), terms.len()));
                let products = some.len().div_ceil(PANEL) * other_lines.len().div_ceil(PANEL);
                let out = places[(number + 1) % 2];
                let packing = piece(number + 1).map(|next| Packing::new(next, piece(number + 2), out));
                let mut chore = Chore::new(packing, products * len / PANEL_STEP);
                let (rows, cols) = if is_left {
                    (&some, &other_lines)
                } else {
                    (&other_lines, &some)
                };
                for r in rows.clone().step_by(PANEL) {
                    for c in cols.clone().step_by(PANEL) {
                        let (this, that) = if is_left { (r, c) } else { (c, r) };
                        let this = panel(these, this, some.start, len);
                        let that = panel(others, that, other_lines.start, len);
                        let panels = if is_left { (this, that) } else { (that, this) };
                        self.tile((r, c), panels, terms.start > 0, &mut chore);
                    }
                }
            }
        }
    }

    /// Writes a tile, or adds it to what is there.
    ///
    /// # Safety
    /// The panels must be of one length, and the region's place have room for the tile.
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn tile(
        &mut self,
        (r, c): (usize, usize),
        panels: (&[u32], &[u32]),
        add: bool,
        chore: &mut Chore<'_>,
    ) {
        let valid = (PANEL.min(self.rows.end - r), PANEL.min(self.cols.end - c));
        if !add {
            self.warm.ask(size_of::<f32>(), r..r + valid.0, c..c + valid.1);
        }
        let out = self.out.from((r - self.rows.start, c - self.cols.start));
        // SAFETY: as the caller promises; `sums` has room for a whole tile.
        unsafe {
            if valid == (PANEL, PANEL) && !out.transposed {
                let places = (square(out.start, out.stride), out.stride);
                self.product(panels, add, places, chore);
                return;
            }
            let mut sums = MaybeUninit::<Sums>::uninit();
            let places = (square(sums.as_mut_ptr().cast(), PANEL), PANEL);
            self.product(panels, false, places, chore);
            sums.assume_init_ref()
                .merge(self.job.level, (PANEL, PANEL), valid, out, add);
        }
    }

    /// Writes the products of two panels to the places of four registers, or adds them to what is there.
    ///
    /// # Safety
    /// As for [`Region::tile`]; there must be room.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn product(
        &mut self,
        (left, right): (&[u32], &[u32]),
        add: bool,
        (places, stride): ([*mut f32; 4], usize),
        chore: &mut Chore<'_>,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            self.tiles.begin(add.then_some((places, stride)));
            let mut largest = self.largest;
            for (left, right) in left.chunks_exact(PANEL_STEP).zip(right.chunks_exact(PANEL_STEP)) {
                let step = || chore.advance(&mut largest);
                self.tiles.step(left.as_ptr(), right.as_ptr(), step);
            }
            self.largest = largest;
            self.tiles.store(places, stride);
        }
    }
}

/// The sums of four registers on their way: a tile, or a strip.
#[repr(C, align(64))]
pub(super) struct Sums([f32; 4 * UNIT * UNIT]);

impl Sums {
    /// Writes to `out` what is valid of the sums, which are so many rows and columns, or adds it to what is there.
    ///
    /// # Safety
    /// AVX-512; `out` must have room, and be used by nobody else.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn merge(
        &self,
        level: Level,
        (height, width): (usize, usize),
        valid: (usize, usize),
        out: Out,
        add: bool,
    ) {
        if !out.transposed {
            // SAFETY: as the caller promises.
            return unsafe { merge(&self.0, width, valid, out, add) };
        }
        let mut turned = MaybeUninit::<Sums>::uninit();
        // SAFETY: as the caller promises; `turned` has room for all, and is written.
        unsafe {
            let from = self.0.as_ptr();
            transpose_raw(
                level,
                from,
                (1, width),
                (width, height),
                turned.as_mut_ptr().cast(),
                height,
            );
            merge(&turned.assume_init_ref().0, height, (valid.1, valid.0), out, add);
        }
    }
}

/// # Safety
/// As for [`Sums::merge`].
#[target_feature(enable = "avx512f")]
unsafe fn merge(sums: &[f32], width: usize, (rows, cols): (usize, usize), out: Out, add: bool) {
    for (i, line) in sums.chunks_exact(width).take(rows).enumerate() {
        for (at, sums) in line.chunks_exact(UNIT).enumerate().take(cols.div_ceil(UNIT)) {
            let mask = first(UNIT.min(cols - at * UNIT));
            // SAFETY: as the caller promises; what a mask leaves out is not touched.
            unsafe {
                let to = out.start.add(i * out.stride + at * UNIT);
                let mut sums = _mm512_loadu_ps(sums.as_ptr());
                if add {
                    sums = _mm512_add_ps(sums, _mm512_maskz_loadu_ps(mask, to));
                }
                _mm512_mask_storeu_ps(to, mask, sums);
            }
        }
    }
}
