//! Simplification: dead-code elimination, common subexpressions, identities, constant folding, outer products as elementwise
//! arithmetic, and sums of factors that are constant along the summed axes.

mod sums;

use std::collections::{HashMap, HashSet};

use crate::device::OuterProducts;
use crate::dtype::DType;
use crate::elementwise::BinaryOp;
use crate::op::{Op, Reduction, Spec};
use crate::plan::trace::{Trace, TraceNode};
use crate::reference::{self, Value};
use crate::traits::Form;

/// A simplified trace.
pub struct SimplifiedTrace {
    /// Nodes in topological order; inputs all kept, in order.
    pub nodes: Vec<TraceNode>,
    /// Whether an output depends on the node.
    pub live: Vec<bool>,
    /// Live nodes that read the node, each once.
    pub consumers: Vec<Vec<usize>>,
    /// The outputs' nodes.
    pub outputs: Vec<usize>,
}

/// Simplifies a trace. `outer`: the matrix products, beside those of one term, that become elementwise arithmetic.
pub fn simplify(trace: &Trace, outer: Option<OuterProducts>) -> SimplifiedTrace {
    let mut simplifier = Simplifier {
        outer,
        nodes: Vec::with_capacity(trace.nodes.len()),
        uses: Vec::with_capacity(trace.nodes.len()),
        numbered: HashMap::new(),
        sliced_only: HashSet::new(),
    };
    let uses = uses(trace);
    let sliced_only = sliced_only(trace);
    let mut representative = Vec::with_capacity(trace.nodes.len());
    for ((node, uses), sliced_only) in trace.nodes.iter().zip(uses).zip(sliced_only) {
        let inputs: Vec<u32> = node.inputs.iter().map(|&i| representative[i as usize]).collect();
        let known = simplifier.nodes.len();
        let at = simplifier.simplified(node, inputs);
        // An earlier node with the same value may be read whole.
        if sliced_only && at as usize >= known {
            simplifier.sliced_only.insert(at);
        }
        simplifier.uses[at as usize] += uses;
        representative.push(at);
    }
    let nodes = simplifier.nodes;
    let outputs: Vec<usize> = trace
        .outputs
        .iter()
        .map(|&o| representative[o as usize] as usize)
        .collect();
    with_consumers(nodes, outputs)
}

/// The nodes that outputs depend on are live, and know who reads them.
fn with_consumers(nodes: Vec<TraceNode>, outputs: Vec<usize>) -> SimplifiedTrace {
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
    SimplifiedTrace {
        nodes,
        live,
        consumers,
        outputs,
    }
}

/// Per node of a trace: whether it is elementwise and read only in slices, which together have at most its size.
fn sliced_only(trace: &Trace) -> Vec<bool> {
    let mut sliced_only: Vec<bool> = trace.nodes.iter().map(|node| node.op.is_elementwise()).collect();
    let mut sliced = vec![0; trace.nodes.len()];
    for &output in &trace.outputs {
        sliced_only[output as usize] = false;
    }
    for (i, node) in trace.nodes.iter().enumerate().rev() {
        let is_slice = matches!(node.op, Op::Slice { .. });
        sliced_only[i] &= sliced[i] > 0 && sliced[i] <= node.spec.shape.size();
        for &input in &node.inputs {
            sliced_only[input as usize] &= is_slice || sliced_only[i];
            // A consumer that is read in slices itself reads each slice once.
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
    sliced_only
}

/// Whether `axes` exchange the last two axes and no others.
fn is_transposition(axes: &[usize]) -> bool {
    let Some((batch, [n, m])) = axes.split_last_chunk::<2>() else {
        return false;
    };
    (*n, *m) == (axes.len() - 1, axes.len() - 2) && batch.iter().enumerate().all(|(i, &axis)| i == axis)
}

/// Number of uses of each node of a trace: its consumers, and once for each output.
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

/// The simplified nodes so far, by value numbering: equal nodes have one number.
struct Simplifier {
    outer: Option<OuterProducts>,
    nodes: Vec<TraceNode>,
    /// Uses of each node in the trace.
    uses: Vec<usize>,
    numbered: HashMap<(Op, Vec<u32>, Spec), u32>,
    /// Elementwise nodes that are read only in slices.
    sliced_only: HashSet<u32>,
}

impl Simplifier {
    /// The node that stands for a node of the trace.
    fn simplified(&mut self, node: &TraceNode, inputs: Vec<u32>) -> u32 {
        let node = &TraceNode {
            op: ungated(&node.op, &inputs, &self.nodes),
            ..node.clone()
        };
        match unchanged(&node.op, &inputs, &node.spec, &self.nodes) {
            Some(input) => input,
            None if node.op == Op::Input => self.push(node.clone(), inputs),
            None => match (&node.op, folded(&node.op, &inputs, &node.spec, &self.nodes)) {
                (_, Some(op)) => self.add(op, Vec::new(), node.spec.clone(), node.scope),
                (&Op::MatMul { ta, tb }, None) => self.product(&inputs, (ta, tb), node),
                (Op::Permute(axes), None) => self.permuted(axes, inputs[0], node),
                (op @ Op::Slice { .. }, None) => self.slice(op, inputs[0], node),
                (
                    Op::Reduce {
                        kind: Reduction::Sum,
                        axes,
                    },
                    None,
                ) => self.sum(inputs[0], axes, node),
                (op, None) => self.add(op.clone(), inputs, node.spec.clone(), node.scope),
            },
        }
    }

    fn push(&mut self, node: TraceNode, inputs: Vec<u32>) -> u32 {
        self.nodes.push(TraceNode { inputs, ..node });
        self.uses.push(0);
        (self.nodes.len() - 1) as u32
    }

    /// The node that computes an operation; a new one if there is none yet.
    fn add(&mut self, op: Op, inputs: Vec<u32>, spec: Spec, scope: u32) -> u32 {
        let key = (op, inputs, spec);
        if let Some(&at) = self.numbered.get(&key) {
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
        self.numbered.insert(key, at);
        at
    }

    /// A slice of `x`. Elementwise nodes that are read only in slices, such as the gates of a cell, are computed slice by slice,
    /// so that each slice is fused with its consumers.
    fn slice(&mut self, slice: &Op, x: u32, node: &TraceNode) -> u32 {
        let TraceNode { op, inputs, spec, .. } = self.nodes[x as usize].clone();
        let spec = Spec::new(node.spec.shape.clone(), spec.dtype);
        if let Op::Const(_) = op {
            return self.add(op, inputs, spec, node.scope);
        }
        if !self.sliced_only.contains(&x) {
            return self.add(slice.clone(), vec![x], spec, node.scope);
        }
        let inputs = inputs
            .iter()
            .map(|&input| self.slice(slice, input, node))
            .collect();
        self.add(op, inputs, spec, node.scope)
    }

    /// The contracted extent of a product, from its left operand.
    fn depth(&self, left: u32, transposed: bool) -> usize {
        let shape = &self.nodes[left as usize].spec.shape;
        shape[shape.rank() - if transposed { 2 } else { 1 }]
    }

    /// Whether a matrix product becomes elementwise arithmetic on broadcast vectors: one term, or few terms of a result so large
    /// that writing it is most of the work.
    fn is_outer_product(&self, inputs: &[u32], ta: bool, spec: &Spec) -> bool {
        let depth = self.depth(inputs[0], ta);
        let suits =
            |outer: OuterProducts| (2..=outer.terms).contains(&depth) && spec.shape.size() >= outer.elements;
        depth == 1 || self.outer.is_some_and(suits)
    }

    /// A matrix product; transpositions of its operands become its flags.
    fn product(&mut self, inputs: &[u32], (ta, tb): (bool, bool), node: &TraceNode) -> u32 {
        let plain = |&operand: &u32| {
            let TraceNode { op, inputs, .. } = &self.nodes[operand as usize];
            match op {
                Op::Permute(axes) if is_transposition(axes) => (inputs[0], true),
                _ => (operand, false),
            }
        };
        let ((a, a_transposed), (b, b_transposed)) = (plain(&inputs[0]), plain(&inputs[1]));
        let (inputs, ta, tb) = (vec![a, b], ta ^ a_transposed, tb ^ b_transposed);
        if self.is_outer_product(&inputs, ta, &node.spec) {
            return self.outer_products(&inputs, (ta, tb), node);
        }
        self.add(Op::MatMul { ta, tb }, inputs, node.spec.clone(), node.scope)
    }

    /// `x` with its axes permuted; (a b)' becomes b' a' if a b has no other use.
    fn permuted(&mut self, axes: &[usize], x: u32, node: &TraceNode) -> u32 {
        let TraceNode { op, inputs, .. } = &self.nodes[x as usize];
        match *op {
            Op::MatMul { ta, tb } if is_transposition(axes) && self.uses[x as usize] == 1 => {
                let exchanged = [inputs[1], inputs[0]];
                self.product(&exchanged, (!tb, !ta), node)
            }
            _ => self.add(node.op.clone(), vec![x], node.spec.clone(), node.scope),
        }
    }

    /// A matrix product as a sum of products of broadcast columns and rows, which is fused with its consumers and need not be
    /// materialized.
    fn outer_products(&mut self, inputs: &[u32], (ta, tb): (bool, bool), node: &TraceNode) -> u32 {
        let rank = node.spec.shape.rank();
        let (a_terms, b_terms) = (rank - if ta { 2 } else { 1 }, rank - if tb { 1 } else { 2 });
        let mut sum = None;
        for term in 0..self.depth(inputs[0], ta) {
            let column = self.broadcast_term(inputs[0], (a_terms, term), rank - 1, node);
            let row = self.broadcast_term(inputs[1], (b_terms, term), rank - 2, node);
            let product = self.like(Op::Binary(BinaryOp::Mul), vec![column, row], node);
            sum = Some(match sum {
                None => product,
                Some(sum) => self.like(Op::Binary(BinaryOp::Add), vec![sum, product], node),
            });
        }
        sum.expect("a product of no terms is not outer")
    }

    /// Slice `term` of an operand along axis `along`, broadcast along `axis` of the result.
    fn broadcast_term(
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
        let mut vector = node.spec.clone();
        let mut extents = vector.shape.dims().to_vec();
        extents[axis] = 1;
        vector.shape = extents.into();
        if self.nodes[at as usize].spec != vector {
            at = self.add(Op::Reshape, vec![at], vector.clone(), node.scope);
        }
        if vector != node.spec {
            at = self.like(Op::Broadcast, vec![at], node);
        }
        at
    }

    fn like(&mut self, op: Op, inputs: Vec<u32>, node: &TraceNode) -> u32 {
        self.add(op, inputs, node.spec.clone(), node.scope)
    }
}

/// The operation; a gated product or quotient with a constant operand that is finite and not 0 becomes the plain one, which then
/// gives the same result.
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

/// The constant that equals a node whose operands are constants.
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
    match op.traits().form {
        Form::View(_) => constants.first().map(|&(number, _)| Op::constant(number)),
        // A constant is a float64, which does not hold every int64.
        Form::Elementwise(_) if !constants.is_empty() && spec.dtype != DType::I64 => {
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
        Form::Elementwise(_) | Form::Input | Form::Constant(_) | Form::Step => None,
    }
}

/// The input that equals the node, if the node is an identity: a cast to the same dtype, a reshape or broadcast to the same
/// shape, times one, divided by one, minus zero, numbers of rows that are such numbers.
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
        Op::UniqueRows => numbered_rows(inputs[0], nodes),
        _ => None,
    }
}

/// The numbers of rows that node `x` holds as one column: numbering them again by first appearance changes nothing.
fn numbered_rows(x: u32, nodes: &[TraceNode]) -> Option<u32> {
    let TraceNode { op, inputs, spec, .. } = &nodes[x as usize];
    let is_column = *op == Op::Reshape && spec.shape.dims()[1..] == [1];
    inputs
        .first()
        .copied()
        .filter(|&numbers| is_column && nodes[numbers as usize].op == Op::UniqueRows)
}
