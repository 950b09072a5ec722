//! Data in, values out.

use std::sync::{Arc, Mutex, PoisonError};

use hyperglow_core::completion::Completion;
use hyperglow_core::engine::Engine;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::Spec;
use hyperglow_core::placement::{DeviceId, Placement};
use hyperglow_core::{DType, Error, NodeId, Result};
use napi::Env;
use napi::bindgen_prelude::{
    BigInt64Array, BufferSlice, Either6, Float32Array, Float64Array, Int32Array, Object, Uint8Array,
    Uint32Array,
};
use napi_derive::napi;

use crate::state::{engine, ids, placement, spec, to_js};

/// Typed arrays of tensors' data.
pub type Array = Either6<Float32Array, Float64Array, Int32Array, BigInt64Array, Uint8Array, Uint32Array>;

/// Data from JavaScript, copied to a device; without a device, to the device that uses it.
#[napi(
    ts_args_type = "data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array | Uint32Array, dtype: number, shape: Array<number>, device?: number"
)]
pub fn source(data: Array, code: u32, extents: Vec<f64>, device: Option<u8>) -> napi::Result<f64> {
    engine(|e| Ok(source_of(e, &data, spec(&extents, code)?, placement(e, device))?.to_number()))
}

/// A node for data in several parts: its bytes are undefined until `fill` has written all of them; it must not be used before.
#[napi]
pub fn room(code: u32, extents: Vec<f64>) -> napi::Result<f64> {
    engine(|e| {
        Ok(e.room(
            placement(e, Some(e.graph.default_device().0)),
            spec(&extents, code)?,
        )?
        .to_number())
    })
}

/// Writes bytes of a node of `room`, from byte `from` on.
#[napi(ts_args_type = "a: number, from: number, bytes: Uint8Array")]
pub fn fill(a: f64, from: f64, bytes: BufferSlice<'_>) -> napi::Result<()> {
    engine(|e| e.fill(NodeId::from_number(a), from as usize, &bytes))
}

/// A node of data from JavaScript, copied.
pub fn source_of(e: &mut Engine, data: &Array, spec: Spec, placement: Placement) -> Result<NodeId> {
    let (bytes, given): (&[u8], DType) = match data {
        Either6::A(x) => (bytemuck::cast_slice(x), DType::F32),
        Either6::B(x) => (bytemuck::cast_slice(x), DType::F64),
        Either6::C(x) => (bytemuck::cast_slice(x), DType::I32),
        Either6::D(x) => (bytemuck::cast_slice(x), DType::I64),
        Either6::E(x) => (x, DType::U8),
        Either6::F(x) => (bytemuck::cast_slice(x), DType::U32),
    };
    let same = spec.dtype == given || (spec.dtype == DType::Bool && given == DType::U8);
    if !same {
        return Err(Error::dtype(
            "tensor",
            format!("an array of {given} for a tensor of {}", spec.dtype),
            "give the matching typed array",
        ));
    }
    e.source_at(placement, bytes, spec)
}

/// Extents.
#[napi]
pub fn shape_of(a: f64) -> napi::Result<Vec<f64>> {
    engine(|e| {
        Ok(e.graph
            .shape(NodeId::from_number(a))?
            .dims()
            .iter()
            .map(|&d| d as f64)
            .collect())
    })
}

/// Code of the dtype.
#[napi]
pub fn dtype_of(a: f64) -> napi::Result<u32> {
    engine(|e| Ok(e.graph.dtype(NodeId::from_number(a))? as u32))
}

/// Number of the device.
#[napi]
pub fn device_of(a: f64) -> napi::Result<u8> {
    engine(|e| Ok(e.graph.node(NodeId::from_number(a))?.placement.device.0))
}

/// The value on a device.
#[napi]
pub fn to(a: f64, device: u8) -> napi::Result<f64> {
    engine(|e| Ok(e.to(NodeId::from_number(a), DeviceId(device))?.to_number()))
}

/// True when the value can be read at once.
#[napi]
pub fn is_ready(a: f64) -> napi::Result<bool> {
    engine(|e| {
        let node = e.graph.node(NodeId::from_number(a))?;
        Ok(node
            .value
            .as_ref()
            .is_some_and(|v| v.completion.as_ref().is_none_or(|c| c.result().is_some())))
    })
}

/// Adds a handle to a node.
#[napi]
pub fn retain(a: f64) -> napi::Result<()> {
    engine(|e| e.graph.retain(NodeId::from_number(a)))
}

/// Releases a handle of each node; missing nodes are ignored.
#[napi]
pub fn release(nodes: Vec<f64>) -> napi::Result<()> {
    engine(|e| {
        for id in ids(&nodes) {
            let _ = e.graph.release(id);
        }
        Ok(())
    })
}

/// Releases a handle of an existing node; returns its extents, for messages of a later misuse.
#[napi]
pub fn dispose(a: f64) -> napi::Result<Vec<f64>> {
    engine(|e| {
        let id = NodeId::from_number(a);
        let extents = e.graph.shape(id)?.dims().iter().map(|&d| d as f64).collect();
        e.graph.release(id)?;
        Ok(extents)
    })
}

/// Calls `done` once, after every run, with the first error.
fn when_all(completions: Vec<Arc<Completion>>, done: impl FnOnce(Result<()>) + Send + 'static) {
    type Rest<F> = (usize, Result<()>, Option<F>);
    if completions.is_empty() {
        return done(Ok(()));
    }
    let rest: Arc<Mutex<Rest<_>>> = Arc::new(Mutex::new((completions.len(), Ok(()), Some(done))));
    for completion in completions {
        let rest = rest.clone();
        completion.then(move |result| {
            let mut held = rest.lock().unwrap_or_else(PoisonError::into_inner);
            held.0 -= 1;
            if held.1.is_ok() {
                held.1 = result;
            }
            if held.0 == 0
                && let Some(done) = held.2.take()
            {
                let all = held.1.clone();
                drop(held);
                done(all);
            }
        });
    }
}

/// A promise of the end of some runs; `None` if all have succeeded, which saves a turn of the event loop.
pub fn promise<'env>(
    env: &'env Env,
    completions: Vec<Arc<Completion>>,
) -> napi::Result<Option<Object<'env>>> {
    if completions.iter().all(|c| c.is_done()) {
        return Ok(None);
    }
    let (deferred, promise) = env.create_deferred::<(), Box<dyn FnOnce(Env) -> napi::Result<()> + Send>>()?;
    when_all(completions, move |result| {
        deferred.resolve(Box::new(move |_| result.map_err(to_js)))
    });
    Ok(Some(promise))
}

/// Computes values, on another thread unless the run is brief; null if they are computed.
#[napi(ts_return_type = "Promise<void> | null")]
pub fn evaluate(env: &Env, nodes: Vec<f64>) -> napi::Result<Option<Object<'_>>> {
    let completions = engine(|e| e.evaluate(&ids(&nodes)))?;
    promise(env, completions)
}

/// Computes values, and blocks until they are computed.
#[napi]
pub fn evaluate_sync(nodes: Vec<f64>) -> napi::Result<()> {
    engine(|e| {
        for completion in e.evaluate(&ids(&nodes))? {
            completion.wait()?;
        }
        Ok(())
    })
}

/// Copies bytes of a computed value to `into`, from byte `from` on.
#[napi(ts_args_type = "a: number, from: number, into: Uint8Array")]
pub fn read(a: f64, from: f64, mut into: BufferSlice<'_>) -> napi::Result<()> {
    engine(|e| read_part(e, NodeId::from_number(a), from as usize, &mut into))
}

/// Computes a value, blocks until it is computed, and copies all its bytes.
#[napi(ts_args_type = "a: number, into: Uint8Array")]
pub fn read_sync(a: f64, mut into: BufferSlice<'_>) -> napi::Result<()> {
    engine(|e| {
        let id = NodeId::from_number(a);
        for completion in e.evaluate(&[id])? {
            completion.wait()?;
        }
        read_part(e, id, 0, &mut into)
    })
}

fn read_part(e: &Engine, id: NodeId, from: usize, into: &mut [u8]) -> Result<()> {
    let node = e.graph.node(id)?;
    let not_ready = || {
        Error::new(
            ErrorKind::State,
            "data",
            "the value is not there yet",
            "await evaluate() first",
        )
    };
    let value = node.value.as_ref().ok_or_else(not_ready)?;
    if let Some(completion) = &value.completion {
        completion.result().ok_or_else(not_ready)??;
    }
    value.buffer.read_part(from, into)
}
