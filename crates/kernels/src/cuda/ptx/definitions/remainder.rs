//! The remainder of floats, exact however large the quotient is: long division of the mantissas.

use crate::cuda::ptx::emitter::{Class, Emitter, Reg};
use crate::cuda::ptx::float::{Float, Single};
use crate::math::{Ordered, Vector};

/// Bits of the quotient that a step finds: the rest has 53 bits.
const STEP_BITS: u32 = 11;

/// The remainder with the sign of y.
pub(super) fn floored<'e, T: Single>(x: Float<'e, T>, y: Float<'e, T>) -> Float<'e, T> {
    // That of float32 is a float32.
    let rest = Float::of_wide(truncated(x.to, x.wide(), y.wide()));
    let zero = x.number(0.0);
    let y_below = y.less(zero);
    let other_sign = rest.less(zero).differs(y_below);
    let shifted = Float::select(other_sign, rest + y, rest);
    let nothing = Float::select(y_below, x.number(-0.0), zero);
    Float::select(rest.equals(zero), nothing, shifted)
}

/// The remainder with the sign of x; NaN if x is infinite, y is 0, or either is NaN.
fn truncated<'e>(to: &'e Emitter, x: Float<'e, f64>, y: Float<'e, f64>) -> Float<'e, f64> {
    let infinity = x.number(f64::INFINITY);
    let (size, divisor) = (x.abs(), y.abs());
    let nothing = divisor.equals(x.number(0.0));
    let defined = size.less(infinity) & divisor.at_most(infinity) & nothing.not();
    let smaller = size.less(divisor);
    let long = defined & smaller.not();
    let result = to.variable(Class::F64, Float::select(defined, x, x.number(f64::NAN)).reg);
    to.when(long.reg, true, || {
        let rest = divide(to, size, divisor);
        to.assign(result, rest.copysign(x).reg);
    });
    Float::new(to, result)
}

/// The remainder of finite x >= y > 0.
fn divide<'e>(to: &'e Emitter, x: Float<'e, f64>, y: Float<'e, f64>) -> Float<'e, f64> {
    let ((m, e), (n, f)) = (parts(to, x), parts(to, y));
    let rest = to.variable(Class::B64, to.op(Class::B64, "rem.u64", &[&m, &n]));
    let left = to.variable(Class::B64, to.op(Class::B64, "sub.s64", &[&e, &f]));
    let (again, done) = (to.label(), to.label());
    to.place(again);
    to.scope(|| {
        let over = to.op(Class::Pred, "setp.le.s64", &[&left, &0]);
        to.jump_if(over, true, done);
        let bits = to.op(Class::B64, "min.s64", &[&left, &STEP_BITS]);
        let narrow = to.op(Class::B32, "cvt.u32.u64", &[&bits]);
        let shifted = to.op(Class::B64, "shl.b64", &[&rest, &narrow]);
        to.set(rest, "rem.u64", &[&shifted, &n]);
        to.set(left, "sub.s64", &[&left, &bits]);
    });
    to.jump(again);
    to.place(done);
    // rest 2^(f - 1075), in two factors, since the power may be subnormal; both products are exact.
    let number = Float::<f64>::new(to, to.op(Class::F64, "cvt.rn.f64.u64", &[&rest]));
    let exponent = to.op(Class::B64, "sub.s64", &[&f, &1075]);
    let half = to.op(Class::B64, "shr.s64", &[&exponent, &1]);
    let other = to.op(Class::B64, "sub.s64", &[&exponent, &half]);
    number * power_of_two(to, half) * power_of_two(to, other)
}

/// (m, e) with x = m 2^(e - 1075), both whole.
fn parts(to: &Emitter, x: Float<'_, f64>) -> (Reg, Reg) {
    let bits = to.op(Class::B64, "mov.b64", &[&x.reg]);
    let exponent = to.op(Class::B64, "shr.u64", &[&bits, &52]);
    let normal = to.op(Class::Pred, "setp.ne.s64", &[&exponent, &0]);
    let fraction = to.op(Class::B64, "and.b64", &[&bits, &((1_u64 << 52) - 1)]);
    let whole = to.op(Class::B64, "or.b64", &[&fraction, &(1_u64 << 52)]);
    let m = to.op(Class::B64, "selp.b64", &[&whole, &fraction, &normal]);
    (m, to.op(Class::B64, "max.s64", &[&exponent, &1]))
}

/// 2^n for the exponent n of a normal number.
fn power_of_two<'e>(to: &'e Emitter, n: Reg) -> Float<'e, f64> {
    let biased = to.op(Class::B64, "add.s64", &[&n, &1023]);
    let bits = to.op(Class::B64, "shl.b64", &[&biased, &52]);
    Float::new(to, to.op(Class::F64, "mov.b64", &[&bits]))
}
