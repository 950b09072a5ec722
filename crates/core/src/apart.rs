//! What is computed in one plan need not fail together. Where that plan fails, its outputs are computed in plans of their own, so
//! that each fails for those who read it and for nobody else.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::backend::Backend;
use crate::completion::{Completion, QueueId};
use crate::error::{ErrorKind, Result};
use crate::plan::build::{Context, build};
use crate::plan::trace::Trace;
use crate::prepared::{Dependence, Prepared, launch};
use crate::storage::Buffer;

/// How the outputs of a run are computed if all together cannot be.
pub struct Apart {
    /// The device.
    pub backend: Arc<dyn Backend>,
    /// What the run computes. None of its outputs lies over an input: a run that failed has left the inputs as they were.
    pub trace: Trace,
    /// Paths of scopes by number.
    pub scopes: Arc<Vec<Arc<str>>>,
    /// Told how each output ended.
    pub completions: Vec<Arc<Completion>>,
    /// The first outputs are those that were asked for; the others were computed along with them.
    pub asked: usize,
    /// Told how the outputs that were asked for ended: with the first of their errors.
    pub asked_for: Arc<Completion>,
}

/// What a failed run was given.
pub(crate) struct Given<'a> {
    pub inputs: &'a [Buffer],
    pub outputs: &'a [Buffer],
    pub depends: &'a [Dependence],
    pub queue: QueueId,
}

impl Apart {
    /// Computes all outputs after the run of all of them failed. Halves are computed together as long as they can be, so that one
    /// that fails among many costs few more runs; what was only computed along is parted from the rest first.
    pub(crate) fn compute(&self, given: &Given<'_>) -> Vec<Result<()>> {
        let count = self.completions.len();
        let mut results = vec![Ok(()); count];
        let first = if (1..count).contains(&self.asked) {
            self.asked
        } else {
            count.div_ceil(2)
        };
        for part in [0..first, first..count] {
            self.attempt(given, part, &mut results);
        }
        results
    }

    fn attempt(&self, given: &Given<'_>, part: Range<usize>, results: &mut [Result<()>]) {
        if part.is_empty() {
            return;
        }
        let Err(error) = self.together(given, part.clone()) else {
            return;
        };
        // After a mistake of ours nothing is known about what the run has written.
        if part.len() == 1 || error.kind == ErrorKind::Internal {
            results[part].fill(Err(error));
            return;
        }
        let middle = part.start + part.len().div_ceil(2);
        self.attempt(given, part.start..middle, results);
        self.attempt(given, middle..part.end, results);
    }

    /// Computes some outputs in one plan.
    fn together(&self, given: &Given<'_>, part: Range<usize>) -> Result<()> {
        let (trace, needed) = self.trace.for_outputs(part.clone());
        let scope = |s: u32| self.scopes.get(s as usize).map_or("", |path| path).to_string();
        let context = Context {
            scope: &scope,
            device: self.backend.as_ref(),
        };
        let program = Arc::new(build(&trace, &context)?);
        let plan = Arc::new(Mutex::new(Prepared::Planned(self.backend.clone(), program)));
        let inputs: Vec<Buffer> = needed.iter().map(|&k| given.inputs[k].clone()).collect();
        let depends: Vec<Dependence> = given
            .depends
            .iter()
            .filter(|on| needed.contains(&on.input))
            .cloned()
            .collect();
        let buffers = (&inputs[..], &given.outputs[part]);
        let later = launch(&plan, buffers, &depends, given.queue, None)?;
        later.map_or(Ok(()), |later| later.wait())
    }

    /// Tells everyone.
    pub(crate) fn finish(&self, results: Vec<Result<()>>) {
        let asked = results[..self.asked].iter().find(|result| result.is_err());
        let asked = asked.cloned().unwrap_or(Ok(()));
        for (completion, result) in self.completions.iter().zip(results) {
            completion.finish(result);
        }
        self.asked_for.finish(asked);
    }
}
