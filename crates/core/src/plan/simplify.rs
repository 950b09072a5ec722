//! Dead nodes, common subexpressions, operations that change nothing, and arithmetic on constants.

use std::collections::HashMap;

use crate::dtype::DType;
use crate::elementwise::BinaryOp;
use crate::op::{Op, Spec};
use crate::plan::trace::{Trace, TraceNode};
use crate::reference::{self, Value};

/// A trace without what need not be computed.
pub struct Simple {
    /// Nodes in topological order; inputs all kept, in order.
    pub nodes: Vec<TraceNode>,
    /// Whether an output depends on the node.
    pub live: Vec<bool>,
    /// Live nodes that read the node, each once.
    pub consumers: Vec<Vec<usize>>,
    /// The outputs' nodes.
    pub outputs: Vec<usize>,
}

/// Simplifies.
pub fn simplify(trace: &Trace) -> Simple {
    let mut nodes: Vec<TraceNode> = Vec::with_capacity(trace.nodes.len());
    let mut same: HashMap<(Op, Vec<u32>, Spec), u32> = HashMap::new();
    let mut representative = Vec::with_capacity(trace.nodes.len());
    for node in &trace.nodes {
        let inputs: Vec<u32> = node.inputs.iter().map(|&i| representative[i as usize]).collect();
        let at = match unchanged(&node.op, &inputs, &node.spec, &nodes) {
            Some(input) => input,
            None if node.op == Op::Input => push(&mut nodes, node, inputs),
            None => {
                let op = folded(&node.op, &inputs, &node.spec, &nodes);
                let (op, inputs) = op.map_or_else(|| (node.op.clone(), inputs), |op| (op, Vec::new()));
                let key = (op.clone(), inputs.clone(), node.spec.clone());
                *same
                    .entry(key)
                    .or_insert_with(|| push(&mut nodes, &TraceNode { op, ..node.clone() }, inputs))
            }
        };
        representative.push(at);
    }
    let outputs: Vec<usize> = trace
        .outputs
        .iter()
        .map(|&o| representative[o as usize] as usize)
        .collect();
    let mut live = vec![false; nodes.len()];
    for &o in &outputs {
        live[o] = true;
    }
    let mut consumers = vec![Vec::new(); nodes.len()];
    for i in (0..nodes.len()).rev() {
        if live[i] {
            for &input in &nodes[i].inputs {
                let input = input as usize;
                live[input] = true;
                if consumers[input].last() != Some(&i) {
                    consumers[input].push(i);
                }
            }
        }
    }
    Simple {
        nodes,
        live,
        consumers,
        outputs,
    }
}

fn push(nodes: &mut Vec<TraceNode>, node: &TraceNode, inputs: Vec<u32>) -> u32 {
    nodes.push(TraceNode {
        op: node.op.clone(),
        inputs,
        spec: node.spec.clone(),
        scope: node.scope,
    });
    (nodes.len() - 1) as u32
}

/// The constant that a node of constants is.
fn folded(op: &Op, inputs: &[u32], spec: &Spec, nodes: &[TraceNode]) -> Option<Op> {
    let constants: Vec<(f64, DType)> = inputs
        .iter()
        .map(|&i| match &nodes[i as usize] {
            TraceNode {
                op: Op::Const(bits),
                spec,
                ..
            } => Some((f64::from_bits(*bits), spec.dtype)),
            _ => None,
        })
        .collect::<Option<_>>()?;
    match op {
        Op::Broadcast | Op::Reshape | Op::Permute(_) | Op::Slice { .. } | Op::Flip(_) => {
            constants.first().map(|&(number, _)| Op::constant(number))
        }
        // An int64 is more than the number of a constant can hold.
        _ if op.is_elementwise() && !constants.is_empty() && spec.dtype != DType::I64 => {
            let scalar = |dtype| Spec::new(Vec::new(), dtype);
            let values: Vec<Value> = constants
                .iter()
                .map(|&(number, dtype)| reference::evaluate(&Op::constant(number), &[], &scalar(dtype)).ok())
                .collect::<Option<_>>()?;
            let values: Vec<&Value> = values.iter().collect();
            let value = reference::evaluate(op, &values, &scalar(spec.dtype)).ok()?;
            let wide = reference::evaluate(&Op::Cast(DType::F64), &[&value], &scalar(DType::F64)).ok()?;
            let bytes: [u8; 8] = wide.to_bytes().try_into().ok()?;
            Some(Op::constant(f64::from_ne_bytes(bytes)))
        }
        _ => None,
    }
}

/// The input that the node equals, if it changes nothing: a cast to its own dtype, a reshape to its own
/// shape, times one, divided by one, minus zero.
fn unchanged(op: &Op, inputs: &[u32], spec: &Spec, nodes: &[TraceNode]) -> Option<u32> {
    let is = |i: u32, number: f64| nodes[i as usize].op == Op::constant(number);
    match op {
        Op::StopGradient => Some(inputs[0]),
        Op::Cast(_) | Op::Reshape | Op::Broadcast => {
            (nodes[inputs[0] as usize].spec == *spec).then_some(inputs[0])
        }
        Op::Binary(BinaryOp::Mul) if is(inputs[1], 1.0) => Some(inputs[0]),
        Op::Binary(BinaryOp::Mul) if is(inputs[0], 1.0) => Some(inputs[1]),
        Op::Binary(BinaryOp::Div) if is(inputs[1], 1.0) => Some(inputs[0]),
        Op::Binary(BinaryOp::Sub) if is(inputs[1], 0.0) => Some(inputs[0]),
        _ => None,
    }
}
