//! Dead nodes, common subexpressions, operations that change nothing, arithmetic on constants, matrix products that
//! are none, and sums of what is the same all over.

use std::collections::{HashMap, HashSet};

use crate::device::OuterProducts;
use crate::dtype::DType;
use crate::elementwise::{BinaryOp, UnaryOp};
use crate::op::{Op, Reduction, Spec};
use crate::plan::trace::{Trace, TraceNode};
use crate::reference::{self, Value};
use crate::shape::Shape;

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

/// Simplifies. `outer` says which matrix products besides those of one term are written as arithmetic.
pub fn simplify(trace: &Trace, outer: Option<OuterProducts>) -> Simple {
    let mut unique = Unique {
        outer,
        nodes: Vec::with_capacity(trace.nodes.len()),
        uses: Vec::with_capacity(trace.nodes.len()),
        same: HashMap::new(),
        cut: HashSet::new(),
    };
    let uses = uses(trace);
    let cut = cut_up(trace);
    let mut representative = Vec::with_capacity(trace.nodes.len());
    for ((node, uses), cut) in trace.nodes.iter().zip(uses).zip(cut) {
        let inputs: Vec<u32> = node.inputs.iter().map(|&i| representative[i as usize]).collect();
        let known = unique.nodes.len();
        let node = &TraceNode {
            op: ungated(&node.op, &inputs, &unique.nodes),
            ..node.clone()
        };
        let at = match unchanged(&node.op, &inputs, &node.spec, &unique.nodes) {
            Some(input) => input,
            None if node.op == Op::Input => unique.push(node.clone(), inputs),
            None => match (&node.op, folded(&node.op, &inputs, &node.spec, &unique.nodes)) {
                (_, Some(op)) => unique.add(op, Vec::new(), node.spec.clone(), node.scope),
                (&Op::MatMul { ta, tb }, None) => unique.product(&inputs, (ta, tb), node),
                (Op::Permute(axes), None) => unique.permuted(axes, inputs[0], node),
                (op @ Op::Slice { .. }, None) => unique.slice(op, inputs[0], node),
                (
                    Op::Reduce {
                        kind: Reduction::Sum,
                        axes,
                    },
                    None,
                ) => unique.sum(inputs[0], axes, node),
                (op, None) => unique.add(op.clone(), inputs, node.spec.clone(), node.scope),
            },
        };
        // What is a node that was there before may be wanted whole.
        if cut && at as usize >= known {
            unique.cut.insert(at);
        }
        unique.uses[at as usize] += uses;
        representative.push(at);
    }
    let nodes = unique.nodes;
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

/// Which nodes of a trace are elementwise and wanted in slices only, slices that are no more than the whole.
fn cut_up(trace: &Trace) -> Vec<bool> {
    let mut cut: Vec<bool> = trace.nodes.iter().map(|node| node.op.is_elementwise()).collect();
    let mut sliced = vec![0; trace.nodes.len()];
    for &output in &trace.outputs {
        cut[output as usize] = false;
    }
    for (i, node) in trace.nodes.iter().enumerate().rev() {
        let is_slice = matches!(node.op, Op::Slice { .. });
        cut[i] &= sliced[i] > 0 && sliced[i] <= node.spec.shape.size();
        for &input in &node.inputs {
            cut[input as usize] &= is_slice || cut[i];
            // A consumer that is cut itself wants each slice once.
            let wanted = if is_slice {
                node.spec.shape.size()
            } else {
                sliced[i]
            };
            let so_far = &mut sliced[input as usize];
            *so_far = if is_slice {
                *so_far + wanted
            } else {
                wanted.max(*so_far)
            };
        }
    }
    cut
}

/// Whether the last two axes change places, and no others.
fn is_transposition(axes: &[usize]) -> bool {
    let Some((batch, [n, m])) = axes.split_last_chunk::<2>() else {
        return false;
    };
    (*n, *m) == (axes.len() - 1, axes.len() - 2) && batch.iter().enumerate().all(|(i, &axis)| i == axis)
}

/// How many want each node of a trace: those that read it, and whoever asked for it.
fn uses(trace: &Trace) -> Vec<usize> {
    let mut uses = vec![0; trace.nodes.len()];
    for &output in &trace.outputs {
        uses[output as usize] += 1;
    }
    for node in &trace.nodes {
        for (k, &input) in node.inputs.iter().enumerate() {
            uses[input as usize] += usize::from(!node.inputs[..k].contains(&input));
        }
    }
    uses
}

/// Nodes while they are gathered, each once.
struct Unique {
    outer: Option<OuterProducts>,
    nodes: Vec<TraceNode>,
    /// Nodes of the trace that read each.
    uses: Vec<usize>,
    same: HashMap<(Op, Vec<u32>, Spec), u32>,
    /// Elementwise nodes that are wanted in slices only.
    cut: HashSet<u32>,
}

impl Unique {
    fn push(&mut self, node: TraceNode, inputs: Vec<u32>) -> u32 {
        self.nodes.push(TraceNode { inputs, ..node });
        self.uses.push(0);
        (self.nodes.len() - 1) as u32
    }

    /// The node that computes this, a new one if there is none yet.
    fn add(&mut self, op: Op, inputs: Vec<u32>, spec: Spec, scope: u32) -> u32 {
        let key = (op, inputs, spec);
        if let Some(&at) = self.same.get(&key) {
            return at;
        }
        let (op, inputs, spec) = key.clone();
        let node = TraceNode {
            op,
            inputs: Vec::new(),
            spec,
            scope,
        };
        let at = self.push(node, inputs);
        self.same.insert(key, at);
        at
    }

    /// A slice of `x`. What is wanted in slices only, such as the gates of a cell, is computed slice by slice, so that it
    /// becomes part of what is done with them.
    fn slice(&mut self, slice: &Op, x: u32, node: &TraceNode) -> u32 {
        let TraceNode { op, inputs, spec, .. } = self.nodes[x as usize].clone();
        let spec = Spec::new(node.spec.shape.clone(), spec.dtype);
        if let Op::Const(_) = op {
            return self.add(op, inputs, spec, node.scope);
        }
        if !self.cut.contains(&x) {
            return self.add(slice.clone(), vec![x], spec, node.scope);
        }
        let inputs = inputs
            .iter()
            .map(|&input| self.slice(slice, input, node))
            .collect();
        self.add(op, inputs, spec, node.scope)
    }

    /// Terms that a product whose left operand this is sums up.
    fn depth(&self, left: u32, transposed: bool) -> usize {
        let shape = &self.nodes[left as usize].spec.shape;
        shape[shape.rank() - if transposed { 2 } else { 1 }]
    }

    /// Whether a matrix product is better seen as arithmetic on stretched vectors: one term, or few of a result so
    /// large that writing it is most of the work.
    fn is_outer(&self, inputs: &[u32], ta: bool, spec: &Spec) -> bool {
        let depth = self.depth(inputs[0], ta);
        let suits =
            |outer: OuterProducts| (2..=outer.terms).contains(&depth) && spec.shape.size() >= outer.elements;
        depth == 1 || self.outer.is_some_and(suits)
    }

    /// A matrix product, which reads as they lie what was transposed for it.
    fn product(&mut self, inputs: &[u32], (ta, tb): (bool, bool), node: &TraceNode) -> u32 {
        let plain = |&operand: &u32| {
            let TraceNode { op, inputs, .. } = &self.nodes[operand as usize];
            match op {
                Op::Permute(axes) if is_transposition(axes) => (inputs[0], true),
                _ => (operand, false),
            }
        };
        let ((a, a_turned), (b, b_turned)) = (plain(&inputs[0]), plain(&inputs[1]));
        let (inputs, ta, tb) = (vec![a, b], ta ^ a_turned, tb ^ b_turned);
        if self.is_outer(&inputs, ta, &node.spec) {
            return self.outer_products(&inputs, (ta, tb), node);
        }
        self.add(Op::MatMul { ta, tb }, inputs, node.spec.clone(), node.scope)
    }

    /// Axes of `x` in another order; (a b)' is b' a' if nobody else wants a b.
    fn permuted(&mut self, axes: &[usize], x: u32, node: &TraceNode) -> u32 {
        let TraceNode { op, inputs, .. } = &self.nodes[x as usize];
        match *op {
            Op::MatMul { ta, tb } if is_transposition(axes) && self.uses[x as usize] == 1 => {
                let turned = [inputs[1], inputs[0]];
                self.product(&turned, (!tb, !ta), node)
            }
            _ => self.add(node.op.clone(), vec![x], node.spec.clone(), node.scope),
        }
    }

    /// A matrix product as a sum of products of stretched columns and rows: it then is part of the arithmetic around
    /// it and need not exist in memory.
    fn outer_products(&mut self, inputs: &[u32], (ta, tb): (bool, bool), node: &TraceNode) -> u32 {
        let rank = node.spec.shape.rank();
        let (a_terms, b_terms) = (rank - if ta { 2 } else { 1 }, rank - if tb { 1 } else { 2 });
        let mut sum = None;
        for term in 0..self.depth(inputs[0], ta) {
            let column = self.stretched(inputs[0], (a_terms, term), rank - 1, node);
            let row = self.stretched(inputs[1], (b_terms, term), rank - 2, node);
            let product = self.like(Op::Binary(BinaryOp::Mul), vec![column, row], node);
            sum = Some(match sum {
                None => product,
                Some(sum) => self.like(Op::Binary(BinaryOp::Add), vec![sum, product], node),
            });
        }
        sum.expect("a product of no terms is not outer")
    }

    /// Part `term` of an operand along an axis, which then lies along `axis` of the result and is repeated there.
    fn stretched(
        &mut self,
        operand: u32,
        (along, term): (usize, usize),
        axis: usize,
        node: &TraceNode,
    ) -> u32 {
        let given = self.nodes[operand as usize].spec.clone();
        let mut extents = given.shape.dims().to_vec();
        extents[along] = 1;
        let mut start = vec![0; extents.len()];
        start[along] = term;
        let op = Op::Slice {
            start: start.into(),
            step: vec![1; extents.len()].into(),
        };
        let mut at = operand;
        if extents != given.shape.dims() {
            at = self.add(op, vec![at], Spec::new(extents, given.dtype), node.scope);
        }
        let mut lying = node.spec.clone();
        let mut extents = lying.shape.dims().to_vec();
        extents[axis] = 1;
        lying.shape = extents.into();
        if self.nodes[at as usize].spec != lying {
            at = self.add(Op::Reshape, vec![at], lying.clone(), node.scope);
        }
        if lying != node.spec {
            at = self.like(Op::Broadcast, vec![at], node);
        }
        at
    }

    /// The sum of `x`. Signs and factors that are the same along `axes` are applied to the sum, so that the product
    /// need not exist; unless the other factor would exist for the sum alone.
    fn sum(&mut self, x: u32, axes: &[usize], node: &TraceNode) -> u32 {
        let TraceNode { op, inputs, spec, .. } = self.nodes[x as usize].clone();
        let [a, b] = [inputs.first(), inputs.get(1)].map(|input| input.copied().unwrap_or(x));
        match op {
            Op::Unary(UnaryOp::Neg) => {
                let sum = self.sum(a, axes, node);
                self.like(op, vec![sum], node)
            }
            Op::Binary(BinaryOp::Add) if a == b && spec.dtype.is_float() => {
                let sum = self.sum(a, axes, node);
                self.like(op, vec![sum, sum], node)
            }
            Op::Binary(BinaryOp::Mul | BinaryOp::Div | BinaryOp::GatedMul | BinaryOp::GatedDiv)
                if spec.dtype.is_float() =>
            {
                let even = |factor: u32| self.is_even(factor, axes);
                let (terms, factor, is_left) = match op {
                    _ if even(b) && self.exists(a) => (a, b, false),
                    Op::Binary(BinaryOp::Mul) if even(a) && self.exists(b) => (b, a, false),
                    Op::Binary(BinaryOp::GatedMul) if even(a) && self.exists(b) => (b, a, true),
                    _ => return self.plain_sum(x, axes, node),
                };
                let sum = self.sum(terms, axes, node);
                let factor = self.anywhere(factor, axes, node);
                let inputs = if is_left { [factor, sum] } else { [sum, factor] };
                self.like(op, inputs.to_vec(), node)
            }
            _ => self.plain_sum(x, axes, node),
        }
    }

    fn plain_sum(&mut self, x: u32, axes: &[usize], node: &TraceNode) -> u32 {
        let op = Op::Reduce {
            kind: Reduction::Sum,
            axes: axes.into(),
        };
        self.like(op, vec![x], node)
    }

    /// Whether the node is needed for more than one sum.
    fn exists(&self, node: u32) -> bool {
        self.uses[node as usize] > 1 || !self.nodes[node as usize].op.is_elementwise()
    }

    /// Whether a tensor is the same all along `axes`.
    fn is_even(&self, node: u32, axes: &[usize]) -> bool {
        let TraceNode { op, inputs, .. } = &self.nodes[node as usize];
        match op {
            Op::Const(_) => true,
            Op::Broadcast => {
                let from = &self.nodes[inputs[0] as usize].spec.shape;
                axes.iter().all(|&axis| from[axis] == 1)
            }
            _ => false,
        }
    }

    /// A tensor that is the same all along `axes` at any place of them, like `node`, which has not those axes.
    fn anywhere(&mut self, even: u32, axes: &[usize], node: &TraceNode) -> u32 {
        let TraceNode { op, inputs, .. } = self.nodes[even as usize].clone();
        if let Op::Const(_) = op {
            return self.like(op, Vec::new(), node);
        }
        let given = self.nodes[inputs[0] as usize].spec.clone();
        let kept = given
            .shape
            .dims()
            .iter()
            .enumerate()
            .filter(|(axis, _)| !axes.contains(axis));
        let shape: Shape = kept.map(|(_, &extent)| extent).collect();
        let mut at = inputs[0];
        if shape != given.shape {
            at = self.add(
                Op::Reshape,
                vec![at],
                Spec::new(shape.clone(), given.dtype),
                node.scope,
            );
        }
        if shape == node.spec.shape {
            at
        } else {
            self.like(Op::Broadcast, vec![at], node)
        }
    }

    fn like(&mut self, op: Op, inputs: Vec<u32>, node: &TraceNode) -> u32 {
        self.add(op, inputs, node.spec.clone(), node.scope)
    }
}

/// The operation, or the plain one that gives the same where a product or quotient of a cotangent has a constant operand:
/// one that is finite and not 0 leaves nothing to guard against.
fn ungated(op: &Op, inputs: &[u32], nodes: &[TraceNode]) -> Op {
    let number = |i: usize| match nodes[inputs[i] as usize].op {
        Op::Const(bits) => Some(f64::from_bits(bits)),
        _ => None,
    };
    let is_plain = |i: usize| number(i).is_some_and(|x| x.is_finite() && x != 0.0);
    match op {
        Op::Binary(BinaryOp::GatedMul | BinaryOp::MutualMul) if is_plain(0) || is_plain(1) => {
            Op::Binary(BinaryOp::Mul)
        }
        Op::Binary(BinaryOp::GatedDiv) if is_plain(0) || is_plain(1) => Op::Binary(BinaryOp::Div),
        _ => op.clone(),
    }
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
