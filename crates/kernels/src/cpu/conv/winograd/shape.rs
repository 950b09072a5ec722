//! What is convolved by minimal filtering, and the sizes of its blocks.

use super::channels_last::ChannelsLastLines;
use crate::cpu::conv::planes::Padded;
use crate::cpu::conv::shape::TapMap;

/// Channels are padded to a multiple of this number of elements: the lanes of the widest register.
pub(super) const CHANNEL_ALIGN: usize = 16;
/// Channels, and outputs, of a group from which on it pays.
pub(super) const MIN_CHANNELS: usize = 16;
/// Channels times outputs of a group from which on it pays.
pub(super) const MIN_FILTERS: usize = 512;
/// Elements of the transforms of a task's tiles: they stay in the second-level cache.
pub(super) const CACHE_ELEMENTS: usize = 1 << 18;
/// Terms summed in registers at a time: the rows of a panel of filters that stay in the first-level cache.
pub(super) const BLOCK_TERMS: usize = 128;
/// Between coordinates, so that they do not compete for the same sets of the cache.
pub(super) const GAP_ELEMENTS: usize = 16;

/// What is convolved: the planes of one sample's group.
#[derive(Clone, Copy)]
pub(super) struct WinogradShape {
    pub channels: usize,
    /// Channels, rounded up.
    pub stride: usize,
    pub from: [usize; 3],
    pub to: [usize; 3],
    /// Zeros before the first element.
    pub low: [isize; 3],
    /// Taps on the first axis.
    pub depth: usize,
    /// Rows and columns of tiles of a plane of results.
    pub tiles: [usize; 2],
}

impl WinogradShape {
    /// Of a convolution that is done so.
    pub fn new(tap_map: &TapMap, channels: usize) -> Option<WinogradShape> {
        let plain = tap_map
            .axes
            .iter()
            .all(|axis| axis.step == 1 && axis.divisor == 1 && axis.tap.abs() == 1);
        let [depth, 3, 3] = tap_map.kernel else {
            return None;
        };
        let tiles = [tap_map.to[1].div_ceil(2), tap_map.to[2].div_ceil(2)];
        // Not where more than a quarter of the tiles' results is dropped.
        let positions = tap_map.to[1] * tap_map.to[2];
        if !plain || depth == 0 || channels < MIN_CHANNELS || 3 * tiles[0] * tiles[1] > positions {
            return None;
        }
        Some(WinogradShape {
            channels,
            stride: channels.next_multiple_of(CHANNEL_ALIGN),
            from: tap_map.from,
            to: tap_map.to,
            low: Padded::new(tap_map).low,
            depth,
            tiles,
        })
    }

    /// The elements that `rows` rows of tiles read.
    pub fn lines(&self, rows: usize) -> ChannelsLastLines {
        ChannelsLastLines {
            channels: self.channels,
            stride: self.stride,
            from: self.from,
            low: self.low,
            extents: [2 * rows + 2, 2 * self.tiles[1] + 2],
        }
    }
}
