//! Conversions between dtypes, as `as` of Rust: floats to integers truncate and saturate, NaN becomes 0, integers wrap.

use hyperglow_core::DType;

use super::emitter::{Class, Emitter, Reg};
use super::float::Single;

/// The value of a register of one dtype in another.
pub(super) fn cast(to: &Emitter, x: Reg, from: DType, into: DType) -> Reg {
    if from == into {
        return x;
    }
    let class = Class::of(into);
    match (from, into) {
        (DType::Bool, _) => {
            let (one, zero) = (constant(to, 1.0, into), constant(to, 0.0, into));
            to.op(class, &format!("selp.{}", class.suffix()), &[&one, &zero, &x])
        }
        (_, DType::Bool) => {
            // NaN is not 0.
            let how = match from {
                DType::F32 => "setp.neu.f32",
                DType::F64 => "setp.neu.f64",
                DType::I64 => "setp.ne.s64",
                _ => "setp.ne.s32",
            };
            to.op(class, how, &[&x, &constant(to, 0.0, from)])
        }
        (DType::F32, DType::F64) => to.op(class, "cvt.f64.f32", &[&x]),
        (DType::F64, DType::F32) => to.op(class, "cvt.rn.f32.f64", &[&x]),
        (DType::F32 | DType::F64, _) => truncated(to, x, from, into),
        (_, DType::F32 | DType::F64) => {
            let mnemonic = format!("cvt.rn.{}.{}", class.suffix(), integer_suffix(from));
            to.op(class, &mnemonic, &[&x])
        }
        (DType::I32, DType::I64) => to.op(class, "cvt.s64.s32", &[&x]),
        (_, DType::I64) => to.op(class, "cvt.u64.u32", &[&x]),
        (DType::I64, _) => narrowed(to, to.op(class, "cvt.u32.u64", &[&x]), into),
        _ => narrowed(to, x, into),
    }
}

/// 32 bits as an integer of at most 32 bits.
fn narrowed(to: &Emitter, x: Reg, into: DType) -> Reg {
    if into == DType::U8 {
        to.op(Class::B32, "and.b32", &[&x, &255])
    } else {
        x
    }
}

/// A float as an integer.
fn truncated(to: &Emitter, x: Reg, from: DType, into: DType) -> Reg {
    let class = Class::of(into);
    let float = Class::of(from).suffix();
    // The instruction clamps, and of NaN its value depends on the types.
    let mnemonic = format!("cvt.rzi.{}.{float}", integer_suffix(into));
    let cut = to.op(class, &mnemonic, &[&x]);
    let cut = if into == DType::U8 {
        to.op(class, "min.u32", &[&cut, &255])
    } else {
        cut
    };
    let number = to.op(Class::Pred, &format!("setp.eq.{float}"), &[&x, &x]);
    let zero = constant(to, 0.0, into);
    to.op(
        class,
        &format!("selp.{}", class.suffix()),
        &[&cut, &zero, &number],
    )
}

const fn integer_suffix(dtype: DType) -> &'static str {
    match dtype {
        DType::I64 => "s64",
        DType::I32 => "s32",
        _ => "u32",
    }
}

/// A constant of a dtype.
pub(super) fn constant(to: &Emitter, value: f64, dtype: DType) -> Reg {
    let class = Class::of(dtype);
    match dtype {
        DType::F32 => to.constant(class, f32::immediate(value)),
        DType::F64 => to.constant(class, f64::immediate(value)),
        DType::I32 => to.constant(class, value as i32),
        DType::I64 => to.constant(class, value as i64),
        DType::U32 => to.constant(class, value as u32),
        DType::U8 => to.constant(class, value as u8),
        DType::Bool => {
            let number = to.constant(Class::B32, u8::from(value != 0.0));
            to.op(class, "setp.ne.s32", &[&number, &0])
        }
    }
}
