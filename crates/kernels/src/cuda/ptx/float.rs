//! Floats whose operations are written as instructions. Roundings are explicit, subnormal numbers are kept, and no instruction is an
//! approximation, so that [`math`](crate::math) has the same bits as on a processor with fused multiply-add.

use std::marker::PhantomData;
use std::ops::{Add, BitAnd, Div, Mul, Neg, Sub};

use super::emitter::{Class, Emitter, Reg};
use crate::math::{Constants, Ordered};

/// A float of element type T in a register.
pub(super) struct Float<'e, T> {
    pub to: &'e Emitter,
    pub reg: Reg,
    pub element: PhantomData<T>,
}

/// A truth value in a register.
#[derive(Clone, Copy)]
pub(super) struct Truth<'e> {
    pub to: &'e Emitter,
    pub reg: Reg,
}

/// The floating dtypes.
pub(super) trait Single: Constants {
    /// Class of their registers.
    const CLASS: Class;
    /// Class of an integer with as many bits.
    const BITS: Class;
    /// The suffix of instructions.
    const SUFFIX: &'static str;
    /// Bits of an element, and of its mantissa.
    const WIDTH: u32;
    const MANTISSA: u32;
    /// The bias of exponents.
    const BIAS: i64;
    /// The least normal number.
    const LEAST_NORMAL: f64;
    /// The bits of a number rounded to the element.
    fn bits(number: f64) -> u64;
    /// The number rounded to the element, as an immediate operand.
    fn immediate(number: f64) -> String;
}

impl Single for f32 {
    const CLASS: Class = Class::F32;
    const BITS: Class = Class::B32;
    const SUFFIX: &'static str = "f32";
    const WIDTH: u32 = 32;
    const MANTISSA: u32 = 23;
    const BIAS: i64 = 127;
    const LEAST_NORMAL: f64 = f32::MIN_POSITIVE as f64;
    fn bits(number: f64) -> u64 {
        u64::from((number as f32).to_bits())
    }
    fn immediate(number: f64) -> String {
        format!("0f{:08X}", (number as f32).to_bits())
    }
}

impl Single for f64 {
    const CLASS: Class = Class::F64;
    const BITS: Class = Class::B64;
    const SUFFIX: &'static str = "f64";
    const WIDTH: u32 = 64;
    const MANTISSA: u32 = 52;
    const BIAS: i64 = 1023;
    const LEAST_NORMAL: f64 = f64::MIN_POSITIVE;
    fn bits(number: f64) -> u64 {
        number.to_bits()
    }
    fn immediate(number: f64) -> String {
        format!("0d{:016X}", number.to_bits())
    }
}

impl<T> Clone for Float<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Float<'_, T> {}

impl<'e> Truth<'e> {
    pub fn new(to: &'e Emitter, reg: Reg) -> Self {
        Truth { to, reg }
    }

    /// A logical instruction on two truth values.
    pub fn with(self, mnemonic: &str, other: Self) -> Self {
        let reg = self.to.op(Class::Pred, mnemonic, &[&self.reg, &other.reg]);
        Truth { reg, ..self }
    }

    pub fn not(self) -> Self {
        let reg = self.to.op(Class::Pred, "not.pred", &[&self.reg]);
        Truth { reg, ..self }
    }
}

impl BitAnd for Truth<'_> {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        self.with("and.pred", other)
    }
}

/// False is below true.
impl<'e> Ordered for Truth<'e> {
    type Mask = Truth<'e>;

    fn less(self, other: Self) -> Self {
        self.not() & other
    }
    fn at_most(self, other: Self) -> Self {
        self.not().with("or.pred", other)
    }
    fn equals(self, other: Self) -> Self {
        self.differs(other).not()
    }
    fn differs(self, other: Self) -> Self {
        self.with("xor.pred", other)
    }
}

impl<'e, T: Single> Float<'e, T> {
    pub fn new(to: &'e Emitter, reg: Reg) -> Self {
        Float {
            to,
            reg,
            element: PhantomData,
        }
    }

    /// The result of an instruction on floats: the mnemonic without its type.
    pub fn op(self, name: &str, others: &[Self]) -> Self {
        let mnemonic = format!("{name}.{}", T::SUFFIX);
        let reg = match *others {
            [] => self.to.op(T::CLASS, &mnemonic, &[&self.reg]),
            [b] => self.to.op(T::CLASS, &mnemonic, &[&self.reg, &b.reg]),
            [b, c] => self.to.op(T::CLASS, &mnemonic, &[&self.reg, &b.reg, &c.reg]),
            _ => unreachable!("an instruction has at most three operands"),
        };
        Float { reg, ..self }
    }

    pub fn compare(self, how: &str, other: Self) -> Truth<'e> {
        let mnemonic = format!("setp.{how}.{}", T::SUFFIX);
        let reg = self.to.op(Class::Pred, &mnemonic, &[&self.reg, &other.reg]);
        Truth::new(self.to, reg)
    }

    /// To a whole number, by a rounding of `cvt`.
    pub fn rounded(self, way: &str) -> Self {
        self.op(&format!("cvt.{way}.{}", T::SUFFIX), &[])
    }

    /// Its bits as an integer.
    pub fn to_bits(self) -> Bits<'e, T> {
        let reg = self.to.op(T::BITS, &format!("mov.b{}", T::WIDTH), &[&self.reg]);
        Bits { of: self, reg }
    }

    /// 2^n for the exponent n of a normal number.
    pub fn power_of_two(self, n: Bits<'e, T>) -> Self {
        n.op("add.s", T::BIAS)
            .op("shl.b", i64::from(T::MANTISSA))
            .to_float()
    }
}

/// An integer as wide as a float.
pub(super) struct Bits<'e, T> {
    of: Float<'e, T>,
    pub reg: Reg,
}

impl<T> Clone for Bits<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Bits<'_, T> {}

impl<'e, T: Single> Bits<'e, T> {
    /// The result of an instruction, of which the mnemonic lacks the number of bits.
    pub fn op(self, name: &str, other: impl std::fmt::Display) -> Self {
        let mnemonic = format!("{name}{}", T::WIDTH);
        let reg = self.of.to.op(T::BITS, &mnemonic, &[&self.reg, &other]);
        Bits { reg, ..self }
    }

    pub fn to_float(self) -> Float<'e, T> {
        let reg = self
            .of
            .to
            .op(T::CLASS, &format!("mov.b{}", T::WIDTH), &[&self.reg]);
        Float { reg, ..self.of }
    }

    /// The nearest float.
    pub fn converted(self) -> Float<'e, T> {
        let mnemonic = format!("cvt.rn.{}.s{}", T::SUFFIX, T::WIDTH);
        let reg = self.of.to.op(T::CLASS, &mnemonic, &[&self.reg]);
        Float { reg, ..self.of }
    }
}

macro_rules! operator {
    ($($trait:ident $name:ident $mnemonic:literal;)*) => {$(
        impl<T: Single> $trait for Float<'_, T> {
            type Output = Self;
            fn $name(self, other: Self) -> Self {
                self.op($mnemonic, &[other])
            }
        }
    )*};
}
operator! { Add add "add.rn"; Sub sub "sub.rn"; Mul mul "mul.rn"; Div div "div.rn"; }

impl<T: Single> Neg for Float<'_, T> {
    type Output = Self;
    fn neg(self) -> Self {
        self.op("neg", &[])
    }
}

impl<'e, T: Single> Ordered for Float<'e, T> {
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
        self.compare("neu", other)
    }
}
