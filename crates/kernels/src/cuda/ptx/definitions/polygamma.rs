//! Derivatives of digamma: the recurrence and the asymptotic series of core's definition, operation by operation.

use hyperglow_core::elementwise::UnaryOp;
use hyperglow_core::special::BERNOULLI;

use crate::cuda::ptx::apply;
use crate::cuda::ptx::emitter::{Class, Emitter, Reg};
use crate::cuda::ptx::float::{Float, Truth};
use crate::math::{Ordered, Vector};

/// Below it the recurrence takes too many steps: the result is NaN.
const LOWEST: f64 = -1e6;

type Double<'e> = Float<'e, f64>;

/// The order n as whole numbers of 32 bits, and as floats.
struct Order<'e> {
    to: &'e Emitter,
    n: Reg,
}

impl<'e> Order<'e> {
    /// n + k
    fn plus(&self, k: u32) -> Reg {
        self.to.op(Class::B32, "add.u32", &[&self.n, &k])
    }

    /// n + k as a float.
    fn number(&self, k: u32) -> Double<'e> {
        Float::new(
            self.to,
            self.to.op(Class::F64, "cvt.rn.f64.u32", &[&self.plus(k)]),
        )
    }

    /// The product of the floats 1 to n + k, in this order.
    fn factorial(&self, k: u32) -> Double<'e> {
        let to = self.to;
        let product = to.variable(Class::F64, to.constant(Class::F64, "0d3FF0000000000000"));
        let end = self.plus(k + 1);
        to.count(1, end, 1, Class::B32, |i| {
            let factor = to.op(Class::F64, "cvt.rn.f64.u32", &[&i]);
            to.set(product, "mul.rn.f64", &[&product, &factor]);
        });
        Float::new(to, product)
    }
}

/// The derivative of order `order` of digamma at x; NaN at the poles.
pub(super) fn of<'e>(to: &'e Emitter, order: Double<'e>, x: Double<'e>) -> Double<'e> {
    let n = super::super::convert::cast(
        to,
        order.reg,
        hyperglow_core::DType::F64,
        hyperglow_core::DType::U32,
    );
    let zero = x.number(0.0);
    let whole = (x - x.truncated()).equals(zero);
    let pole = x.at_most(zero) & whole.with("or.pred", x.less(x.number(LOWEST)));
    let undefined = pole.with("or.pred", x.differs(x));
    let result = to.variable(Class::F64, x.number(f64::NAN).reg);
    to.when(undefined.reg, false, || {
        let value = defined(&Order { to, n }, x);
        to.assign(result, value.reg);
    });
    Float::new(to, result)
}

fn defined<'e>(order: &Order<'e>, x: Double<'e>) -> Double<'e> {
    let to = order.to;
    let one = x.number(1.0);
    let low_bit = to.op(Class::B32, "and.b32", &[&order.n, &1]);
    let odd = Truth::new(to, to.op(Class::Pred, "setp.ne.s32", &[&low_bit, &0]));
    let sign = Float::select(odd, x.number(-1.0), one);
    let factorial = order.factorial(0);
    let numerator = sign * factorial;
    let (at, sum) = climbed(order, x, numerator);
    let power = power(to, at, order.plus(1));
    let first = Truth::new(to, to.op(Class::Pred, "setp.eq.s32", &[&order.n, &0]));
    let log = Float::new(to, apply::unary::<f64>(to, UnaryOp::Log, at.reg));
    let quotient = factorial / order.number(0) / self::power(to, at, order.n);
    let leading = Float::select(first, -log, quotient);
    let mut tail = leading + factorial / (x.number(2.0) * power);
    // (2k + n - 1)! / (2k)! for k = 1, then by ratio.
    let mut ratio = order.factorial(1) / x.number(2.0);
    for (i, b) in (0..).zip(BERNOULLI) {
        let k2 = 2 * (i + 1);
        tail = tail + x.number(b) * ratio / self::power(to, at, order.plus(k2));
        let growth = order.number(k2) * order.number(k2 + 1);
        ratio = ratio * (growth / x.number(f64::from(k2 + 1) * f64::from(k2 + 2)));
    }
    sum - sign * tail
}

/// The recurrence up to where the series is accurate: the argument there, and the sum of the terms.
fn climbed<'e>(order: &Order<'e>, x: Double<'e>, numerator: Double<'e>) -> (Double<'e>, Double<'e>) {
    let to = order.to;
    let end = x.number(12.0) + order.number(0);
    let exponent = order.plus(1);
    let (at, sum) = (
        to.variable(Class::F64, x.reg),
        to.variable(Class::F64, x.number(0.0).reg),
    );
    let (again, done) = (to.label(), to.label());
    to.place(again);
    to.scope(|| {
        let over = to.op(Class::Pred, "setp.geu.f64", &[&at, &end.reg]);
        to.jump_if(over, true, done);
        let term = numerator / power(to, Float::new(to, at), exponent);
        to.set(sum, "sub.rn.f64", &[&sum, &term.reg]);
        to.set(at, "add.rn.f64", &[&at, &x.number(1.0).reg]);
    });
    to.jump(again);
    to.place(done);
    (Float::new(to, at), Float::new(to, sum))
}

/// x^n by squaring, the low bits of n first.
fn power<'e>(to: &'e Emitter, x: Double<'e>, n: Reg) -> Double<'e> {
    let one = to.constant(Class::F64, "0d3FF0000000000000");
    let (base, product) = (to.variable(Class::F64, x.reg), to.variable(Class::F64, one));
    let left = to.variable(Class::B32, n);
    let (again, done) = (to.label(), to.label());
    to.place(again);
    to.scope(|| {
        let over = to.op(Class::Pred, "setp.eq.s32", &[&left, &0]);
        to.jump_if(over, true, done);
        let bit = to.op(Class::B32, "and.b32", &[&left, &1]);
        let odd = to.op(Class::Pred, "setp.ne.s32", &[&bit, &0]);
        let times = to.op(Class::F64, "mul.rn.f64", &[&product, &base]);
        to.set(product, "selp.f64", &[&times, &product, &odd]);
        to.set(base, "mul.rn.f64", &[&base, &base]);
        to.set(left, "shr.u32", &[&left, &1]);
    });
    to.jump(again);
    to.place(done);
    Float::new(to, product)
}
