//! Sine and cosine: of float32 in float64; of float64 with an argument that is reduced to a sum of two float64 numbers.

use super::constants::Constants;
use super::exponential::polynomial;
use super::vector::Vector;

/// Up to this magnitude an argument is reduced by a multiple of pi / 2 that is a sum of a few parts; beyond it, and for infinity and
/// NaN, the definition is computed.
const LIMIT: f64 = 524_288.0;

/// pi / 2 in two parts, for float32. The first has 33 bits, so that its products with integers up to 2^20 are exact.
const HALF_PI: (f64, f64) = (1.570_796_326_734_125_6, 6.077_100_506_506_192e-11);
/// pi / 2 in four parts, for float64. The first three have 33 bits.
const HALF_PI_PARTS: [f64; 4] = [
    1.570_796_326_734_125_6,
    6.077_100_506_303_966e-11,
    2.022_266_248_711_166_5e-21,
    8.478_427_660_368_9e-32,
];
/// (sin(r) / r - 1) / r^2 and (cos(r) - 1) / r^2 in r^2 for |r| <= pi / 4, interpolated at the Chebyshev points.
const SINE: [f64; 4] = [
    2.724_986_465_513_958_5e-6,
    -1.984_008_626_375_574_3e-4,
    8.333_331_873_837_09e-3,
    -0.166_666_666_638_530_44,
];
const COSINE: [f64; 4] = [
    2.446_372_116_361_2e-5,
    -1.388_758_863_781_580_5e-3,
    4.166_665_063_493_084e-2,
    -0.499_999_999_690_946_55,
];
/// (sin(r) / r - 1) / r^2 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2 for |r| <= pi / 4, of least relative error in the function.
const SINE_F64: &[f64] = &[
    1.589_679_022_431_206_2e-10,
    -2.505_075_801_115_858_6e-8,
    2.755_731_369_116_415_3e-6,
    -1.984_126_982_980_527_3e-4,
    8.333_333_333_322_41e-3,
    -0.166_666_666_666_666_32,
];
const COSINE_F64: &[f64] = &[
    -1.135_963_161_549_936_8e-11,
    2.087_572_293_585_532_8e-9,
    -2.755_731_434_962_550_5e-7,
    2.480_158_728_947_181_7e-5,
    -1.388_888_888_887_410_5e-3,
    4.166_666_666_666_66e-2,
];

/// Where [`sine`] and [`cosine`] are the functions.
#[inline(always)]
pub(super) fn within<V: Vector>(x: V) -> Option<V::Mask> {
    Some(x.abs().at_most(x.number(LIMIT)))
}

/// sin(x).
#[inline(always)]
pub(super) fn sine<V: Vector>(x: V) -> V {
    shifted_sine(x, 0.0)
}

/// cos(x).
#[inline(always)]
pub(super) fn cosine<V: Vector>(x: V) -> V {
    shifted_sine(x, 1.0)
}

/// sin(x + quarters pi / 2).
#[inline(always)]
fn shifted_sine<V: Vector>(x: V, quarters: f64) -> V {
    let wide = x.wide();
    let rounder = wide.number(f64::ROUNDER);
    let rounded = wide * wide.number(std::f64::consts::FRAC_2_PI) + rounder;
    let n = rounded - rounder;
    let quarter = rounded + wide.number(quarters);
    let (sine, cosine) = if V::Element::IS_SINGLE {
        sine_and_cosine(wide, n)
    } else {
        sine_and_cosine_f64(wide, n)
    };
    let y = V::Wide::select(quarter.bit(0), cosine, sine);
    V::of_wide(V::Wide::select(quarter.bit(1), -y, y))
}

/// Sine and cosine of x - n pi / 2, accurate enough for float32.
#[inline(always)]
fn sine_and_cosine<V: Vector<Element = f64>>(x: V, n: V) -> (V, V) {
    let r = (x - n * x.number(HALF_PI.0)) - n * x.number(HALF_PI.1);
    let z = r * r;
    let at = |c: [f64; 4]| {
        let c = c.map(|c| x.number(c));
        ((c[0] * z + c[1]) * z + c[2]) * z + c[3]
    };
    // In this form sin(-0) is -0.
    let sine = r * (x.number(1.0) + z * at(SINE));
    (sine, x.number(1.0) + z * at(COSINE))
}

/// Sine and cosine of x - n pi / 2, accurate to float64.
#[inline(always)]
fn sine_and_cosine_f64<V: Vector<Element = f64>>(x: V, n: V) -> (V, V) {
    let (r, rest) = reduced(x, n);
    sine_and_cosine_of_sum(r, rest)
}

/// Sine and cosine of r + rest, accurate to float64, for |r| <= pi / 4.
#[inline(always)]
pub(crate) fn sine_and_cosine_of_sum<V: Vector<Element = f64>>(r: V, rest: V) -> (V, V) {
    let (one, half) = (r.number(1.0), r.number(0.5));
    let z = r * r;
    // sin(r + rest) = r + r z P(z) + rest cos(r); of a number whose square vanishes the number itself, also of -0.
    let sine = r + ((r * z) * polynomial(z, SINE_F64) + rest * (one - half * z));
    let sine = V::select(z.equals(r.number(0.0)), r, sine);
    // cos(r + rest) = 1 - z / 2 + z^2 Q(z) - rest r, with the rounding error of 1 - z / 2.
    let half_z = half * z;
    let leading = one - half_z;
    let error = (one - leading) - half_z;
    let cosine = leading + (error + (z * z * polynomial(z, COSINE_F64) - rest * r));
    (sine, cosine)
}

/// x - n pi / 2 as a sum of two numbers, for |n| < 2^20: Cody and Waite, with the rounding errors of the differences.
#[inline(always)]
fn reduced<V: Vector<Element = f64>>(x: V, n: V) -> (V, V) {
    let part = |i: usize| n * x.number(HALF_PI_PARTS[i]);
    // The first three products are exact, and so is the first difference.
    let (second, second_error) = difference(x - part(0), part(1));
    let (third, third_error) = difference(second, part(2));
    let rest = part(3) - (second_error + third_error);
    let r = third - rest;
    (r, (third - r) - rest)
}

/// a - b rounded, and its rounding error (Knuth, The Art of Computer Programming, volume 2, section 4.2.2).
#[inline(always)]
fn difference<V: Vector<Element = f64>>(a: V, b: V) -> (V, V) {
    let difference = a - b;
    let subtracted = a - difference;
    let error = (a - (difference + subtracted)) + (subtracted - b);
    (difference, error)
}
