//! Transposition of blocks, in registers where the processor has them.

use super::level::{Kind, Level};

/// Elements of a cache line of float32: blocks of so many each way use lines up while they are near.
const SIDE: usize = 16;

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
/// The elements named must be readable and writable, and no two of them may overlap.
pub(crate) unsafe fn transpose_raw<T: Copy>(
    level: Level,
    x: *const T,
    (row, col): (usize, usize),
    (rows, cols): (usize, usize),
    out: *mut T,
    width: usize,
) {
    // SAFETY: as the caller promises; a level exists only on processors that have its instructions.
    unsafe {
        let whole = match level.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 if row == 1 && size_of::<T>() == 4 => {
                x86::by_sixteen(x.cast(), col, (rows, cols), out.cast(), width);
                (rows, cols)
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 if row == 1 && size_of::<T>() == 4 => {
                x86::by_eight(x.cast(), col, (rows, cols), out.cast(), width);
                (rows / 8 * 8, cols / 8 * 8)
            }
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::Avx512 if row == 1 && size_of::<T>() == 8 => {
                x86::by_four(x.cast(), col, (rows, cols), out.cast(), width);
                (rows / 4 * 4, cols / 4 * 4)
            }
            _ => (0, 0),
        };
        // The strip to the right of whole blocks, then the one below.
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
    for r0 in rows.clone().step_by(SIDE) {
        for c0 in cols.clone().step_by(SIDE) {
            for r in r0..rows.end.min(r0 + SIDE) {
                for c in c0..cols.end.min(c0 + SIDE) {
                    // SAFETY: as the caller promises.
                    unsafe { *out.add(r * width + c) = *x.add(r * row + c * col) };
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::SIDE;
    use std::arch::x86_64::*;

    /// Blocks of 16 x 16 words of 4 bytes, the last ones masked.
    ///
    /// # Safety
    /// AVX-512, and as for [`super::transpose_raw`].
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn by_sixteen(
        x: *const f32,
        col: usize,
        (rows, cols): (usize, usize),
        out: *mut f32,
        width: usize,
    ) {
        let first = |count: usize| ((1_u32 << count.min(SIDE)) - 1) as __mmask16;
        for r in (0..rows).step_by(SIDE) {
            let down = first(rows - r);
            for c in (0..cols).step_by(SIDE) {
                let along = first(cols - c);
                let lines: [__m512; SIDE] = std::array::from_fn(|i| {
                    let mask = if c + i < cols { down } else { 0 };
                    // SAFETY: as the caller promises; what a mask leaves out is not touched.
                    unsafe { _mm512_maskz_loadu_ps(mask, x.wrapping_add(r + (c + i) * col)) }
                });
                for (i, line) in turned(lines).into_iter().take(rows - r).enumerate() {
                    // SAFETY: as above.
                    unsafe { _mm512_mask_storeu_ps(out.wrapping_add((r + i) * width + c), along, line) };
                }
            }
        }
    }

    /// The columns of 16 rows.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn turned(rows: [__m512; SIDE]) -> [__m512; SIDE] {
        // Of each four rows, lane by lane: the elements at four places.
        let fours: [[__m512; 4]; 4] = std::array::from_fn(|i| {
            let [a, b, c, d] = std::array::from_fn(|j| rows[4 * i + j]);
            let (low_ab, high_ab) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let (low_cd, high_cd) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            [
                _mm512_shuffle_ps::<0b01_00_01_00>(low_ab, low_cd),
                _mm512_shuffle_ps::<0b11_10_11_10>(low_ab, low_cd),
                _mm512_shuffle_ps::<0b01_00_01_00>(high_ab, high_cd),
                _mm512_shuffle_ps::<0b11_10_11_10>(high_ab, high_cd),
            ]
        });
        // Then the lanes: register j of four i becomes lane i of register 4 l + j, for each of its lanes l.
        let mut turned = [_mm512_setzero_ps(); SIDE];
        for j in 0..4 {
            let [a, b, c, d] = std::array::from_fn(|i| fours[i][j]);
            let (even_ab, odd_ab) = (
                _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
                _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
            );
            let (even_cd, odd_cd) = (
                _mm512_shuffle_f32x4::<0b10_00_10_00>(c, d),
                _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d),
            );
            turned[j] = _mm512_shuffle_f32x4::<0b10_00_10_00>(even_ab, even_cd);
            turned[8 + j] = _mm512_shuffle_f32x4::<0b11_01_11_01>(even_ab, even_cd);
            turned[4 + j] = _mm512_shuffle_f32x4::<0b10_00_10_00>(odd_ab, odd_cd);
            turned[12 + j] = _mm512_shuffle_f32x4::<0b11_01_11_01>(odd_ab, odd_cd);
        }
        turned
    }

    /// Blocks of 8 x 8 words of 4 bytes; rows and columns beyond whole blocks are left.
    ///
    /// # Safety
    /// AVX2, and as for [`super::transpose_raw`].
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn by_eight(
        x: *const f32,
        col: usize,
        (rows, cols): (usize, usize),
        out: *mut f32,
        width: usize,
    ) {
        for r0 in (0..rows / 8 * 8).step_by(SIDE) {
            for c in (0..cols / 8 * 8).step_by(8) {
                for r in (r0..(rows / 8 * 8).min(r0 + SIDE)).step_by(8) {
                    // SAFETY: as the caller promises.
                    unsafe { eight(x.add(r + c * col), col, out.add(r * width + c), width) }
                }
            }
        }
    }

    /// # Safety
    /// As for [`by_eight`], for one block.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn eight(x: *const f32, col: usize, out: *mut f32, width: usize) {
        // SAFETY: as the caller promises.
        let load = |i: usize| unsafe {
            // Columns i and i + 4: the halves are exchanged on the way in.
            let low = x.add(i * col);
            let high = x.add((i + 4) * col);
            [
                _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high)),
                _mm256_insertf128_ps::<1>(
                    _mm256_castps128_ps256(_mm_loadu_ps(low.add(4))),
                    _mm_loadu_ps(high.add(4)),
                ),
            ]
        };
        let (a, b, c, d) = (load(0), load(1), load(2), load(3));
        for half in 0..2 {
            let (low_ab, high_ab) = (
                _mm256_unpacklo_ps(a[half], b[half]),
                _mm256_unpackhi_ps(a[half], b[half]),
            );
            let (low_cd, high_cd) = (
                _mm256_unpacklo_ps(c[half], d[half]),
                _mm256_unpackhi_ps(c[half], d[half]),
            );
            let rows = [
                _mm256_shuffle_ps::<0b01_00_01_00>(low_ab, low_cd),
                _mm256_shuffle_ps::<0b11_10_11_10>(low_ab, low_cd),
                _mm256_shuffle_ps::<0b01_00_01_00>(high_ab, high_cd),
                _mm256_shuffle_ps::<0b11_10_11_10>(high_ab, high_cd),
            ];
            for (i, row) in rows.into_iter().enumerate() {
                // SAFETY: as the caller promises.
                unsafe { _mm256_storeu_ps(out.add((half * 4 + i) * width), row) };
            }
        }
    }

    /// Blocks of 4 x 4 words of 8 bytes; rows and columns beyond whole blocks are left.
    ///
    /// # Safety
    /// AVX2, and as for [`super::transpose_raw`].
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn by_four(
        x: *const f64,
        col: usize,
        (rows, cols): (usize, usize),
        out: *mut f64,
        width: usize,
    ) {
        for r in (0..rows / 4 * 4).step_by(4) {
            for c in (0..cols / 4 * 4).step_by(4) {
                // SAFETY: as the caller promises.
                unsafe {
                    let (x, out) = (x.add(r + c * col), out.add(r * width + c));
                    let load = |i: usize| _mm256_loadu_pd(x.add(i * col));
                    let (a, b, c, d) = (load(0), load(1), load(2), load(3));
                    let (ab0, ab1) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
                    let (cd0, cd1) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
                    _mm256_storeu_pd(out, _mm256_permute2f128_pd::<0x20>(ab0, cd0));
                    _mm256_storeu_pd(out.add(width), _mm256_permute2f128_pd::<0x20>(ab1, cd1));
                    _mm256_storeu_pd(out.add(2 * width), _mm256_permute2f128_pd::<0x31>(ab0, cd0));
                    _mm256_storeu_pd(out.add(3 * width), _mm256_permute2f128_pd::<0x31>(ab1, cd1));
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
            for (rows, cols) in [(1, 1), (8, 8), (17, 24), (33, 9), (40, 4), (5, 70)] {
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
    }
}
