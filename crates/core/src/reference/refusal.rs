//! What a computation says when the data leave it without an answer, in the same words on every backend.

use crate::error::{Error, ErrorKind};
use crate::shape::Shape;

/// An index outside its axis; `position` is where it stands in the tensor of indices.
pub fn index_out_of_range(op: &str, index: i64, position: &[usize], axis: usize, extent: usize) -> Error {
    let mend = match extent {
        0 => "the axis is empty: there is nothing to index".to_string(),
        _ => format!("keep indices within 0 and {}", extent - 1),
    };
    let position = Shape::from(position);
    Error::new(
        ErrorKind::Data,
        op,
        format!("index {index} at position {position} lies outside axis {axis}, whose extent is {extent}"),
        mend,
    )
}

/// A matrix that has no Cholesky factor. `batch` is its number among all matrices of the tensor.
pub fn not_positive_definite(batch: usize, pivot: usize, value: f64) -> Error {
    Error::new(
        ErrorKind::Numerical,
        "cholesky",
        format!("matrix {batch} is not positive definite: pivot {pivot} is {value}"),
        "check that it is symmetric without NaN, and add a small multiple of the identity, such as 1e-6 * eye(n)",
    )
}

/// A matrix that has no inverse: its pivot (or diagonal element) is exactly 0.
pub fn singular(op: &str, batch: usize, pivot: usize) -> Error {
    Error::new(
        ErrorKind::Numerical,
        op,
        format!("matrix {batch} is singular: pivot {pivot} is 0"),
        "add a small multiple of the identity, such as 1e-6 * eye(n), or remove dependent rows",
    )
}

/// A matrix with an element that is NaN or infinite.
pub fn not_finite(op: &str, batch: usize, row: usize, column: usize, value: f64) -> Error {
    Error::new(
        ErrorKind::Numerical,
        op,
        format!("matrix {batch} has {value} at row {row}, column {column}"),
        "look for the operation that made it: x.isFinite()",
    )
}

/// An iteration for eigenvalues that did not settle.
pub fn no_convergence(op: &str, batch: usize, sweeps: usize) -> Error {
    Error::new(
        ErrorKind::Numerical,
        op,
        format!("the eigenvalues of matrix {batch} did not settle in {sweeps} sweeps"),
        "change its diagonal by parts in 1e12 of its largest element, which moves no eigenvalue by more than that",
    )
}
