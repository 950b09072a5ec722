//! The arithmetic instructions: mnemonic, type of the result, types of the operands, value. Values are bits, of which those above a
//! type's width are 0.

/// Type of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// A predicate.
    P,
    /// An integer of 32 bits.
    W,
    /// An integer of 64 bits.
    D,
    /// A float32.
    F,
    /// A float64.
    G,
    /// Any 32 bits.
    Any32,
    /// Any 64 bits.
    Any64,
}

impl Type {
    /// Whether a register of a declared type may be the operand.
    pub fn takes(self, register: Type) -> bool {
        match self {
            Type::Any32 => matches!(register, Type::W | Type::F),
            Type::Any64 => matches!(register, Type::D | Type::G),
            _ => self == register,
        }
    }
}

/// The value of an instruction; `None`: it is not defined.
pub(super) type Function = fn([u64; 4]) -> Option<u64>;

/// A row of the table.
pub(super) struct Row {
    pub mnemonic: &'static str,
    pub result: Type,
    pub operands: &'static [Type],
    pub value: Function,
}

/// The instruction of a mnemonic.
pub(super) fn find(mnemonic: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.mnemonic == mnemonic)
}

/// Bits as a value of a type, and back.
trait Bits {
    fn of(bits: u64) -> Self;
    fn bits(self) -> u64;
}

macro_rules! bits {
    ($($t:ty: |$b:ident| $of:expr, |$x:ident| $bits:expr;)*) => {$(
        impl Bits for $t {
            fn of($b: u64) -> $t { $of }
            fn bits(self) -> u64 { let $x = self; $bits }
        }
    )*};
}
bits! {
    bool: |b| b != 0, |x| u64::from(x);
    u32: |b| b as u32, |x| u64::from(x);
    i32: |b| b as i32, |x| u64::from(x as u32);
    u64: |b| b, |x| x;
    i64: |b| b as i64, |x| x as u64;
    f32: |b| f32::from_bits(b as u32), |x| u64::from(canonical(x).to_bits());
    f64: |b| f64::from_bits(b), |x| x.to_bits();
}

/// A NaN of an instruction has no bits of its operands.
fn canonical(x: f32) -> f32 {
    if x.is_nan() {
        f32::from_bits(0x7fff_ffff)
    } else {
        x
    }
}

macro_rules! table {
    ($($mnemonic:literal $result:ident ($($x:ident: $operand:ident as $t:ty),*) $value:expr;)*) => {
        const TABLE: &[Row] = &[$(Row {
            mnemonic: $mnemonic,
            result: Type::$result,
            operands: &[$(Type::$operand),*],
            value: |given| {
                let mut given = given.into_iter();
                $(let $x = <$t as Bits>::of(given.next().unwrap_or(0));)*
                let value = $value;
                Some(Bits::bits(value))
            },
        },)*];
    };
}

table! {
    "mov.b32" Any32 (x: Any32 as u32) x;
    "mov.b64" Any64 (x: Any64 as u64) x;
    "mov.u32" W (x: W as u32) x;
    "mov.u64" D (x: D as u64) x;
    "mov.f32" F (x: F as u32) x;
    "mov.f64" G (x: G as u64) x;
    "mov.pred" P (x: P as bool) x;
    "cvta.to.global.u64" D (x: D as u64) x;

    "add.rn.f32" F (x: F as f32, y: F as f32) x + y;
    "sub.rn.f32" F (x: F as f32, y: F as f32) x - y;
    "mul.rn.f32" F (x: F as f32, y: F as f32) x * y;
    "div.rn.f32" F (x: F as f32, y: F as f32) x / y;
    "fma.rn.f32" F (x: F as f32, y: F as f32, z: F as f32) x.mul_add(y, z);
    "sqrt.rn.f32" F (x: F as f32) x.sqrt();
    "neg.f32" F (x: F as f32) -x;
    "abs.f32" F (x: F as f32) x.abs();
    "copysign.f32" F (sign: F as f32, x: F as f32) x.copysign(sign);
    "add.rn.f64" G (x: G as f64, y: G as f64) x + y;
    "sub.rn.f64" G (x: G as f64, y: G as f64) x - y;
    "mul.rn.f64" G (x: G as f64, y: G as f64) x * y;
    "div.rn.f64" G (x: G as f64, y: G as f64) x / y;
    "fma.rn.f64" G (x: G as f64, y: G as f64, z: G as f64) x.mul_add(y, z);
    "sqrt.rn.f64" G (x: G as f64) x.sqrt();
    "neg.f64" G (x: G as f64) -x;
    "abs.f64" G (x: G as f64) x.abs();
    "copysign.f64" G (sign: G as f64, x: G as f64) x.copysign(sign);

    "cvt.rmi.f32.f32" F (x: F as f32) x.floor();
    "cvt.rpi.f32.f32" F (x: F as f32) x.ceil();
    "cvt.rni.f32.f32" F (x: F as f32) x.round_ties_even();
    "cvt.rzi.f32.f32" F (x: F as f32) x.trunc();
    "cvt.rmi.f64.f64" G (x: G as f64) x.floor();
    "cvt.rpi.f64.f64" G (x: G as f64) x.ceil();
    "cvt.rni.f64.f64" G (x: G as f64) x.round_ties_even();
    "cvt.rzi.f64.f64" G (x: G as f64) x.trunc();

    "cvt.f64.f32" G (x: F as f32) f64::from(x);
    "cvt.rn.f32.f64" F (x: G as f64) x as f32;
    "cvt.rn.f32.s32" F (x: W as i32) x as f32;
    "cvt.rn.f32.u32" F (x: W as u32) x as f32;
    "cvt.rn.f32.s64" F (x: D as i64) x as f32;
    "cvt.rn.f64.s32" G (x: W as i32) f64::from(x);
    "cvt.rn.f64.u32" G (x: W as u32) f64::from(x);
    "cvt.rn.f64.s64" G (x: D as i64) x as f64;
    "cvt.rn.f64.u64" G (x: D as u64) x as f64;
    // Of NaN these give 0, or 2^31 or 2^63 if a type has 64 bits.
    "cvt.rzi.s32.f32" W (x: F as f32) x as i32;
    "cvt.rzi.u32.f32" W (x: F as f32) x as u32;
    "cvt.rzi.s64.f32" D (x: F as f32) if x.is_nan() { i64::MIN } else { x as i64 };
    "cvt.rzi.s32.f64" W (x: G as f64) if x.is_nan() { i32::MIN } else { x as i32 };
    "cvt.rzi.u32.f64" W (x: G as f64) if x.is_nan() { 1 << 31 } else { x as u32 };
    "cvt.rzi.s64.f64" D (x: G as f64) if x.is_nan() { i64::MIN } else { x as i64 };
    "cvt.s64.s32" D (x: W as i32) i64::from(x);
    "cvt.u64.u32" D (x: W as u32) u64::from(x);
    "cvt.u32.u64" W (x: D as u64) x as u32;

    "add.s32" W (x: W as i32, y: W as i32) x.wrapping_add(y);
    "add.u32" W (x: W as u32, y: W as u32) x.wrapping_add(y);
    "sub.s32" W (x: W as i32, y: W as i32) x.wrapping_sub(y);
    "sub.u32" W (x: W as u32, y: W as u32) x.wrapping_sub(y);
    "mul.lo.s32" W (x: W as i32, y: W as i32) x.wrapping_mul(y);
    "mul.lo.u32" W (x: W as u32, y: W as u32) x.wrapping_mul(y);
    "mad.lo.s32" W (x: W as i32, y: W as i32, z: W as i32) x.wrapping_mul(y).wrapping_add(z);
    "mul.wide.u32" D (x: W as u32, y: W as u32) u64::from(x) * u64::from(y);
    "mad.wide.s32" D (x: W as i32, y: W as i32, z: D as i64) (i64::from(x) * i64::from(y)).wrapping_add(z);
    "mad.wide.u32" D (x: W as u32, y: W as u32, z: D as u64) (u64::from(x) * u64::from(y)).wrapping_add(z);
    "div.u32" W (x: W as u32, y: W as u32) x.checked_div(y)?;
    "rem.u32" W (x: W as u32, y: W as u32) x.checked_rem(y)?;
    "min.s32" W (x: W as i32, y: W as i32) x.min(y);
    "min.u32" W (x: W as u32, y: W as u32) x.min(y);
    "max.s32" W (x: W as i32, y: W as i32) x.max(y);
    "max.u32" W (x: W as u32, y: W as u32) x.max(y);
    "and.b32" W (x: W as u32, y: W as u32) x & y;
    "shl.b32" W (x: W as u32, n: W as u32) x.checked_shl(n).unwrap_or(0);
    "shr.u32" W (x: W as u32, n: W as u32) x.checked_shr(n).unwrap_or(0);
    "shr.s32" W (x: W as i32, n: W as u32) x >> n.min(31);

    "add.s64" D (x: D as i64, y: D as i64) x.wrapping_add(y);
    "add.u64" D (x: D as u64, y: D as u64) x.wrapping_add(y);
    "sub.s64" D (x: D as i64, y: D as i64) x.wrapping_sub(y);
    "neg.s64" D (x: D as i64) x.wrapping_neg();
    "mul.lo.s64" D (x: D as i64, y: D as i64) x.wrapping_mul(y);
    "mul.lo.u64" D (x: D as u64, y: D as u64) x.wrapping_mul(y);
    "mul.hi.u64" D (x: D as u64, y: D as u64) ((u128::from(x) * u128::from(y)) >> 64) as u64;
    "mad.lo.s64" D (x: D as i64, y: D as i64, z: D as i64) x.wrapping_mul(y).wrapping_add(z);
    "div.s64" D (x: D as i64, y: D as i64) x.checked_div(y)?;
    "div.u64" D (x: D as u64, y: D as u64) x.checked_div(y)?;
    "rem.u64" D (x: D as u64, y: D as u64) x.checked_rem(y)?;
    "min.s64" D (x: D as i64, y: D as i64) x.min(y);
    "max.s64" D (x: D as i64, y: D as i64) x.max(y);
    "and.b64" D (x: D as u64, y: D as u64) x & y;
    "or.b64" D (x: D as u64, y: D as u64) x | y;
    "xor.b64" D (x: D as u64, y: D as u64) x ^ y;
    "not.b64" D (x: D as u64) !x;
    "shl.b64" D (x: D as u64, n: W as u32) x.checked_shl(n).unwrap_or(0);
    "shr.u64" D (x: D as u64, n: W as u32) x.checked_shr(n).unwrap_or(0);
    "shr.s64" D (x: D as i64, n: W as u32) x >> n.min(63);

    "and.pred" P (x: P as bool, y: P as bool) x & y;
    "or.pred" P (x: P as bool, y: P as bool) x | y;
    "xor.pred" P (x: P as bool, y: P as bool) x ^ y;
    "not.pred" P (x: P as bool) !x;
    "selp.b32" W (x: W as u32, y: W as u32, p: P as bool) if p { x } else { y };
    "selp.b64" D (x: D as u64, y: D as u64, p: P as bool) if p { x } else { y };
    "selp.f32" F (x: F as u32, y: F as u32, p: P as bool) if p { x } else { y };
    "selp.f64" G (x: G as u64, y: G as u64, p: P as bool) if p { x } else { y };

    "setp.lt.f32" P (x: F as f32, y: F as f32) x < y;
    "setp.gt.f32" P (x: F as f32, y: F as f32) x > y;
    "setp.le.f32" P (x: F as f32, y: F as f32) x <= y;
    "setp.eq.f32" P (x: F as f32, y: F as f32) x == y;
    "setp.neu.f32" P (x: F as f32, y: F as f32) x != y;
    "setp.lt.f64" P (x: G as f64, y: G as f64) x < y;
    "setp.gt.f64" P (x: G as f64, y: G as f64) x > y;
    "setp.le.f64" P (x: G as f64, y: G as f64) x <= y;
    "setp.eq.f64" P (x: G as f64, y: G as f64) x == y;
    "setp.neu.f64" P (x: G as f64, y: G as f64) x != y;
    // Greater, equal, or NaN.
    "setp.geu.f64" P (x: G as f64, y: G as f64) x >= y || x.is_nan() || y.is_nan();
    "setp.lt.s32" P (x: W as i32, y: W as i32) x < y;
    "setp.le.s32" P (x: W as i32, y: W as i32) x <= y;
    "setp.gt.s32" P (x: W as i32, y: W as i32) x > y;
    "setp.ge.s32" P (x: W as i32, y: W as i32) x >= y;
    "setp.eq.s32" P (x: W as i32, y: W as i32) x == y;
    "setp.ne.s32" P (x: W as i32, y: W as i32) x != y;
    "setp.lt.u32" P (x: W as u32, y: W as u32) x < y;
    "setp.le.u32" P (x: W as u32, y: W as u32) x <= y;
    "setp.gt.u32" P (x: W as u32, y: W as u32) x > y;
    "setp.ge.u32" P (x: W as u32, y: W as u32) x >= y;
    "setp.eq.u32" P (x: W as u32, y: W as u32) x == y;
    "setp.ne.u32" P (x: W as u32, y: W as u32) x != y;
    "setp.lt.s64" P (x: D as i64, y: D as i64) x < y;
    "setp.le.s64" P (x: D as i64, y: D as i64) x <= y;
    "setp.gt.s64" P (x: D as i64, y: D as i64) x > y;
    "setp.eq.s64" P (x: D as i64, y: D as i64) x == y;
    "setp.ne.s64" P (x: D as i64, y: D as i64) x != y;
    "setp.lt.u64" P (x: D as u64, y: D as u64) x < y;
    "setp.le.u64" P (x: D as u64, y: D as u64) x <= y;
    "setp.ge.u64" P (x: D as u64, y: D as u64) x >= y;
}
