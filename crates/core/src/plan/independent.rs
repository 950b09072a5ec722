//! Independent serial steps, run in parallel, one thread each. A kernel says that its step is serial
//! ([`Needs::serial`](crate::device::Needs)): on a CPU, decompositions and sorts of single matrices and rows. An estimator that
//! takes eigenvalues of several layers makes such steps.

use std::ops::Range;

use crate::plan::Step;

/// Runs of at least two serial steps, none of which reads the result of another.
pub(super) fn runs(steps: &[Step]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        if !step.is_serial() {
            continue;
        }
        let independent = |run: &Range<usize>| {
            let mut written = steps[run.clone()].iter().flat_map(Step::writes);
            run.end == at && !written.any(|slot| step.reads().contains(&slot))
        };
        match runs.last_mut() {
            Some(run) if independent(run) => run.end += 1,
            Some(_) | None => runs.push(at..at + 1),
        }
    }
    runs.retain(|run| run.len() > 1);
    runs
}
