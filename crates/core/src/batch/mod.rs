//! Programs mapped over a batch ("vmap"): a program written for one sample becomes a program for a batch of samples.
//!
//! The rule of an operation takes operands of which some have a batch axis in front, and gives the results of all samples, batch
//! axis in front. What depends on no sample is computed once. A shared operand is not copied: a product or a convolution takes the
//! samples as more rows or channels. An operation without a rule of its own is mapped by its [fallback](crate::lower).
//!
//! Rules build graph from the same primitives, so that a mapped program can be differentiated, mapped again and planned.

mod conv;
mod fold;
mod indexing;
mod product;

use crate::compose::Build;
use crate::error::{Error, Result};
use crate::graph::{Graph, Node, NodeId};
use crate::hash::FastMap;
use crate::lower::fallback;
use crate::op::{Op, Spec};
use crate::shape::Shape;

/// A placeholder for one sample of a batch; the caller gets one handle. It has no value of its own.
///
/// # Errors
/// A batch without a batch axis.
pub fn sample(graph: &mut Graph, batch: NodeId) -> Result<NodeId> {
    let Node { spec, placement, .. } = graph.node(batch)?;
    let Some((_, dims)) = spec.shape.dims().split_first() else {
        return Err(Error::shape(
            "vmap",
            "a scalar as a batch",
            "give a tensor with an axis of samples",
        ));
    };
    let (spec, placement) = (Spec::new(dims, spec.dtype), *placement);
    Ok(graph.argument(spec, placement))
}

/// The outputs for all samples of a batch: `samples` are placeholders of one sample's values, `batches` the values of all samples,
/// with the batch axis in front.
///
/// The caller gets one handle on each result. `None`: the output depends on no sample.
///
/// # Errors
/// A batch that does not fit its sample, or batches of different sizes.
pub fn batch(
    graph: &mut Graph,
    outputs: &[NodeId],
    samples: &[NodeId],
    batches: &[NodeId],
) -> Result<Vec<Option<NodeId>>> {
    let count = check(graph, samples, batches)?;
    let mut build = Build::new(graph);
    let mut batcher = Batcher {
        build: &mut build,
        count,
        found: samples
            .iter()
            .copied()
            .zip(batches.iter().map(|&b| Some(b)))
            .collect(),
    };
    let found: Vec<Option<NodeId>> = outputs.iter().map(|&y| batcher.map(y)).collect();
    let keep: Vec<NodeId> = found.iter().flatten().copied().collect();
    build.finish(&keep);
    Ok(found)
}

/// The number of samples.
fn check(graph: &Graph, samples: &[NodeId], batches: &[NodeId]) -> Result<usize> {
    let mut count = None;
    for (&sample, &batch) in samples.iter().zip(batches) {
        let (of_sample, of_batch) = (graph.spec(sample)?, graph.spec(batch)?);
        let size = of_batch.shape.dims().first().copied().unwrap_or(0);
        let whole = Spec::new(fold::with_batch(size, &of_sample.shape), of_sample.dtype);
        if *of_batch != whole || *count.get_or_insert(size) != size {
            return Err(Error::shape(
                "vmap",
                format!(
                    "a batch {} {} for samples {} {}",
                    of_batch.dtype, of_batch.shape, of_sample.dtype, of_sample.shape
                ),
                "batches have the same number of samples, along their first axis",
            ));
        }
    }
    count
        .filter(|&count| count > 0)
        .ok_or_else(|| Error::argument("vmap", "no samples", "map over an axis with at least one sample"))
}

/// A batch of programs under construction.
struct Batcher<'b, 'g> {
    build: &'b mut Build<'g>,
    /// The number of samples.
    count: usize,
    /// Of nodes of one sample's program: the values for all samples; `None` if the node depends on no sample.
    found: FastMap<NodeId, Option<NodeId>>,
}

impl Batcher<'_, '_> {
    /// The values of `output` for all samples; `None` if it depends on no sample.
    fn map(&mut self, output: NodeId) -> Option<NodeId> {
        let mut stack = vec![(output, false)];
        while let Some((id, expanded)) = stack.pop() {
            if self.found.contains_key(&id) {
                continue;
            }
            let node = self.build.graph().node(id).expect("nodes of the program live");
            if !expanded {
                let inputs = node.inputs.clone();
                stack.push((id, true));
                stack.extend(inputs.into_iter().map(|input| (input, false)));
                continue;
            }
            let depends = node.inputs.iter().any(|input| self.found[input].is_some());
            let batched = depends.then(|| self.mapped(id));
            self.found.insert(id, batched);
        }
        self.found[&output]
    }

    /// The values of a node for all samples. Its inputs have theirs.
    fn mapped(&mut self, id: NodeId) -> NodeId {
        let node = self.build.graph().node(id).expect("nodes of the program live");
        let (op, inputs, spec, scope) = (
            node.op.clone(),
            node.inputs.clone(),
            node.spec.clone(),
            node.scope,
        );
        self.build.graph().enter_scope_of(scope);
        let batched = self.rule(&op, &inputs, &spec);
        self.build.graph().pop_scope();
        batched
    }

    /// The batched operand, if it depends on the samples.
    fn batched(&self, input: NodeId) -> Option<NodeId> {
        self.found[&input]
    }

    /// The operand for each sample; a shared one is repeated without a copy.
    fn each(&mut self, input: NodeId) -> NodeId {
        if let Some(batched) = self.batched(input) {
            return batched;
        }
        let shape = self.build.shape(input);
        let lifted = self.build.reshape(input, fold::with_batch(1, &shape));
        self.build.broadcast(lifted, fold::with_batch(self.count, &shape))
    }

    /// An operation whose axes are all named by `op`, on operands with the batch axis in front.
    fn apply(&mut self, op: Op, inputs: &[NodeId], spec: &Spec) -> NodeId {
        let operands: Vec<NodeId> = inputs.iter().map(|&input| self.each(input)).collect();
        let whole = Spec::new(fold::with_batch(self.count, &spec.shape), spec.dtype);
        self.build.add_op(op, &operands, Some(&whole))
    }

    /// An operation on leading axes (N, ..): the samples are more of N.
    fn as_rows(&mut self, op: Op, inputs: &[NodeId], spec: &Spec) -> NodeId {
        let operands: Vec<NodeId> = inputs
            .iter()
            .map(|&input| {
                let whole = self.each(input);
                fold::fold(self.build, whole, 0)
            })
            .collect();
        let rows = Spec::new(spec.shape.with(0, self.count * spec.shape[0]), spec.dtype);
        let found = self.build.add_op(op, &operands, Some(&rows));
        fold::unfold(self.build, found, 0, self.count)
    }

    /// An operation by its formula of simpler ones, which have rules.
    fn by_formula(&mut self, op: &Op, inputs: &[NodeId], spec: &Spec) -> NodeId {
        let formula =
            fallback(self.build, op, inputs, spec).expect("an operation without a rule has a fallback");
        match self.map(formula) {
            Some(batched) => batched,
            None => self.each(formula),
        }
    }

    fn rule(&mut self, op: &Op, inputs: &[NodeId], spec: &Spec) -> NodeId {
        let behind = |axes: &[usize]| -> Box<[usize]> { axes.iter().map(|axis| axis + 1).collect() };
        let first = |number: usize, others: &[usize]| -> Box<[usize]> {
            [number].into_iter().chain(others.iter().copied()).collect()
        };
        match op {
            Op::Unary(_)
            | Op::Binary(_)
            | Op::Where
            | Op::Cast(_)
            | Op::Broadcast
            | Op::Reshape
            | Op::StopGradient
            | Op::To(_)
            | Op::Random(_) => self.apply(op.clone(), inputs, spec),
            // Matrices on the last two axes; all axes before them are batch axes.
            Op::Cholesky | Op::PositiveInverse | Op::Congruence | Op::Det | Op::Cofactors | Op::Eigh => {
                self.apply(op.clone(), inputs, spec)
            }
            Op::Reduce { kind, axes } => {
                let axes = behind(axes);
                self.apply(Op::Reduce { kind: *kind, axes }, inputs, spec)
            }
            Op::ArgMax { axis } => self.apply(Op::ArgMax { axis: axis + 1 }, inputs, spec),
            Op::Permute(axes) => self.apply(Op::Permute(first(0, &behind(axes))), inputs, spec),
            Op::Slice { start, step } => {
                let (start, step) = (first(0, start), first(1, step));
                self.apply(Op::Slice { start, step }, inputs, spec)
            }
            Op::Pad { low, high, interior } => {
                let [low, high, interior] = [low, high, interior].map(|widths| first(0, widths));
                self.apply(Op::Pad { low, high, interior }, inputs, spec)
            }
            Op::Flip(axes) => self.apply(Op::Flip(behind(axes)), inputs, spec),
            Op::Concat { axis } => self.apply(Op::Concat { axis: axis + 1 }, inputs, spec),
            Op::Gather { axis } => self.apply(Op::Gather { axis: axis + 1 }, inputs, spec),
            Op::ScatterAdd { axis } => self.apply(Op::ScatterAdd { axis: axis + 1 }, inputs, spec),
            Op::ArgSort { axis, descending } => {
                let (axis, descending) = (axis + 1, *descending);
                self.apply(Op::ArgSort { axis, descending }, inputs, spec)
            }
            Op::TopK { axis, largest } => {
                let (axis, largest) = (axis + 1, *largest);
                self.apply(Op::TopK { axis, largest }, inputs, spec)
            }
            Op::CumSum { axis, reverse } => {
                let (axis, reverse) = (axis + 1, *reverse);
                self.apply(Op::CumSum { axis, reverse }, inputs, spec)
            }
            Op::Take { axis } => self.take(inputs[0], inputs[1], *axis, spec),
            Op::IndexAdd { axis } => self.index_add(inputs[0], inputs[1], *axis, spec),
            Op::MatMul { ta, tb } => self.matmul(inputs, *ta, *tb, spec),
            Op::TriangularSolve { .. } | Op::Solve => self.solve(op, inputs, spec),
            Op::Conv { .. }
            | Op::ConvInputGrad { .. }
            | Op::ConvWeightGrad { .. }
            | Op::LocalConv { .. }
            | Op::LocalConvInputGrad { .. }
            | Op::LocalConvWeightGrad { .. } => self.convolution(op, inputs, spec),
            Op::WindowSum { .. }
            | Op::WindowSumGrad { .. }
            | Op::WindowArgMax { .. }
            | Op::WindowMax { .. }
            | Op::WindowMaxGrad { .. } => self.as_rows(op.clone(), inputs, spec),
            Op::UniqueRows
            | Op::Neighbors { .. }
            | Op::CountWithin { .. }
            | Op::MedianDistance
            | Op::CenteredProducts(_)
            | Op::CenteredProductsGrad { .. }
            | Op::SimilaritySums { .. } => self.by_formula(op, inputs, spec),
            Op::Input | Op::Const(_) | Op::Iota { .. } => {
                unreachable!("it has no operand, so it depends on no sample")
            }
        }
    }
}
