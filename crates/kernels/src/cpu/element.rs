//! Rust types of the dtypes, and choosing code by dtype.

use std::any::TypeId;

use hyperglow_core::DType;

/// The type of the elements of some dtypes; any bit pattern is a value.
pub(crate) trait Element: Copy + Send + Sync + PartialOrd + 'static {
    /// Whether the elements of a tensor of `dtype` have this type.
    fn holds(dtype: DType) -> bool;
    /// 0.
    const ZERO: Self;
    /// The nearest value; integers truncate and saturate.
    fn from_f64(x: f64) -> Self;
    /// As a double; exact but for large i64.
    fn to_f64(self) -> f64;
    /// The sum; integers wrap.
    fn plus(self, other: Self) -> Self;
    /// NaN, for floats.
    fn is_nan(self) -> bool;
    /// Nothing is smaller (NaN aside).
    const LOWEST: Self;
    /// Nothing is larger (NaN aside).
    const HIGHEST: Self;
}

/// The elements, if they are of this type.
pub(crate) fn same<T: 'static, U: 'static>(x: &[T]) -> Option<&[U]> {
    // SAFETY: the same type.
    (TypeId::of::<T>() == TypeId::of::<U>())
        .then(|| unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) })
}

/// The elements, if they are of this type.
pub(crate) fn same_mut<T: 'static, U: 'static>(x: &mut [T]) -> Option<&mut [U]> {
    // SAFETY: the same type.
    (TypeId::of::<T>() == TypeId::of::<U>())
        .then(|| unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) })
}

/// float32 or float64.
pub(crate) trait Float:
    Element + std::ops::Mul<Output = Self> + std::ops::Sub<Output = Self> + std::ops::Div<Output = Self>
{
    /// `self * b + c`, in one instruction where `FMA`.
    fn fma<const FMA: bool>(self, b: Self, c: Self) -> Self;
}

macro_rules! element {
    ($($t:ty: $($dtype:ident)|+, $zero:expr, $low:expr, $high:expr, |$a:ident, $b:ident| $plus:expr, |$x:ident| $nan:expr;)*) => {$(
        impl Element for $t {
            const ZERO: $t = $zero;
            const LOWEST: $t = $low;
            const HIGHEST: $t = $high;
            #[inline(always)]
            fn holds(dtype: DType) -> bool { matches!(dtype, $(DType::$dtype)|+) }
            #[inline(always)]
            fn from_f64(x: f64) -> $t { x as $t }
            #[inline(always)]
            fn to_f64(self) -> f64 { self as f64 }
            #[inline(always)]
            fn plus(self, other: $t) -> $t { let ($a, $b) = (self, other); $plus }
            #[inline(always)]
            fn is_nan(self) -> bool { let $x = self; $nan }
        }
    )*};
}

element! {
    f32: F32, 0.0, f32::NEG_INFINITY, f32::INFINITY, |a, b| a + b, |x| f32::is_nan(x);
    f64: F64, 0.0, f64::NEG_INFINITY, f64::INFINITY, |a, b| a + b, |x| f64::is_nan(x);
    i32: I32, 0, i32::MIN, i32::MAX, |a, b| a.wrapping_add(b), |_x| false;
    i64: I64, 0, i64::MIN, i64::MAX, |a, b| a.wrapping_add(b), |_x| false;
    u8: U8 | Bool, 0, u8::MIN, u8::MAX, |a, b| a.wrapping_add(b), |_x| false;
    u32: U32, 0, u32::MIN, u32::MAX, |a, b| a.wrapping_add(b), |_x| false;
}

macro_rules! float {
    ($($t:ty)*) => {$(
        impl Float for $t {
            #[inline(always)]
            fn fma<const FMA: bool>(self, b: $t, c: $t) -> $t { if FMA { self.mul_add(b, c) } else { self * b + c } }
        }
    )*};
}
float!(f32 f64);

/// `for_dtype!(dtype, T => expression)`: the expression with `T` the element type of `dtype`.
macro_rules! for_dtype {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            hyperglow_core::DType::F32 => {
                type $t = f32;
                $body
            }
            hyperglow_core::DType::F64 => {
                type $t = f64;
                $body
            }
            hyperglow_core::DType::I32 => {
                type $t = i32;
                $body
            }
            hyperglow_core::DType::I64 => {
                type $t = i64;
                $body
            }
            hyperglow_core::DType::U32 => {
                type $t = u32;
                $body
            }
            hyperglow_core::DType::U8 | hyperglow_core::DType::Bool => {
                type $t = u8;
                $body
            }
        }
    };
}
pub(crate) use for_dtype;

/// As [`for_dtype!`] for operations that inference allows on floats only.
macro_rules! for_float {
    ($dtype:expr, $t:ident => $body:expr) => {
        if $dtype == hyperglow_core::DType::F64 {
            type $t = f64;
            $body
        } else {
            type $t = f32;
            $body
        }
    };
}
pub(crate) use for_float;
