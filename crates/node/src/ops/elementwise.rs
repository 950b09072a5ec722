//! Elementwise operations.

use hyperglow_core::compose::{broadcast_pair, broadcast_to};
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::op::Op;
use hyperglow_core::{Error, Result};
use napi_derive::napi;

use super::{add, finish, id};
use crate::state::{bound_pending, dtype, engine};

fn unary_op(code: u32) -> Result<UnaryOp> {
    UnaryOp::ALL
        .get(code as usize)
        .copied()
        .ok_or_else(|| Error::internal("unary", format!("no operation {code}")))
}

fn binary_op(code: u32) -> Result<BinaryOp> {
    BinaryOp::ALL
        .get(code as usize)
        .copied()
        .ok_or_else(|| Error::internal("binary", format!("no operation {code}")))
}

/// Names of the elementwise operations; their index is their code.
#[napi(object)]
pub struct OpNames {
    /// One argument.
    pub unary: Vec<String>,
    /// Two arguments.
    pub binary: Vec<String>,
}

/// Names of the elementwise operations, in the order of their codes.
#[napi]
pub fn op_names() -> OpNames {
    OpNames {
        unary: UnaryOp::ALL.iter().map(|o| o.name().to_string()).collect(),
        binary: BinaryOp::ALL.iter().map(|o| o.name().to_string()).collect(),
    }
}

/// Elementwise, one argument.
#[napi]
pub fn unary(code: u32, a: f64) -> napi::Result<f64> {
    engine(|e| {
        bound_pending(e)?;
        Ok(e.graph
            .add(Op::Unary(unary_op(code)?), &[id(a)], None)?
            .to_number())
    })
}

/// Elementwise, two arguments that broadcast.
#[napi]
pub fn binary(code: u32, a: f64, b: f64) -> napi::Result<f64> {
    engine(|e| {
        bound_pending(e)?;
        let op = binary_op(code)?;
        let [x, y] = broadcast_pair(&mut e.graph, op.name(), id(a), id(b))?;
        finish(e, Op::Binary(op), &[x, y])
    })
}

/// Elementwise with a number, which takes the tensor's dtype.
#[napi]
pub fn binary_scalar(code: u32, a: f64, value: f64, scalar_on_left: bool) -> napi::Result<f64> {
    engine(|e| {
        bound_pending(e)?;
        let op = binary_op(code)?;
        let spec = e.graph.spec(id(a))?.clone();
        if !spec.dtype.is_float() && value.fract() != 0.0 {
            return Err(Error::dtype(
                op.name(),
                format!("{value} with a tensor of {}", spec.dtype),
                "cast the tensor to float32 first",
            ));
        }
        let number = e.graph.constant(value, &spec);
        e.graph.retain(id(a))?;
        let inputs = if scalar_on_left {
            [number, id(a)]
        } else {
            [id(a), number]
        };
        finish(e, Op::Binary(op), &inputs)
    })
}

/// `condition ? a : b`; the three broadcast.
#[napi(js_name = "where")]
pub fn select(condition: f64, a: f64, b: f64) -> napi::Result<f64> {
    engine(|e| {
        let [x, y] = broadcast_pair(&mut e.graph, "where", id(a), id(b))?;
        let both = e.graph.shape(x)?.clone();
        let condition_shape = e.graph.shape(id(condition))?.clone();
        let all = hyperglow_core::Shape::broadcast("where", &condition_shape, &both);
        let mut inputs = Vec::new();
        if let Ok(all) = &all {
            for node in [id(condition), x, y] {
                inputs.push(broadcast_to(&mut e.graph, "where", node, all)?);
            }
        }
        e.graph.release(x)?;
        e.graph.release(y)?;
        all?;
        finish(e, Op::Where, &inputs)
    })
}

/// Conversion to another dtype.
#[napi]
pub fn cast(a: f64, code: u32) -> napi::Result<f64> {
    engine(|e| Ok(e.graph.add(Op::Cast(dtype(code)?), &[id(a)], None)?.to_number()))
}

/// The value without gradient.
#[napi]
pub fn stop_gradient(a: f64) -> napi::Result<f64> {
    add(Op::StopGradient, &[a], None)
}
