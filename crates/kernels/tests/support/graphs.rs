//! Graphs run by the whole path (trace, plan, queue, kernels) and by the reference interpreter.

// Each test program uses a part of it.
#![allow(dead_code)]

#[path = "devices.rs"]
mod list;

use std::sync::Arc;

use hyperglow_core::backend::Backend;
use hyperglow_core::engine::Engine;
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::trace::cut;
use hyperglow_core::reference::{Value, evaluate};
use hyperglow_core::run::Queue;
use hyperglow_core::{DType, NodeId};
use hyperglow_kernels::CpuBackend;

pub use list::devices;

/// An engine on the processor.
pub fn engine(threads: usize) -> Engine {
    engine_on(Arc::new(CpuBackend::new(threads)))
}

/// An engine on a device.
pub fn engine_on(backend: Arc<dyn Backend>) -> Engine {
    Engine::new(backend, Arc::new(Queue::start("test").unwrap()))
}

/// Runs a test on an engine of each of the usual devices.
pub fn on_every_device(test: impl Fn(Engine)) {
    for device in devices().into_iter().filter(|device| device.is_usual) {
        test(engine_on(device.backend));
    }
}

pub fn f64s(bytes: &[u8]) -> Vec<f64> {
    bytes
        .chunks_exact(8)
        .map(|b| f64::from_ne_bytes(b.try_into().unwrap()))
        .collect()
}

pub fn source(e: &mut Engine, shape: &[usize], data: &[f64]) -> NodeId {
    let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_ne_bytes()).collect();
    e.source(&bytes, Spec::new(shape, DType::F64)).unwrap()
}

pub fn read(e: &mut Engine, id: NodeId) -> Vec<f64> {
    for completion in e.evaluate(&[id]).unwrap() {
        completion.wait().unwrap();
    }
    let node = e.graph.node(id).unwrap();
    let mut bytes = vec![0; node.spec.bytes()];
    node.value.as_ref().unwrap().buffer.read(&mut bytes).unwrap();
    f64s(&bytes)
}

/// What the reference interpreter makes of `targets`.
pub fn expected(e: &Engine, targets: &[NodeId], sources: &[(NodeId, Vec<f64>)]) -> Vec<Vec<f64>> {
    let cut = cut(&e.graph, targets, &[]).unwrap();
    let mut done: Vec<Value> = Vec::new();
    for (i, node) in cut.trace.nodes.iter().enumerate() {
        let value = if node.op == Op::Input {
            let data = &sources.iter().find(|(id, _)| *id == cut.ids[i]).unwrap().1;
            let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_ne_bytes()).collect();
            Value::from_bytes(&node.spec, &bytes)
        } else {
            let inputs: Vec<&Value> = node.inputs.iter().map(|&n| &done[n as usize]).collect();
            evaluate(&node.op, &inputs, &node.spec).unwrap()
        };
        done.push(value);
    }
    cut.trace
        .outputs
        .iter()
        .map(|&o| f64s(&done[o as usize].to_bytes()))
        .collect()
}
