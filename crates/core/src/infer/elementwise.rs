//! Elementwise operations: operands of one shape.

use super::Given;
use super::checks::{floats, same_dtype, same_shape};
use crate::dtype::DType;
use crate::elementwise::BinaryOp;
use crate::error::{Error, Result};
use crate::op::Spec;

pub(super) fn unary(given: &Given<'_>) -> Result<Spec> {
    floats(given.name, given.inputs[0])?;
    given.like_first()
}

pub(super) fn binary(given: &Given<'_>, op: BinaryOp) -> Result<Spec> {
    let (name, [a, b]) = (given.name, given.pair());
    same_dtype(name, a, b)?;
    same_shape(name, a, b)?;
    if op.is_of_floats() {
        floats(name, a)?;
    }
    if op.is_compare() {
        Ok(Spec::new(a.shape.clone(), DType::Bool))
    } else if a.dtype == DType::Bool {
        Err(Error::dtype(
            name,
            "given bool",
            "cast it, or use logicalAnd, logicalOr, where",
        ))
    } else {
        given.like_first()
    }
}

pub(super) fn choice(given: &Given<'_>) -> Result<Spec> {
    let (name, condition) = (given.name, given.inputs[0]);
    if condition.dtype != DType::Bool {
        return Err(Error::dtype(
            name,
            format!("the condition is {}, expected bool", condition.dtype),
            "compare it with something, for instance x.notEqual(0)",
        ));
    }
    let (a, b) = (given.inputs[1], given.inputs[2]);
    same_dtype(name, a, b)?;
    same_shape(name, condition, a)?;
    same_shape(name, a, b)?;
    Ok(a.clone())
}
