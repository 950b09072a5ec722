//! Sine and cosine: of float32 reduced and computed in float64, of float64 as defined.

use hyperglow_core::elementwise::UnaryOp;

use super::constants::Constants;
use super::vector::Vector;

/// Up to this size an argument is reduced by a pi / 2 of two parts; farther out, and for what is no number, the
/// definition is asked.
const LIMIT: f64 = 524_288.0;

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

/// Where [`sine`] and [`cosine`] are what they are called; `None`: everywhere.
#[inline(always)]
pub(super) fn within<V: Vector>(x: V) -> Option<V::Mask> {
    V::Element::IS_SINGLE.then(|| x.abs().at_most(x.number(LIMIT)))
}

/// sin(x).
#[inline(always)]
pub(super) fn sine<V: Vector>(x: V) -> V {
    if V::Element::IS_SINGLE {
        V::of_wide(turned(x.wide(), 0.0))
    } else {
        x.defined(UnaryOp::Sin)
    }
}

/// cos(x).
#[inline(always)]
pub(super) fn cosine<V: Vector>(x: V) -> V {
    if V::Element::IS_SINGLE {
        V::of_wide(turned(x.wide(), 1.0))
    } else {
        x.defined(UnaryOp::Cos)
    }
}

/// sin(x + quarters pi / 2).
#[inline(always)]
fn turned<V: Vector<Element = f64>>(x: V, quarters: f64) -> V {
    let rounder = x.number(f64::ROUNDER);
    let rounded = x * x.number(std::f64::consts::FRAC_2_PI) + rounder;
    let n = rounded - rounder;
    let quarter = rounded + x.number(quarters);
    let r = (x - n * x.number(HALF_PI.0)) - n * x.number(HALF_PI.1);
    let z = r * r;
    let at = |c: [f64; 4]| {
        let c = c.map(|c| x.number(c));
        ((c[0] * z + c[1]) * z + c[2]) * z + c[3]
    };
    // So that -0 stays what it is.
    let sine = r * (x.number(1.0) + z * at(SINE));
    let cosine = x.number(1.0) + z * at(COSINE);
    let y = V::select(quarter.bit(0), cosine, sine);
    V::select(quarter.bit(1), -y, y)
}
