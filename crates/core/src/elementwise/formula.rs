//! What derivative rows are written in: values, and the elementwise operations on them.

use super::{BinaryOp, UnaryOp};

/// Something that formulas of elementwise operations can be written in, such as a graph that they become part of.
pub trait Formula {
    /// A tensor.
    type Value: Copy;

    /// A tensor like `x`, filled with `number`.
    fn scalar_like(&mut self, number: f64, x: Self::Value) -> Self::Value;
    /// Elementwise, one argument.
    fn unary(&mut self, op: UnaryOp, x: Self::Value) -> Self::Value;
    /// Elementwise, two arguments of equal shape.
    fn binary(&mut self, op: BinaryOp, x: Self::Value, y: Self::Value) -> Self::Value;
    /// `on ? x : y`
    fn select(&mut self, on: Self::Value, x: Self::Value, y: Self::Value) -> Self::Value;
    /// The number that fills `x`, where that is known already.
    fn number(&self, x: Self::Value) -> Option<f64>;

    /// -x
    fn neg(&mut self, x: Self::Value) -> Self::Value {
        self.unary(UnaryOp::Neg, x)
    }
    /// x + y
    fn add(&mut self, x: Self::Value, y: Self::Value) -> Self::Value {
        self.binary(BinaryOp::Add, x, y)
    }
    /// x - y
    fn sub(&mut self, x: Self::Value, y: Self::Value) -> Self::Value {
        self.binary(BinaryOp::Sub, x, y)
    }
    /// x * y
    fn mul(&mut self, x: Self::Value, y: Self::Value) -> Self::Value {
        self.binary(BinaryOp::Mul, x, y)
    }
    /// x / y
    fn div(&mut self, x: Self::Value, y: Self::Value) -> Self::Value {
        self.binary(BinaryOp::Div, x, y)
    }
    /// The cotangent `dy` times a derivative; 0 where `dy` is 0, even if the derivative is infinite or NaN.
    fn pass(&mut self, dy: Self::Value, derivative: Self::Value) -> Self::Value {
        self.binary(BinaryOp::GatedMul, dy, derivative)
    }
    /// The cotangent `dy` over the reciprocal of a derivative; 0 where `dy` is 0, likewise.
    fn pass_div(&mut self, dy: Self::Value, reciprocal: Self::Value) -> Self::Value {
        self.binary(BinaryOp::GatedDiv, dy, reciprocal)
    }
    /// x + number
    fn add_scalar(&mut self, x: Self::Value, number: f64) -> Self::Value {
        let c = self.scalar_like(number, x);
        self.add(x, c)
    }
    /// x * number
    fn mul_scalar(&mut self, x: Self::Value, number: f64) -> Self::Value {
        let c = self.scalar_like(number, x);
        self.mul(x, c)
    }
    /// 1 - x
    fn one_minus(&mut self, x: Self::Value) -> Self::Value {
        let one = self.scalar_like(1.0, x);
        self.sub(one, x)
    }
    /// psi^(order)(x)
    fn polygamma(&mut self, order: f64, x: Self::Value) -> Self::Value {
        let n = self.scalar_like(order, x);
        self.binary(BinaryOp::Polygamma, n, x)
    }
}

/// The vector-Jacobian product of z = x^y. The derivative in y is 0 where x <= 0; that in x is 0 where y = 0.
pub(super) fn pow_vjp<B: Formula>(
    b: &mut B,
    dz: B::Value,
    x: B::Value,
    y: B::Value,
    z: B::Value,
) -> [Option<B::Value>; 2] {
    if let Some(exponent) = b.number(y) {
        if exponent == 0.0 {
            return [None, None];
        }
        let e = b.scalar_like(exponent - 1.0, x);
        let power = if exponent == 1.0 {
            b.scalar_like(1.0, x)
        } else {
            b.binary(BinaryOp::Pow, x, e)
        };
        let slope = b.mul_scalar(power, exponent);
        return [Some(b.pass(dz, slope)), None];
    }
    let zero = b.scalar_like(0.0, x);
    let one = b.scalar_like(1.0, x);
    let flat = b.binary(BinaryOp::Equal, y, zero);
    let safe = b.select(flat, one, y);
    let e = b.add_scalar(safe, -1.0);
    let power = b.binary(BinaryOp::Pow, x, e);
    let slope = b.mul(y, power);
    let slope = b.select(flat, zero, slope);
    // Not "above 0", so that the rate of NaN is NaN.
    let low = b.binary(BinaryOp::LessEqual, x, zero);
    let base = b.select(low, one, x);
    let log = b.unary(UnaryOp::Log, base);
    let rate = b.mul(z, log);
    let rate = b.select(low, zero, rate);
    [Some(b.pass(dz, slope)), Some(b.pass(dz, rate))]
}

/// The vector-Jacobian product of the elementwise extremum z of x and y: half to each at a tie.
pub(super) fn extremum_vjp<B: Formula>(
    b: &mut B,
    dz: B::Value,
    x: B::Value,
    y: B::Value,
    z: B::Value,
) -> [Option<B::Value>; 2] {
    let zero = b.scalar_like(0.0, dz);
    let half = b.mul_scalar(dz, 0.5);
    let tie = b.binary(BinaryOp::Equal, x, y);
    [x, y].map(|side| {
        let wins = b.binary(BinaryOp::Equal, side, z);
        let alone = b.select(wins, dz, zero);
        Some(b.select(tie, half, alone))
    })
}
