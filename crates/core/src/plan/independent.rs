//! Steps that one thread does, run beside each other: decompositions, solutions and sorts of single matrices and rows,
//! which no kernel divides. The eigenvalues that an estimator wants of several layers are such steps.

use std::ops::Range;

use crate::op::Op;
use crate::plan::schedule::{reads, writes};
use crate::plan::{Step, StepKind};

/// Whether the step is for one thread, however many there are.
pub(super) fn is_for_one_thread(step: &Step) -> bool {
    let StepKind::Op { op, inputs, .. } = &step.kind else {
        return false;
    };
    let dims = inputs.first().map_or(&[][..], |(_, spec)| spec.shape.dims());
    let lanes = |axis: usize| dims.iter().product::<usize>() / dims[axis].max(1);
    match op {
        Op::Cholesky | Op::TriangularSolve { .. } | Op::Solve | Op::Det | Op::Cofactors | Op::Eigh => {
            dims[..dims.len() - 2].iter().product::<usize>() == 1
        }
        Op::ArgSort { axis, .. } | Op::TopK { axis, .. } | Op::CumSum { axis, .. } => lanes(*axis) == 1,
        Op::UniqueRows => true,
        _ => false,
    }
}

/// Runs of at least two steps for one thread, none of which reads what another one writes.
pub(super) fn runs(steps: &[Step]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        if !is_for_one_thread(step) {
            continue;
        }
        let apart = |run: &Range<usize>| {
            let mut written = steps[run.clone()].iter().flat_map(writes);
            run.end == at && !written.any(|slot| reads(step).contains(&slot))
        };
        match runs.last_mut() {
            Some(run) if apart(run) => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs.retain(|run| run.len() > 1);
    runs
}
