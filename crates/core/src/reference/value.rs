//! Tensors of the reference interpreter, and the two types it computes in.

use ndarray::{ArrayD, Dimension, IxDyn};

use crate::dtype::DType;
use crate::op::Spec;
use crate::shape::Shape;

macro_rules! value {
    ($($(#[$doc:meta])* $variant:ident($t:ty) as $wide:ident, |$x:ident| widen $widen:expr, float $float:expr, int $int:expr;)*) => {
        /// A tensor on the host.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Value { $($(#[$doc])* $variant(ArrayD<$t>),)* }

        impl Value {
            /// Shape and dtype.
            pub fn spec(&self) -> Spec {
                match self { $(Value::$variant(a) => Spec::new(a.shape(), DType::$variant),)* }
            }

            /// The elements in the type that computes for them; nothing is lost.
            pub(super) fn widened(&self) -> Wide {
                match self { $(Value::$variant(a) => Wide::$wide(a.mapv(|$x| $widen)),)* }
            }

            /// The elements as `dtype`: the conversion that `Op::Cast` makes.
            pub(super) fn narrowed(wide: &Wide, dtype: DType) -> Value {
                match (dtype, wide) {
                    $((DType::$variant, Wide::Float(a)) => Value::$variant(a.mapv(|$x| $float)),
                      (DType::$variant, Wide::Int(a)) => Value::$variant(a.mapv(|$x| $int)),)*
                }
            }
        }
    };
}

value! {
    /// float32
    F32(f32) as Float, |x| widen f64::from(x), float x as f32, int x as f32;
    /// float64
    F64(f64) as Float, |x| widen x, float x, int x as f64;
    /// int32
    I32(i32) as Int, |x| widen i64::from(x), float x as i32, int x as i32;
    /// int64
    I64(i64) as Int, |x| widen x, float x as i64, int x;
    /// uint8
    U8(u8) as Int, |x| widen i64::from(x), float x as u8, int x as u8;
    /// bool
    Bool(bool) as Int, |x| widen i64::from(x), float x != 0.0, int x != 0;
    /// uint32
    U32(u32) as Int, |x| widen i64::from(x), float x as u32, int x as u32;
}

/// The elements of any tensor without loss: floats as f64, all else as i64. Going back, floats round to
/// nearest; integers wrap; floats made integers truncate towards zero, saturate, and NaN gives 0;
/// anything but 0 is true, NaN too.
#[derive(Clone, Debug)]
pub(super) enum Wide {
    /// float32, float64
    Float(ArrayD<f64>),
    /// int32, int64, uint8, bool, uint32
    Int(ArrayD<i64>),
}

/// `on_wide!(wide, x => expression)`: applies code that is generic in the element to either kind.
macro_rules! on_wide {
    ($wide:expr, $x:ident => $body:expr) => {
        match $wide {
            $crate::reference::value::Wide::Float($x) => $crate::reference::value::Wide::Float($body),
            $crate::reference::value::Wide::Int($x) => $crate::reference::value::Wide::Int($body),
        }
    };
}
pub(super) use on_wide;

/// What an operation may do with an element of f64 or i64.
pub(super) trait Element: Copy + PartialOrd {
    /// 0, also the content of padding.
    const ZERO: Self;
    /// The sum; integers wrap.
    fn plus(self, other: Self) -> Self;
    /// NaN.
    fn is_nan(self) -> bool;
    /// The order in which NaN comes after everything and -0 equals 0.
    fn compare(self, other: Self) -> std::cmp::Ordering {
        self.partial_cmp(&other)
            .unwrap_or_else(|| self.is_nan().cmp(&other.is_nan()))
    }
}
impl Element for f64 {
    const ZERO: f64 = 0.0;
    fn plus(self, other: f64) -> f64 {
        self + other
    }
    fn is_nan(self) -> bool {
        self.is_nan()
    }
}
impl Element for i64 {
    const ZERO: i64 = 0;
    fn plus(self, other: i64) -> i64 {
        self.wrapping_add(other)
    }
    fn is_nan(self) -> bool {
        false
    }
}

/// An array of `shape` whose element at each index is `at(index)`.
pub(super) fn from_fn<T>(shape: &Shape, mut at: impl FnMut(&[usize]) -> T) -> ArrayD<T> {
    ArrayD::from_shape_fn(IxDyn(shape.dims()), |index| at(index.slice()))
}

/// An array of zeros.
pub(super) fn zeros<T: Element>(shape: &Shape) -> ArrayD<T> {
    ArrayD::from_elem(IxDyn(shape.dims()), T::ZERO)
}

/// Every index of `dims`, row-major.
pub(super) fn indices(dims: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    ndarray::indices(IxDyn(dims))
        .into_iter()
        .map(|index| index.slice().to_vec())
}

/// `index` with `axis` set to `position`.
pub(super) fn with(index: &[usize], axis: usize, position: usize) -> Vec<usize> {
    let mut moved = index.to_vec();
    moved[axis] = position;
    moved
}

macro_rules! bytes {
    ($($variant:ident($t:ty) |$bytes:ident| $read:expr;)*) => {
        impl Value {
            /// The tensor with these elements, row-major, in the machine's byte order; booleans are 0 or not.
            ///
            /// # Panics
            /// If the length is not `spec.bytes()`.
            pub fn from_bytes(spec: &Spec, bytes: &[u8]) -> Value {
                assert_eq!(bytes.len(), spec.bytes(), "bytes of a tensor {} {}", spec.dtype, spec.shape);
                match spec.dtype { $(DType::$variant => {
                    let read = |$bytes: &[u8]| -> $t { $read };
                    let elements = bytes.chunks_exact(size_of::<$t>()).map(read).collect();
                    let array = ArrayD::from_shape_vec(IxDyn(spec.shape.dims()), elements);
                    Value::$variant(array.expect("as many elements as the shape has"))
                })* }
            }
        }
    };
}

bytes! {
    F32(f32) |b| f32::from_ne_bytes(b.try_into().expect("4 bytes"));
    F64(f64) |b| f64::from_ne_bytes(b.try_into().expect("8 bytes"));
    I32(i32) |b| i32::from_ne_bytes(b.try_into().expect("4 bytes"));
    I64(i64) |b| i64::from_ne_bytes(b.try_into().expect("8 bytes"));
    U8(u8) |b| b[0];
    Bool(bool) |b| b[0] != 0;
    U32(u32) |b| u32::from_ne_bytes(b.try_into().expect("4 bytes"));
}

impl Value {
    /// The elements, row-major, in the machine's byte order; booleans are 0 or 1.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Value::F32(a) => a.iter().flat_map(|x| x.to_ne_bytes()).collect(),
            Value::F64(a) => a.iter().flat_map(|x| x.to_ne_bytes()).collect(),
            Value::I32(a) => a.iter().flat_map(|x| x.to_ne_bytes()).collect(),
            Value::I64(a) => a.iter().flat_map(|x| x.to_ne_bytes()).collect(),
            Value::U8(a) => a.iter().copied().collect(),
            Value::Bool(a) => a.iter().map(|&x| u8::from(x)).collect(),
            Value::U32(a) => a.iter().flat_map(|x| x.to_ne_bytes()).collect(),
        }
    }
}
