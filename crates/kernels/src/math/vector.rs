//! The traits that functions of [`super`] are generic over, so that one source serves the loops that the compiler vectorizes
//! ([`Lane`](super::Lane)) and the machine code of clusters.

use std::ops::{Add, BitAnd, Div, Mul, Neg, Sub};

use hyperglow_core::elementwise::{BinaryOp, UnaryOp};

use super::constants::Constants;

/// An element of any dtype, or a vector of elements.
pub(crate) trait Ordered: Copy {
    /// A boolean for each element.
    type Mask: Copy + BitAnd<Output = Self::Mask>;

    /// `self < other`; false for NaN.
    fn less(self, other: Self) -> Self::Mask;
    /// `self <= other`; false for NaN.
    fn at_most(self, other: Self) -> Self::Mask;
    /// `self == other`; false for NaN.
    fn equals(self, other: Self) -> Self::Mask;
    /// `self != other`; true for NaN.
    fn differs(self, other: Self) -> Self::Mask;
}

/// An integer, or a vector of integers; overflow wraps.
pub(crate) trait Whole:
    Ordered + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
    /// The minimum.
    fn smaller(self, other: Self) -> Self;
    /// The maximum.
    fn larger(self, other: Self) -> Self;
    /// The definition in core's table.
    fn defined_with(self, op: BinaryOp, other: Self) -> Self;
}

/// A float32 or float64, or a vector of floats.
pub(crate) trait Vector:
    Ordered
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// f32 or f64.
    type Element: Constants;
    /// A float64 vector of as many elements.
    type Wide: Vector<Element = f64, Wide = Self::Wide> + Ordered<Mask = Self::Mask>;

    /// The element nearest to `value`, in every lane of a vector like this one.
    fn number(self, value: f64) -> Self;
    /// `self * b + c`, rounded once if the level has fused multiply-add, else twice.
    fn fma(self, b: Self, c: Self) -> Self;
    /// The rounding error of `product`, which is `self * other` rounded: `self * other - product`, exactly. For finite numbers below
    /// 2^996 in magnitude whose error is no smaller than the least subnormal.
    fn product_error(self, other: Self, product: Self) -> Self;
    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// Rounded down to an integer.
    fn floor(self) -> Self;
    /// Rounded up to an integer.
    fn ceil(self) -> Self;
    /// Rounded to the nearest integer, ties to even.
    fn nearest(self) -> Self;
    /// Rounded towards 0 to an integer.
    fn truncated(self) -> Self;
    /// The absolute value.
    fn abs(self) -> Self;
    /// `self`, with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// `a` where the mask holds, else `b`.
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;
    /// `if self < other { self } else { other }`: if either is NaN, `other`.
    fn smaller(self, other: Self) -> Self;
    /// `if self > other { self } else { other }`: if either is NaN, `other`.
    fn larger(self, other: Self) -> Self;
    /// `self * 2^n`, rounded once; n is an integer within twice the range of exponents.
    fn scale(self, n: Self) -> Self;
    /// (m, e) with `self` = m 2^e and m within [3/4, 3/2), for positive finite numbers; unspecified for others.
    fn decompose(self) -> (Self, Self);
    /// Whether bit `place`, 0 or 1, of n is set; `self` is n + [`ROUNDER`](Constants::ROUNDER).
    fn bit(self, place: u32) -> Self::Mask;
    /// Converted to float64.
    fn wide(self) -> Self::Wide;
    /// Rounded from float64.
    fn of_wide(x: Self::Wide) -> Self;
    /// The definition in core's table, element by element; it may be a library function.
    fn defined(self, op: UnaryOp) -> Self;
    /// As [`Vector::defined`], for two arguments.
    fn defined_with(self, op: BinaryOp, other: Self) -> Self;
}

/// A vector whose bit patterns are accessible.
pub(crate) trait Power: Vector {
    /// 2^n of n + [`ROUNDER`](Constants::ROUNDER), for n that is the exponent of a normal number.
    fn power_of_sum(self) -> Self;
}
