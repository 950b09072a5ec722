//! Cost of steps, counted from the program: bytes read and written, and floating-point operations of products.

use std::ops::Range;

use crate::op::{Op, Spec};
use crate::plan::{Location, Program, SlotId, StepKind, View};

/// Memory traffic and arithmetic of steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Bytes read.
    pub read: usize,
    /// Bytes written.
    pub written: usize,
    /// Multiplications and additions of products and convolutions; `None` where there are none.
    pub flops: Option<f64>,
}

/// The cost of steps that are run together. A view counts the distinct elements that it reads, an indexing operation at most
/// as many elements as its result has. Intermediates that only the steps themselves read are not counted.
pub fn cost(program: &Program, steps: Range<usize>) -> Cost {
    let mut cost = Cost::default();
    let written: Vec<SlotId> = program.steps[steps.clone()]
        .iter()
        .flat_map(|step| step.writes())
        .collect();
    for &slot in &written {
        if !is_intermediate(program, slot, &steps) {
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

/// Whether no step outside of `steps` reads the slot, which one of `steps` writes.
fn is_intermediate(program: &Program, slot: SlotId, steps: &Range<usize>) -> bool {
    match program.slots[slot].location {
        Location::Private { .. } => true,
        Location::Input(_) | Location::Output(_) => false,
        Location::Arena(_) => {
            let reads = |at: &usize| program.steps[*at].reads().contains(&slot);
            let mut readers = (0..program.steps.len()).filter(reads).peekable();
            readers.peek().is_some() && readers.all(|at| steps.contains(&at))
        }
    }
}

/// Bytes that an operation reads of operand `number`.
fn bytes_read(op: &Op, number: usize, operand: &Spec, result: &Spec) -> usize {
    match op {
        Op::Take { .. } | Op::Gather { .. } if number == 0 => operand.bytes().min(result.bytes()),
        _ => operand.bytes(),
    }
}

/// Number of distinct elements that a view reads.
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
        // Terms of each output: C k.. of the kernel (O, C, k..), or of the local kernel (O, C, k.., out..).
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
