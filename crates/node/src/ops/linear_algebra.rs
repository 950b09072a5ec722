//! Factors, solutions and eigenvalues of matrices.

use hyperglow_core::op::Op;
use napi_derive::napi;

use super::add;

/// Lower Cholesky factor.
#[napi]
pub fn cholesky(a: f64) -> napi::Result<f64> {
    add(Op::Cholesky, &[a], None)
}

/// Solves a triangular system.
#[napi]
pub fn triangular_solve(a: f64, b: f64, lower: bool, transpose: bool) -> napi::Result<f64> {
    add(Op::TriangularSolve { lower, transpose }, &[a, b], None)
}

/// Solves a linear system.
#[napi]
pub fn solve(a: f64, b: f64) -> napi::Result<f64> {
    add(Op::Solve, &[a, b], None)
}

/// Inverses of symmetric positive definite matrices.
#[napi]
pub fn positive_inverse(a: f64) -> napi::Result<f64> {
    add(Op::PositiveInverse, &[a], None)
}

/// Determinants.
#[napi]
pub fn det(a: f64) -> napi::Result<f64> {
    add(Op::Det, &[a], None)
}

/// Eigenvalues (row 0) and eigenvectors (columns below) of symmetric matrices.
#[napi]
pub fn eigh(a: f64) -> napi::Result<f64> {
    add(Op::Eigh, &[a], None)
}
