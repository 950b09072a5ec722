//! The functions of [`math`](crate::math), traced: values that record their operations in a graph instead of computing
//! them. The graph may have another operation with the same result.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::{Add, BitAnd, Div, Mul, Neg, Sub};

use hyperglow_core::elementwise::{BinaryOp, UnaryOp};

use super::graph::{Graph, Id, Kind, Op, predicate};
use crate::math::{Constants, Ordered, Vector, Whole};

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

/// The floating dtypes.
pub(super) trait Traceable: Constants {
    const KIND: Kind;
    /// Bits of the mantissa.
    const MANTISSA: u64;
    const SIGN: u64;
    /// The bits of a number rounded to the element.
    fn bits(number: f64) -> u64;
    /// The number of these bits.
    fn value(bits: u64) -> f64;
    /// Whether the bits are a power of 2 with a reciprocal that is a power of 2, both normal.
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

    /// Its id as another float.
    fn converted(self, kind: Kind) -> Id {
        if kind == T::KIND {
            return self.id;
        }
        self.graph.borrow_mut().add(Op::Convert, kind, &[self.id], 0)
    }

    /// A vector of the given bits.
    fn pattern(self, bits: u64) -> Self {
        let id = self.graph.borrow_mut().constant(T::KIND, bits);
        Traced { id, ..self }
    }

    fn compare(self, other: Self, predicate: u64) -> TracedMask<'g> {
        let id = self.graph.borrow_mut().compare(self.id, other.id, predicate);
        TracedMask::new(self.graph, id)
    }

    /// To a whole number: 0 to nearest even, 1 down, 2 up, 3 towards 0.
    fn round(self, way: u64) -> Self {
        self.op(Op::Round, &[], way)
    }

    /// Whether for AVX-512.
    fn has_wide_registers(self) -> bool {
        self.graph.borrow().wide
    }

    /// Any value: the operation has no machine code.
    fn lacking(self) -> Self {
        self.graph.borrow_mut().lacks = true;
        self
    }

    /// The value whose negative it is.
    fn negated(self) -> Option<Self> {
        let graph = self.graph.borrow();
        let value = *graph.value(self.id);
        let [of, bits, _] = value.args;
        let flips = value.op == Op::Xor && graph.value(bits).op == Op::Constant;
        (flips && graph.value(bits).imm == T::SIGN).then_some(Traced { id: of, ..self })
    }

    /// Its reciprocal, if it is exact.
    fn exact_reciprocal(self) -> Option<f64> {
        let value = *self.graph.borrow().value(self.id);
        let is_exact = value.op == Op::Constant && T::is_invertible(value.imm);
        is_exact.then(|| 1.0 / T::value(value.imm))
    }

    /// 2^n for a whole number within the range of the exponents: its low bits, as ROUNDER leaves them, shifted
    /// to the exponent's bits.
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
operator! { Sub sub Sub; Mul mul Mul; }

impl<T: Traceable> Add for Traced<'_, T> {
    type Output = Self;
    /// x - z where y is -z, which is the same number.
    fn add(self, other: Self) -> Self {
        match (other.negated(), self.negated()) {
            (Some(z), _) => self - z,
            (_, Some(z)) => other - z,
            _ => self.op(Op::Add, &[other], 0),
        }
    }
}

impl<T: Traceable> Div for Traced<'_, T> {
    type Output = Self;
    /// By a power of 2 a product, which is the same number.
    fn div(self, other: Self) -> Self {
        match other.exact_reciprocal() {
            Some(factor) => self.op(Op::Mul, &[self.number(factor)], 0),
            None => self.op(Op::Div, &[other], 0),
        }
    }
}

impl<T: Traceable> Neg for Traced<'_, T> {
    type Output = Self;
    fn neg(self) -> Self {
        self.op(Op::Xor, &[self.pattern(T::SIGN)], 0)
    }
}

impl BitAnd for TracedMask<'_> {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        self.op(Op::And, other)
    }
}

impl<'g, T: Traceable> Ordered for Traced<'g, T> {
    type Mask = TracedMask<'g>;

    fn less(self, other: Self) -> TracedMask<'g> {
        self.compare(other, predicate::LESS)
    }

    fn at_most(self, other: Self) -> TracedMask<'g> {
        self.compare(other, predicate::LESS_EQUAL)
    }

    fn equals(self, other: Self) -> TracedMask<'g> {
        self.compare(other, predicate::EQUAL)
    }

    fn differs(self, other: Self) -> TracedMask<'g> {
        self.compare(other, predicate::NOT_EQUAL)
    }
}

impl<'g, T: Traceable> Vector for Traced<'g, T> {
    type Element = T;
    type Wide = Traced<'g, f64>;

    fn number(self, value: f64) -> Self {
        self.pattern(T::bits(value))
    }

    fn fma(self, b: Self, c: Self) -> Self {
        self.op(Op::Fma, &[b, c], 0)
    }

    fn product_error(self, other: Self, product: Self) -> Self {
        self.fma(other, -product)
    }

    fn sqrt(self) -> Self {
        self.op(Op::Sqrt, &[], 0)
    }

    fn floor(self) -> Self {
        self.round(1)
    }

    fn ceil(self) -> Self {
        self.round(2)
    }

    fn nearest(self) -> Self {
        self.round(0)
    }

    fn truncated(self) -> Self {
        self.round(3)
    }

    fn abs(self) -> Self {
        self.op(Op::And, &[self.pattern(!T::SIGN & (T::SIGN | (T::SIGN - 1)))], 0)
    }

    fn copysign(self, sign: Self) -> Self {
        let bit = self.pattern(T::SIGN);
        if self.has_wide_registers() {
            return self.op(Op::CopySign, &[sign, bit], 0);
        }
        self.abs().op(Op::Or, &[sign.op(Op::And, &[bit], 0)], 0)
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
        if self.has_wide_registers() {
            return self.op(Op::Scale, &[n], 0);
        }
        // In two factors, as on one element.
        let half = (n * n.number(0.5)).round(1);
        self * half.power_of_two() * (n - half).power_of_two()
    }

    fn decompose(self) -> (Self, Self) {
        if self.has_wide_registers() {
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

    fn bit(self, place: u32) -> TracedMask<'g> {
        // As the sign of -1 or 1.
        let bits = if T::KIND == Kind::F64 { 64 } else { 32 };
        let top = self.op(Op::ShiftLeft, &[], u64::from(bits - 1 - place));
        let sign = top.op(Op::And, &[self.pattern(T::SIGN)], 0);
        let number = sign.op(Op::Or, &[self.number(1.0)], 0);
        number.less(self.number(0.0))
    }

    fn wide(self) -> Traced<'g, f64> {
        Traced::new(self.graph, self.converted(Kind::F64))
    }

    fn of_wide(x: Traced<'g, f64>) -> Self {
        Traced::new(x.graph, x.converted(T::KIND))
    }

    fn defined(self, _: UnaryOp) -> Self {
        self.lacking()
    }

    fn defined_with(self, _: BinaryOp, _: Self) -> Self {
        self.lacking()
    }
}

/// A value of i32.
#[derive(Clone, Copy)]
pub(super) struct TracedWhole<'g> {
    graph: &'g RefCell<Graph>,
    pub id: Id,
}

impl<'g> TracedWhole<'g> {
    pub fn new(graph: &'g RefCell<Graph>, id: Id) -> Self {
        TracedWhole { graph, id }
    }

    fn op(self, op: Op, other: Self) -> Self {
        let args = [self.id, other.id];
        let id = self.graph.borrow_mut().add(op, Kind::I32, &args, 0);
        TracedWhole { id, ..self }
    }

    fn mask(self, op: Op, other: Self) -> TracedMask<'g> {
        let args = [self.id, other.id];
        let id = self.graph.borrow_mut().add(op, Kind::Mask, &args, 0);
        TracedMask::new(self.graph, id)
    }
}

macro_rules! whole_operator {
    ($($trait:ident $name:ident $op:ident;)*) => {$(
        impl $trait for TracedWhole<'_> {
            type Output = Self;
            fn $name(self, other: Self) -> Self {
                self.op(Op::$op, other)
            }
        }
    )*};
}
whole_operator! { Add add IntAdd; Sub sub IntSub; Mul mul IntMul; }

impl<'g> Ordered for TracedWhole<'g> {
    type Mask = TracedMask<'g>;

    fn less(self, other: Self) -> TracedMask<'g> {
        other.mask(Op::IntGreater, self)
    }

    fn at_most(self, other: Self) -> TracedMask<'g> {
        self.mask(Op::IntGreater, other).not()
    }

    fn equals(self, other: Self) -> TracedMask<'g> {
        self.mask(Op::IntEqual, other)
    }

    fn differs(self, other: Self) -> TracedMask<'g> {
        self.equals(other).not()
    }
}

impl Whole for TracedWhole<'_> {
    fn smaller(self, other: Self) -> Self {
        self.op(Op::IntSmaller, other)
    }

    fn larger(self, other: Self) -> Self {
        self.op(Op::IntLarger, other)
    }

    fn defined_with(self, _: BinaryOp, _: Self) -> Self {
        self.graph.borrow_mut().lacks = true;
        self
    }
}

impl<'g> TracedMask<'g> {
    pub fn new(graph: &'g RefCell<Graph>, id: Id) -> Self {
        TracedMask { graph, id }
    }

    fn not(self) -> Self {
        let id = self.graph.borrow_mut().not(self.id);
        TracedMask { id, ..self }
    }

    fn op(self, op: Op, other: Self) -> Self {
        let args = [self.id, other.id];
        let id = self.graph.borrow_mut().add(op, Kind::Mask, &args, 0);
        TracedMask { id, ..self }
    }
}

/// False is below true.
impl<'g> Ordered for TracedMask<'g> {
    type Mask = TracedMask<'g>;

    fn less(self, other: Self) -> Self {
        self.op(Op::AndNot, other)
    }

    fn at_most(self, other: Self) -> Self {
        other.op(Op::AndNot, self).not()
    }

    fn equals(self, other: Self) -> Self {
        self.op(Op::Xor, other).not()
    }

    fn differs(self, other: Self) -> Self {
        self.op(Op::Xor, other)
    }
}
