//! Functions of float32 without branches or tables, so that the compiler vectorises loops over them. At most
//! 2 units in the last place off; see the tests. Special values are as in IEEE 754.
//!
//! exp splits x = n ln 2 + r (Cody and Waite, ln 2 in two parts) and uses a polynomial on |r| <= ln 2 / 2; log
//! splits off the exponent and uses the series of 2 atanh(s). The others are made of these two.

#![allow(
    clippy::excessive_precision,
    reason = "coefficients as computed, in more digits than f32 holds"
)]

use super::element::Float;

const LN2_HIGH: f32 = 0.693_359_375;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Adding it rounds to an integer, to nearest: 1.5 * 2^23.
const ROUNDER: f32 = 12_582_912.0;

#[inline(always)]
fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    a.fma::<FMA>(b, c)
}

/// 2^n for -126 <= n <= 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32).wrapping_shl(23))
}

/// x as n ln 2 + r; x within +-105 (or NaN, then r is).
#[inline(always)]
fn split<const FMA: bool>(x: f32) -> (i32, f32) {
    let rounded = fma::<FMA>(x, std::f32::consts::LOG2_E, ROUNDER);
    let n = rounded - ROUNDER;
    let r = fma::<FMA>(n, -LN2_LOW, fma::<FMA>(n, -LN2_HIGH, x));
    (
        (rounded.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32),
        r,
    )
}

/// (e^r - 1 - r) / r^2 for |r| <= 0.347, interpolated at the Chebyshev points.
#[inline(always)]
fn exp_tail<const FMA: bool>(r: f32) -> f32 {
    let p = fma::<FMA>(r, 1.989_110_345e-4, 1.393_375_139e-3);
    let p = fma::<FMA>(p, r, 8.333_310_824e-3);
    let p = fma::<FMA>(p, r, 4.166_646_401e-2);
    let p = fma::<FMA>(p, r, 1.666_666_668e-1);
    fma::<FMA>(p, r, 0.5)
}

/// e^x.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    // Beyond these the result is 0 or infinity anyway; NaN passes.
    let t = if x > 89.0 { 89.0 } else { x };
    let t = if t < -104.5 { -104.5 } else { t };
    let (n, r) = split::<FMA>(t);
    let y = fma::<FMA>(exp_tail::<FMA>(r) * r, r, r) + 1.0;
    // Two factors, since 2^n itself may overflow or be subnormal.
    let half = n >> 1;
    y * power_of_two(half) * power_of_two(n - half)
}

/// e^x - 1, exact near 0.
#[inline(always)]
pub(crate) fn expm1<const FMA: bool>(x: f32) -> f32 {
    let t = if x > 89.0 { 89.0 } else { x };
    let t = if t < -30.0 { -30.0 } else { t };
    let (n, r) = split::<FMA>(t);
    let p = fma::<FMA>(exp_tail::<FMA>(r) * r, r, r);
    // 2^n p + (2^n - 1), with 2^n in two factors as above: n is at most 128.
    let big = n > 127;
    let s = power_of_two(if big { 127 } else { n });
    let y = fma::<FMA>(s, p, s - 1.0);
    let y = if big { fma::<FMA>(s, p, s) * 2.0 } else { y };
    // Keeps the sign of -0.
    if x == 0.0 { x } else { y }
}

/// Natural logarithm.
#[inline(always)]
pub(crate) fn log<const FMA: bool>(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    // The mantissa within [sqrt(1/2), sqrt(2)).
    let bits = scaled.to_bits() as i32;
    let shifted = bits.wrapping_sub(0x3f35_04f3);
    let exponent = shifted >> 23;
    let m = f32::from_bits(bits.wrapping_sub(exponent << 23) as u32);
    let e = (exponent - if tiny { 23 } else { 0 }) as f32;
    let y = log_of_mantissa::<FMA>(m - 1.0, e);
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    // Negative or NaN.
    if x >= 0.0 { y } else { f32::NAN }
}

/// ln(1 + f) + e ln 2 for 1 + f within [sqrt(1/2), sqrt(2)): with s = f / (2 + f),
/// ln(1 + f) = f - s (f - R), R the rest of the series of 2 atanh(s).
#[inline(always)]
fn log_of_mantissa<const FMA: bool>(f: f32, e: f32) -> f32 {
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * fma::<FMA>(w, 0.242_790_79, 0.400_009_72);
    let odd = z * fma::<FMA>(w, 0.284_987_87, 0.666_666_63);
    let half = 0.5 * f * f;
    let low = fma::<FMA>(s, half + (even + odd), e * LN2_LOW);
    fma::<FMA>(e, LN2_HIGH, f - (half - low))
}

/// ln(1 + x), exact near 0.
#[inline(always)]
pub(crate) fn log1p<const FMA: bool>(x: f32) -> f32 {
    let u = 1.0 + x;
    // What rounding 1 + x lost, as a correction of the first order.
    let lost = if x > 1.0 { 1.0 - (u - x) } else { x - (u - 1.0) };
    let y = log::<FMA>(u)
        + if u > 0.0 && u < f32::INFINITY {
            lost / u
        } else {
            0.0
        };
    if x.abs() < 1e-7 { x } else { y }
}

/// Hyperbolic tangent: t / (t + 2) with t = e^2|x| - 1.
#[inline(always)]
pub(crate) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let a = x.abs();
    let a = if a > 10.0 { 10.0 } else { a };
    let t = expm1::<FMA>(2.0 * a);
    (t / (t + 2.0)).copysign(x)
}

/// 1 / (1 + e^-x), with full relative accuracy for negative x.
#[inline(always)]
pub(crate) fn sigmoid<const FMA: bool>(x: f32) -> f32 {
    let e = exp::<FMA>(-x.abs());
    let numerator = if x >= 0.0 { 1.0 } else { e };
    numerator / (1.0 + e)
}

/// ln(1 + e^x) without overflow.
#[inline(always)]
pub(crate) fn softplus<const FMA: bool>(x: f32) -> f32 {
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + log1p::<FMA>(exp::<FMA>(-x.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance in units in the last place of the exact value rounded to f32.
    fn ulps(given: f32, exact: f64) -> f64 {
        let rounded = exact as f32;
        if given == rounded || (given.is_nan() && rounded.is_nan()) {
            return 0.0;
        }
        let spacing =
            f64::from(f32::from_bits((rounded.abs().to_bits() & 0x7f80_0000).max(1 << 23)) * f32::EPSILON);
        (f64::from(given) - exact).abs() / spacing.max(f64::from(f32::from_bits(1)))
    }

    fn check(name: &str, low: f32, high: f32, bound: f64, fast: [fn(f32) -> f32; 2], exact: fn(f64) -> f64) {
        let count = 200_001;
        for f in fast {
            let worst = (0..count)
                .map(|i| low + (high - low) * (i as f32 / (count - 1) as f32))
                .map(|x| (ulps(f(x), exact(f64::from(x))), x))
                .fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
            assert!(worst.0 <= bound, "{name}({}) is {} ulp off", worst.1, worst.0);
        }
    }

    #[test]
    fn functions_are_within_two_units_of_the_last_place() {
        for (low, high) in [(-87.0, 88.7), (-1.0, 1.0), (-1e-3, 1e-3), (-103.9, -87.0)] {
            check("exp", low, high, 1.5, [exp::<true>, exp::<false>], f64::exp);
            check(
                "expm1",
                low,
                high,
                2.0,
                [expm1::<true>, expm1::<false>],
                f64::exp_m1,
            );
            check("tanh", low, high, 2.5, [tanh::<true>, tanh::<false>], f64::tanh);
            check(
                "sigmoid",
                low,
                high,
                2.5,
                [sigmoid::<true>, sigmoid::<false>],
                |x| 1.0 / (1.0 + (-x).exp()),
            );
            let softplus64: fn(f64) -> f64 = |x| x.max(0.0) + (-x.abs()).exp().ln_1p();
            check(
                "softplus",
                low,
                high,
                2.5,
                [softplus::<true>, softplus::<false>],
                softplus64,
            );
        }
        for (low, high) in [(1e-45, 1e-37), (1e-6, 2.0), (0.9, 1.1), (1.0, 1e10), (1e30, 3e38)] {
            check("log", low, high, 1.5, [log::<true>, log::<false>], f64::ln);
            check(
                "log1p",
                low,
                high,
                2.0,
                [log1p::<true>, log1p::<false>],
                f64::ln_1p,
            );
        }
        check(
            "log1p",
            -0.999,
            1e-3,
            2.0,
            [log1p::<true>, log1p::<false>],
            f64::ln_1p,
        );
    }

    #[test]
    fn special_values_are_kept() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        for f in [exp::<true>, exp::<false>] {
            assert_eq!(
                (f(-inf), f(inf), f(0.0), f(89.0), f(-110.0)),
                (0.0, inf, 1.0, inf, 0.0)
            );
        }
        assert_eq!(
            (expm1::<true>(-inf), expm1::<true>(inf), expm1::<true>(88.9)),
            (-1.0, inf, inf)
        );
        assert!(expm1::<true>(-0.0).is_sign_negative());
        assert_eq!(
            (
                log::<true>(0.0),
                log::<true>(-0.0),
                log::<true>(inf),
                log::<true>(1.0)
            ),
            (-inf, -inf, inf, 0.0)
        );
        assert_eq!(
            (log1p::<true>(-1.0), log1p::<true>(inf), log1p::<true>(0.0)),
            (-inf, inf, 0.0)
        );
        assert_eq!((tanh::<true>(inf), tanh::<true>(-inf)), (1.0, -1.0));
        assert_eq!((sigmoid::<true>(inf), sigmoid::<true>(-inf)), (1.0, 0.0));
        assert_eq!((softplus::<true>(inf), softplus::<true>(-inf)), (inf, 0.0));
        for f in [
            exp::<true>,
            expm1::<true>,
            log::<true>,
            log1p::<true>,
            tanh::<true>,
            sigmoid::<true>,
            softplus::<true>,
        ] {
            assert!(f(nan).is_nan());
        }
        assert!(log::<true>(-1.0).is_nan() && log1p::<true>(-1.5).is_nan() && log::<true>(-inf).is_nan());
    }
}
