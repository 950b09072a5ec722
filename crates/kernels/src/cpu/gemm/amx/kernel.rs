//! The innermost part: a tile of 32 x 32 results, in four of the processor's eight tile registers. A step keeps the
//! multipliers busy for some hundred cycles and the rest of the processor for a tenth of that, so whoever calls it
//! may do something else between its slices.

use std::arch::asm;

/// Rows or columns of results of a tile register.
pub(super) const UNIT: usize = 16;
/// Rows or columns of results of a panel: two registers.
pub(super) const PANEL: usize = 2 * UNIT;
/// Terms of an instruction.
pub(super) const STEP: usize = 32;
/// Numbers of half the width that a number is split into.
pub(super) const PARTS: usize = 3;
/// Pairs of half numbers in a register.
pub(super) const REGISTER: usize = 256;
/// Slices of a step, between which something else may be done.
pub(super) const SLICES: usize = 8;
/// Pairs in a panel's step: for each of its two units the parts, the largest first.
pub(super) const PANEL_STEP: usize = 2 * PARTS * REGISTER;

/// The shapes of the tile registers, as `ldtilecfg` wants them.
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// While it lives, the thread's tile registers are ready for the other functions here.
pub(super) struct Tiles(());

impl Tiles {
    /// # Safety
    /// The processor must have the instructions, and the system must let the process use them.
    pub unsafe fn new() -> Tiles {
        let mut config = Config {
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
        Tiles(())
    }

    /// Begins a tile of 32 x 32 sums: with those at `from`, `stride` elements between rows, or with 0.
    ///
    /// # Safety
    /// 32 x 32 elements must be readable at `from`.
    #[inline(always)]
    pub unsafe fn begin(&self, from: Option<(*const f32, usize)>) {
        // SAFETY: reads 32 rows of 128 bytes, or nothing.
        unsafe {
            match from {
                Some((from, stride)) => asm!(
                    "tileloadd tmm0, [{from} + {stride}]",
                    "tileloadd tmm1, [{from} + {stride} + 64]",
                    "tileloadd tmm2, [{lower} + {stride}]",
                    "tileloadd tmm3, [{lower} + {stride} + 64]",
                    from = in(reg) from,
                    lower = in(reg) from.wrapping_add(UNIT * stride),
                    stride = in(reg) stride * size_of::<f32>(),
                    options(nostack),
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
    /// of the sum, the largest last. After each of [`SLICES`] slices of it `between` is called.
    ///
    /// # Safety
    /// [`PANEL_STEP`] words must be readable at both.
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
        // Parts in the order of products: high x low, high x middle, middle x middle, middle x high, low x high, high x high.
        // SAFETY: reads 6 KiB of each panel.
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

    /// Writes the sums to `out`, with `stride` elements between rows.
    ///
    /// # Safety
    /// `out` must have room for 32 x 32.
    #[inline(always)]
    pub unsafe fn store(&self, out: *mut f32, stride: usize) {
        // SAFETY: writes 32 rows of 128 bytes.
        unsafe {
            asm!(
                "tilestored [{out} + {stride}], tmm0",
                "tilestored [{out} + {stride} + 64], tmm1",
                "tilestored [{lower} + {stride}], tmm2",
                "tilestored [{lower} + {stride} + 64], tmm3",
                out = in(reg) out,
                lower = in(reg) out.wrapping_add(UNIT * stride),
                stride = in(reg) stride * size_of::<f32>(),
                options(nostack),
            );
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: touches the tile registers alone. Their contents need not be saved any more when threads change.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// Whether the processor has the instructions and the system lets this process use them, which it is asked for.
pub(crate) fn available() -> bool {
    static AVAILABLE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *AVAILABLE.get_or_init(|| has_instructions() && permitted())
}

/// `amx-tile` and `amx-bf16`.
fn has_instructions() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    const WANTED: u32 = 1 << 24 | 1 << 22;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & WANTED == WANTED
}

/// Threads have the tile registers only after the process has asked for them.
#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: changes what this process may use, and touches no memory.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}
