//! Transposition of blocks in vector registers.

use std::arch::x86_64::*;

use super::Prefetch;

/// float32 elements of a register of 512 bits.
const REGISTER_F32: usize = 16;
/// float32 elements of a lane of 128 bits.
const LANE_F32: usize = 4;
/// float64 elements of a register of 512 bits.
const REGISTER_F64: usize = 8;

/// Blocks of 16 x 16 words of 4 bytes, the last ones masked.
///
/// # Safety
/// AVX-512, and as for [`super::transpose_raw`].
#[target_feature(enable = "avx512f,avx512vl")]
pub(super) unsafe fn avx512_f32(
    x: *const f32,
    col: usize,
    (rows, cols): (usize, usize),
    out: *mut f32,
    width: usize,
    prefetch: &Prefetch<f32>,
) {
    if cols <= LANE_F32 {
        // SAFETY: as the caller promises.
        return unsafe { few_columns(x, col, (rows, cols), out, width) };
    }
    if rows <= LANE_F32 {
        // SAFETY: as the caller promises.
        return unsafe { few_rows(x, col, (rows, cols), out, width) };
    }
    let first = |count: usize| ((1_u32 << count.min(REGISTER_F32)) - 1) as __mmask16;
    for r in (0..rows).step_by(REGISTER_F32) {
        let down = first(rows - r);
        for c in (0..cols).step_by(REGISTER_F32) {
            prefetch.fetch((r, c), REGISTER_F32, col, width);
            let along = first(cols - c);
            let lines: [__m512; REGISTER_F32] = std::array::from_fn(|i| {
                let mask = if c + i < cols { down } else { 0 };
                // SAFETY: as the caller promises; what a mask leaves out is not touched.
                unsafe { _mm512_maskz_loadu_ps(mask, x.wrapping_add(r + (c + i) * col)) }
            });
            for (i, line) in transposed_16x16(lines).into_iter().take(rows - r).enumerate() {
                // SAFETY: as above.
                unsafe { _mm512_mask_storeu_ps(out.wrapping_add((r + i) * width + c), along, line) };
            }
        }
    }
}

/// Up to four columns: each row of the result fits a lane.
///
/// # Safety
/// As for [`avx512_f32`].
#[target_feature(enable = "avx512f,avx512vl")]
unsafe fn few_columns(x: *const f32, col: usize, (rows, cols): (usize, usize), out: *mut f32, width: usize) {
    let along = ((1_u32 << cols) - 1) as __mmask8;
    for r in (0..rows).step_by(REGISTER_F32) {
        let down = ((1_u32 << (rows - r).min(REGISTER_F32)) - 1) as __mmask16;
        let lines = std::array::from_fn(|i| {
            let mask = if i < cols { down } else { 0 };
            // SAFETY: as the caller promises; what a mask leaves out is not touched.
            unsafe { _mm512_maskz_loadu_ps(mask, x.wrapping_add(r + i * col)) }
        });
        for (j, line) in transposed_4x4_in_lanes(lines).into_iter().enumerate() {
            let lanes = [
                _mm512_extractf32x4_ps::<0>(line),
                _mm512_extractf32x4_ps::<1>(line),
                _mm512_extractf32x4_ps::<2>(line),
                _mm512_extractf32x4_ps::<3>(line),
            ];
            for (l, lane) in lanes.into_iter().enumerate() {
                let row = r + LANE_F32 * l + j;
                let mask = if row < rows { along } else { 0 };
                // SAFETY: as above.
                unsafe { _mm_mask_storeu_ps(out.wrapping_add(row * width), mask, lane) };
            }
        }
    }
}

/// Up to four rows: each column fits a lane.
///
/// # Safety
/// As for [`avx512_f32`].
#[target_feature(enable = "avx512f,avx512vl")]
unsafe fn few_rows(x: *const f32, col: usize, (rows, cols): (usize, usize), out: *mut f32, width: usize) {
    let down = ((1_u32 << rows) - 1) as __mmask8;
    for c in (0..cols).step_by(REGISTER_F32) {
        let along = ((1_u32 << (cols - c).min(REGISTER_F32)) - 1) as __mmask16;
        let lines = std::array::from_fn(|i| {
            let lane = |l: usize| {
                let column = c + LANE_F32 * l + i;
                let mask = if column < cols { down } else { 0 };
                // SAFETY: as the caller promises; what a mask leaves out is not touched.
                unsafe { _mm_maskz_loadu_ps(mask, x.wrapping_add(column * col)) }
            };
            let line = _mm512_castps128_ps512(lane(0));
            let line = _mm512_insertf32x4::<1>(line, lane(1));
            let line = _mm512_insertf32x4::<2>(line, lane(2));
            _mm512_insertf32x4::<3>(line, lane(3))
        });
        for (r, line) in transposed_4x4_in_lanes(lines).into_iter().take(rows).enumerate() {
            // SAFETY: as above.
            unsafe { _mm512_mask_storeu_ps(out.wrapping_add(r * width + c), along, line) };
        }
    }
}

/// The transpose of 16 x 16 elements.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed_16x16(rows: [__m512; REGISTER_F32]) -> [__m512; REGISTER_F32] {
    let fours: [[__m512; 4]; 4] =
        std::array::from_fn(|i| transposed_4x4_in_lanes(std::array::from_fn(|j| rows[4 * i + j])));
    let lanes: [[__m512; 4]; 4] =
        std::array::from_fn(|j| transposed_lanes(std::array::from_fn(|i| fours[i][j])));
    std::array::from_fn(|row| lanes[row % 4][row / 4])
}

/// Transposes 4 x 4 elements in each lane of four registers.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed_4x4_in_lanes([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    let (low_ab, high_ab) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    let (low_cd, high_cd) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    [
        _mm512_shuffle_ps::<0b01_00_01_00>(low_ab, low_cd),
        _mm512_shuffle_ps::<0b11_10_11_10>(low_ab, low_cd),
        _mm512_shuffle_ps::<0b01_00_01_00>(high_ab, high_cd),
        _mm512_shuffle_ps::<0b11_10_11_10>(high_ab, high_cd),
    ]
}

/// Transposes lanes: lane i of register l becomes lane l of register i.
#[inline]
#[target_feature(enable = "avx512f")]
fn transposed_lanes([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
    let (even_ab, odd_ab) = (
        _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
        _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
    );
    let (even_cd, odd_cd) = (
        _mm512_shuffle_f32x4::<0b10_00_10_00>(c, d),
        _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d),
    );
    [
        _mm512_shuffle_f32x4::<0b10_00_10_00>(even_ab, even_cd),
        _mm512_shuffle_f32x4::<0b10_00_10_00>(odd_ab, odd_cd),
        _mm512_shuffle_f32x4::<0b11_01_11_01>(even_ab, even_cd),
        _mm512_shuffle_f32x4::<0b11_01_11_01>(odd_ab, odd_cd),
    ]
}

/// Blocks of 8 x 8 words of 8 bytes, the last ones masked.
///
/// # Safety
/// AVX-512, and as for [`super::transpose_raw`].
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn avx512_f64(
    x: *const f64,
    col: usize,
    (rows, cols): (usize, usize),
    out: *mut f64,
    width: usize,
    prefetch: &Prefetch<f64>,
) {
    let first = |count: usize| ((1_u32 << count.min(REGISTER_F64)) - 1) as __mmask8;
    for r in (0..rows).step_by(REGISTER_F64) {
        let down = first(rows - r);
        for c in (0..cols).step_by(REGISTER_F64) {
            prefetch.fetch((r, c), REGISTER_F64, col, width);
            let along = first(cols - c);
            let lines: [__m512d; REGISTER_F64] = std::array::from_fn(|i| {
                let mask = if c + i < cols { down } else { 0 };
                // SAFETY: as the caller promises; what a mask leaves out is not touched.
                unsafe { _mm512_maskz_loadu_pd(mask, x.wrapping_add(r + (c + i) * col)) }
            });
            let pair = |i: usize, high: bool| {
                let (a, b) = (lines[2 * i], lines[2 * i + 1]);
                _mm512_castpd_ps(if high {
                    _mm512_unpackhi_pd(a, b)
                } else {
                    _mm512_unpacklo_pd(a, b)
                })
            };
            let even = transposed_lanes(std::array::from_fn(|i| pair(i, false)));
            let odd = transposed_lanes(std::array::from_fn(|i| pair(i, true)));
            for i in 0..REGISTER_F64.min(rows - r) {
                let line = _mm512_castps_pd(if i % 2 == 0 { even[i / 2] } else { odd[i / 2] });
                // SAFETY: as above.
                unsafe { _mm512_mask_storeu_pd(out.wrapping_add((r + i) * width + c), along, line) };
            }
        }
    }
}

/// Blocks of 64 x 64 bytes, copied to a buffer by cache lines, transposed there, and written by cache lines. A register holds a
/// quarter of a line, and lines at strides of a power of two would be evicted before all quarters are done.
///
/// # Safety
/// AVX2, and as for [`super::transpose_raw`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn avx2_u8(
    x: *const u8,
    col: usize,
    (rows, cols): (usize, usize),
    out: *mut u8,
    width: usize,
) {
    const LINE_BYTES: usize = 64;
    /// Bytes of a register of 128 bits.
    const REGISTER_BYTES: usize = 16;
    let (mut from, mut to) = ([0_u8; LINE_BYTES * LINE_BYTES], [0_u8; LINE_BYTES * LINE_BYTES]);
    for r in (0..rows).step_by(LINE_BYTES) {
        for c in (0..cols).step_by(LINE_BYTES) {
            let (down, along) = (LINE_BYTES.min(rows - r), LINE_BYTES.min(cols - c));
            for (i, line) in from.chunks_exact_mut(LINE_BYTES).take(along).enumerate() {
                // SAFETY: as the caller promises.
                unsafe { copy(x.add(r + (c + i) * col), line.as_mut_ptr(), down) };
            }
            for i in (0..down).step_by(REGISTER_BYTES) {
                for j in (0..along).step_by(REGISTER_BYTES) {
                    bytes(&from[j * LINE_BYTES + i..], &mut to[i * LINE_BYTES + j..]);
                }
            }
            for (i, line) in to.chunks_exact(LINE_BYTES).take(down).enumerate() {
                // SAFETY: as the caller promises.
                unsafe { copy(line.as_ptr(), out.add((r + i) * width + c), along) };
            }
        }
    }

    /// # Safety
    /// `count` bytes, at most a line, must be readable and writable, without overlap.
    #[inline(always)]
    unsafe fn copy(from: *const u8, to: *mut u8, count: usize) {
        type Line = [__m128i; LINE_BYTES / REGISTER_BYTES];
        // SAFETY: as the caller promises.
        unsafe {
            if count == LINE_BYTES {
                to.cast::<Line>()
                    .write_unaligned(from.cast::<Line>().read_unaligned());
            } else {
                to.copy_from_nonoverlapping(from, count);
            }
        }
    }

    /// Interleaves the bytes of the first half of the registers with those of the second half.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn interleaved(x: [__m128i; REGISTER_BYTES]) -> [__m128i; REGISTER_BYTES] {
        let low = |i: usize| _mm_unpacklo_epi8(x[i], x[i + REGISTER_BYTES / 2]);
        let high = |i: usize| _mm_unpackhi_epi8(x[i], x[i + REGISTER_BYTES / 2]);
        [
            low(0),
            high(0),
            low(1),
            high(1),
            low(2),
            high(2),
            low(3),
            high(3),
            low(4),
            high(4),
            low(5),
            high(5),
            low(6),
            high(6),
            low(7),
            high(7),
        ]
    }

    /// Transposes 16 x 16 bytes of rows of 64 bytes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn bytes(from: &[u8], to: &mut [u8]) {
        assert!(from.len().min(to.len()) >= (REGISTER_BYTES - 1) * LINE_BYTES + REGISTER_BYTES);
        // SAFETY: within the slice, as just checked.
        let mut lines: [__m128i; REGISTER_BYTES] =
            std::array::from_fn(|i| unsafe { _mm_loadu_si128(from.as_ptr().add(i * LINE_BYTES).cast()) });
        // The index of a byte is four bits of row and four bits of column; interleaving the halves of all 256 bytes rotates the
        // eight bits by one.
        for _ in 0..4 {
            lines = interleaved(lines);
        }
        for (i, line) in lines.into_iter().enumerate() {
            // SAFETY: as above.
            unsafe { _mm_storeu_si128(to.as_mut_ptr().add(i * LINE_BYTES).cast(), line) };
        }
    }
}

/// Blocks of 8 x 8 words of 4 bytes; rows and columns beyond whole blocks are left.
///
/// # Safety
/// AVX2, and as for [`super::transpose_raw`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn avx2_f32(
    x: *const f32,
    col: usize,
    (rows, cols): (usize, usize),
    out: *mut f32,
    width: usize,
) {
    for r0 in (0..rows / 8 * 8).step_by(REGISTER_F32) {
        for c in (0..cols / 8 * 8).step_by(8) {
            for r in (r0..(rows / 8 * 8).min(r0 + REGISTER_F32)).step_by(8) {
                // SAFETY: as the caller promises.
                unsafe { transpose_8x8(x.add(r + c * col), col, out.add(r * width + c), width) }
            }
        }
    }
}

/// # Safety
/// As for [`avx2_f32`], for one block.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn transpose_8x8(x: *const f32, col: usize, out: *mut f32, width: usize) {
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
pub(super) unsafe fn avx2_f64(
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
