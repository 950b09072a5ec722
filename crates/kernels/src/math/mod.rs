//! The arithmetic of elementwise operations, written once. A function is generic over what it computes on: one element of a
//! loop that the compiler vectorises ([`Lane`]), or a value that is written down instead of computed, from which machine code
//! is made (`cpu/cluster/machine`). [`table`] says which function is which operation; what has no text here is taken from
//! core's table, element by element.
//!
//! [`vector`] is what functions are written in. [`exponential`] and [`circle`] hold those without branches or tables, at most
//! 2 units in the last place off; see the tests. Special values are as in IEEE 754.

mod circle;
mod constants;
mod exponential;
mod lane;
mod table;
mod vector;

#[cfg(test)]
mod tests;

pub(crate) use constants::Constants;
pub(crate) use exponential::{exp_of_negative, expm1_of_negative};
pub(crate) use lane::Lane;
pub(crate) use table::{
    Arithmetic, Comparison, ForArithmetic, ForComparison, ForUnary, Unary, for_arithmetic, for_comparison,
    for_unary,
};
pub(crate) use vector::{Ordered, Vector, Whole};
