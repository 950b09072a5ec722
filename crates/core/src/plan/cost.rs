//! What steps move and compute, counted from the program: bytes of operands and results, and the arithmetic of products.

use std::ops::Range;

use crate::op::{Op, Spec};
use crate::plan::{Place, Program, SlotId, StepKind, View};

/// What steps move and compute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Bytes of what they read.
    pub read: usize,
    /// Bytes of what they write.
    pub written: usize,
    /// Multiplications and additions of products and convolutions; `None` where there are none.
    pub flops: Option<f64>,
}

/// The cost of steps that go together. A view counts the elements it reaches, an operation that picks rows the rows it
/// picks. What the steps hand to each other and nobody else reads counts nothing.
pub fn cost(program: &Program, steps: Range<usize>) -> Cost {
    let mut cost = Cost::default();
    let written: Vec<SlotId> = program.steps[steps.clone()]
        .iter()
        .flat_map(|step| step.writes())
        .collect();
    for &slot in &written {
        if !is_handed_on(program, slot, &steps) {
            cost.written += program.slots[slot].spec.bytes();
        }
    }
    let mut reads: Vec<(SlotId, usize)> = Vec::new();
    for step in &program.steps[steps] {
        match &step.kind {
            StepKind::Op {
                op, inputs, output, ..
            } => {
                let result = &program.slots[*output].spec;
                for (number, (slot, spec)) in inputs.iter().enumerate() {
                    reads.push((*slot, bytes_read(op, number, spec, result)));
                }
                if let Some(flops) = flops(op, inputs, result) {
                    *cost.flops.get_or_insert(0.0) += flops;
                }
            }
            StepKind::Cluster(cluster) => {
                for view in &cluster.loads {
                    let size = program.slots[view.slot].spec.dtype.size();
                    reads.push((view.slot, elements_reached(view) * size));
                }
            }
        }
    }
    reads.retain(|(slot, _)| !written.contains(slot));
    reads.sort_unstable();
    for of_slot in reads.chunk_by(|a, b| a.0 == b.0) {
        let sum: usize = of_slot.iter().map(|(_, bytes)| bytes).sum();
        cost.read += sum.min(program.slots[of_slot[0].0].spec.bytes());
    }
    cost
}

/// Whether only these steps touch the slot.
fn is_handed_on(program: &Program, slot: SlotId, steps: &Range<usize>) -> bool {
    match program.slots[slot].place {
        Place::Private { .. } => true,
        Place::Input(_) | Place::Output(_) => false,
        Place::Arena(_) => {
            let reads = |at: &usize| program.steps[*at].reads().contains(&slot);
            let mut readers = (0..program.steps.len()).filter(reads).peekable();
            readers.peek().is_some() && readers.all(|at| steps.contains(&at))
        }
    }
}

/// Bytes that an operation reads of its operand of this number.
fn bytes_read(op: &Op, number: usize, operand: &Spec, result: &Spec) -> usize {
    match op {
        Op::Take { .. } | Op::Gather { .. } if number == 0 => operand.bytes().min(result.bytes()),
        _ => operand.bytes(),
    }
}

/// Elements of its slot that a view reads, each once.
fn elements_reached(view: &View) -> usize {
    let axes = view.shape.dims().iter().zip(&view.strides);
    axes.map(|(&extent, &stride)| if stride == 0 { extent.min(1) } else { extent })
        .product()
}

/// Multiplications and additions of a product or convolution; `None` for what is neither.
fn flops(op: &Op, inputs: &[(SlotId, Spec)], result: &Spec) -> Option<f64> {
    let dims = |number: usize| inputs[number].1.shape.dims();
    let size = |dims: &[usize]| dims.iter().map(|&extent| extent as f64).product::<f64>();
    let terms = match op {
        Op::MatMul { ta, .. } => {
            let a = dims(0);
            size(result.shape.dims()) * a[a.len() - if *ta { 2 } else { 1 }] as f64
        }
        // Each output takes a kernel: (O, C, k..) but for O, or of a place (O, C, k.., out..) but for O and out.
        Op::Conv { .. } => size(result.shape.dims()) * size(&dims(1)[1..]),
        Op::ConvInputGrad { .. } => size(dims(0)) * size(&dims(1)[1..]),
        Op::ConvWeightGrad { .. } => size(dims(1)) * size(&result.shape.dims()[1..]),
        Op::LocalConv { .. } => dims(0)[0] as f64 * size(dims(1)),
        Op::LocalConvInputGrad { .. } => dims(0)[0] as f64 * size(dims(1)),
        Op::LocalConvWeightGrad { .. } => dims(0)[0] as f64 * size(result.shape.dims()),
        _ => return None,
    };
    Some(2.0 * terms)
}
