//! Element by element, by the rows of [`crate::elementwise`]; and the sources, which have no operands.

use ndarray::{ArrayD, IxDyn, Zip};

use super::value::{Value, Wide, from_fn};
use crate::dtype::DType;
use crate::elementwise::{BinaryOp, UnaryOp};
use crate::error::{Error, Result};
use crate::op::{Distribution, Spec};
use crate::random;

/// Every element the number.
pub(super) fn constant(number: f64, spec: &Spec) -> Value {
    Value::narrowed(
        &Wide::Float(ArrayD::from_elem(IxDyn(spec.shape.dims()), number)),
        spec.dtype,
    )
}

/// The position along `axis`.
pub(super) fn iota(axis: usize, spec: &Spec) -> Value {
    Value::narrowed(&Wide::Int(from_fn(&spec.shape, |i| i[axis] as i64)), spec.dtype)
}

/// Element i of a part, row-major, is number i of the stream that the part's key names.
pub(super) fn random(kind: Distribution, keys: &Value, spec: &Spec) -> Result<Value> {
    let Value::U32(keys) = keys else {
        return Err(unsupported("random", "a key of", keys.spec().dtype));
    };
    let words: Vec<u32> = keys.iter().copied().collect();
    let mut out = constant(0.0, spec);
    match (kind, &mut out) {
        (Distribution::Bits, Value::U32(a)) => fill(&words, elements_mut(a), random::fill_bits),
        (Distribution::Uniform, Value::F32(a)) => fill(&words, elements_mut(a), random::fill_uniform_f32),
        (Distribution::Uniform, Value::F64(a)) => fill(&words, elements_mut(a), random::fill_uniform_f64),
        (Distribution::Normal, Value::F32(a)) => fill(&words, elements_mut(a), random::fill_normal_f32),
        (Distribution::Normal, Value::F64(a)) => fill(&words, elements_mut(a), random::fill_normal_f64),
        (Distribution::Bits | Distribution::Uniform | Distribution::Normal, _) => {
            return Err(unsupported("random", "numbers of", spec.dtype));
        }
    }
    Ok(out)
}

/// Equal parts of `out`, each from its key.
fn fill<T>(keys: &[u32], out: &mut [T], draw: fn([u32; 2], u64, &mut [T])) {
    if out.is_empty() {
        return;
    }
    let part = out.len() / (keys.len() / 2);
    for (key, part) in keys.chunks_exact(2).zip(out.chunks_exact_mut(part)) {
        draw([key[0], key[1]], 0, part);
    }
}

/// One argument; floats only.
pub(super) fn unary(op: UnaryOp, x: &Value) -> Result<Value> {
    match x {
        Value::F32(a) => Ok(Value::F32(a.mapv(|x| op.at_f32(x)))),
        Value::F64(a) => Ok(Value::F64(a.mapv(|x| op.at_f64(x)))),
        Value::I32(_) | Value::I64(_) | Value::U8(_) | Value::Bool(_) | Value::U32(_) => {
            Err(unsupported(op.name(), "given", x.spec().dtype))
        }
    }
}

/// Two arguments of one dtype; float32 is computed in float32, integers in int64 and wrapped back.
pub(super) fn binary(op: BinaryOp, x: &Value, y: &Value, spec: &Spec) -> Value {
    if let (Value::F32(x), Value::F32(y)) = (x, y)
        && !op.is_compare()
    {
        return Value::F32(map_pair(x, y, |x, y| op.at_f32(x, y)));
    }
    let wide = match (x.widened(), y.widened()) {
        (Wide::Float(x), Wide::Float(y)) => Wide::Float(map_pair(&x, &y, |x, y| op.at_f64(x, y))),
        (Wide::Int(x), Wide::Int(y)) => Wide::Int(map_pair(&x, &y, |x, y| op.at_i64(x, y))),
        (Wide::Float(_), Wide::Int(_)) | (Wide::Int(_), Wide::Float(_)) => mixed(op.name()),
    };
    Value::narrowed(&wide, spec.dtype)
}

/// `a` where the condition holds, else `b`.
pub(super) fn choose(condition: &Value, a: &Value, b: &Value, spec: &Spec) -> Value {
    let on = match condition.widened() {
        Wide::Int(on) => on.mapv(|x| x != 0),
        Wide::Float(on) => on.mapv(|x| x != 0.0),
    };
    let wide = match (a.widened(), b.widened()) {
        (Wide::Float(a), Wide::Float(b)) => Wide::Float(pick(&on, &a, &b)),
        (Wide::Int(a), Wide::Int(b)) => Wide::Int(pick(&on, &a, &b)),
        (Wide::Float(_), Wide::Int(_)) | (Wide::Int(_), Wide::Float(_)) => mixed("where"),
    };
    Value::narrowed(&wide, spec.dtype)
}

/// Conversion.
pub(super) fn cast(x: &Value, dtype: DType) -> Value {
    Value::narrowed(&x.widened(), dtype)
}

fn pick<T: Copy>(on: &ArrayD<bool>, a: &ArrayD<T>, b: &ArrayD<T>) -> ArrayD<T> {
    Zip::from(on)
        .and(a)
        .and(b)
        .map_collect(|&on, &a, &b| if on { a } else { b })
}

fn map_pair<T: Copy>(x: &ArrayD<T>, y: &ArrayD<T>, at: impl Fn(T, T) -> T) -> ArrayD<T> {
    Zip::from(x).and(y).map_collect(|&x, &y| at(x, y))
}

fn elements_mut<T>(a: &mut ArrayD<T>) -> &mut [T] {
    a.as_slice_mut().expect("a new array is contiguous")
}

fn unsupported(op: &str, what: &str, dtype: DType) -> Error {
    Error::internal(op, format!("{what} {dtype}, which inference does not let pass"))
}

fn mixed(op: &str) -> ! {
    panic!("{op}: operands of two dtypes, which inference does not let pass")
}
