//! Steps that one thread does each, run beside each other. Which steps those are the kernels say
//! ([`Needs::serial`](crate::device::Needs)): on a CPU, decompositions and sorts of single matrices and rows. The eigenvalues
//! that an estimator wants of several layers are such steps.

use std::ops::Range;

use crate::plan::Step;

/// Runs of at least two steps for one thread, none of which reads what another one writes.
pub(super) fn runs(steps: &[Step]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        if !step.is_serial() {
            continue;
        }
        let apart = |run: &Range<usize>| {
            let mut written = steps[run.clone()].iter().flat_map(Step::writes);
            run.end == at && !written.any(|slot| step.reads().contains(&slot))
        };
        match runs.last_mut() {
            Some(run) if apart(run) => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs.retain(|run| run.len() > 1);
    runs
}
