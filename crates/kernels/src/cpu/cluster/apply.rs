//! One instruction of a cluster on one block, in the vector instructions of the level.

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};

use crate::cpu::element::{Element, Float};
use crate::cpu::level::{Level, versions};
use crate::math::{
    self, Arithmetic, Comparison, ForArithmetic, ForComparison, ForUnary, Lane, Unary, Vector,
};

versions! {
    /// `out[i] = op(x[i])`.
    pub(super) fn unary_f32(op: UnaryOp, x: &[f32], out: &mut [f32]) {
        math::for_unary(op, Each::<f32, FMA> { x, out });
    }
}

versions! {
    /// `out[i] = op(x[i])`.
    pub(super) fn unary_f64(op: UnaryOp, x: &[f64], out: &mut [f64]) {
        math::for_unary(op, Each::<f64, FMA> { x, out });
    }
}

versions! {
    /// `out[i] = op(x[i], y[i])`.
    pub(super) fn binary_f32(op: BinaryOp, x: &[f32], y: &[f32], out: &mut [f32]) {
        math::for_arithmetic(op, EachPair::<f32, FMA> { x, y, out });
    }
}

versions! {
    /// `out[i] = op(x[i], y[i])`.
    pub(super) fn binary_f64(op: BinaryOp, x: &[f64], y: &[f64], out: &mut [f64]) {
        math::for_arithmetic(op, EachPair::<f64, FMA> { x, y, out });
    }
}

versions! {
    /// `out[i] = op(x[i], y[i])`, computed in i64 and wrapped.
    pub(super) fn binary_int[T: Integer](op: BinaryOp, x: &[T], y: &[T], out: &mut [T]) {
        math::for_arithmetic(op, EachWhole::<T, FMA> { x, y, out });
    }
}

versions! {
    /// `out[i]` = 1 where `op(x[i], y[i])` holds, else 0.
    pub(super) fn compare[T: Element](op: BinaryOp, x: &[T], y: &[T], out: &mut [u8]) {
        math::for_comparison(op, EachTruth::<T, FMA> { x, y, out });
    }
}

/// Elements that are checked together: fast arithmetic needs that it holds for all of them.
const CHUNK_ELEMENTS: usize = 64;

/// Sets each element of `out` to a function of one of `x`.
struct Each<'a, T, const FMA: bool> {
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Float, const FMA: bool> ForUnary for Each<'_, T, FMA>
where
    Lane<T, FMA>: Vector<Mask = bool>,
{
    type Out = ();

    #[inline(always)]
    fn with<F: Unary>(self) {
        let lane = Lane::<T, FMA>;
        if F::within(lane(T::ZERO)).is_none() {
            for (o, &x) in self.out.iter_mut().zip(self.x) {
                *o = F::at(lane(x)).0;
            }
            return;
        }
        for (x, out) in self
            .x
            .chunks(CHUNK_ELEMENTS)
            .zip(self.out.chunks_mut(CHUNK_ELEMENTS))
        {
            for (o, &x) in out.iter_mut().zip(x) {
                *o = F::at(lane(x)).0;
            }
            let is_within = |&x: &T| F::within(lane(x)) == Some(true);
            if !x.iter().all(is_within) {
                for (o, x) in out.iter_mut().zip(x).filter(|(_, x)| !is_within(x)) {
                    *o = lane(*x).defined(F::OP).0;
                }
            }
        }
    }
}

/// Sets each element of `out` to a function of one of `x` and one of `y`.
struct EachPair<'a, T, const FMA: bool> {
    x: &'a [T],
    y: &'a [T],
    out: &'a mut [T],
}

impl<T: Float, const FMA: bool> ForArithmetic for EachPair<'_, T, FMA>
where
    Lane<T, FMA>: Vector<Mask = bool>,
{
    type Out = ();

    #[inline(always)]
    fn with<F: Arithmetic>(self) {
        let lane = Lane::<T, FMA>;
        if F::within(lane(T::ZERO), lane(T::ZERO)).is_none() {
            for ((o, &x), &y) in self.out.iter_mut().zip(self.x).zip(self.y) {
                *o = F::at(lane(x), lane(y)).0;
            }
            return;
        }
        let pieces = self.x.chunks(CHUNK_ELEMENTS).zip(self.y.chunks(CHUNK_ELEMENTS));
        for ((x, y), out) in pieces.zip(self.out.chunks_mut(CHUNK_ELEMENTS)) {
            for ((o, &x), &y) in out.iter_mut().zip(x).zip(y) {
                *o = F::at(lane(x), lane(y)).0;
            }
            let is_within = |x: T, y: T| F::within(lane(x), lane(y)) == Some(true);
            if !x.iter().zip(y).all(|(&x, &y)| is_within(x, y)) {
                for ((o, &x), &y) in out.iter_mut().zip(x).zip(y) {
                    if !is_within(x, y) {
                        *o = lane(x).defined_with(F::OP, lane(y)).0;
                    }
                }
            }
        }
    }
}

/// Sets each integer of `out` to a function of one of `x` and one of `y`.
struct EachWhole<'a, T, const FMA: bool> {
    x: &'a [T],
    y: &'a [T],
    out: &'a mut [T],
}

impl<T: Integer, const FMA: bool> ForArithmetic for EachWhole<'_, T, FMA> {
    type Out = ();

    #[inline(always)]
    fn with<F: Arithmetic>(self) {
        let lane = |x: T| Lane::<i64, FMA>(x.widen());
        for ((o, &x), &y) in self.out.iter_mut().zip(self.x).zip(self.y) {
            *o = T::narrow(F::whole(lane(x), lane(y)).0);
        }
    }
}

/// Sets each element of `out` to 1 where a comparison of `x` and `y` holds, else to 0.
struct EachTruth<'a, T, const FMA: bool> {
    x: &'a [T],
    y: &'a [T],
    out: &'a mut [u8],
}

impl<T: Element, const FMA: bool> ForComparison for EachTruth<'_, T, FMA> {
    type Out = ();

    #[inline(always)]
    fn with<F: Comparison>(self) {
        let lane = Lane::<T, FMA>;
        for ((o, &x), &y) in self.out.iter_mut().zip(self.x).zip(self.y) {
            *o = u8::from(F::holds(lane(x), lane(y)));
        }
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
    /// `len` aligned elements of T must be writable, and no other task may use them during `'a`.
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
