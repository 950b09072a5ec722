//! One instruction of a cluster on one block, in the vector instructions of the level.

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::special;

use crate::cpu::element::Element;
use crate::cpu::level::{Level, versions};
use crate::cpu::math::{self, Lane};

versions! {
    /// `out[i] = op(x[i])`.
    pub(super) fn unary_f32(op: UnaryOp, x: &[f32], out: &mut [f32]) {
        macro_rules! each {
            ($f:path) => { for (o, &x) in out.iter_mut().zip(x) { *o = $f(Lane::<f32, FMA>(x)).0 } };
        }
        match op {
            UnaryOp::Exp => each!(math::exp),
            UnaryOp::Expm1 => each!(math::expm1),
            UnaryOp::Log => each!(math::log),
            UnaryOp::Log1p => each!(math::log1p),
            UnaryOp::Tanh => each!(math::tanh),
            UnaryOp::Sigmoid => each!(math::sigmoid),
            UnaryOp::Softplus => each!(math::softplus),
            UnaryOp::Erf => each!(math::erf),
            UnaryOp::Sin => circle::<false>(op, x, out),
            UnaryOp::Cos => circle::<true>(op, x, out),
            _ => op.map_f32(x, out),
        }
    }
}

/// Sine or cosine, piece by piece: where some argument is large, by the table.
#[inline(always)]
fn circle<const COSINE: bool>(op: UnaryOp, x: &[f32], out: &mut [f32]) {
    for (x, out) in x.chunks(64).zip(out.chunks_mut(64)) {
        if x.iter().all(|x| x.abs() <= math::CIRCLE_LIMIT) {
            for (o, &x) in out.iter_mut().zip(x) {
                *o = math::sin_or_cos::<COSINE>(x);
            }
        } else {
            op.map_f32(x, out);
        }
    }
}

versions! {
    /// `out[i] = op(x[i])`.
    pub(super) fn unary_f64(op: UnaryOp, x: &[f64], out: &mut [f64]) {
        macro_rules! each {
            ($f:path) => { for (o, &x) in out.iter_mut().zip(x) { *o = $f(Lane::<f64, FMA>(x)).0 } };
        }
        match op {
            UnaryOp::Exp => each!(math::exp),
            UnaryOp::Expm1 => each!(math::expm1),
            UnaryOp::Log => each!(math::log),
            UnaryOp::Log1p => each!(math::log1p),
            UnaryOp::Tanh => each!(math::tanh),
            UnaryOp::Sigmoid => each!(math::sigmoid),
            UnaryOp::Softplus => each!(math::softplus),
            _ => op.map_f64(x, out),
        }
    }
}

versions! {
    /// `out[i] = op(x[i], y[i])`.
    pub(super) fn binary_f32(op: BinaryOp, x: &[f32], y: &[f32], out: &mut [f32]) {
        if op == BinaryOp::Pow {
            for ((o, &x), &y) in out.iter_mut().zip(x).zip(y) {
                *o = math::pow(Lane::<f64, FMA>(f64::from(x)), Lane(f64::from(y))).0 as f32;
            }
            return;
        }
        if op == BinaryOp::Rem {
            return remainders(x, y, out);
        }
        op.map_f32(x, y, out);
    }
}

/// `out[i]` = the remainder of x[i] by y[i], piece by piece: in float64 where no quotient is so large that it would be
/// rounded. Below 2^28 the product of the quotient and y is exact, and a quotient just below a whole number stays below it.
#[inline(always)]
fn remainders(x: &[f32], y: &[f32], out: &mut [f32]) {
    let quotient = |x: f32, y: f32| f64::from(x) / f64::from(y);
    for ((x, y), out) in x.chunks(64).zip(y.chunks(64)).zip(out.chunks_mut(64)) {
        // Of an infinite y no multiple is finite, not even the 0-fold.
        let is_small = |(&x, &y): (&f32, &f32)| y.is_finite() && quotient(x, y).abs() < (1 << 28) as f64;
        if x.iter().zip(y).all(is_small) {
            for ((o, &x), &y) in out.iter_mut().zip(x).zip(y) {
                let whole = quotient(x, y).trunc();
                *o = special::with_sign_of((f64::from(x) - f64::from(y) * whole) as f32, y);
            }
        } else {
            BinaryOp::Rem.map_f32(x, y, out);
        }
    }
}

versions! {
    /// `out[i] = op(x[i], y[i])`.
    pub(super) fn binary_f64(op: BinaryOp, x: &[f64], y: &[f64], out: &mut [f64]) {
        op.map_f64(x, y, out);
    }
}

versions! {
    /// `out[i] = op(x[i], y[i])`, computed in i64 and wrapped.
    pub(super) fn binary_int[T: Integer](op: BinaryOp, x: &[T], y: &[T], out: &mut [T]) {
        let (mut a, mut b, mut c) = ([0_i64; 64], [0_i64; 64], [0_i64; 64]);
        for ((x, y), out) in x.chunks(64).zip(y.chunks(64)).zip(out.chunks_mut(64)) {
            let n = out.len();
            for i in 0..n {
                (a[i], b[i]) = (x[i].widen(), y[i].widen());
            }
            op.map_i64(&a[..n], &b[..n], &mut c[..n]);
            for i in 0..n {
                out[i] = T::narrow(c[i]);
            }
        }
    }
}

versions! {
    /// `out[i]` = 1 where `op(x[i], y[i])` holds, else 0.
    pub(super) fn compare[T: Element](op: BinaryOp, x: &[T], y: &[T], out: &mut [u8]) {
        op.compare(x, y, out);
    }
}

versions! {
    /// `out[i] = if condition[i] { x[i] } else { y[i] }`.
    pub(super) fn choose[T: Element](condition: &[u8], x: &[T], y: &[T], out: &mut [T]) {
        for (((o, &c), &x), &y) in out.iter_mut().zip(condition).zip(x).zip(y) {
            *o = if c != 0 { x } else { y };
        }
    }
}

versions! {
    /// `out[i] = x[i]` converted.
    pub(super) fn convert[A: Element, B: From_<A>](x: &[A], out: &mut [B]) {
        for (o, &x) in out.iter_mut().zip(x) {
            *o = B::from_(x);
        }
    }
}

versions! {
    /// `out[i]` = 1 where `x[i]` is not 0.
    pub(super) fn truth[A: Element](x: &[A], out: &mut [u8]) {
        for (o, &x) in out.iter_mut().zip(x) {
            *o = u8::from(x != A::ZERO);
        }
    }
}

/// An integer that arithmetic widens to i64.
pub(super) trait Integer: Element {
    fn widen(self) -> i64;
    fn narrow(x: i64) -> Self;
}

/// Conversion as by `as`: floats to integers truncate and saturate, integers wrap.
pub(super) trait From_<A>: Element {
    fn from_(x: A) -> Self;
}

macro_rules! conversions {
    ($($b:ty)*) => { $(conversions!(@ $b: f32 f64 i32 i64 u8 u32);)* };
    (@ $b:ty: $($a:ty)*) => {$(
        impl From_<$a> for $b {
            #[inline(always)]
            fn from_(x: $a) -> $b { x as $b }
        }
    )*};
}
conversions!(f32 f64 i32 i64 u8 u32);

macro_rules! integers {
    ($($t:ty)*) => {$(
        impl Integer for $t {
            #[inline(always)]
            fn widen(self) -> i64 { self as i64 }
            #[inline(always)]
            fn narrow(x: i64) -> $t { x as $t }
        }
    )*};
}
integers!(i32 i64 u8 u32);

/// A block's address with its length: operands of instructions before they get a type.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub start: *mut u8,
    pub len: usize,
}

impl Block {
    /// # Safety
    /// `len` aligned elements of T must be readable, and nobody may write them during `'a`.
    unsafe fn read<'a, T: Element>(self) -> &'a [T] {
        // SAFETY: as the caller promises.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.len) }
    }

    /// # Safety
    /// `len` aligned elements of T must be writable, and nobody else may use them during `'a`.
    unsafe fn write<'a, T: Element>(self) -> &'a mut [T] {
        // SAFETY: as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.cast(), self.len) }
    }
}

/// # Safety
/// Blocks of `dtype`, valid for reading and writing, that do not overlap.
pub(super) unsafe fn unary(level: Level, op: UnaryOp, dtype: DType, x: Block, out: Block) {
    // SAFETY: as the caller promises.
    unsafe {
        if dtype == DType::F64 {
            unary_f64(level, op, x.read(), out.write());
        } else {
            unary_f32(level, op, x.read(), out.write());
        }
    }
}

/// # Safety
/// Operands of `dtype`, a result of `dtype` or bool, valid for reading and writing; the result overlaps no operand.
pub(super) unsafe fn binary(level: Level, op: BinaryOp, dtype: DType, x: Block, y: Block, out: Block) {
    // SAFETY: as the caller promises.
    unsafe {
        if op.is_compare() {
            return crate::cpu::element::for_dtype!(dtype, T => compare::<T>(level, op, x.read(), y.read(), out.write()));
        }
        match dtype {
            DType::F32 => binary_f32(level, op, x.read(), y.read(), out.write()),
            DType::F64 => binary_f64(level, op, x.read(), y.read(), out.write()),
            DType::I32 => binary_int::<i32>(level, op, x.read(), y.read(), out.write()),
            DType::I64 => binary_int::<i64>(level, op, x.read(), y.read(), out.write()),
            DType::U32 => binary_int::<u32>(level, op, x.read(), y.read(), out.write()),
            DType::U8 | DType::Bool => binary_int::<u8>(level, op, x.read(), y.read(), out.write()),
        }
    }
}

/// # Safety
/// A bool condition and operands of `dtype`, valid for reading and writing; the result overlaps no operand.
pub(super) unsafe fn select(level: Level, dtype: DType, condition: Block, x: Block, y: Block, out: Block) {
    // SAFETY: as the caller promises.
    unsafe {
        crate::cpu::element::for_dtype!(dtype, T => choose::<T>(level, condition.read(), x.read(), y.read(), out.write()));
    }
}

/// # Safety
/// An operand of `from`, a result of `to`, valid for reading and writing, that do not overlap.
pub(super) unsafe fn cast(level: Level, from: DType, to: DType, x: Block, out: Block) {
    // SAFETY: as the caller promises.
    unsafe {
        crate::cpu::element::for_dtype!(from, A => {
            if to == DType::Bool {
                truth::<A>(level, x.read(), out.write());
            } else {
                crate::cpu::element::for_dtype!(to, B => convert::<A, B>(level, x.read(), out.write()));
            }
        });
    }
}
