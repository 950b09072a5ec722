//! Graphs on values of the reference interpreter.

use hyperglow_core::compose::Build;
use hyperglow_core::elementwise::{Formula, UnaryOp};
use hyperglow_core::grad::vjp;
use hyperglow_core::op::{Op, Reduction, Spec};
use hyperglow_core::plan::trace::cut;
use hyperglow_core::reference::{Value, evaluate};
use hyperglow_core::{DType, Graph, NodeId};

/// Numbers in the domain, far enough from each other for differences not to cross a kink.
pub fn sample(count: usize, (low, high): (f64, f64), salt: usize) -> Vec<f64> {
    (0..count)
        .map(|i| {
            let k = (i * 48_271 + salt * 7_919 + 11) % 65_537;
            low + (high - low) * (k as f64 + 0.5) / 65_537.0
        })
        .collect()
}

pub fn tensor(shape: &[usize], data: &[f64]) -> Value {
    let spec = Spec::new(shape, DType::F64);
    Value::from_bytes(
        &spec,
        &data.iter().flat_map(|x| x.to_ne_bytes()).collect::<Vec<u8>>(),
    )
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value
        .to_bytes()
        .chunks_exact(8)
        .map(|b| f64::from_ne_bytes(b.try_into().expect("eight bytes")))
        .collect()
}

/// Evaluates `target` with the leaves given.
pub fn evaluated(graph: &Graph, target: NodeId, leaves: &[NodeId], values: &[Value]) -> Value {
    let cut = cut(graph, &[target], leaves).expect("nodes live");
    let mut done: Vec<Value> = Vec::new();
    for (i, node) in cut.trace.nodes.iter().enumerate() {
        let value = if node.op == Op::Input {
            let k = cut
                .trace
                .inputs
                .iter()
                .position(|&p| p as usize == i)
                .expect("an input");
            values[k].clone()
        } else {
            let inputs: Vec<&Value> = node.inputs.iter().map(|&n| &done[n as usize]).collect();
            evaluate(&node.op, &inputs, &node.spec).expect("evaluates")
        };
        done.push(value);
    }
    done.swap_remove(cut.trace.outputs[0] as usize)
}

/// sum(x * w) with fixed weights w, as a scalar node.
pub fn weighted(b: &mut Build<'_>, x: NodeId, salt: usize) -> NodeId {
    let spec = b.spec(x);
    let mut shape = spec.shape.dims().to_vec();
    if shape.is_empty() {
        shape.push(1);
    }
    let x = b.reshape(x, shape.clone().into());
    let target = Spec {
        shape: shape.clone().into(),
        dtype: DType::F64,
    };
    // Weights that differ along every axis: 0.4 + sum over axes of sin-like integer patterns.
    let mut w = b.scalar_like(0.4 + salt as f64 * 0.1, x);
    for axis in 0..shape.len() {
        let at = b.add_op(Op::Iota { axis }, &[], Some(&target));
        let turn = b.mul_scalar(at, 1.3 + axis as f64);
        let wave = b.unary(UnaryOp::Sin, turn);
        w = b.add(w, wave);
    }
    let product = b.mul(x, w);
    let axes: Box<[usize]> = (0..shape.len()).collect();
    b.add_op(
        Op::Reduce {
            kind: Reduction::Sum,
            axes,
        },
        &[product],
        None,
    )
}

pub fn gradients(b: &mut Build<'_>, scalar: NodeId, leaves: &[NodeId]) -> Vec<NodeId> {
    let one = b.scalar_like(1.0, scalar);
    let found = vjp(b.graph(), &[scalar], &[one], leaves).expect("differentiable");
    leaves
        .iter()
        .zip(found)
        .map(|(&leaf, d)| d.unwrap_or_else(|| b.scalar_like(0.0, leaf)))
        .collect()
}
