//! Division, remainder and power of integers, in int64: the definitions of core's table.

use hyperglow_core::elementwise::BinaryOp;

use crate::cuda::ptx::emitter::{Class, Emitter, Reg};

/// The operation on two int64.
pub(in crate::cuda::ptx) fn defined(to: &Emitter, op: BinaryOp, x: Reg, y: Reg) -> Reg {
    match op {
        BinaryOp::Div => floored(to, x, y).0,
        BinaryOp::Rem => floored(to, x, y).1,
        BinaryOp::Pow => power(to, x, y),
        _ => unreachable!("{} of integers is one instruction", op.name()),
    }
}

fn op(to: &Emitter, mnemonic: &str, x: Reg, y: impl std::fmt::Display) -> Reg {
    to.op(Class::B64, mnemonic, &[&x, &y])
}

fn test(to: &Emitter, mnemonic: &str, x: Reg, y: impl std::fmt::Display) -> Reg {
    to.op(Class::Pred, mnemonic, &[&x, &y])
}

fn select(to: &Emitter, truth: Reg, x: impl std::fmt::Display, y: impl std::fmt::Display) -> Reg {
    to.op(Class::B64, "selp.b64", &[&x, &y, &truth])
}

/// Quotient and remainder, rounded towards minus infinity; 0 by 0.
fn floored(to: &Emitter, x: Reg, y: Reg) -> (Reg, Reg) {
    // What a division by 0, and one that overflows, gives is not defined.
    let (zero, minus_one) = (test(to, "setp.eq.s64", y, 0), test(to, "setp.eq.s64", y, -1));
    let either = to.op(Class::Pred, "or.pred", &[&zero, &minus_one]);
    let divisor = select(to, either, 1, y);
    let quotient = op(to, "div.s64", x, divisor);
    let negated = to.op(Class::B64, "neg.s64", &[&x]);
    let quotient = select(to, minus_one, negated, quotient);
    let product = op(to, "mul.lo.s64", quotient, y);
    let rest = op(to, "sub.s64", x, product);
    // The remainder has the sign of x.
    let signs = op(to, "xor.b64", rest, y);
    let apart = test(to, "setp.lt.s64", signs, 0);
    let inexact = test(to, "setp.ne.s64", rest, 0);
    let down = to.op(Class::Pred, "and.pred", &[&apart, &inexact]);
    let below = op(to, "sub.s64", quotient, 1);
    let above = op(to, "add.s64", rest, y);
    let quotient = select(to, down, below, quotient);
    let rest = select(to, down, above, rest);
    (select(to, zero, 0, quotient), select(to, zero, 0, rest))
}

/// x^y, wrapping; a negative exponent gives the integer part, and so does one of more than 32 bits.
fn power(to: &Emitter, x: Reg, y: Reg) -> Reg {
    let (base, left) = (to.variable(Class::B64, x), to.variable(Class::B64, y));
    let result = to.variable(Class::B64, 1);
    let ordinary = test(to, "setp.le.u64", y, u32::MAX);
    let (again, done) = (to.label(), to.label());
    to.when(ordinary, true, || {
        to.place(again);
        let over = to.fresh(Class::Pred);
        to.set(over, "setp.eq.s64", &[&left, &0]);
        to.jump_if(over, true, done);
        to.scope(|| {
            let bit = op(to, "and.b64", left, 1);
            let odd = test(to, "setp.ne.s64", bit, 0);
            let times = op(to, "mul.lo.s64", result, base);
            to.set(result, "selp.b64", &[&times, &result, &odd]);
            to.set(base, "mul.lo.s64", &[&base, &base]);
            to.set(left, "shr.u64", &[&left, &1]);
        });
        to.jump(again);
        to.place(done);
    });
    let bit = op(to, "and.b64", y, 1);
    let odd = test(to, "setp.ne.s64", bit, 0);
    let sign = select(to, odd, -1, 1);
    let of_minus_one = select(to, test(to, "setp.eq.s64", x, -1), sign, 0);
    let of_one = select(to, test(to, "setp.eq.s64", x, 1), 1, of_minus_one);
    select(to, ordinary, result, of_one)
}
