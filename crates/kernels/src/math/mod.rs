//! The arithmetic of elementwise operations, written once. A function is generic over its vector type: one element of a loop that
//! the compiler vectorizes ([`Lane`]), or a traced value, from which machine code is generated (`cpu/cluster/machine`). [`table`] maps
//! operations to functions; an operation without a function is computed by the definition in core's table, element by element.
//!
//! [`vector`] has the traits that functions are generic over. [`exponential`], [`power`] and [`circle`] hold functions without
//! branches and table look-ups, with errors of at most 2 units in the last place (see the tests) and the special values of IEEE 754;
//! [`gamma`] has the one function that processors take from a library.

mod circle;
mod constants;
mod exponential;
mod gamma;
mod lane;
mod power;
mod table;
mod vector;

#[cfg(test)]
mod tests;

pub(crate) use circle::sine_and_cosine_of_sum;
pub(crate) use constants::Constants;
pub(crate) use exponential::{exp_of_negative, expm1_of_negative};
pub(crate) use gamma::lgamma;
pub(crate) use lane::Lane;
pub(crate) use table::{
    Arithmetic, Comparison, ForArithmetic, ForComparison, ForUnary, Unary, for_arithmetic, for_comparison,
    for_unary,
};
pub(crate) use vector::{Ordered, Vector, Whole};
