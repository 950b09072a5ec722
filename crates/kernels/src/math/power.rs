//! Powers: x^y as e^(y ln |x|).
//!
//! y may be so large that it multiplies the error of the logarithm by a thousand. For float32 a float64 logarithm is accurate enough;
//! for float64 the logarithm is a sum of two float64 numbers (double-double arithmetic, Dekker 1971), with a relative error of at most
//! 2^-61.

use super::constants::Constants;
use super::exponential::{exp, exponent_of_two, log, polynomial};
use super::vector::Vector;

/// (2 atanh(s) / (2 s) - 1 - s^2 / 3) / s^4 as a polynomial in s^2, for |s| <= 1/5, interpolated at the Chebyshev points.
const ATANH_REST: &[f64] = &[
    0.060_959_066_710_801_85,
    0.058_266_627_861_892_094,
    0.066_685_776_719_445_54,
    0.076_922_715_797_527_37,
    0.090_909_094_603_455_42,
    0.111_111_111_092_586_92,
    0.142_857_142_857_177_18,
    0.199_999_999_999_999_98,
];
/// 1/3 rounded, and the rest.
const THIRD: (f64, f64) = (1.0 / 3.0, 1.850_371_707_708_594e-17);
/// The magnitude of an exponent beyond which e^x is 0 or infinite.
const EXP_LIMIT: f64 = 800.0;

/// A number as a sum of two: the first is the sum rounded.
#[derive(Clone, Copy)]
struct Sum<V>(V, V);

impl<V: Vector<Element = f64>> Sum<V> {
    /// a + b, for |a| >= |b| or a = 0.
    #[inline(always)]
    fn of(a: V, b: V) -> Sum<V> {
        let sum = a + b;
        Sum(sum, (a - sum) + b)
    }

    /// a b.
    #[inline(always)]
    fn product(a: V, b: V) -> Sum<V> {
        let product = a * b;
        Sum(product, a.product_error(b, product))
    }
}

/// x^y.
#[inline(always)]
pub(super) fn pow<V: Vector>(x: V, y: V) -> V {
    let (wide_x, wide_y) = (x.wide(), y.wide());
    let size = wide_x.abs();
    let power = if V::Element::IS_SINGLE {
        exp(wide_y * log(size))
    } else {
        power_of_positive(size, wide_y)
    };
    V::of_wide(with_special_values(wide_x, wide_y, power))
}

/// The power of |x|, with the sign and the special values of x^y.
#[inline(always)]
fn with_special_values<V: Vector<Element = f64>>(x: V, y: V, power: V) -> V {
    let (zero, one) = (x.number(0.0), x.number(1.0));
    // Also for an infinite y.
    let power = V::select(x.abs().equals(one) & y.equals(y), one, power);
    let half = y * y.number(0.5);
    let odd = y.floor().equals(y) & half.floor().less(half);
    let power = V::select(odd, power.copysign(x), power);
    // A finite negative number has only integer powers.
    let undefined = y.floor().less(y) & x.less(zero) & x.number(f64::NEG_INFINITY).less(x);
    let power = V::select(undefined, x.number(f64::NAN), power);
    let power = V::select(x.equals(one), one, power);
    V::select(y.equals(zero), one, power)
}

/// x^y for x >= 0, or NaN.
#[inline(always)]
fn power_of_positive<V: Vector<Element = f64>>(x: V, y: V) -> V {
    let Sum(log, log_rest) = log_of_positive(x);
    let exponent = y * log;
    let rest = y.product_error(log, exponent) + y * log_rest;
    // Beyond the limit the error of the product may overflow.
    let limited = exponent.abs().less(x.number(EXP_LIMIT));
    let rest = V::select(limited, rest, x.number(0.0));
    let (lowest, highest) = f64::EXP;
    let exponent = x.number(lowest).larger(x.number(highest).smaller(exponent));
    // e^(exponent + rest) = 2^n e^(r + rest) with exponent + rest = n ln 2 + r + rest.
    let (high, low) = f64::LN2;
    let n = exponent_of_two(exponent) - x.number(f64::ROUNDER);
    let large = n.fma(x.number(-high), exponent);
    let r = n.fma(x.number(-low), large);
    let rest = rest + n.fma(x.number(-low), large - r);
    // e^(r + rest) = 1 + r + q + rest e^r, since the square of the rest vanishes.
    let one = x.number(1.0);
    let q = polynomial(r, f64::EXP_TAIL) * r * r;
    let Sum(sum, error) = Sum::of(one, r);
    (sum + (error + rest.fma(sum + q, q))).scale(n)
}

/// ln x for x >= 0, or NaN.
#[inline(always)]
fn log_of_positive<V: Vector<Element = f64>>(x: V) -> Sum<V> {
    let (m, e) = x.decompose();
    let (two, f) = (x.number(2.0), m - x.number(1.0));
    // s = f / (2 + f)
    let Sum(d, d_rest) = Sum::of(two, f);
    let s = f / d;
    let product = Sum::product(s, d);
    let s_rest = (((f - product.0) - product.1) - s * d_rest) / d;
    // g = s^2 / 3 + s^4 R(s^2)
    let Sum(z, z_error) = Sum::product(s, s);
    let z_rest = z_error + two * s * s_rest;
    let third = x.number(THIRD.0);
    let Sum(cubic, cubic_error) = Sum::product(z, third);
    let cubic_rest = cubic_error + (z * x.number(THIRD.1) + z_rest * third);
    let Sum(g, g_error) = Sum::of(cubic, z * z * polynomial(z, ATANH_REST));
    let g_rest = g_error + cubic_rest;
    // ln m = 2 s (1 + g)
    let (a, a_rest) = (two * s, two * s_rest);
    let Sum(ag, ag_error) = Sum::product(a, g);
    let Sum(log_m, log_m_error) = Sum::of(a, ag);
    let log_m_rest = log_m_error + ((ag_error + (a * g_rest + a_rest * g)) + a_rest);
    // ln x = e ln 2 + ln m; the first product is exact.
    let (high, low) = f64::LN2;
    let Sum(log, log_error) = Sum::of(e * x.number(high), log_m);
    let Sum(log, rest) = Sum::of(log, log_error + (log_m_rest + e * x.number(low)));
    let log = V::select(x.equals(x.number(0.0)), x.number(f64::NEG_INFINITY), log);
    let infinity = x.number(f64::INFINITY);
    let log = V::select(x.less(infinity), log, x);
    Sum(log, V::select(log.abs().less(infinity), rest, x.number(0.0)))
}
