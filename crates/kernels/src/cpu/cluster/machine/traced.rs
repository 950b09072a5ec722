//! The functions of [`math`](crate::cpu::math), traced: a [`Vector`] whose operations are written down in a graph
//! instead of being computed.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::{Add, BitAnd, Div, Mul, Neg, Sub};

use super::graph::{Graph, Id, Kind, Op, predicate};
use crate::cpu::math::{Constants, Vector};

/// A value of float elements T.
pub(super) struct Traced<'g, T> {
    graph: &'g RefCell<Graph>,
    pub id: Id,
    element: PhantomData<T>,
}

/// A truth value for each element.
#[derive(Clone, Copy)]
pub(super) struct TracedMask<'g> {
    graph: &'g RefCell<Graph>,
    pub id: Id,
}

/// The floats that there are.
pub(super) trait Traceable: Constants {
    const KIND: Kind;
    /// Bits of the mantissa.
    const MANTISSA: u64;
    const SIGN: u64;
    /// The bits of a number rounded to the element.
    fn bits(number: f64) -> u64;
    /// The number of these bits.
    fn value(bits: u64) -> f64;
    /// Whether these are the bits of a power of 2 whose reciprocal is one, too, and neither is subnormal.
    fn is_invertible(bits: u64) -> bool {
        let mantissa = bits & ((1 << Self::MANTISSA) - 1);
        let reciprocal = Self::bits(1.0 / Self::value(bits));
        let normal = |bits: u64| {
            let exponent = (bits & !Self::SIGN) >> Self::MANTISSA;
            exponent > 0 && exponent < 2 * (Self::bits(1.0) >> Self::MANTISSA) + 1
        };
        mantissa == 0 && normal(bits) && normal(reciprocal)
    }
}

impl Traceable for f32 {
    const KIND: Kind = Kind::F32;
    const MANTISSA: u64 = 23;
    const SIGN: u64 = 1 << 31;
    fn bits(number: f64) -> u64 {
        u64::from((number as f32).to_bits())
    }
    fn value(bits: u64) -> f64 {
        f64::from(f32::from_bits(bits as u32))
    }
}

impl Traceable for f64 {
    const KIND: Kind = Kind::F64;
    const MANTISSA: u64 = 52;
    const SIGN: u64 = 1 << 63;
    fn bits(number: f64) -> u64 {
        number.to_bits()
    }
    fn value(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
}

impl<T> Clone for Traced<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Traced<'_, T> {}

impl<'g, T: Traceable> Traced<'g, T> {
    pub fn new(graph: &'g RefCell<Graph>, id: Id) -> Self {
        Traced {
            graph,
            id,
            element: PhantomData,
        }
    }

    fn op(self, op: Op, others: &[Self], imm: u64) -> Self {
        let mut args = [self.id; 3];
        for (arg, other) in args[1..].iter_mut().zip(others) {
            *arg = other.id;
        }
        let id = self
            .graph
            .borrow_mut()
            .add(op, T::KIND, &args[..=others.len()], imm);
        Traced { id, ..self }
    }

    fn mask(self, id: Id) -> TracedMask<'g> {
        TracedMask {
            graph: self.graph,
            id,
        }
    }

    /// A vector of the given bits.
    fn pattern(self, bits: u64) -> Self {
        let id = self.graph.borrow_mut().constant(T::KIND, bits);
        Traced { id, ..self }
    }

    fn compare(self, other: Self, predicate: u64) -> TracedMask<'g> {
        let id = self.graph.borrow_mut().compare(self.id, other.id, predicate);
        self.mask(id)
    }

    pub fn is_nan(self) -> TracedMask<'g> {
        self.compare(self, predicate::UNORDERED)
    }

    /// `self != other`; true for NaN.
    pub fn differs(self, other: Self) -> TracedMask<'g> {
        self.compare(other, predicate::NOT_EQUAL)
    }

    /// To a whole number: 0 to nearest even, 1 down, 2 up.
    pub fn round(self, way: u64) -> Self {
        self.op(Op::Round, &[], way)
    }

    fn wide(self) -> bool {
        self.graph.borrow().wide
    }

    /// 2^n for a whole number within the range of the exponents: its low bits, as ROUNDER leaves them, shifted
    /// to the exponent's place.
    fn power_of_two(self) -> Self {
        let low = (self + self.number(T::ROUNDER)).op(Op::ShiftLeft, &[], T::MANTISSA);
        low.op(Op::IntAdd, &[self.number(1.0)], 0)
    }
}

macro_rules! operator {
    ($($trait:ident $name:ident $op:ident;)*) => {$(
        impl<T: Traceable> $trait for Traced<'_, T> {
            type Output = Self;
            fn $name(self, other: Self) -> Self {
                self.op(Op::$op, &[other], 0)
            }
        }
    )*};
}
operator! { Add add Add; Sub sub Sub; Mul mul Mul; Div div Div; }

impl<T: Traceable> Neg for Traced<'_, T> {
    type Output = Self;
    fn neg(self) -> Self {
        self.op(Op::Xor, &[self.pattern(T::SIGN)], 0)
    }
}

impl BitAnd for TracedMask<'_> {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        let id = self
            .graph
            .borrow_mut()
            .add(Op::And, Kind::Mask, &[self.id, other.id], 0);
        TracedMask { id, ..self }
    }
}

impl<'g, T: Traceable> Vector for Traced<'g, T> {
    type Element = T;
    type Mask = TracedMask<'g>;

    fn number(self, value: f64) -> Self {
        self.pattern(T::bits(value))
    }

    fn fma(self, b: Self, c: Self) -> Self {
        self.op(Op::Fma, &[b, c], 0)
    }

    fn sqrt(self) -> Self {
        self.op(Op::Sqrt, &[], 0)
    }

    fn floor(self) -> Self {
        self.round(1)
    }

    fn abs(self) -> Self {
        self.op(Op::And, &[self.pattern(!T::SIGN & (T::SIGN | (T::SIGN - 1)))], 0)
    }

    fn copysign(self, sign: Self) -> Self {
        let bit = self.pattern(T::SIGN);
        if self.wide() {
            return self.op(Op::CopySign, &[sign, bit], 0);
        }
        self.abs().op(Op::Or, &[sign.op(Op::And, &[bit], 0)], 0)
    }

    fn less(self, other: Self) -> TracedMask<'g> {
        self.compare(other, predicate::LESS)
    }

    fn at_most(self, other: Self) -> TracedMask<'g> {
        self.compare(other, predicate::LESS_EQUAL)
    }

    fn equals(self, other: Self) -> TracedMask<'g> {
        self.compare(other, predicate::EQUAL)
    }

    fn select(mask: TracedMask<'g>, a: Self, b: Self) -> Self {
        let id = a.graph.borrow_mut().select(mask.id, a.id, b.id);
        Traced { id, ..a }
    }

    fn smaller(self, other: Self) -> Self {
        self.op(Op::Smaller, &[other], 0)
    }

    fn larger(self, other: Self) -> Self {
        self.op(Op::Larger, &[other], 0)
    }

    fn scale(self, n: Self) -> Self {
        if self.wide() {
            return self.op(Op::Scale, &[n], 0);
        }
        // In two factors, as on one element.
        let half = (n * n.number(0.5)).round(1);
        self * half.power_of_two() * (n - half).power_of_two()
    }

    fn decompose(self) -> (Self, Self) {
        if self.wide() {
            let m = self.op(Op::Mantissa, &[], 0);
            // The mantissa has the exponent 0 or -1.
            return (m, self.op(Op::Exponent, &[], 0) - m.op(Op::Exponent, &[], 0));
        }
        let tiny = self.less(self.pattern(1 << T::MANTISSA));
        let scaled = Self::select(tiny, self * self.number((1_u64 << T::MANTISSA) as f64), self);
        // The exponent above that of 3/4, its bias still on it: positive, so that a logical shift will do.
        let bias = T::bits(1.0);
        let offset = self.pattern(bias - T::bits(0.75));
        let biased = scaled
            .op(Op::IntAdd, &[offset], 0)
            .op(Op::ShiftRight, &[], T::MANTISSA);
        let m = scaled
            .op(Op::IntSub, &[biased.op(Op::ShiftLeft, &[], T::MANTISSA)], 0)
            .op(Op::IntAdd, &[self.pattern(bias)], 0);
        // As the low bits of 2^MANTISSA + biased it becomes a float.
        let unit = self.number((1_u64 << T::MANTISSA) as f64);
        let float = biased.op(Op::Or, &[unit], 0);
        let shift =
            |extra: f64| self.number((1_u64 << T::MANTISSA) as f64 + (bias >> T::MANTISSA) as f64 + extra);
        let off = Self::select(tiny, shift(T::MANTISSA as f64), shift(0.0));
        (m, float - off)
    }
}
