//! What the functions of [`super`] are written in, so that one text serves the loops that the compiler vectorises
//! ([`Lane`](super::Lane)) and the machine code of clusters.

use std::ops::{Add, BitAnd, Div, Mul, Neg, Sub};

use hyperglow_core::elementwise::{BinaryOp, UnaryOp};

use super::constants::Constants;

/// An element of any dtype, or a vector of them that is handled as one.
pub(crate) trait Ordered: Copy {
    /// A truth value for each element.
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

/// An integer, or a vector of them. What is beyond the dtype wraps.
pub(crate) trait Whole:
    Ordered + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
    /// The smaller.
    fn smaller(self, other: Self) -> Self;
    /// The larger.
    fn larger(self, other: Self) -> Self;
    /// What core's table says.
    fn defined_with(self, op: BinaryOp, other: Self) -> Self;
}

/// A float32 or float64, or a vector of them.
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
    /// The same as float64.
    type Wide: Vector<Element = f64, Wide = Self::Wide> + Ordered<Mask = Self::Mask>;

    /// The number nearest to `value`, in every element of a vector like this one.
    fn number(self, value: f64) -> Self;
    /// `self * b + c`, rounded once where there is an instruction for it.
    fn fma(self, b: Self, c: Self) -> Self;
    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;
    /// The largest whole number not above it.
    fn floor(self) -> Self;
    /// The smallest whole number not below it.
    fn ceil(self) -> Self;
    /// The nearest whole number, halves to even.
    fn nearest(self) -> Self;
    /// The whole number before it on the way from 0.
    fn truncated(self) -> Self;
    /// Without its sign.
    fn abs(self) -> Self;
    /// `self`, with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
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
    /// Whether bit `place`, 0 or 1, of n is set; `self` is n + [`ROUNDER`](Constants::ROUNDER).
    fn bit(self, place: u32) -> Self::Mask;
    /// As float64.
    fn wide(self) -> Self::Wide;
    /// Rounded from float64.
    fn of_wide(x: Self::Wide) -> Self;
    /// What core's table says, which may be a function of a library: element by element.
    fn defined(self, op: UnaryOp) -> Self;
    /// The same of two arguments.
    fn defined_with(self, op: BinaryOp, other: Self) -> Self;
}

/// A vector whose bits are at hand.
pub(crate) trait Power: Vector {
    /// 2^n of n + [`ROUNDER`](Constants::ROUNDER), for n that is the exponent of a normal number.
    fn power_of_sum(self) -> Self;
}
