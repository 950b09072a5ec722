//! Building graph: one function per primitive. Every result is a new handle.

mod elementwise;
mod indexing;
mod linear_algebra;
mod pooling;
mod products;
mod reductions;
mod samples;
mod shapes;
mod sources;

use hyperglow_core::engine::Engine;
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::{NodeId, Result};

use crate::state::{engine, ids, shape};

fn id(number: f64) -> NodeId {
    NodeId::from_number(number)
}

fn add(op: Op, inputs: &[f64], target: Option<Spec>) -> napi::Result<f64> {
    engine(|e| Ok(e.graph.add(op, &ids(inputs), target.as_ref())?.to_number()))
}

/// A primitive whose target has the dtype of its first input.
fn add_shaped(op: Op, inputs: &[f64], extents: &[f64], like: usize) -> napi::Result<f64> {
    engine(|e| {
        let inputs = ids(inputs);
        let dtype = e.graph.dtype(inputs[like])?;
        let target = Spec {
            shape: shape(extents),
            dtype,
        };
        Ok(e.graph.add(op, &inputs, Some(&target))?.to_number())
    })
}

/// Adds a primitive on inputs, and releases the inputs' handles.
fn finish(e: &mut Engine, op: Op, inputs: &[NodeId]) -> Result<f64> {
    let made = e.graph.add(op, inputs, None);
    for &input in inputs {
        e.graph.release(input)?;
    }
    Ok(made?.to_number())
}
