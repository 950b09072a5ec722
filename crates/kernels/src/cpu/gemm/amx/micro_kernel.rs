//! The micro-kernel: a tile of 32 x 32 results, in four of the processor's eight tile registers. A step keeps the
//! matrix unit busy for some hundred cycles and the rest of the processor for a tenth of that. The caller may do
//! something else between the slices of a step, such as packing.

use std::arch::asm;

use super::layout::TILE_LINES;

/// The shapes of the tile registers, as `ldtilecfg` wants them.
#[repr(C, align(64))]
struct TileConfig {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// While it lives, the thread's tile registers are ready for the other functions here.
pub(super) struct TileRegisters(());

impl TileRegisters {
    /// # Safety
    /// The processor must have the instructions, and the system must let the process use them.
    pub unsafe fn new() -> TileRegisters {
        let mut config = TileConfig {
            palette: 1,
            start: 0,
            reserved: [0; 14],
            row_bytes: [0; 16],
            rows: [0; 16],
        };
        config.row_bytes[..8].fill(64);
        config.rows[..8].fill(16);
        // SAFETY: reads the 64 bytes of `config`. The compiler uses no tile registers.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const config, options(nostack, readonly)) };
        TileRegisters(())
    }

    /// Begins the sums of four tile registers: with those at `from`, `stride` elements between rows, or with 0.
    ///
    /// # Safety
    /// 16 x 16 elements must be readable at each place.
    #[inline(always)]
    pub unsafe fn begin(&self, from: Option<([*mut f32; 4], usize)>) {
        // SAFETY: reads 16 rows of 64 bytes at each place, or nothing.
        unsafe {
            match from {
                Some(([a, b, c, d], stride)) => asm!(
                    "tileloadd tmm0, [{a} + {stride}]",
                    "tileloadd tmm1, [{b} + {stride}]",
                    "tileloadd tmm2, [{c} + {stride}]",
                    "tileloadd tmm3, [{d} + {stride}]",
                    a = in(reg) a,
                    b = in(reg) b,
                    c = in(reg) c,
                    d = in(reg) d,
                    stride = in(reg) stride * size_of::<f32>(),
                    options(nostack, readonly),
                ),
                None => asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    options(nostack, nomem),
                ),
            }
        }
    }

    /// Adds the products of a step of a left and a right panel: the six products of parts that matter at the precision
    /// of the sum, the largest last. After each of [`STEP_SLICES`] slices of it `between` is called.
    ///
    /// # Safety
    /// [`PANEL_STEP_WORDS`] words must be readable at both.
    #[inline(always)]
    pub unsafe fn step(&self, left: *const u32, right: *const u32, mut between: impl FnMut()) {
        macro_rules! slice {
            ($($line:literal)*) => {
                asm!(
                    "/* {a} {b} {line} */",
                    $($line,)*
                    a = in(reg) left,
                    b = in(reg) right,
                    line = in(reg) 64_usize,
                    options(nostack, readonly),
                )
            };
        }
        // Parts in the order of products: high x low, high x middle, middle x middle, middle x high, low x high, high x
        // high. SAFETY: reads 6 KiB of each panel.
        unsafe {
            slice!("tileloadd tmm4, [{a} + {line}]" "tileloadd tmm6, [{b} + {line} + 2048]" "tdpbf16ps tmm0, tmm4, tmm6" "tileloadd tmm7, [{b} + {line} + 5120]" "tdpbf16ps tmm1, tmm4, tmm7" "tileloadd tmm5, [{a} + {line} + 3072]" "tdpbf16ps tmm2, tmm5, tmm6");
            between();
            slice!("tdpbf16ps tmm3, tmm5, tmm7" "tileloadd tmm6, [{b} + {line} + 1024]" "tdpbf16ps tmm0, tmm4, tmm6" "tileloadd tmm7, [{b} + {line} + 4096]" "tdpbf16ps tmm1, tmm4, tmm7");
            between();
            slice!("tdpbf16ps tmm2, tmm5, tmm6" "tdpbf16ps tmm3, tmm5, tmm7" "tileloadd tmm4, [{a} + {line} + 1024]" "tdpbf16ps tmm0, tmm4, tmm6");
            between();
            slice!("tdpbf16ps tmm1, tmm4, tmm7" "tileloadd tmm5, [{a} + {line} + 4096]" "tdpbf16ps tmm2, tmm5, tmm6" "tdpbf16ps tmm3, tmm5, tmm7");
            between();
            slice!("tileloadd tmm6, [{b} + {line}]" "tdpbf16ps tmm0, tmm4, tmm6" "tileloadd tmm7, [{b} + {line} + 3072]" "tdpbf16ps tmm1, tmm4, tmm7" "tdpbf16ps tmm2, tmm5, tmm6");
            between();
            slice!("tdpbf16ps tmm3, tmm5, tmm7" "tileloadd tmm4, [{a} + {line} + 2048]" "tdpbf16ps tmm0, tmm4, tmm6" "tdpbf16ps tmm1, tmm4, tmm7");
            between();
            slice!("tileloadd tmm5, [{a} + {line} + 5120]" "tdpbf16ps tmm2, tmm5, tmm6" "tdpbf16ps tmm3, tmm5, tmm7" "tileloadd tmm4, [{a} + {line}]" "tdpbf16ps tmm0, tmm4, tmm6");
            between();
            slice!("tdpbf16ps tmm1, tmm4, tmm7" "tileloadd tmm5, [{a} + {line} + 3072]" "tdpbf16ps tmm2, tmm5, tmm6" "tdpbf16ps tmm3, tmm5, tmm7");
            between();
        }
    }

    /// As [`TileRegisters::step`], with a left operand whose rows lie `apart` words apart, the parts of a row side by
    /// side; two pointers to 16 rows each.
    ///
    /// # Safety
    /// 16 rows of 48 words must be readable at both, and [`PANEL_STEP_WORDS`] words of the right panel.
    #[inline(always)]
    pub unsafe fn step_of_records(&self, left: [*const u32; 2], apart: usize, right: *const u32) {
        // The order of products is that of `step`.
        // SAFETY: reads what the caller promises.
        unsafe {
            asm!(
                "tileloadd tmm4, [{a} + {row}]",
                "tileloadd tmm6, [{b} + {line} + 2048]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{b} + {line} + 5120]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{c} + {row}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm6, [{b} + {line} + 1024]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{b} + {line} + 4096]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm4, [{a} + {row} + 64]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{c} + {row} + 64]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm6, [{b} + {line}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{b} + {line} + 3072]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm4, [{a} + {row} + 128]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{c} + {row} + 128]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm4, [{a} + {row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{c} + {row}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                a = in(reg) left[0],
                b = in(reg) right,
                c = in(reg) left[1],
                row = in(reg) apart * size_of::<u32>(),
                line = in(reg) 64_usize,
                options(nostack, readonly),
            );
        }
    }

    /// Adds the products of a step of four tile blocks of one operand, in the order of [`SKINNY_LAYOUT`], and a tile
    /// block of the other one, which is the left one or the right one; as [`TileRegisters::step`]. `between` is told
    /// how many slices were before.
    ///
    /// # Safety
    /// The parts of the tile blocks must be readable: a step in the order of [`SKINNY_LAYOUT`].
    #[inline(always)]
    pub unsafe fn skinny_step<const LEFT: bool>(
        &self,
        units: *const u32,
        unit: *const u32,
        mut between: impl FnMut(usize),
    ) {
        // The product of a register with the tile block's part in another one, added to a third.
        macro_rules! add {
            (left $sum:literal $part:literal) => {
                concat!("tdpbf16ps tmm", $sum, ", tmm", $part, ", tmm7")
            };
            (right $sum:literal $part:literal) => {
                concat!("tdpbf16ps tmm", $sum, ", tmm7, tmm", $part)
            };
        }
        macro_rules! load {
            ($at:literal) => {
                concat!("tileloadd tmm7, [{units} + {line} + ", $at, "]")
            };
        }
        macro_rules! slice {
            ($number:literal: $($line:expr),*) => {
                asm!(
                    "/* {unit} {units} {line} */",
                    $($line,)*
                    unit = in(reg) unit,
                    units = in(reg) units,
                    line = in(reg) 64_usize,
                    options(nostack, readonly),
                );
                between($number);
            };
        }
        macro_rules! step {
            ($side:ident) => {
                slice!(0: "tileloadd tmm4, [{unit} + {line}]", load!(8192), add!($side 0 4), load!(9216), add!($side 1 4),
                    load!(20480), add!($side 2 4));
                slice!(1: load!(21504), add!($side 3 4), "tileloadd tmm5, [{unit} + {line} + 4096]", load!(4096),
                    add!($side 0 5), add!($side 0 4));
                slice!(2: load!(5120), add!($side 1 5), add!($side 1 4), load!(16384), add!($side 2 5));
                slice!(3: add!($side 2 4), load!(17408), add!($side 3 5), add!($side 3 4));
                slice!(4: "tileloadd tmm6, [{unit} + {line} + 8192]", load!(0), add!($side 0 6), add!($side 0 5),
                    add!($side 0 4));
                slice!(5: load!(1024), add!($side 1 6), add!($side 1 5), add!($side 1 4));
                slice!(6: load!(12288), add!($side 2 6), add!($side 2 5), add!($side 2 4));
                slice!(7: load!(13312), add!($side 3 6), add!($side 3 5), add!($side 3 4));
            };
        }
        // SAFETY: reads the parts of the tile blocks, 1 KiB each.
        unsafe {
            if LEFT {
                step!(left);
            } else {
                step!(right);
            }
        }
    }

    /// Writes the sums to four places, with `stride` elements between rows.
    ///
    /// # Safety
    /// Each place must have room for 16 x 16.
    #[inline(always)]
    pub unsafe fn store(&self, [a, b, c, d]: [*mut f32; 4], stride: usize) {
        // SAFETY: writes 16 rows of 64 bytes at each place.
        unsafe {
            asm!(
                "tilestored [{a} + {stride}], tmm0",
                "tilestored [{b} + {stride}], tmm1",
                "tilestored [{c} + {stride}], tmm2",
                "tilestored [{d} + {stride}], tmm3",
                a = in(reg) a,
                b = in(reg) b,
                c = in(reg) c,
                d = in(reg) d,
                stride = in(reg) stride * size_of::<f32>(),
                options(nostack),
            );
        }
    }
}

/// The places of a tile's four registers of sums: two by two.
pub(super) fn square_corners(out: *mut f32, stride: usize) -> [*mut f32; 4] {
    [
        0,
        TILE_LINES,
        TILE_LINES * stride,
        TILE_LINES * stride + TILE_LINES,
    ]
    .map(|at| out.wrapping_add(at))
}

/// The same of a skinny tile: side by side if its tile block is one of the left operand, else one below the other.
pub(super) fn skinny_corners<const LEFT: bool>(out: *mut f32, stride: usize) -> [*mut f32; 4] {
    let apart = if LEFT { TILE_LINES } else { TILE_LINES * stride };
    [0, 1, 2, 3].map(|unit| out.wrapping_add(unit * apart))
}

impl Drop for TileRegisters {
    fn drop(&mut self) {
        // SAFETY: touches the tile registers alone. Their contents need not be saved any more when threads change.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}
