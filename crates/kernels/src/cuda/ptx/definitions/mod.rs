//! Definitions of core's table as code with branches and loops: of operations for which [`math`](crate::math) has no function, and of
//! arguments outside a function's range.
//!
//! [`remainder`] and [`integer`] have the definitions' bits, and so has [`polygamma`] but for digamma, whose logarithm is the one of
//! `math`. The [`circle`] functions of large arguments are within one unit in the last place of those of a system's library, and
//! lgamma is [`lgamma`](crate::math::lgamma).

mod circle;
pub(super) mod integer;
mod polygamma;
mod remainder;

pub(super) use circle::TWO_OVER_PI;

use hyperglow_core::elementwise::{BinaryOp, UnaryOp};

use super::float::{Float, Single};
use crate::math::{self, Vector};

/// An operation of one argument.
pub(super) fn unary<'e, T: Single>(op: UnaryOp, x: Float<'e, T>) -> Float<'e, T> {
    let wide = x.wide();
    Float::of_wide(match op {
        UnaryOp::Sin => circle::sine(wide, 0),
        UnaryOp::Cos => circle::sine(wide, 1),
        UnaryOp::Lgamma => math::lgamma(wide),
        _ => unreachable!("{} has a function without limits", op.name()),
    })
}

/// An operation of two arguments.
pub(super) fn binary<'e, T: Single>(op: BinaryOp, x: Float<'e, T>, y: Float<'e, T>) -> Float<'e, T> {
    match op {
        BinaryOp::Rem => remainder::floored(x, y),
        BinaryOp::Polygamma => Float::of_wide(polygamma::of(x.to, x.wide(), y.wide())),
        _ => unreachable!("{} has a function without limits", op.name()),
    }
}
