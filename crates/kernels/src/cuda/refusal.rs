//! What a running kernel refuses: a record on the device that the host reads with the results.
//!
//! The first step that refuses writes the record; of a step's refusals the first element is reported, as on the CPU.

use hyperglow_core::reference::refusal::{
    index_out_of_range, no_convergence, not_finite, not_positive_definite, singular,
};
use hyperglow_core::{Error, Shape};

/// `struct Refusal` of `cu/compat.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// `step << 40 | element`; all ones while nothing refuses.
    key: u64,
    integer: i64,
    number: f64,
    detail: i64,
}

/// Bits of an element's number: tensors have at most 2^40 elements.
const ELEMENT_BITS: u32 = 40;

impl Record {
    /// Step and element of a refusal.
    pub fn refused(&self) -> Option<(usize, usize)> {
        let step = (self.key >> ELEMENT_BITS) as usize;
        (self.key != u64::MAX).then_some((step, (self.key & ((1 << ELEMENT_BITS) - 1)) as usize))
    }
}

/// What a step refuses, in words.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    /// An index outside its axis; the element is its position among the indices.
    Index {
        op: &'static str,
        indices: Shape,
        axis: usize,
        extent: usize,
    },
    /// A matrix without a Cholesky factor; the element is its number.
    NotPositiveDefinite,
    /// A matrix without an inverse.
    Singular { op: &'static str },
    /// Symmetric matrices whose eigenvalues are not found.
    Eigenvalues { op: &'static str, sweeps: usize },
}

impl Refusal {
    /// The error of a record.
    pub fn error(&self, element: usize, record: &Record) -> Error {
        let Record {
            integer,
            number,
            detail,
            ..
        } = *record;
        match self {
            Refusal::Index {
                op,
                indices,
                axis,
                extent,
            } => index_out_of_range(op, integer, &position(indices, element), *axis, *extent),
            Refusal::NotPositiveDefinite => not_positive_definite(element, integer as usize, number),
            Refusal::Singular { op } => singular(op, element, integer as usize),
            Refusal::Eigenvalues { op, sweeps } if integer < 0 => no_convergence(op, element, *sweeps),
            Refusal::Eigenvalues { op, .. } => {
                not_finite(op, element, integer as usize, detail as usize, number)
            }
        }
    }
}

/// The position of an element.
fn position(shape: &Shape, mut element: usize) -> Vec<usize> {
    let mut position = vec![0; shape.rank()];
    for axis in (0..shape.rank()).rev() {
        position[axis] = element % shape[axis].max(1);
        element /= shape[axis].max(1);
    }
    position
}
