//! Indexing: elements at indices, and indices of elements.

use hyperglow_core::Error;
use hyperglow_core::op::{Op, Spec};
use napi_derive::napi;

use super::{add, add_shaped, id};
use crate::state::engine;

/// Slices at a one-dimensional index.
#[napi]
pub fn take(x: f64, index: f64, axis: u32) -> napi::Result<f64> {
    add(Op::Take { axis: axis as usize }, &[x, index], None)
}

/// Zeros plus slices at an index.
#[napi]
pub fn index_add(index: f64, source: f64, axis: u32, extents: Vec<f64>) -> napi::Result<f64> {
    add_shaped(
        Op::IndexAdd { axis: axis as usize },
        &[index, source],
        &extents,
        1,
    )
}

/// Elements along an axis, at an index of equal rank.
#[napi]
pub fn gather(x: f64, index: f64, axis: u32) -> napi::Result<f64> {
    add(Op::Gather { axis: axis as usize }, &[x, index], None)
}

/// Zeros plus elements at an index of equal rank.
#[napi]
pub fn scatter_add(index: f64, source: f64, axis: u32, extents: Vec<f64>) -> napi::Result<f64> {
    add_shaped(
        Op::ScatterAdd { axis: axis as usize },
        &[index, source],
        &extents,
        1,
    )
}

/// Stable order along an axis.
#[napi]
pub fn arg_sort(x: f64, axis: u32, descending: bool) -> napi::Result<f64> {
    add(
        Op::ArgSort {
            axis: axis as usize,
            descending,
        },
        &[x],
        None,
    )
}

/// Indices of the k largest or smallest along an axis.
#[napi]
pub fn top_k(x: f64, k: f64, axis: u32, largest: bool) -> napi::Result<f64> {
    engine(|e| {
        let axis = axis as usize;
        let from = e.graph.spec(id(x))?.clone();
        if axis >= from.shape.rank() {
            return Err(Error::shape(
                "topK",
                format!("axis {axis} of {}", from.shape),
                "axes count from 0",
            ));
        }
        let target = Spec {
            shape: from.shape.with(axis, k as usize),
            dtype: from.dtype,
        };
        Ok(e.graph
            .add(Op::TopK { axis, largest }, &[id(x)], Some(&target))?
            .to_number())
    })
}

/// Equal rows get equal numbers.
#[napi]
pub fn unique_rows(x: f64) -> napi::Result<f64> {
    add(Op::UniqueRows, &[x], None)
}
