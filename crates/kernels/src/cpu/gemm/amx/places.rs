//! Places of planes packed one by one: a record holds what a place has in the channels of a step. The rows of a left
//! operand are then any places that lie evenly apart, so a convolution's taps all read the same records.

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

use super::kernel::{PANEL, PANEL_STEP, PARTS, STEP, UNIT, square};
use super::panels::Multiplier;
use super::parts::{Largest, copy, turned_lines};
use crate::cpu::level::Level;

/// Words of a record, and the channels it holds.
pub(crate) const RECORD: usize = PARTS * UNIT;
pub(crate) const RECORD_CHANNELS: usize = STEP;
/// Places that are multiplied together.
pub(crate) const PLACES: usize = UNIT;

/// Packs places that lie side by side in planes of `plane` elements: for each place the records of all channels. False if
/// a number cannot be split.
pub(crate) fn pack_places(
    level: Level,
    x: &[f32],
    plane: usize,
    (channels, places): (usize, usize),
    out: &mut [u32],
) -> bool {
    let line = channels.div_ceil(STEP) * RECORD;
    assert!(level.matrix() && places * line <= out.len());
    assert!(places * channels == 0 || (channels - 1) * plane + places <= x.len());
    // SAFETY: a level with matrix instructions has AVX-512; elements and places exist, as checked.
    unsafe {
        let mut largest = Largest::none();
        for place in (0..places).step_by(UNIT) {
            for (block, channel) in (0..channels).step_by(STEP).enumerate() {
                let from = x.as_ptr().add(channel * plane + place);
                let to = out.as_mut_ptr().add(place * line + block * RECORD);
                let (some, width) = (STEP.min(channels - channel), UNIT.min(places - place));
                ask(from.wrapping_add(UNIT), plane, some);
                // Planes may lie so far apart that their elements compete for the same places of the cache.
                let copied = copy::<STEP, UNIT>(from, plane, (some, width));
                let (x, strides) = (copied.0.as_ptr(), (UNIT, UNIT * UNIT));
                if width == UNIT {
                    turned_lines(x, strides, to, line, &mut largest);
                    continue;
                }
                let mut records = [0_u32; UNIT * RECORD];
                turned_lines(x, strides, records.as_mut_ptr(), RECORD, &mut largest);
                for (i, record) in records.chunks_exact(RECORD).take(width).enumerate() {
                    to.add(i * line).copy_from_nonoverlapping(record.as_ptr(), RECORD);
                }
            }
        }
        largest.fine()
    }
}

/// Asks memory for the elements of some channels.
#[inline(always)]
fn ask(from: *const f32, plane: usize, channels: usize) {
    for channel in 0..channels {
        // SAFETY: a hint; every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.wrapping_add(channel * plane).cast()) };
    }
}

impl Multiplier {
    /// Writes the products of two times [`PLACES`] places with the columns of a panel for every tap: [`PANEL`] rows of
    /// columns. The places' records lie `apart` words apart; a tap is how far its records lie from the places' own, and
    /// its panel of `blocks` steps.
    ///
    /// # Safety
    /// All these records and panels must be readable.
    pub unsafe fn of_places<'a>(
        &self,
        places: [*const u32; 2],
        apart: usize,
        taps: impl Iterator<Item = (usize, &'a [u32])>,
        out: &mut [f32; PANEL * PANEL],
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            self.tiles().begin(None);
            for (offset, panel) in taps {
                for (block, step) in panel.chunks_exact(PANEL_STEP).enumerate() {
                    let left = places.map(|place| place.add(offset + block * RECORD));
                    self.tiles().step_of_rows(left, apart, step.as_ptr());
                }
            }
            self.tiles().store(square(out.as_mut_ptr(), PANEL), PANEL);
        }
    }
}
