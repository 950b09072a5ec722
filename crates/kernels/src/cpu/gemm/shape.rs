//! What is multiplied.

/// `batch` products of m x k and k x n matrices, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct GemmShape {
    pub batch: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// (row, column) strides of A and of B.
    pub a: (usize, usize),
    pub b: (usize, usize),
}
