//! The kernels of a program's steps, and what an operation is made of for which the device has none.

use std::sync::Arc;

use crate::compose::Build;
use crate::device::Kernel;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::lower::fallback;
use crate::op::{Op, Spec};
use crate::plan::build::Context;
use crate::plan::simplify::{Simple, simplify};
use crate::plan::trace::{Trace, TraceNode, cut};

/// A simplified trace of which the device has a kernel for every step.
pub struct Lowered {
    /// Its nodes.
    pub simple: Simple,
    /// Per node, the kernel, for the nodes that are steps of their own.
    pub kernels: Vec<Option<Arc<dyn Kernel>>>,
}

/// Whether a node is computed by a kernel: what is elementwise goes into clusters, movement into views, constants into both.
fn is_step(op: &Op) -> bool {
    let moves = matches!(
        op,
        Op::Broadcast | Op::Reshape | Op::Permute(_) | Op::Slice { .. } | Op::Flip(_)
    );
    !(moves || op.is_elementwise() || matches!(op, Op::Input | Op::Const(_)))
}

/// Asks the device for all kernels, and puts formulas of simpler primitives in the place of operations that it has none for.
///
/// # Errors
/// Operations without a kernel and without such a formula, by name; shapes that the kernel does not take.
pub fn lower(trace: &Trace, context: &Context<'_>) -> Result<Lowered> {
    let outer = context.device.limits().outer;
    let mut simple = simplify(trace, outer);
    loop {
        let kernels = kernels(&simple, context)?;
        let lacking: Vec<bool> = simple
            .nodes
            .iter()
            .zip(&kernels)
            .enumerate()
            .map(|(i, (node, kernel))| simple.live[i] && is_step(&node.op) && kernel.is_none())
            .collect();
        if !lacking.contains(&true) {
            return Ok(Lowered { simple, kernels });
        }
        // What an operation is made of comes before it in an order, so this ends.
        simple = simplify(&spelled_out(&simple, &lacking, context)?, outer);
    }
}

fn kernels(simple: &Simple, context: &Context<'_>) -> Result<Vec<Option<Arc<dyn Kernel>>>> {
    let kernel = |(i, node): (usize, &TraceNode)| {
        if !simple.live[i] || !is_step(&node.op) {
            return Ok(None);
        }
        let inputs = operands(simple, node);
        let chosen = context.device.kernel(&node.op, &inputs, &node.spec);
        chosen.map_err(|e| e.within(&(context.scope)(node.scope)))
    };
    simple.nodes.iter().enumerate().map(kernel).collect()
}

fn operands<'a>(simple: &'a Simple, node: &TraceNode) -> Vec<&'a Spec> {
    let spec = |&n: &u32| &simple.nodes[n as usize].spec;
    node.inputs.iter().map(spec).collect()
}

/// The trace with the formulas of some nodes in their places.
fn spelled_out(simple: &Simple, lacking: &[bool], context: &Context<'_>) -> Result<Trace> {
    let mut nodes: Vec<TraceNode> = Vec::with_capacity(simple.nodes.len());
    let mut place: Vec<u32> = Vec::with_capacity(simple.nodes.len());
    let mut inputs = Vec::new();
    for (node, &lacks) in simple.nodes.iter().zip(lacking) {
        let operands: Vec<u32> = node.inputs.iter().map(|&n| place[n as usize]).collect();
        if lacks {
            let specs = self::operands(simple, node);
            let formula = formula(node, &specs).map_err(|e| e.within(&(context.scope)(node.scope)))?;
            let formula = formula.ok_or_else(|| no_kernel(node, context))?;
            place.push(insert(&mut nodes, &formula, &operands, node.scope));
            continue;
        }
        if node.op == Op::Input {
            inputs.push(nodes.len() as u32);
        }
        place.push(nodes.len() as u32);
        nodes.push(TraceNode {
            inputs: operands,
            ..node.clone()
        });
    }
    Ok(Trace {
        nodes,
        expendable: vec![false; inputs.len()],
        inputs,
        outputs: simple.outputs.iter().map(|&o| place[o]).collect(),
    })
}

/// The formula of a node as a trace of its operands, each of which is an input.
fn formula(node: &TraceNode, operands: &[&Spec]) -> Result<Option<Trace>> {
    let mut graph = Graph::new();
    let leaves = operands
        .iter()
        .map(|spec| graph.add(Op::Input, &[], Some(spec)))
        .collect::<Result<Vec<_>>>()?;
    let mut build = Build::new(&mut graph);
    let Some(y) = fallback(&mut build, &node.op, &leaves, &node.spec) else {
        return Ok(None);
    };
    build.finish(&[y]);
    if *graph.spec(y)? != node.spec {
        return Err(Error::internal(node.op.name(), "its fallback has another spec"));
    }
    Ok(Some(cut(&graph, &[y], &leaves)?.trace))
}

/// Puts a formula behind some nodes, and says where its result is.
fn insert(nodes: &mut Vec<TraceNode>, formula: &Trace, operands: &[u32], scope: u32) -> u32 {
    let mut place: Vec<u32> = Vec::with_capacity(formula.nodes.len());
    for (i, node) in formula.nodes.iter().enumerate() {
        if let Some(k) = formula.inputs.iter().position(|&input| input as usize == i) {
            place.push(operands[k]);
            continue;
        }
        place.push(nodes.len() as u32);
        nodes.push(TraceNode {
            op: node.op.clone(),
            inputs: node.inputs.iter().map(|&n| place[n as usize]).collect(),
            spec: node.spec.clone(),
            scope,
        });
    }
    place[formula.outputs[0] as usize]
}

fn no_kernel(node: &TraceNode, context: &Context<'_>) -> Error {
    let name = context.device.name();
    Error::new(
        ErrorKind::Device,
        node.op.name(),
        format!(
            "device \"{name}\" has no kernel for it, and it is made of nothing simpler for {} {}",
            node.spec.dtype, node.spec.shape
        ),
        "compute it on another device, with x.to(device)",
    )
    .within(&(context.scope)(node.scope))
}
