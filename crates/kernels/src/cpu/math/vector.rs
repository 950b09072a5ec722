//! What the functions of [`super`] are written in, so that one text serves the loops that the compiler vectorises
//! ([`Lane`]) and the machine code of clusters.

use std::ops::{Add, BitAnd, Div, Mul, Neg, Sub};

use super::constants::Constants;
use crate::cpu::element::Float;

/// A float32 or float64, or a vector of them that is handled as one.
pub(crate) trait Vector:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// f32 or f64.
    type Element: Constants;
    /// A truth value for each element.
    type Mask: Copy + BitAnd<Output = Self::Mask>;

    /// The number nearest to `value`, in every element of a vector like this one.
    fn number(self, value: f64) -> Self;
    /// `self * b + c`, rounded once where there is an instruction for it.
    fn fma(self, b: Self, c: Self) -> Self;
    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// The largest whole number not above it.
    fn floor(self) -> Self;
    /// Without its sign.
    fn abs(self) -> Self;
    /// `self`, with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// `self < other`; false for NaN.
    fn less(self, other: Self) -> Self::Mask;
    /// `self <= other`; false for NaN.
    fn at_most(self, other: Self) -> Self::Mask;
    /// `self == other`; false for NaN.
    fn equals(self, other: Self) -> Self::Mask;
    /// `a` where the mask holds, else `b`.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;
    /// `if self < other { self } else { other }`: if either is NaN, `other`.
    fn smaller(self, other: Self) -> Self;
    /// `if self > other { self } else { other }`: if either is NaN, `other`.
    fn larger(self, other: Self) -> Self;
    /// `self * 2^n`, rounded once; n is a whole number within the range of twice the exponents.
    fn scale(self, n: Self) -> Self;
    /// A positive finite number as m 2^e, with m within [3/4, 3/2). Anything at all for others.
    fn decompose(self) -> (Self, Self);
}

/// A vector whose bits are at hand.
pub(crate) trait Power: Vector {
    /// 2^n of n + [`ROUNDER`](Constants::ROUNDER), for n that is the exponent of a normal number.
    fn power_of_sum(self) -> Self;
}

/// One element; the compiler makes vectors of it.
#[derive(Clone, Copy)]
pub(crate) struct Lane<T, const FMA: bool>(pub T);

macro_rules! lane {
    ($t:ty, $bits:ty, $signed:ty, $mantissa:literal, $bias:literal) => {
        impl<const FMA: bool> Add for Lane<$t, FMA> {
            type Output = Self;
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                Lane(self.0 + other.0)
            }
        }
        impl<const FMA: bool> Sub for Lane<$t, FMA> {
            type Output = Self;
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                Lane(self.0 - other.0)
            }
        }
        impl<const FMA: bool> Mul for Lane<$t, FMA> {
            type Output = Self;
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                Lane(self.0 * other.0)
            }
        }
        impl<const FMA: bool> Div for Lane<$t, FMA> {
            type Output = Self;
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                Lane(self.0 / other.0)
            }
        }
        impl<const FMA: bool> Neg for Lane<$t, FMA> {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Lane(-self.0)
            }
        }

        impl<const FMA: bool> Power for Lane<$t, FMA> {
            #[inline(always)]
            fn power_of_sum(self) -> Self {
                // What the rounder adds lies above what is kept.
                let exponent = self.0.to_bits() << $mantissa;
                Lane(<$t>::from_bits(
                    exponent.wrapping_add((1.0 as $t).to_bits()),
                ))
            }
        }

        impl<const FMA: bool> Vector for Lane<$t, FMA> {
            type Element = $t;
            type Mask = bool;

            #[inline(always)]
            fn number(self, value: f64) -> Self {
                Lane(value as $t)
            }
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                Lane(Float::fma::<FMA>(self.0, b.0, c.0))
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                Lane(self.0.sqrt())
            }
            #[inline(always)]
            fn floor(self) -> Self {
                Lane(self.0.floor())
            }
            #[inline(always)]
            fn abs(self) -> Self {
                Lane(self.0.abs())
            }
            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                Lane(self.0.copysign(sign.0))
            }
            #[inline(always)]
            fn less(self, other: Self) -> bool {
                self.0 < other.0
            }
            #[inline(always)]
            fn at_most(self, other: Self) -> bool {
                self.0 <= other.0
            }
            #[inline(always)]
            fn equals(self, other: Self) -> bool {
                self.0 == other.0
            }
            #[inline(always)]
            fn select(mask: bool, a: Self, b: Self) -> Self {
                if mask { a } else { b }
            }
            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                if self.0 < other.0 { self } else { other }
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                if self.0 > other.0 { self } else { other }
            }
            #[inline(always)]
            fn scale(self, n: Self) -> Self {
                // In two factors, since 2^n itself may overflow or be subnormal.
                let rounder = <$t>::ROUNDER as $t;
                let whole = ((n.0 + rounder).to_bits() as $signed).wrapping_sub(rounder.to_bits() as $signed);
                let half = whole >> 1;
                let power =
                    |n: $signed| <$t>::from_bits((n.wrapping_add($bias) as $bits).wrapping_shl($mantissa));
                Lane(self.0 * power(half) * power(whole.wrapping_sub(half)))
            }
            #[inline(always)]
            fn decompose(self) -> (Self, Self) {
                let tiny = self.0 < <$t>::MIN_POSITIVE;
                let scaled = if tiny {
                    self.0 * ((1_u64 << $mantissa) as $t)
                } else {
                    self.0
                };
                let bits = scaled.to_bits() as $signed;
                let exponent = bits.wrapping_sub((0.75 as $t).to_bits() as $signed) >> $mantissa;
                let m = <$t>::from_bits(bits.wrapping_sub(exponent << $mantissa) as $bits);
                (
                    Lane(m),
                    Lane((exponent - if tiny { $mantissa } else { 0 }) as $t),
                )
            }
        }
    };
}
lane!(f32, u32, i32, 23, 127);
lane!(f64, u64, i64, 52, 1023);
