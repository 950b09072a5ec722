//! The functions of [`math`](crate::math) on registers: writing them out computes nothing, it adds their instructions to the text.

use hyperglow_core::elementwise::{BinaryOp, UnaryOp};

use super::definitions;
use super::emitter::Class;
use super::float::{Float, Single, Truth};
use crate::math::{Ordered, Vector};

impl<'e, T: Single> Vector for Float<'e, T> {
    type Element = T;
    type Wide = Float<'e, f64>;

    fn number(self, value: f64) -> Self {
        let reg = self.to.constant(T::CLASS, T::immediate(value));
        Float { reg, ..self }
    }
    fn fma(self, b: Self, c: Self) -> Self {
        self.op("fma.rn", &[b, c])
    }
    fn product_error(self, other: Self, product: Self) -> Self {
        self.fma(other, -product)
    }
    fn sqrt(self) -> Self {
        self.op("sqrt.rn", &[])
    }
    fn floor(self) -> Self {
        self.rounded("rmi")
    }
    fn ceil(self) -> Self {
        self.rounded("rpi")
    }
    fn nearest(self) -> Self {
        self.rounded("rni")
    }
    fn truncated(self) -> Self {
        self.rounded("rzi")
    }
    fn abs(self) -> Self {
        self.op("abs", &[])
    }
    fn copysign(self, sign: Self) -> Self {
        // The first operand of the instruction gives the sign.
        sign.op("copysign", &[self])
    }
    fn select(mask: Truth<'e>, a: Self, b: Self) -> Self {
        let mnemonic = format!("selp.{}", T::SUFFIX);
        let reg = a.to.op(T::CLASS, &mnemonic, &[&a.reg, &b.reg, &mask.reg]);
        Float { reg, ..a }
    }
    fn smaller(self, other: Self) -> Self {
        // The instruction `min` has other values for NaN.
        Self::select(self.less(other), self, other)
    }
    fn larger(self, other: Self) -> Self {
        Self::select(other.less(self), self, other)
    }
    fn scale(self, n: Self) -> Self {
        // In two factors, as on one element of the CPU: 2^n itself may overflow or be subnormal.
        let rounder = T::bits(T::ROUNDER) as i64;
        let whole = (n + n.number(T::ROUNDER)).to_bits().op("sub.s", rounder);
        let half = whole.op("shr.s", 1);
        self * self.power_of_two(half) * self.power_of_two(whole.op("sub.s", half.reg))
    }
    fn decompose(self) -> (Self, Self) {
        let tiny = self.less(self.number(T::LEAST_NORMAL));
        let unit = (1_u64 << T::MANTISSA) as f64;
        let bits = Self::select(tiny, self * self.number(unit), self).to_bits();
        let exponent = bits
            .op("sub.s", T::bits(0.75) as i64)
            .op("shr.s", i64::from(T::MANTISSA));
        let m = bits.op("sub.s", exponent.op("shl.b", i64::from(T::MANTISSA)).reg);
        // Both terms are small whole numbers, so that the difference is exact.
        let off = Self::select(tiny, self.number(f64::from(T::MANTISSA)), self.number(0.0));
        (m.to_float(), exponent.converted() - off)
    }
    fn bit(self, place: u32) -> Truth<'e> {
        let bit = self.to_bits().op("and.b", 1 << place);
        let mnemonic = format!("setp.ne.s{}", T::WIDTH);
        let reg = self.to.op(Class::Pred, &mnemonic, &[&bit.reg, &0]);
        Truth::new(self.to, reg)
    }
    fn wide(self) -> Float<'e, f64> {
        if T::IS_SINGLE {
            let reg = self.to.op(Class::F64, "cvt.f64.f32", &[&self.reg]);
            return Float::new(self.to, reg);
        }
        Float::new(self.to, self.reg)
    }
    fn of_wide(x: Float<'e, f64>) -> Self {
        if T::IS_SINGLE {
            let reg = x.to.op(Class::F32, "cvt.rn.f32.f64", &[&x.reg]);
            return Float::new(x.to, reg);
        }
        Float::new(x.to, x.reg)
    }
    fn defined(self, op: UnaryOp) -> Self {
        definitions::unary(op, self)
    }
    fn defined_with(self, op: BinaryOp, other: Self) -> Self {
        definitions::binary(op, self, other)
    }
}
