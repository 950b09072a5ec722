//! One element of a loop.

use std::ops::{Add, Div, Mul, Neg, Sub};

use hyperglow_core::elementwise::{BinaryOp, UnaryOp};

use super::constants::Constants;
use super::vector::{Ordered, Power, Vector, Whole};

/// One element; the compiler makes vectors of it.
#[derive(Clone, Copy)]
pub(crate) struct Lane<T, const FMA: bool>(pub T);

impl<T: Copy + PartialOrd, const FMA: bool> Ordered for Lane<T, FMA> {
    type Mask = bool;

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
    fn differs(self, other: Self) -> bool {
        self.0 != other.0
    }
}

/// Implements operators of [`Lane`]s.
macro_rules! operators {
    ($t:ty: $($trait:ident $name:ident |$a:ident, $b:ident| $result:expr;)*) => {$(
        impl<const FMA: bool> $trait for Lane<$t, FMA> {
            type Output = Self;
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                let ($a, $b) = (self.0, other.0);
                Lane($result)
            }
        }
    )*};
}

macro_rules! lane {
    ($t:ty, $bits:ty, $signed:ty, $mantissa:literal, $bias:literal, $splitter:literal, $at:ident) => {
        operators! { $t:
            Add add |a, b| a + b;
            Sub sub |a, b| a - b;
            Mul mul |a, b| a * b;
            Div div |a, b| a / b;
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
                // The shift drops the bits of the rounder.
                let exponent = self.0.to_bits() << $mantissa;
                Lane(<$t>::from_bits(
                    exponent.wrapping_add((1.0 as $t).to_bits()),
                ))
            }
        }

        impl<const FMA: bool> Vector for Lane<$t, FMA> {
            type Element = $t;
            type Wide = Lane<f64, FMA>;

            #[inline(always)]
            fn number(self, value: f64) -> Self {
                Lane(value as $t)
            }
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                Lane(if FMA {
                    self.0.mul_add(b.0, c.0)
                } else {
                    self.0 * b.0 + c.0
                })
            }
            #[inline(always)]
            fn product_error(self, other: Self, product: Self) -> Self {
                if FMA {
                    return Lane(self.0.mul_add(other.0, -product.0));
                }
                // Dekker 1971: products of halves of the mantissas are exact.
                let halves = |x: $t| {
                    let shifted = x * $splitter;
                    let high = shifted - (shifted - x);
                    (high, x - high)
                };
                let ((a, b), (c, d)) = (halves(self.0), halves(other.0));
                Lane(((a * c - product.0) + a * d + b * c) + b * d)
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
            fn ceil(self) -> Self {
                Lane(self.0.ceil())
            }
            #[inline(always)]
            fn nearest(self) -> Self {
                Lane(self.0.round_ties_even())
            }
            #[inline(always)]
            fn truncated(self) -> Self {
                Lane(self.0.trunc())
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
            #[inline(always)]
            fn bit(self, place: u32) -> bool {
                (self.0.to_bits() >> place) & 1 == 1
            }
            #[inline(always)]
            fn wide(self) -> Lane<f64, FMA> {
                Lane(self.0 as f64)
            }
            #[inline(always)]
            fn of_wide(x: Lane<f64, FMA>) -> Self {
                Lane(x.0 as $t)
            }
            #[inline(always)]
            fn defined(self, op: UnaryOp) -> Self {
                Lane(op.$at(self.0))
            }
            #[inline(always)]
            fn defined_with(self, op: BinaryOp, other: Self) -> Self {
                Lane(op.$at(self.0, other.0))
            }
        }
    };
}
lane!(f32, u32, i32, 23, 127, 4_097.0, at_f32);
lane!(f64, u64, i64, 52, 1023, 134_217_729.0, at_f64);

operators! { i64:
    Add add |a, b| a.wrapping_add(b);
    Sub sub |a, b| a.wrapping_sub(b);
    Mul mul |a, b| a.wrapping_mul(b);
}

impl<const FMA: bool> Whole for Lane<i64, FMA> {
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        Lane(self.0.min(other.0))
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Lane(self.0.max(other.0))
    }
    #[inline(always)]
    fn defined_with(self, op: BinaryOp, other: Self) -> Self {
        Lane(op.at_i64(self.0, other.0))
    }
}
