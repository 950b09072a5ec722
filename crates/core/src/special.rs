//! Special functions: erf and ln|gamma| from `libm`; in double precision polygamma by recurrence and the asymptotic series
//! (Abramowitz & Stegun 6.4.11).

use std::ops::{Add, Rem};

/// Bernoulli numbers B2, B4, ... of the asymptotic series.
pub const BERNOULLI: [f64; 10] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
    7.0 / 6.0,
    -3617.0 / 510.0,
    43867.0 / 798.0,
    -174611.0 / 330.0,
];

/// The arithmetic that the table of elementwise operations is written in, for f32 and f64.
pub trait Real: Copy + PartialOrd + 'static {
    /// 0.
    const ZERO: Self;
    /// The nearest value to a double.
    fn of(x: f64) -> Self;
    /// As a double.
    fn f64(self) -> f64;
    /// The error function.
    fn erf(self) -> Self;
    /// ln |gamma|.
    fn lgamma(self) -> Self;
}
impl Real for f32 {
    const ZERO: f32 = 0.0;
    fn of(x: f64) -> f32 {
        x as f32
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
    fn erf(self) -> f32 {
        libm::erff(self)
    }
    fn lgamma(self) -> f32 {
        libm::lgammaf(self)
    }
}
impl Real for f64 {
    const ZERO: f64 = 0.0;
    fn of(x: f64) -> f64 {
        x
    }
    fn f64(self) -> f64 {
        self
    }
    fn erf(self) -> f64 {
        libm::erf(self)
    }
    fn lgamma(self) -> f64 {
        libm::lgamma(self)
    }
}

/// The remainder of floored division: of the sign of y (so is 0), exact but for the rounding of a result of `fmod` of the
/// other sign plus y. NaN where x is infinite or y is 0.
#[inline(always)]
pub fn floor_rem<T: Real + Add<Output = T> + Rem<Output = T>>(x: T, y: T) -> T {
    let remainder = x % y;
    if remainder == T::ZERO {
        T::of(if y < T::ZERO { -0.0 } else { 0.0 })
    } else if (remainder < T::ZERO) != (y < T::ZERO) {
        remainder + y
    } else {
        remainder
    }
}

/// The digamma function psi(x) = d/dx ln gamma(x); NaN at 0, -1, -2, ...
pub fn digamma(x: f64) -> f64 {
    polygamma(0, x)
}

/// The n-th derivative of digamma, psi^(n)(x); NaN where it has a pole.
///
/// Negative x go through the recurrence psi^(n)(x) = psi^(n)(x + 1) - (-1)^n n! / x^(n+1), which
/// costs |x| steps; beyond -1e6 the result is NaN.
pub fn polygamma(n: u32, x: f64) -> f64 {
    if x.is_nan() || (x <= 0.0 && (x.fract() == 0.0 || x < -1e6)) {
        return f64::NAN;
    }
    let sign = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
    let factorial = (1..=n).map(f64::from).product::<f64>();
    let power = n as i32 + 1;
    let mut x = x;
    let mut sum = 0.0;
    while x < 12.0 + f64::from(n) {
        sum -= sign * factorial / x.powi(power);
        x += 1.0;
    }
    // psi^(n)(x) ~ (-1)^(n+1) [ (n-1)!/x^n + n!/(2 x^(n+1)) + sum_k B_2k (2k+n-1)! / ((2k)! x^(2k+n)) ]
    let leading = if n == 0 {
        -x.ln()
    } else {
        factorial / f64::from(n) / x.powi(n as i32)
    };
    let mut tail = leading + factorial / (2.0 * x.powi(power));
    // (2k+n-1)! / (2k)! for k = 1, then by ratio.
    let mut ratio = (1..=(n + 1)).map(f64::from).product::<f64>() / 2.0;
    for (i, b) in BERNOULLI.iter().enumerate() {
        let k2 = 2 * (i as u32 + 1);
        tail += b * ratio / x.powi((k2 + n) as i32);
        ratio *= f64::from(k2 + n) * f64::from(k2 + n + 1) / (f64::from(k2 + 1) * f64::from(k2 + 2));
    }
    sum - sign * tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polygamma_matches_known_values() {
        let close = |a: f64, b: f64| assert!((a - b).abs() <= 1e-13 * b.abs().max(1.0), "{a} is not {b}");
        close(digamma(1.0), -0.577_215_664_901_532_9);
        close(digamma(0.5), -1.963_510_026_021_423_5);
        close(digamma(-0.5), 0.036_489_973_978_576_52);
        close(polygamma(1, 1.0), std::f64::consts::PI.powi(2) / 6.0);
        close(polygamma(2, 1.0), -2.404_113_806_319_188_6);
        close(polygamma(3, 1.0), std::f64::consts::PI.powi(4) / 15.0);
        assert!(digamma(-2.0).is_nan());
    }
}
