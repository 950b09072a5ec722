//! Exponentials, logarithms, and functions that consist of them.
//!
//! exp splits x = n ln 2 + r (Cody and Waite, ln 2 in two parts) and uses a polynomial on |r| <= ln 2 / 2; log
//! splits off the exponent and uses the series of 2 atanh(s). All other functions here consist of exp and log.

use super::constants::{Constants, ERF_CUT};
use super::vector::{Power, Vector};

/// The polynomial at x, its highest coefficient first.
#[inline(always)]
pub(super) fn polynomial<V: Vector>(x: V, coefficients: &[f64]) -> V {
    let (first, rest) = coefficients.split_first().unwrap_or((&0.0, &[]));
    rest.iter()
        .fold(x.number(*first), |sum, &next| sum.fma(x, x.number(next)))
}

/// The whole number nearest to x / ln 2, as its sum with the rounder.
#[inline(always)]
pub(super) fn exponent_of_two<V: Vector>(x: V) -> V {
    x.fma(x.number(std::f64::consts::LOG2_E), x.number(V::Element::ROUNDER))
}

/// e^r - 1 for r = x - n ln 2.
#[inline(always)]
fn exp_of_rest<V: Vector>(x: V, n: V) -> V {
    let (high, low) = V::Element::LN2;
    let r = n.fma(x.number(-low), n.fma(x.number(-high), x));
    let tail = polynomial(r, V::Element::EXP_TAIL);
    (tail * r).fma(r, r)
}

/// x as n ln 2 + r, for x as exp and expm1 limit it (or NaN, then r is): n and e^r - 1.
#[inline(always)]
pub(super) fn exp_parts<V: Vector>(x: V) -> (V, V) {
    let n = exponent_of_two(x) - x.number(V::Element::ROUNDER);
    (n, exp_of_rest(x, n))
}

/// The same for x whose 2^n is a normal number: 2^n and e^r - 1.
#[inline(always)]
fn exp_factors<V: Power>(x: V) -> (V, V) {
    let n = exponent_of_two(x);
    (
        n.power_of_sum(),
        exp_of_rest(x, n - x.number(V::Element::ROUNDER)),
    )
}

/// e^x for x that is not above 0; 0 where that would not be a normal number.
#[inline(always)]
pub(crate) fn exp_of_negative<V: Power>(x: V) -> V {
    let lowest = x.number(V::Element::EXP_NORMAL);
    let (power, p) = exp_factors(lowest.larger(x));
    V::select(x.less(lowest), x.number(0.0), power.fma(p, power))
}

/// e^x - 1, exact near 0, for x that is not above 0.
#[inline(always)]
pub(crate) fn expm1_of_negative<V: Power>(x: V) -> V {
    let (power, p) = exp_factors(x.number(V::Element::EXPM1_LOWEST).larger(x));
    power.fma(p, power - x.number(1.0))
}

/// e^x.
#[inline(always)]
pub(super) fn exp<V: Vector>(x: V) -> V {
    // Beyond the bounds e^x is 0 or infinity anyway. NaN passes.
    let (lowest, highest) = V::Element::EXP;
    let t = x.number(lowest).larger(x.number(highest).smaller(x));
    let (n, p) = exp_parts(t);
    (p + x.number(1.0)).scale(n)
}

/// e^x - 1, exact near 0.
#[inline(always)]
pub(super) fn expm1<V: Vector>(x: V) -> V {
    let (lowest, highest) = (V::Element::EXPM1_LOWEST, V::Element::EXP.1);
    let t = x.number(lowest).larger(x.number(highest).smaller(x));
    let (n, p) = exp_parts(t);
    // 2^n p + (2^n - 1), halved, since 2^n may overflow where the result does not.
    let s = x.number(0.5).scale(n);
    let y = s.fma(p, s - x.number(0.5));
    // Also keeps the sign of -0.
    V::select(x.abs().less(x.number(V::Element::TINY)), x, y + y)
}

/// Natural logarithm.
#[inline(always)]
pub(super) fn log<V: Vector>(x: V) -> V {
    let (m, e) = x.decompose();
    let y = log_of_mantissa(m - x.number(1.0), e);
    let y = V::select(x.equals(x.number(f64::INFINITY)), x, y);
    let y = V::select(x.equals(x.number(0.0)), x.number(f64::NEG_INFINITY), y);
    // Negative or NaN.
    V::select(x.number(0.0).at_most(x), y, x.number(f64::NAN))
}

/// ln(1 + f) + e ln 2 for 1 + f within [3/4, 3/2): with s = f / (2 + f),
/// ln(1 + f) = f - s (f - R), R the rest of the series of 2 atanh(s).
#[inline(always)]
fn log_of_mantissa<V: Vector>(f: V, e: V) -> V {
    let (high, low) = V::Element::LN2;
    let s = f / (f.number(2.0) + f);
    let z = s * s;
    let rest = z * polynomial(z, V::Element::ATANH);
    let half = f.number(0.5) * f * f;
    let small = s.fma(half + rest, e * f.number(low));
    e.fma(f.number(high), f - (half - small))
}

/// ln(1 + x), exact near 0.
#[inline(always)]
pub(super) fn log1p<V: Vector>(x: V) -> V {
    let one = x.number(1.0);
    let u = one + x;
    let y = log(u);
    // The rounding error of 1 + x, as a correction of the first order.
    let lost = V::select(one.less(x), one - (u - x), x - (u - one));
    let inside = x.number(0.0).less(u) & u.less(x.number(f64::INFINITY));
    let y = y + V::select(inside, lost / u, x.number(0.0));
    V::select(x.abs().less(x.number(V::Element::TINY)), x, y)
}

/// Hyperbolic tangent: t / (t + 2) with t = e^2|x| - 1.
#[inline(always)]
pub(super) fn tanh<V: Vector>(x: V) -> V {
    let a = x.number(V::Element::TANH_ONE).smaller(x.abs());
    let t = expm1(a + a);
    (t / (t + x.number(2.0))).copysign(x)
}

/// 1 / (1 + e^-x), with full relative accuracy for negative x.
#[inline(always)]
pub(super) fn sigmoid<V: Vector>(x: V) -> V {
    let e = exp(-x.abs());
    let one = x.number(1.0);
    let numerator = V::select(x.less(x.number(0.0)), e, one);
    numerator / (one + e)
}

/// ln(1 + e^x) without overflow.
#[inline(always)]
pub(super) fn softplus<V: Vector>(x: V) -> V {
    x.number(0.0).larger(x) + log1p(exp(-x.abs()))
}

/// The error function: near 0 x + x P(x^2), farther out 1 - e^Q(|x|).
#[inline(always)]
pub(super) fn erf<V: Vector>(x: V) -> V {
    let a = x.number(V::Element::ERF_ONE).smaller(x.abs());
    let near = polynomial(x * x, V::Element::ERF_NEAR).fma(x, x);
    // Q(a) is within [-40, 0], so e^Q needs no limits.
    let (center, far) = V::Element::ERF_FAR;
    let centered = if center == 0.0 { a } else { a - x.number(center) };
    let (n, p) = exp_parts(polynomial(centered, far));
    let one = x.number(1.0);
    let far = (one - (p + one).scale(n)).copysign(x);
    V::select(a.less(x.number(ERF_CUT)), near, far)
}
