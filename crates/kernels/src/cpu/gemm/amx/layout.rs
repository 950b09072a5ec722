//! How packed operands are laid out: tile registers, the tile blocks that fill them, panels of tile blocks.

/// Rows or columns of results in a tile register.
pub(super) const TILE_LINES: usize = 16;
/// Rows or columns of results in a panel: two registers.
pub(crate) const PANEL_LINES: usize = 2 * TILE_LINES;
/// Terms of an instruction.
pub(super) const STEP_TERMS: usize = 32;
/// Parts of a number: bfloat16 numbers that add up to it.
pub(super) const BF16_PARTS: usize = 3;
/// Words in a tile register, each a pair of bfloat16.
pub(super) const TILE_WORDS: usize = 256;
/// Slices of a step, between which something else may be done.
pub(super) const STEP_SLICES: usize = 8;
/// Words in a step of a panel: for each of its two tile blocks the parts, the largest first.
pub(super) const PANEL_STEP_WORDS: usize = 2 * BF16_PARTS * TILE_WORDS;

/// The order of the short side's tile blocks in a skinny product, four in a step. They leave one half of each 4 KiB
/// free for the ring's slots. A load waits for an earlier store at the same offset of another 4 KiB, since the
/// processor first compares the lower bits of addresses alone.
pub(super) const SKINNY_LAYOUT: Layout = Layout {
    part: 1024,
    half: TILE_WORDS,
    panel: 3072,
    step: SKINNY_STEP_WORDS,
};
/// Words of a step in that order.
pub(super) const SKINNY_STEP_WORDS: usize = 6144;

/// The order of packed tile blocks: words between parts, halves of a panel, panels, and steps.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub part: usize,
    pub half: usize,
    pub panel: usize,
    pub step: usize,
}

impl Layout {
    /// Panel after panel, each of so many steps.
    pub fn panels(steps: usize) -> Layout {
        Layout {
            part: TILE_WORDS,
            half: BF16_PARTS * TILE_WORDS,
            panel: steps * PANEL_STEP_WORDS,
            step: PANEL_STEP_WORDS,
        }
    }

    /// The place of a tile block.
    pub fn destination(&self, (panel, step, half): (usize, usize, usize), out: *mut u32) -> Destination {
        Destination {
            start: out.wrapping_add(panel * self.panel + step * self.step + half * self.half),
            part: self.part,
        }
    }
}

/// Where a tile block goes: its first part, and words from there to the next one.
#[derive(Clone, Copy)]
pub(super) struct Destination {
    pub start: *mut u32,
    pub part: usize,
}

impl Destination {
    /// The place that begins at row `row` of this one.
    pub fn row(self, row: usize) -> Destination {
        Destination {
            start: self.start.wrapping_add(row * TILE_LINES),
            ..self
        }
    }
}

/// Words of the packed form.
pub(super) fn packed_words(lines: usize, terms: usize) -> usize {
    lines.div_ceil(PANEL_LINES) * terms.div_ceil(STEP_TERMS) * PANEL_STEP_WORDS
}

/// Words of a block of a skinny product's short side.
pub(super) fn skinny_block_words(terms: usize) -> usize {
    terms.div_ceil(STEP_TERMS).max(1) * SKINNY_STEP_WORDS
}
