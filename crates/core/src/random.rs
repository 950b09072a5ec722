//! Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as
//! easy as 1, 2, 3", SC 2011). There is no state: element i of a draw is a function of the key and of i, so
//! that any division of the work into blocks, threads or devices gives the same numbers.
//!
//! The first two words of the counter are the block's number, the third says what is drawn (so that draws
//! of different kinds with one key share no bits), the fourth is 0.

/// The two multipliers of a round.
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What the key grows by between rounds: the golden ratio and sqrt(3) - 1.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The third word of the counter, per kind of draw.
const BITS: u32 = 0;
const UNIFORM_F64: u32 = 1;
const NORMAL: u32 = 2;

/// Four random words: a bijection of the counter, chosen by the key.
#[inline(always)]
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut c0, mut c1, mut c2, mut c3], [mut k0, mut k1]) = (counter, key);
    for _ in 0..ROUNDS {
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c0);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c2);
        (c0, c1, c2, c3) = (
            (p1 >> 32) as u32 ^ c1 ^ k0,
            p1 as u32,
            (p0 >> 32) as u32 ^ c3 ^ k1,
            p0 as u32,
        );
        (k0, k1) = (k0.wrapping_add(WEYL[0]), k1.wrapping_add(WEYL[1]));
    }
    [c0, c1, c2, c3]
}

/// `out[j]` = word `(start + j) % 4` of block `(start + j) / 4`.
pub fn fill_bits(key: [u32; 2], start: u64, out: &mut [u32]) {
    fill(start, out, |block| words(key, block, BITS));
}

/// Uniform on [0, 1): multiples of 2^-24, from the high bits of the words that [`fill_bits`] gives.
pub fn fill_uniform_f32(key: [u32; 2], start: u64, out: &mut [f32]) {
    fill(start, out, |block| {
        words(key, block, BITS).map(|bits| (bits >> 8) as f32 * (1.0 / (1u32 << 24) as f32))
    });
}

/// Uniform on [0, 1): multiples of 2^-53, two elements of two words per block.
pub fn fill_uniform_f64(key: [u32; 2], start: u64, out: &mut [f64]) {
    fill(start, out, |block| unit_pair(words(key, block, UNIFORM_F64)));
}

/// Standard normal: [`fill_normal_f64`] rounded.
pub fn fill_normal_f32(key: [u32; 2], start: u64, out: &mut [f32]) {
    fill(start, out, |block| normal_pair(key, block).map(|z| z as f32));
}

/// Standard normal by Box-Muller: elements 2 b and 2 b + 1 are the cosine and the sine part of block b.
/// At most sqrt(2 * 53 ln 2) = 8.57 from 0.
pub fn fill_normal_f64(key: [u32; 2], start: u64, out: &mut [f64]) {
    fill(start, out, |block| normal_pair(key, block));
}

/// `out[j]` = element `(start + j) % N` of block `(start + j) / N`.
#[inline(always)]
fn fill<T: Copy, const N: usize>(start: u64, out: &mut [T], block: impl Fn(u64) -> [T; N]) {
    let n = N as u64;
    let (mut number, skip) = (start / n, (start % n) as usize);
    // The first block may be entered in its middle.
    let (head, body) = out.split_at_mut(if skip == 0 { 0 } else { out.len().min(N - skip) });
    if !head.is_empty() {
        head.copy_from_slice(&block(number)[skip..skip + head.len()]);
        number += 1;
    }
    for chunk in body.chunks_mut(N) {
        chunk.copy_from_slice(&block(number)[..chunk.len()]);
        number += 1;
    }
}

#[inline(always)]
fn words(key: [u32; 2], block: u64, kind: u32) -> [u32; 4] {
    philox([block as u32, (block >> 32) as u32, kind, 0], key)
}

/// Two numbers in [0, 1) of 53 bits each.
#[inline(always)]
fn unit_pair(w: [u32; 4]) -> [f64; 2] {
    let unit = |hi: u32, lo: u32| ((u64::from(hi) << 32 | u64::from(lo)) >> 11) as f64 * (0.5f64).powi(53);
    [unit(w[0], w[1]), unit(w[2], w[3])]
}

#[inline(always)]
fn normal_pair(key: [u32; 2], block: u64) -> [f64; 2] {
    let [u, v] = unit_pair(words(key, block, NORMAL));
    // 1 - u lies in (0, 1]. libm and not std, whose logarithm and sine differ between platforms.
    let radius = (-2.0 * libm::log(1.0 - u)).sqrt();
    let (sin, cos) = libm::sincos(std::f64::consts::TAU * v);
    [radius * cos, radius * sin]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers published with Random123, `philox4x32 10`.
    #[test]
    fn philox_gives_the_known_answers() {
        assert_eq!(
            philox([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    /// Every start and length cuts the same numbers out of one stream, also where the counter's low word ends.
    fn check_splits<T: Copy + Default + PartialEq + std::fmt::Debug>(draw: impl Fn(u64, &mut [T])) {
        for base in [0, (1 << 34) - 6] {
            let mut whole = [T::default(); 24];
            draw(base, &mut whole);
            for start in 0..whole.len() {
                for end in start..=whole.len() {
                    let mut part = vec![T::default(); end - start];
                    draw(base + start as u64, &mut part);
                    assert_eq!(part, whole[start..end]);
                }
            }
        }
    }

    #[test]
    fn any_division_gives_the_same_numbers() {
        let key = [7, 9];
        check_splits(|start, out| fill_bits(key, start, out));
        check_splits(|start, out| fill_uniform_f32(key, start, out));
        check_splits(|start, out| fill_uniform_f64(key, start, out));
        check_splits(|start, out| fill_normal_f32(key, start, out));
        check_splits(|start, out| fill_normal_f64(key, start, out));
    }

    #[test]
    fn elements_are_the_words_they_are_said_to_be() {
        let key = [1, 2];
        let mut bits = [0; 10];
        fill_bits(key, 0, &mut bits);
        assert_eq!(bits[9], philox([2, 0, 0, 0], key)[1]);
        let mut uniform = [0.0; 10];
        fill_uniform_f32(key, 0, &mut uniform);
        assert_eq!(uniform[9], (bits[9] >> 8) as f32 / 16_777_216.0);
        let mut uniform = [0.0; 10];
        fill_uniform_f64(key, 0, &mut uniform);
        let w = philox([4, 0, 1, 0], key);
        assert_eq!(
            uniform[9],
            ((u64::from(w[2]) << 21) | u64::from(w[3] >> 11)) as f64 / (1u64 << 53) as f64
        );
    }

    /// Mean, variance and fourth moment of 2^16 draws within four standard errors.
    #[test]
    fn moments_are_right() {
        let n = 1 << 16;
        let near = |given: f64, expected: f64, variance: f64| {
            let bound = 4.0 * (variance / f64::from(n)).sqrt();
            assert!(
                (given - expected).abs() < bound,
                "{given} is not within {bound} of {expected}"
            );
        };
        let mut x = vec![0.0; n as usize];
        let moment =
            |x: &[f64], c: f64, p: i32| x.iter().map(|v| (v - c).powi(p)).sum::<f64>() / f64::from(n);
        fill_uniform_f64([3, 4], 0, &mut x);
        assert!(x.iter().all(|v| (0.0..1.0).contains(v)));
        near(moment(&x, 0.0, 1), 0.5, 1.0 / 12.0);
        near(moment(&x, 0.5, 2), 1.0 / 12.0, 1.0 / 80.0);
        fill_normal_f64([3, 4], 0, &mut x);
        near(moment(&x, 0.0, 1), 0.0, 1.0);
        near(moment(&x, 0.0, 2), 1.0, 2.0);
        near(moment(&x, 0.0, 4), 3.0, 96.0);
    }
}
