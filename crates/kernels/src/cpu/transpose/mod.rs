//! Transposition, in vector registers if the processor has them.

#[cfg(target_arch = "x86_64")]
mod x86;

use super::level::{Kind, Level};

/// Rows and columns of a block of the scalar loop, so that cache lines are used completely while they are cached.
const BLOCK_SIDE: usize = 16;

/// `out[r * width + c] = x[r * row + c * col]` for r, c below the extents.
pub(crate) fn transpose<T: Copy>(
    level: Level,
    x: &[T],
    (row, col): (usize, usize),
    (rows, cols): (usize, usize),
    out: &mut [T],
    width: usize,
) {
    if rows == 0 || cols == 0 {
        return;
    }
    assert!((rows - 1) * row + (cols - 1) * col < x.len());
    assert!((rows - 1) * width + cols <= out.len());
    // SAFETY: the extents were checked.
    unsafe {
        transpose_raw(
            level,
            x.as_ptr(),
            (row, col),
            (rows, cols),
            out.as_mut_ptr(),
            width,
        )
    }
}

/// As [`transpose`], by pointer.
///
/// # Safety
/// The elements must be readable and writable and must not overlap. They need not be aligned.
pub(crate) unsafe fn transpose_raw<T: Copy>(
    level: Level,
    x: *const T,
    distances: (usize, usize),
    extents: (usize, usize),
    out: *mut T,
    width: usize,
) {
    // SAFETY: as the caller promises.
    unsafe { transpose_prefetching(level, x, distances, extents, out, width, &Prefetch::NONE) }
}

/// A block to be prefetched: the next one, with the same strides.
pub(crate) struct Prefetch<T> {
    pub x: *const T,
    pub out: *mut T,
    /// Rows and columns of the block.
    pub rows: usize,
    pub cols: usize,
}

impl<T> Prefetch<T> {
    const NONE: Prefetch<T> = Prefetch {
        x: std::ptr::null(),
        out: std::ptr::null_mut(),
        rows: 0,
        cols: 0,
    };

    /// The same block, for another element type of the same size.
    #[cfg(target_arch = "x86_64")]
    fn cast<U>(&self) -> Prefetch<U> {
        Prefetch {
            x: self.x.cast(),
            out: self.out.cast(),
            rows: self.rows,
            cols: self.cols,
        }
    }

    /// Prefetches `side` columns from `(r, c)` on for reading, and `side` rows for writing.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn fetch(&self, (r, c): (usize, usize), side: usize, col: usize, width: usize) {
        if r >= self.rows || c >= self.cols {
            return;
        }
        for i in c..self.cols.min(c + side) {
            let line: *const T = self.x.wrapping_add(r + i * col);
            // SAFETY: a prefetch is a hint without observable effect.
            unsafe {
                std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.cast());
            }
        }
        for i in r..self.rows.min(r + side) {
            let line = self.out.wrapping_add(i * width + c);
            // SAFETY: as above; processors without the instruction do nothing.
            unsafe {
                std::arch::asm!("prefetchw [{}]", in(reg) line, options(readonly, nostack, preserves_flags));
            }
        }
    }
}

/// As [`transpose_raw`], prefetching another block.
///
/// # Safety
/// As for [`transpose_raw`].
pub(crate) unsafe fn transpose_prefetching<T: Copy>(
    level: Level,
    x: *const T,
    (row, col): (usize, usize),
    (rows, cols): (usize, usize),
    out: *mut T,
    width: usize,
    prefetch: &Prefetch<T>,
) {
    // SAFETY: as the caller promises; a level exists only on processors that have its instructions.
    unsafe {
        let whole = match level.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 if row == 1 && size_of::<T>() == 4 => {
                x86::avx512_f32(x.cast(), col, (rows, cols), out.cast(), width, &prefetch.cast());
                (rows, cols)
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 if row == 1 && size_of::<T>() == 4 => {
                x86::avx2_f32(x.cast(), col, (rows, cols), out.cast(), width);
                (rows / 8 * 8, cols / 8 * 8)
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 if row == 1 && size_of::<T>() == 8 => {
                x86::avx512_f64(x.cast(), col, (rows, cols), out.cast(), width, &prefetch.cast());
                (rows, cols)
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 if row == 1 && size_of::<T>() == 8 => {
                x86::avx2_f64(x.cast(), col, (rows, cols), out.cast(), width);
                (rows / 4 * 4, cols / 4 * 4)
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::Avx512 if row == 1 && size_of::<T>() == 1 => {
                x86::avx2_u8(x.cast(), col, (rows, cols), out.cast(), width);
                (rows, cols)
            }
            _ => (0, 0),
        };
        // The columns to the right of whole blocks, then the rows below.
        plain(x, (row, col), (0..whole.0, whole.1..cols), out, width);
        plain(x, (row, col), (whole.0..rows, 0..cols), out, width);
    }
}

/// # Safety
/// As for [`transpose_raw`].
unsafe fn plain<T: Copy>(
    x: *const T,
    (row, col): (usize, usize),
    (rows, cols): (std::ops::Range<usize>, std::ops::Range<usize>),
    out: *mut T,
    width: usize,
) {
    for r0 in rows.clone().step_by(BLOCK_SIDE) {
        for c0 in cols.clone().step_by(BLOCK_SIDE) {
            for r in r0..rows.end.min(r0 + BLOCK_SIDE) {
                for c in c0..cols.end.min(c0 + BLOCK_SIDE) {
                    // SAFETY: as the caller promises.
                    unsafe {
                        let element = x.add(r * row + c * col).read_unaligned();
                        out.add(r * width + c).write_unaligned(element);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: crate::cpu::element::Element + std::fmt::Debug>() {
        for level in Level::available() {
            for (rows, cols) in [
                (1, 1),
                (8, 8),
                (17, 24),
                (33, 9),
                (40, 4),
                (5, 70),
                (3, 37),
                (100, 70),
            ] {
                for (row, col) in [(1, rows + 3), (cols + 2, 1), (2, 2 * rows)] {
                    let len = (rows - 1) * row + (cols - 1) * col + 1;
                    let x: Vec<T> = (0..len).map(|i| T::from_f64((i % 251) as f64)).collect();
                    let width = cols + 1;
                    let mut out = vec![T::ZERO; rows * width];
                    transpose(level, &x, (row, col), (rows, cols), &mut out, width);
                    for r in 0..rows {
                        for c in 0..cols {
                            assert_eq!(
                                out[r * width + c],
                                x[r * row + c * col],
                                "{rows} x {cols} at {r}, {c}"
                            );
                        }
                        assert_eq!(out[r * width + cols], T::ZERO);
                    }
                }
            }
        }
    }

    #[test]
    fn every_element_finds_its_place() {
        check::<f32>();
        check::<f64>();
        check::<u8>();
        check::<i64>();
    }
}
