//! Integers whose operations are written as instructions.

use std::ops::{Add, Mul, Sub};

use hyperglow_core::DType;
use hyperglow_core::elementwise::BinaryOp;

use super::definitions::integer;
use super::emitter::{Class, Emitter, Reg};
use super::float::Truth;
use crate::math::{Ordered, Whole};

/// An integer of a dtype; an uint8 has zeros above its bits.
#[derive(Clone, Copy)]
pub(super) struct Integer<'e> {
    pub to: &'e Emitter,
    pub reg: Reg,
    pub dtype: DType,
}

impl<'e> Integer<'e> {
    /// The suffix of instructions that know signs.
    fn suffix(self) -> &'static str {
        match self.dtype {
            DType::I64 => "s64",
            DType::I32 => "s32",
            _ => "u32",
        }
    }

    fn op(self, name: &str, other: Self) -> Self {
        let mnemonic = format!("{name}.{}", self.suffix());
        let reg = self
            .to
            .op(Class::of(self.dtype), &mnemonic, &[&self.reg, &other.reg]);
        Integer { reg, ..self }
    }

    /// Without the bits that its dtype does not have.
    fn wrapped(self) -> Self {
        if self.dtype != DType::U8 {
            return self;
        }
        let reg = self.to.op(Class::B32, "and.b32", &[&self.reg, &255]);
        Integer { reg, ..self }
    }

    fn compare(self, how: &str, other: Self) -> Truth<'e> {
        let mnemonic = format!("setp.{how}.{}", self.suffix());
        let reg = self.to.op(Class::Pred, &mnemonic, &[&self.reg, &other.reg]);
        Truth::new(self.to, reg)
    }
}

impl Add for Integer<'_> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.op("add", other).wrapped()
    }
}

impl Sub for Integer<'_> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.op("sub", other).wrapped()
    }
}

impl Mul for Integer<'_> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.op("mul.lo", other).wrapped()
    }
}

impl<'e> Ordered for Integer<'e> {
    type Mask = Truth<'e>;

    fn less(self, other: Self) -> Truth<'e> {
        self.compare("lt", other)
    }
    fn at_most(self, other: Self) -> Truth<'e> {
        self.compare("le", other)
    }
    fn equals(self, other: Self) -> Truth<'e> {
        self.compare("eq", other)
    }
    fn differs(self, other: Self) -> Truth<'e> {
        self.compare("ne", other)
    }
}

impl Whole for Integer<'_> {
    fn smaller(self, other: Self) -> Self {
        self.op("min", other)
    }
    fn larger(self, other: Self) -> Self {
        self.op("max", other)
    }
    fn defined_with(self, op: BinaryOp, other: Self) -> Self {
        let (dtype, to) = (self.dtype, self.to);
        let [x, y] = [self, other].map(|x| super::convert::cast(to, x.reg, dtype, DType::I64));
        let wide = integer::defined(to, op, x, y);
        let reg = super::convert::cast(to, wide, DType::I64, dtype);
        Integer { reg, ..self }
    }
}
