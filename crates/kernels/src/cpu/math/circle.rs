//! Sine and cosine of float32, reduced and computed in float64.

/// Up to this size an argument is reduced by a pi / 2 of two parts; farther out, and for what is no number, the
/// system's function is called.
pub(crate) const CIRCLE_LIMIT: f32 = 524_288.0;

/// pi / 2 in two parts. The first has 33 bits, so that its products with whole numbers up to 2^20 are exact.
const HALF_PI: (f64, f64) = (1.570_796_326_734_125_6, 6.077_100_506_506_192e-11);
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

/// sin(x), or cos(x), for |x| <= [`CIRCLE_LIMIT`].
#[inline(always)]
pub(crate) fn sin_or_cos<const COSINE_WANTED: bool>(x: f32) -> f32 {
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    let x = f64::from(x);
    // Its low bits are the number of the quarter turn.
    let rounded = x * std::f64::consts::FRAC_2_PI + ROUNDER;
    let n = rounded - ROUNDER;
    let quarter = rounded.to_bits() + u64::from(COSINE_WANTED);
    let r = (x - n * HALF_PI.0) - n * HALF_PI.1;
    let z = r * r;
    let at = |c: [f64; 4]| ((c[0] * z + c[1]) * z + c[2]) * z + c[3];
    // So that -0 stays what it is.
    let sine = r * (1.0 + z * at(SINE));
    let cosine = 1.0 + z * at(COSINE);
    let y = if quarter & 1 == 0 { sine } else { cosine };
    let negative = (quarter & 2) << 62;
    f64::from_bits(y.to_bits() ^ negative) as f32
}
