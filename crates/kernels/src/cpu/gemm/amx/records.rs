//! Records: positions of planes packed one by one. A record holds the channels of a step at one position. The rows of a
//! left operand are then any evenly spaced positions, so all taps of a convolution read the same records.

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

use super::bf16::{MaxMagnitude, copy, transposed_records};
use super::layout::{BF16_PARTS, PANEL_LINES, PANEL_STEP_WORDS, STEP_TERMS, TILE_LINES};
use super::micro_kernel::square_corners;
use super::panels::TileMultiplier;
use crate::cpu::level::Level;

/// Words of a record.
pub(crate) const RECORD_WORDS: usize = BF16_PARTS * TILE_LINES;
/// Channels of a record.
pub(crate) const RECORD_CHANNELS: usize = STEP_TERMS;
/// Positions that a tile register holds.
pub(crate) const RECORDS_PER_TILE: usize = TILE_LINES;

/// Packs contiguous positions of planes of `plane` elements: for each position the records of all channels. False if a
/// number cannot be split.
pub(crate) fn pack_records(
    level: Level,
    x: &[f32],
    plane: usize,
    (channels, positions): (usize, usize),
    out: &mut [u32],
) -> bool {
    let line = channels.div_ceil(STEP_TERMS) * RECORD_WORDS;
    assert!(level.matrix() && positions * line <= out.len());
    assert!(positions * channels == 0 || (channels - 1) * plane + positions <= x.len());
    // SAFETY: a level with matrix instructions has AVX-512; elements and positions exist, as checked.
    unsafe {
        let mut max_magnitude = MaxMagnitude::none();
        for position in (0..positions).step_by(TILE_LINES) {
            for (block, channel) in (0..channels).step_by(STEP_TERMS).enumerate() {
                let from = x.as_ptr().add(channel * plane + position);
                let to = out.as_mut_ptr().add(position * line + block * RECORD_WORDS);
                let (some, width) = (
                    STEP_TERMS.min(channels - channel),
                    TILE_LINES.min(positions - position),
                );
                prefetch_ahead(from.wrapping_add(TILE_LINES), plane, some);
                // With some strides of planes their elements compete for the same sets of the cache.
                let copied = copy::<STEP_TERMS, TILE_LINES>(from, plane, (some, width));
                let (x, strides) = (copied.0.as_ptr(), (TILE_LINES, TILE_LINES * TILE_LINES));
                if width == TILE_LINES {
                    transposed_records(x, strides, to, line, &mut max_magnitude);
                    continue;
                }
                let mut records = [0_u32; TILE_LINES * RECORD_WORDS];
                transposed_records(x, strides, records.as_mut_ptr(), RECORD_WORDS, &mut max_magnitude);
                for (i, record) in records.chunks_exact(RECORD_WORDS).take(width).enumerate() {
                    to.add(i * line)
                        .copy_from_nonoverlapping(record.as_ptr(), RECORD_WORDS);
                }
            }
        }
        max_magnitude.in_range()
    }
}

/// Prefetches the elements of some channels.
#[inline(always)]
fn prefetch_ahead(from: *const f32, plane: usize, channels: usize) {
    for channel in 0..channels {
        // SAFETY: a hint; every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.wrapping_add(channel * plane).cast()) };
    }
}

impl TileMultiplier {
    /// Writes the products of two times [`RECORDS_PER_TILE`] positions with the columns of a panel for every tap:
    /// [`PANEL_LINES`] rows of columns. The positions' records lie `apart` words apart; a tap is the distance of its
    /// records from the positions' own, and its panel.
    ///
    /// # Safety
    /// The records and panels must be readable.
    pub unsafe fn product_of_records<'a>(
        &self,
        positions: [*const u32; 2],
        apart: usize,
        taps: impl Iterator<Item = (usize, &'a [u32])>,
        out: &mut [f32; PANEL_LINES * PANEL_LINES],
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            self.tiles().begin(None);
            for (offset, panel) in taps {
                for (block, step) in panel.chunks_exact(PANEL_STEP_WORDS).enumerate() {
                    let left = positions.map(|position| position.add(offset + block * RECORD_WORDS));
                    self.tiles().step_of_records(left, apart, step.as_ptr());
                }
            }
            self.tiles()
                .store(square_corners(out.as_mut_ptr(), PANEL_LINES), PANEL_LINES);
        }
    }
}
