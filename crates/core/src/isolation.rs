//! Failure isolation: one output that fails must not fail the other outputs of its plan. After a failed run the outputs are
//! computed again in smaller plans, so that an error reaches only the readers of the output that caused it.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::backend::Backend;
use crate::completion::{Completion, QueueId};
use crate::error::{ErrorKind, Result};
use crate::plan::build::build;
use crate::plan::context::Context;
use crate::plan::trace::Trace;
use crate::prepared::{Dependence, Prepared, launch};
use crate::storage::Buffer;

/// How the outputs of a run are computed one by one after their joint run failed.
pub struct Isolation {
    /// The device.
    pub backend: Arc<dyn Backend>,
    /// What the run computes. No output overwrites an input, so a failed run leaves the inputs unchanged.
    pub trace: Trace,
    /// Paths of scopes by number.
    pub scopes: Arc<Vec<Arc<str>>>,
    /// The completion of each output.
    pub completions: Vec<Arc<Completion>>,
    /// Number of requested outputs, which come first; the other outputs were computed along with them.
    pub asked: usize,
    /// The completion of the requested outputs together: their first error, if there is one.
    pub asked_for: Arc<Completion>,
}

/// The buffers and dependences of a failed run.
pub(crate) struct FailedRun<'a> {
    pub inputs: &'a [Buffer],
    pub outputs: &'a [Buffer],
    pub depends: &'a [Dependence],
    pub queue: QueueId,
}

impl Isolation {
    /// Computes all outputs after their joint run failed. The outputs are bisected, so that one failing output among n
    /// costs O(log n) more runs. The first cut separates the requested outputs from the others.
    pub(crate) fn compute(&self, failed: &FailedRun<'_>) -> Vec<Result<()>> {
        let count = self.completions.len();
        let mut results = vec![Ok(()); count];
        let first = if (1..count).contains(&self.asked) {
            self.asked
        } else {
            count.div_ceil(2)
        };
        for part in [0..first, first..count] {
            self.attempt(failed, part, &mut results);
        }
        results
    }

    fn attempt(&self, failed: &FailedRun<'_>, part: Range<usize>, results: &mut [Result<()>]) {
        if part.is_empty() {
            return;
        }
        let Err(error) = self.together(failed, part.clone()) else {
            return;
        };
        // After an internal error it is unknown what the run has written.
        if part.len() == 1 || error.kind == ErrorKind::Internal {
            results[part].fill(Err(error));
            return;
        }
        let middle = part.start + part.len().div_ceil(2);
        self.attempt(failed, part.start..middle, results);
        self.attempt(failed, middle..part.end, results);
    }

    /// Computes some outputs in one plan.
    fn together(&self, failed: &FailedRun<'_>, part: Range<usize>) -> Result<()> {
        let (trace, needed) = self.trace.for_outputs(part.clone());
        let scope = |s: u32| self.scopes.get(s as usize).map_or("", |path| path).to_string();
        let context = Context {
            scope: &scope,
            device: self.backend.as_ref(),
        };
        let program = Arc::new(build(&trace, &context)?);
        let plan = Arc::new(Mutex::new(Prepared::Planned(self.backend.clone(), program)));
        let inputs: Vec<Buffer> = needed.iter().map(|&k| failed.inputs[k].clone()).collect();
        let depends: Vec<Dependence> = failed
            .depends
            .iter()
            .filter(|on| needed.contains(&on.input))
            .cloned()
            .collect();
        let buffers = (&inputs[..], &failed.outputs[part]);
        let later = launch(&plan, buffers, &depends, failed.queue, None)?;
        later.map_or(Ok(()), |later| later.wait())
    }

    /// Completes all outputs.
    pub(crate) fn finish(&self, results: Vec<Result<()>>) {
        let asked = results[..self.asked].iter().find(|result| result.is_err());
        let asked = asked.cloned().unwrap_or(Ok(()));
        for (completion, result) in self.completions.iter().zip(results) {
            completion.finish(result);
        }
        self.asked_for.finish(asked);
    }
}
