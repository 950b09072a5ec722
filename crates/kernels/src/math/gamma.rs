//! ln |gamma| without branches, for devices that have no library function. The error is at most 6 units in the last place for
//! positive numbers; for negative numbers it is that of the terms, since their sum vanishes between the poles.

use super::circle::sine;
use super::exponential::{log, polynomial};
use super::vector::Vector;

/// From it on Stirling's series is used.
const STIRLING_FROM: f64 = 8.0;
/// ln gamma(2 + z) / z for |z| <= 1/2, the series of zeta functions (Abramowitz & Stegun 6.1.33), highest coefficient first.
const NEAR_TWO: &[f64] = &[
    1.330_476_437_424_449e-10,
    -2.759_522_885_124_233_4e-10,
    5.731_367_241_678_862e-10,
    -1.192_140_140_586_091_2e-9,
    2.483_674_543_802_478_5e-9,
    -5.183_475_041_970_047e-9,
    1.083_865_921_489_695_5e-8,
    -2.271_109_460_894_316_4e-8,
    4.769_810_169_363_980_4e-8,
    -1.004_322_482_396_809_9e-7,
    2.120_718_480_555_466_5e-7,
    -4.492_469_198_764_566e-7,
    9.551_412_130_407_42e-7,
    -2.039_215_753_801_366e-6,
    4.374_866_789_907_488e-6,
    -9.439_488_275_268_397e-6,
    2.050_721_277_567_069e-5,
    -4.492_623_673_813_314e-5,
    9.945_751_278_180_853e-5,
    -2.231_547_584_535_793_9e-4,
    5.096_695_247_430_425e-4,
    -1.192_753_911_703_261e-3,
    2.890_510_330_741_523_4e-3,
    -7.385_551_028_673_986e-3,
    2.058_080_842_778_454_6e-2,
    -6.735_230_105_319_81e-2,
    3.224_670_334_241_132e-1,
    4.227_843_350_984_671_3e-1,
];
/// The rest of Stirling's series, B_2k / (2k (2k - 1)) for k = 8 .. 1 (Abramowitz & Stegun 6.1.41), in 1 / x^2.
const STIRLING: &[f64] = &[
    -3617.0 / 122_400.0,
    1.0 / 156.0,
    -691.0 / 360_360.0,
    1.0 / 1188.0,
    -1.0 / 1680.0,
    1.0 / 1260.0,
    -1.0 / 360.0,
    1.0 / 12.0,
];
/// 2^-60
const TINY: f64 = 8.673_617_379_884_035e-19;
/// (ln(2 pi) - 1) / 2
const HALF_LN_TWO_PI_LESS_ONE: f64 = 0.418_938_533_204_672_7;
/// ln pi
const LN_PI: f64 = 1.144_729_885_849_400_2;

/// ln |gamma(x)|; infinite at 0, -1, -2, ..
#[inline(always)]
pub(crate) fn lgamma<V: Vector<Element = f64, Wide = V>>(x: V) -> V {
    let a = x.abs();
    let large = x.number(STIRLING_FROM).at_most(a);
    let positive = V::select(large, stirling(a), of_moderate(a));
    // gamma(x) gamma(-x) = -pi / (x sin(pi x)).
    let off = a - a.nearest();
    let sine = sine(off.abs() * x.number(std::f64::consts::PI));
    let reflected = ((x.number(LN_PI) - log(a)) - log(sine)) - positive;
    let infinity = x.number(f64::INFINITY);
    let pole = off.equals(x.number(0.0)) & x.at_most(x.number(0.0));
    // So near 0 it is -ln |x|, and pi |x| may be subnormal.
    let reflected = V::select(a.less(x.number(TINY)), -log(a), reflected);
    let y = V::select(x.less(x.number(0.0)), reflected, positive);
    let y = V::select(pole, infinity, y);
    V::select(a.equals(infinity), infinity, y)
}

/// For x of at least [`STIRLING_FROM`].
#[inline(always)]
fn stirling<V: Vector<Element = f64>>(x: V) -> V {
    let (one, half) = (x.number(1.0), x.number(0.5));
    let r = one / x;
    let rest = r * polynomial(r * r, STIRLING) + x.number(HALF_LN_TWO_PI_LESS_ONE);
    (x - half).fma(log(x) - one, rest)
}

/// For 0 <= x < [`STIRLING_FROM`]: by gamma(x + 1) = x gamma(x) from the interval [3/2, 5/2).
#[inline(always)]
fn of_moderate<V: Vector<Element = f64>>(x: V) -> V {
    let (zero, one) = (x.number(0.0), x.number(1.0));
    // Steps down to the interval; two or one up to it.
    let steps = (x - x.number(1.5)).floor();
    let down = zero.less(steps);
    let mut product = V::select(down, one, x);
    for i in 1..=6 {
        let i = x.number(f64::from(i));
        product = V::select(i.at_most(steps), product * (x - i), product);
    }
    let two_up = x.less(x.number(0.5));
    product = V::select(two_up, x * (x + one), product);
    let inside = steps.equals(zero);
    // The distance from 2, which is exact.
    let z = V::select(two_up, x, x - (steps + x.number(2.0)));
    let near = z * polynomial(z, NEAR_TWO);
    let logarithm = log(product);
    let y = V::select(down, near + logarithm, near - logarithm);
    V::select(inside, near, y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::Lane;
    use hyperglow_core::elementwise::UnaryOp;

    #[test]
    fn lgamma_is_near_its_definition() {
        let mut worst = 0.0_f64;
        let mut check = |x: f64, absolute: f64| {
            let (got, want) = (lgamma(Lane::<f64, true>(x)).0, UnaryOp::Lgamma.at_f64(x));
            if got == want || (got.is_nan() && want.is_nan()) {
                return;
            }
            let off = ((got - want).abs() - absolute).max(0.0) / want.abs();
            worst = worst.max(off);
            assert!(off <= 1.4e-15, "lgamma({x:e}) = {got:e}, not {want:e}");
        };
        for i in 1..200_000 {
            let x = f64::from(i) / 8000.0;
            check(x, 0.0);
            check(1.0 + f64::from(i) * 1e-9, 0.0);
            check(2.0 - f64::from(i) * 1e-9, 0.0);
            check(x.exp2(), 0.0);
            check((-x).exp2(), 0.0);
            check(-x / 2.0, 4e-15 * (1.0 + x * x.ln().abs()));
        }
        for x in [
            0.0,
            -0.0,
            -1.0,
            -2.0,
            -1e300,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            1e306,
            5e-324,
            -1e-310,
        ] {
            check(x, 0.0);
        }
        assert!(worst > 0.0, "it is not the definition itself");
    }
}
