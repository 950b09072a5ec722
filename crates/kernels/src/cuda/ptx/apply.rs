//! One operation of core's table on registers, by the one text of [`math`](crate::math). Where a function holds for some arguments
//! only, a branch computes the definition for the others.

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};

use super::emitter::{Class, Emitter, Reg};
use super::float::{Float, Single, Truth};
use super::whole::Integer;
use crate::math::{
    self, Arithmetic, Comparison, ForArithmetic, ForComparison, ForUnary, Ordered, Unary, Vector,
};

/// A function of one float.
struct Of<'e, T>(Float<'e, T>);

impl<T: Single> ForUnary for Of<'_, T> {
    type Out = Reg;

    fn with<F: Unary>(self) -> Reg {
        let x = self.0;
        match F::within(x) {
            None => F::at(x).reg,
            Some(within) => {
                let y = F::at(x).reg;
                x.to.otherwise(within.reg, y, || x.defined(F::OP).reg)
            }
        }
    }
}

/// A function of two floats.
struct OfPair<'e, T>(Float<'e, T>, Float<'e, T>);

impl<T: Single> ForArithmetic for OfPair<'_, T> {
    type Out = Reg;

    fn with<F: Arithmetic>(self) -> Reg {
        let OfPair(x, y) = self;
        match F::within(x, y) {
            None => F::at(x, y).reg,
            Some(within) => {
                let z = F::at(x, y).reg;
                x.to.otherwise(within.reg, z, || x.defined_with(F::OP, y).reg)
            }
        }
    }
}

/// A function of two integers.
struct OfWhole<'e>(Integer<'e>, Integer<'e>);

impl ForArithmetic for OfWhole<'_> {
    type Out = Reg;

    fn with<F: Arithmetic>(self) -> Reg {
        F::whole(self.0, self.1).reg
    }
}

/// A comparison.
struct Holds<V>(V, V);

impl<'e, V: Ordered<Mask = Truth<'e>>> ForComparison for Holds<V> {
    type Out = Reg;

    fn with<F: Comparison>(self) -> Reg {
        F::holds(self.0, self.1).reg
    }
}

/// The operation on a register of floats T.
pub(super) fn unary<T: Single>(to: &Emitter, op: UnaryOp, x: Reg) -> Reg {
    math::for_unary(op, Of(Float::<T>::new(to, x)))
}

/// The operation on two registers of a dtype; a comparison gives a truth value.
pub(super) fn binary(to: &Emitter, op: BinaryOp, dtype: DType, x: Reg, y: Reg) -> Reg {
    match dtype {
        DType::F32 => of_floats::<f32>(to, op, x, y),
        DType::F64 => of_floats::<f64>(to, op, x, y),
        DType::Bool => compared(op, Truth::new(to, x), Truth::new(to, y)),
        DType::I32 | DType::I64 | DType::U32 | DType::U8 => {
            let [x, y] = [x, y].map(|reg| Integer { to, reg, dtype });
            math::for_arithmetic(op, OfWhole(x, y)).unwrap_or_else(|| compared(op, x, y))
        }
    }
}

fn of_floats<T: Single>(to: &Emitter, op: BinaryOp, x: Reg, y: Reg) -> Reg {
    let [x, y] = [x, y].map(|x| Float::<T>::new(to, x));
    math::for_arithmetic(op, OfPair(x, y)).unwrap_or_else(|| compared(op, x, y))
}

fn compared<'e, V: Ordered<Mask = Truth<'e>>>(op: BinaryOp, x: V, y: V) -> Reg {
    math::for_comparison(op, Holds(x, y)).expect("inference refuses arithmetic on truth values")
}

/// `condition ? x : y` on registers of a dtype.
pub(super) fn select(to: &Emitter, dtype: DType, condition: Reg, x: Reg, y: Reg) -> Reg {
    if dtype == DType::Bool {
        let yes = to.op(Class::Pred, "and.pred", &[&condition, &x]);
        let not = to.op(Class::Pred, "not.pred", &[&condition]);
        let no = to.op(Class::Pred, "and.pred", &[&not, &y]);
        return to.op(Class::Pred, "or.pred", &[&yes, &no]);
    }
    let class = Class::of(dtype);
    to.op(class, &format!("selp.{}", class.suffix()), &[&x, &y, &condition])
}
