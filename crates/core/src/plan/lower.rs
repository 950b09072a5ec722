//! Kernel selection, and the lowering of operations for which the device has no kernel.

use std::sync::Arc;

use crate::compose::Build;
use crate::device::Kernel;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::lower::fallback;
use crate::op::{Op, Spec};
use crate::plan::context::Context;
use crate::plan::simplify::{SimplifiedTrace, simplify};
use crate::plan::trace::{Trace, TraceNode, cut};
use crate::traits::Form;

/// A simplified trace with a kernel of the device for every step.
pub struct Lowered {
    /// The trace.
    pub simplified: SimplifiedTrace,
    /// Per node, its kernel; `None` for nodes that are no step of their own.
    pub kernels: Vec<Option<Arc<dyn Kernel>>>,
}

/// Whether a node is computed by a kernel of its own: elementwise nodes become parts of clusters, movement becomes views.
fn is_step(op: &Op) -> bool {
    matches!(op.traits().form, Form::Step)
}

/// Asks the device for all kernels, and replaces operations without a kernel by formulas of simpler primitives.
///
/// # Errors
/// Operations without a kernel and without such a formula, by name; shapes that the kernel does not take.
pub fn lower(trace: &Trace, context: &Context<'_>) -> Result<Lowered> {
    let outer = context.device.limits().outer;
    let mut simplified = simplify(trace, outer);
    loop {
        let kernels = kernels(&simplified, context)?;
        let lacking: Vec<bool> = simplified
            .nodes
            .iter()
            .zip(&kernels)
            .enumerate()
            .map(|(i, (node, kernel))| simplified.live[i] && is_step(&node.op) && kernel.is_none())
            .collect();
        if !lacking.contains(&true) {
            return Ok(Lowered { simplified, kernels });
        }
        // Every formula consists of primitives that come earlier in the order of lowering, so the loop ends.
        simplified = simplify(&with_formulas(&simplified, &lacking, context)?, outer);
    }
}

fn kernels(simplified: &SimplifiedTrace, context: &Context<'_>) -> Result<Vec<Option<Arc<dyn Kernel>>>> {
    let kernel = |(i, node): (usize, &TraceNode)| {
        if !simplified.live[i] || !is_step(&node.op) {
            return Ok(None);
        }
        let inputs = operands(simplified, node);
        let chosen = context.device.kernel(&node.op, &inputs, &node.spec);
        chosen.map_err(|e| e.within(&(context.scope)(node.scope)))
    };
    simplified.nodes.iter().enumerate().map(kernel).collect()
}

fn operands<'a>(simplified: &'a SimplifiedTrace, node: &TraceNode) -> Vec<&'a Spec> {
    let spec = |&n: &u32| &simplified.nodes[n as usize].spec;
    node.inputs.iter().map(spec).collect()
}

/// The trace with the nodes that lack a kernel replaced by their formulas.
fn with_formulas(simplified: &SimplifiedTrace, lacking: &[bool], context: &Context<'_>) -> Result<Trace> {
    let mut nodes: Vec<TraceNode> = Vec::with_capacity(simplified.nodes.len());
    let mut position: Vec<u32> = Vec::with_capacity(simplified.nodes.len());
    let mut inputs = Vec::new();
    for (node, &lacks) in simplified.nodes.iter().zip(lacking) {
        let operands: Vec<u32> = node.inputs.iter().map(|&n| position[n as usize]).collect();
        if lacks {
            let specs = self::operands(simplified, node);
            let formula = formula(node, &specs).map_err(|e| e.within(&(context.scope)(node.scope)))?;
            let formula = formula.ok_or_else(|| no_kernel(node, context))?;
            position.push(insert(&mut nodes, &formula, &operands, node.scope));
            continue;
        }
        if node.op == Op::Input {
            inputs.push(nodes.len() as u32);
        }
        position.push(nodes.len() as u32);
        nodes.push(TraceNode {
            inputs: operands,
            ..node.clone()
        });
    }
    Ok(Trace {
        nodes,
        expendable: vec![false; inputs.len()],
        inputs,
        outputs: simplified.outputs.iter().map(|&o| position[o]).collect(),
    })
}

/// The formula of a node as a trace whose inputs are the operands.
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

/// Appends a formula to `nodes`; returns the position of its result.
fn insert(nodes: &mut Vec<TraceNode>, formula: &Trace, operands: &[u32], scope: u32) -> u32 {
    let mut position: Vec<u32> = Vec::with_capacity(formula.nodes.len());
    for (i, node) in formula.nodes.iter().enumerate() {
        if let Some(k) = formula.inputs.iter().position(|&input| input as usize == i) {
            position.push(operands[k]);
            continue;
        }
        position.push(nodes.len() as u32);
        nodes.push(TraceNode {
            op: node.op.clone(),
            inputs: node.inputs.iter().map(|&n| position[n as usize]).collect(),
            spec: node.spec.clone(),
            scope,
        });
    }
    position[formula.outputs[0] as usize]
}

fn no_kernel(node: &TraceNode, context: &Context<'_>) -> Error {
    let name = context.device.name();
    Error::new(
        ErrorKind::Device,
        node.op.name(),
        format!(
            "device \"{name}\" has no kernel for it, and there is no formula of simpler primitives for {} {}",
            node.spec.dtype, node.spec.shape
        ),
        "compute it on another device, with x.to(device)",
    )
    .within(&(context.scope)(node.scope))
}
