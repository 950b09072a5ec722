//! Every function against the system's or libm's doubles, on intervals and at the special values.

use hyperglow_core::elementwise::{BinaryOp, UnaryOp};

use super::circle::{cosine, sine};
use super::exponential::{erf, exp, expm1, log, log1p, sigmoid, softplus, tanh};
use super::power::pow;
use super::*;

/// A function with and without fused multiply-add.
macro_rules! both {
    ($f:ident on $t:ty) => {
        [|x| $f(Lane::<$t, true>(x)).0, |x| $f(Lane::<$t, false>(x)).0] as [fn($t) -> $t; 2]
    };
}

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

/// The same for f64, where `exact` is itself rounded.
fn ulps_f64(given: f64, exact: f64) -> f64 {
    if given == exact || (given.is_nan() && exact.is_nan()) {
        return 0.0;
    }
    let spacing = f64::from_bits((exact.abs().to_bits() & (0x7ff << 52)).max(1 << 52)) * f64::EPSILON;
    (given - exact).abs() / spacing.max(f64::from_bits(1))
}

fn places(low: f64, high: f64) -> impl Iterator<Item = f64> {
    let count = 200_001;
    (0..count).map(move |i| low + (high - low) * (f64::from(i) / f64::from(count - 1)))
}

/// Both precisions on an interval: f32 within `bound`, f64 within `bound_f64` of functions that are within 1.
fn check(
    name: &str,
    (low, high): (f64, f64),
    bound: f64,
    fast: [fn(f32) -> f32; 2],
    fast_f64: [fn(f64) -> f64; 2],
    exact: fn(f64) -> f64,
) {
    for f in fast {
        let error = |x: f64| (ulps(f(x as f32), exact(f64::from(x as f32))), x);
        let worst = places(low, high)
            .map(error)
            .fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
        assert!(worst.0 <= bound, "{name}({}) is {} ulp off", worst.1, worst.0);
    }
    for f in fast_f64 {
        let error = |x: f64| (ulps_f64(f(x), exact(x)), x);
        let worst = places(low, high)
            .map(error)
            .fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
        assert!(
            worst.0 <= bound + 0.5,
            "{name}({}) in f64 is {} ulp off",
            worst.1,
            worst.0
        );
    }
}

macro_rules! check {
    ($f:ident, $interval:expr, $bound:expr, $exact:expr) => {
        check(stringify!($f), $interval, $bound, both!($f on f32), both!($f on f64), $exact)
    };
}

#[test]
fn functions_are_within_two_units_of_the_last_place() {
    for interval in [(-87.0, 0.0), (-1.0, 0.0), (-1e-3, 0.0)] {
        check!(exp_of_negative, interval, 1.5, f64::exp);
        check!(expm1_of_negative, interval, 2.0, f64::exp_m1);
    }
    for interval in [(-87.0, 88.7), (-1.0, 1.0), (-1e-3, 1e-3), (-103.9, -87.0)] {
        check!(exp, interval, 1.5, f64::exp);
        check!(expm1, interval, 2.0, f64::exp_m1);
        check!(tanh, interval, 2.5, f64::tanh);
        check!(sigmoid, interval, 2.5, |x| UnaryOp::Sigmoid.at_f64(x));
        check!(softplus, interval, 2.5, |x| UnaryOp::Softplus.at_f64(x));
    }
    for interval in [(1e-45, 1e-37), (1e-6, 2.0), (0.9, 1.1), (1.0, 1e10), (1e30, 3e38)] {
        check!(log, interval, 1.5, f64::ln);
        check!(log1p, interval, 2.0, f64::ln_1p);
    }
    check!(log1p, (-0.999, 1e-3), 2.0, f64::ln_1p);
}

#[test]
fn doubles_reach_their_own_limits() {
    for (fast, exact) in [
        (both!(exp on f64), f64::exp as fn(f64) -> f64),
        (both!(expm1 on f64), f64::exp_m1),
    ] {
        for f in fast {
            assert!(places(-744.0, 709.7).all(|x| ulps_f64(f(x), exact(x)) <= 2.0));
        }
    }
    for f in both!(log on f64) {
        for x in [5e-324, 1e-310, 2.3e-308, 1e300, f64::MAX] {
            assert!(ulps_f64(f(x), x.ln()) <= 1.5, "log({x})");
        }
    }
}

#[test]
fn the_error_function_is_within_units_of_the_last_place() {
    for f in both!(erf on f32) {
        for (low, high) in [(-4.5, 4.5), (-0.95, 0.95), (-1e-3, 1e-3), (0.85, 1.2), (3.5, 4.0)] {
            for x in places(low, high).map(|x| x as f32) {
                let error = ulps(f(x), UnaryOp::Erf.at_f64(f64::from(x)));
                assert!(error <= 1.5, "erf({x}) is {error} ulp off");
            }
        }
        let inf = f32::INFINITY;
        assert_eq!((f(inf), f(-inf), f(0.0), f(1e30)), (1.0, -1.0, 0.0, 1.0));
        assert!(f(-0.0).is_sign_negative() && f(f32::NAN).is_nan());
        assert_eq!(f(1e-40), 1e-40 * std::f32::consts::FRAC_2_SQRT_PI);
    }
    for f in both!(erf on f64) {
        for (low, high) in [(-6.5, 6.5), (-0.95, 0.95), (-1e-3, 1e-3), (0.85, 1.2), (5.0, 6.0)] {
            for x in places(low, high) {
                let error = ulps_f64(f(x), UnaryOp::Erf.at_f64(x));
                assert!(error <= 2.0, "erf({x}) is {error} ulp off");
            }
        }
        let inf = f64::INFINITY;
        assert_eq!((f(inf), f(-inf), f(0.0), f(1e300)), (1.0, -1.0, 0.0, 1.0));
        assert!(f(-0.0).is_sign_negative() && f(f64::NAN).is_nan());
        assert_eq!(f(1e-310), 1e-310 * std::f64::consts::FRAC_2_SQRT_PI);
    }
}

macro_rules! special_values {
    ($name:ident on $t:ty, exp overflows at $over:literal, underflows at $under:literal) => {
        #[test]
        fn $name() {
            let (inf, nan) = (<$t>::INFINITY, <$t>::NAN);
            for f in both!(exp on $t) {
                assert_eq!((f(-inf), f(inf), f(0.0), f($over), f($under)), (0.0, inf, 1.0, inf, 0.0));
            }
            for f in both!(expm1 on $t) {
                assert_eq!((f(-inf), f(inf), f($over)), (-1.0, inf, inf));
                assert!(f(-0.0).is_sign_negative());
                assert_eq!(f(<$t>::MIN_POSITIVE / 8.0), <$t>::MIN_POSITIVE / 8.0);
            }
            for f in both!(exp_of_negative on $t) {
                assert_eq!((f(-inf), f(0.0), f($under)), (0.0, 1.0, 0.0));
                assert!(f(nan).is_nan());
            }
            for f in both!(expm1_of_negative on $t) {
                assert_eq!((f(-inf), f(0.0)), (-1.0, 0.0));
                assert_eq!(f(-<$t>::MIN_POSITIVE), -<$t>::MIN_POSITIVE);
                assert!(f(nan).is_nan());
            }
            for f in both!(log on $t) {
                assert_eq!((f(0.0), f(-0.0), f(inf), f(1.0)), (-inf, -inf, inf, 0.0));
                assert!(f(-1.0).is_nan() && f(-inf).is_nan());
            }
            for f in both!(log1p on $t) {
                assert_eq!((f(-1.0), f(inf), f(0.0)), (-inf, inf, 0.0));
                assert!(f(-1.5).is_nan() && f(-0.0).is_sign_negative());
            }
            for f in both!(tanh on $t) {
                assert_eq!((f(inf), f(-inf)), (1.0, -1.0));
            }
            for f in both!(sigmoid on $t) {
                assert_eq!((f(inf), f(-inf)), (1.0, 0.0));
            }
            for f in both!(softplus on $t) {
                assert_eq!((f(inf), f(-inf)), (inf, 0.0));
            }
            let all = [
                both!(exp on $t),
                both!(expm1 on $t),
                both!(log on $t),
                both!(log1p on $t),
                both!(tanh on $t),
                both!(sigmoid on $t),
                both!(softplus on $t),
            ];
            assert!(all.iter().flatten().all(|f| f(nan).is_nan()));
        }
    };
}
special_values!(special_values_are_kept_in_f32 on f32, exp overflows at 89.0, underflows at -110.0);
special_values!(special_values_are_kept_in_f64 on f64, exp overflows at 710.0, underflows at -760.0);

#[test]
fn sine_and_cosine_are_within_a_unit_of_the_last_place() {
    let ([sine32, _], [cosine32, _]) = (both!(sine on f32), both!(cosine on f32));
    for (low, high) in [(-10.0, 10.0), (-1e-3, 1e-3), (-524_288.0, 524_288.0)] {
        // Also next to the multiples of pi / 2, where the result is small.
        let near = (1..3000).map(|n| f64::from(n) * std::f64::consts::FRAC_PI_2);
        for x in places(low, high).chain(near).map(|x| x as f32) {
            let exact = f64::from(x);
            assert!(ulps(sine32(x), exact.sin()) <= 1.0, "sin({x})");
            assert!(ulps(cosine32(x), exact.cos()) <= 1.0, "cos({x})");
        }
    }
    assert_eq!(cosine32(0.0), 1.0);
    assert!(sine32(-0.0).is_sign_negative());
    for (sine, cosine) in both!(sine on f64).into_iter().zip(both!(cosine on f64)) {
        for (low, high) in [(-10.0, 10.0), (-1e-3, 1e-3), (-524_288.0, 524_288.0)] {
            let near = (1..3000).map(|n| f64::from(n) * std::f64::consts::FRAC_PI_2);
            for x in places(low, high).chain(near) {
                let errors = (ulps_f64(sine(x), x.sin()), ulps_f64(cosine(x), x.cos()));
                assert!(errors.0 <= 1.5 && errors.1 <= 1.5, "{x}: {errors:?}");
            }
        }
        assert_eq!((cosine(0.0), sine(5e-324), sine(1e-200)), (1.0, 5e-324, 1e-200));
        assert!(sine(-0.0).is_sign_negative());
    }
}

#[test]
fn remainders_are_those_of_the_definition() {
    let remainder = |x: f64, y: f64| -> [f64; 2] {
        struct At(f64, f64);
        impl ForArithmetic for At {
            type Out = [f64; 2];
            fn with<F: Arithmetic>(self) -> [f64; 2] {
                let fused = (Lane::<f64, true>(self.0), Lane(self.1));
                let plain = (Lane::<f64, false>(self.0), Lane(self.1));
                let fused = if F::within(fused.0, fused.1) == Some(true) {
                    F::at(fused.0, fused.1)
                } else {
                    fused.0.defined_with(F::OP, fused.1)
                };
                let plain = if F::within(plain.0, plain.1) == Some(true) {
                    F::at(plain.0, plain.1)
                } else {
                    plain.0.defined_with(F::OP, plain.1)
                };
                [fused.0, plain.0]
            }
        }
        for_arithmetic(BinaryOp::Rem, At(x, y)).unwrap()
    };
    let mut state = 1_u64;
    let mut random = |exponents: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let (bits, sign) = (state >> 12, state << 63);
        f64::from_bits(sign | ((state >> 40) % exponents + (1023 - exponents / 2)) << 52 | bits)
    };
    for exponents in [4, 60, 2046] {
        for _ in 0..100_000 {
            let (x, y) = (random(exponents), random(exponents));
            // Also where the quotient is next to an integer.
            let multiple = (x / y).trunc() * y;
            for x in [x, multiple, multiple.next_up(), multiple.next_down()] {
                let expected = BinaryOp::Rem.at_f64(x, y).to_bits();
                assert_eq!(remainder(x, y).map(f64::to_bits), [expected; 2], "{x} mod {y}");
            }
        }
    }
}

#[test]
fn powers_are_within_a_unit_of_the_last_place() {
    let power = |x: f32, y: f32| pow(Lane::<f32, true>(x), Lane(y)).0;
    for x in places(1e-3, 50.0).step_by(97).map(|x| x as f32) {
        for y in [-17.5_f32, -2.0, -0.3, 1e-3, 0.5, 1.0, 3.0, 21.7] {
            let exact = f64::from(x).powf(f64::from(y));
            assert!(ulps(power(x, y), exact) <= 1.0, "{x} to the power {y}");
        }
    }
    let special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        -2.0,
        0.5,
        -0.5,
        3.0,
        -3.0,
        1e30,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    for x in special {
        for y in special {
            let (a, b) = (x as f32, y as f32);
            let (given, exact) = (power(a, b), a.powf(b));
            assert!(
                given.to_bits() == exact.to_bits() || given.is_nan() && exact.is_nan(),
                "{x} to the power {y} is {given}"
            );
        }
    }
    let powers: [fn(f64, f64) -> f64; 2] = [
        |x, y| pow(Lane::<f64, true>(x), Lane(y)).0,
        |x, y| pow(Lane::<f64, false>(x), Lane(y)).0,
    ];
    for power in powers {
        for x in places(1e-3, 50.0)
            .step_by(17)
            .chain(places(0.99, 1.01).step_by(97))
        {
            for y in [
                -170.5, -17.5, -2.0, -0.3, 1e-3, 0.5, 1.0, 3.0, 21.7, 181.0, 12_345.6,
            ] {
                let error = ulps_f64(power(x, y), x.powf(y));
                assert!(error <= 1.0, "{x} to the power {y} is {error} ulp off");
            }
        }
        for x in [5e-324, 1e-310, 2.3e-308, 1e-300, 1e300, f64::MAX] {
            for y in [-1.0, -0.5, 0.1, 0.5, 1.0, 2.0, 1e-5] {
                let error = ulps_f64(power(x, y), x.powf(y));
                assert!(error <= 1.0, "{x} to the power {y} is {error} ulp off");
            }
        }
        for x in special {
            for y in special {
                let (given, exact) = (power(x, y), x.powf(y));
                let is_near = exact.is_normal() && ulps_f64(given, exact) <= 1.0;
                assert!(
                    given.to_bits() == exact.to_bits() || given.is_nan() && exact.is_nan() || is_near,
                    "{x} to the power {y} is {given}"
                );
            }
        }
        assert_eq!(
            (power(2.0, 10.0), power(3.0, 5.0), power(10.0, 2.0)),
            (1024.0, 243.0, 100.0)
        );
        assert_eq!(
            (power(1.0 + 1e-15, 1e300), power(0.5, 1e300)),
            (f64::INFINITY, 0.0)
        );
    }
}
