//! Evaluation of the requested nodes, and of pending assignments along with them, so that the graph does not grow in loops that
//! only assign. A failed assignment fails for its readers alone.

use std::collections::HashSet;
use std::sync::Arc;

use crate::completion::Completion;
use crate::engine::{Engine, Replaced, Rollback};
use crate::error::Result;
use crate::graph::{NodeId, Value};
use crate::isolation::Isolation;
use crate::op::Spec;
use crate::plan::trace::{Cut, cut};
use crate::slab::Key;

impl Engine {
    /// Queues the runs that compute `targets` and the pending assignments. Returns the completions of the runs that write the
    /// targets.
    ///
    /// # Errors
    /// Targets that cannot be planned, and no memory for them. An assignment that cannot be planned stays pending until it is
    /// requested.
    pub fn evaluate(&mut self, targets: &[NodeId]) -> Result<Vec<Arc<Completion>>> {
        self.not_tracing("evaluate")?;
        self.settle();
        let mut wanted: Vec<NodeId> = Vec::new();
        let mut known: HashSet<NodeId> = HashSet::new();
        for &id in targets {
            if self.graph.node(id)?.value.is_none() && known.insert(id) {
                wanted.push(id);
            }
        }
        let mut asked = wanted.len();
        let dirty: Vec<Key> = std::mem::take(&mut self.dirty);
        for &v in &dirty {
            if let Some(variable) = self.variables.get(v)
                && self.graph.node(variable.node)?.value.is_none()
                && known.insert(variable.node)
            {
                wanted.push(variable.node);
            }
        }
        if self.graph.is_divided() {
            self.queue_transfers(&wanted[..asked], &dirty)?;
            // A failed copy for an assignment is reported to the readers of the assignment.
            let along = wanted.split_off(asked);
            wanted.extend(
                along
                    .into_iter()
                    .filter(|&id| self.queue_transfers(&[id], &dirty).is_ok()),
            );
            let is_pending = |id: &NodeId| self.graph.node(*id).is_ok_and(|node| node.value.is_none());
            asked = wanted[..asked].iter().filter(|id| is_pending(id)).count();
            wanted.retain(is_pending);
        }
        let made: HashSet<NodeId> = wanted[..asked].iter().copied().collect();
        let mut runs = Vec::new();
        for group in self.by_device(&wanted)? {
            // The requested nodes come first in each group, as in `wanted`.
            let asked = group.iter().filter(|id| made.contains(id)).count();
            runs.extend(self.run_group(&group, asked, &dirty)?);
        }
        let mut completions: Vec<Arc<Completion>> = Vec::new();
        let mut seen: HashSet<*const Completion> = HashSet::new();
        let mut note = |completion: &Arc<Completion>| {
            if seen.insert(Arc::as_ptr(completion)) {
                completions.push(completion.clone());
            }
        };
        for &id in targets {
            if made.contains(&id) {
                runs.iter().for_each(&mut note);
            } else if let Some(value) = &self.graph.node(id)?.value {
                value.completion.iter().for_each(&mut note);
            }
        }
        Ok(completions)
    }

    /// Queues nodes of one device, the first `asked` of which were requested: in one plan, or, if that cannot be planned, the
    /// requested nodes apart from the others. Returns the completion of the requested nodes, if there are any.
    fn run_group(
        &mut self,
        wanted: &[NodeId],
        asked: usize,
        dirty: &[Key],
    ) -> Result<Option<Arc<Completion>>> {
        let run = match self.run_pending(wanted, asked, dirty) {
            Err(_) if wanted.len() > asked => {
                let run = self.run_pending(&wanted[..asked], asked, dirty);
                self.run_along(&wanted[asked..], dirty);
                run
            }
            run => run,
        };
        run.map(|run| run.filter(|_| asked > 0))
    }

    /// Queues assignments that could not be planned with the requested nodes: in one plan, or else one by one. Assignments that
    /// cannot be planned stay pending: their readers get the error.
    fn run_along(&mut self, wanted: &[NodeId], dirty: &[Key]) {
        if self.run_pending(wanted, 0, dirty).is_err() && wanted.len() > 1 {
            for id in wanted {
                self.run_pending(std::slice::from_ref(id), 0, dirty).ok();
            }
        }
    }

    /// Queues one plan for `wanted`, nodes of one device whose copies from other devices are queued. The first `asked` were
    /// requested: returns their completion, `None` if there is nothing to run. Commits the assignments among them, to the
    /// Variables `dirty`.
    pub(super) fn run_pending(
        &mut self,
        wanted: &[NodeId],
        asked: usize,
        dirty: &[Key],
    ) -> Result<Option<Arc<Completion>>> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let mut cut = cut(&self.graph, wanted, &[])?;
        self.mark_expendable(&mut cut, dirty);
        let device = cut.device;
        let plan = self.plan(device, &cut.trace)?;
        let inputs = cut
            .sources
            .iter()
            .map(|&s| self.value_on(device, s))
            .collect::<Result<Vec<_>>>()?;
        let specs: Vec<Spec> = wanted
            .iter()
            .map(|&id| self.graph.spec(id).cloned())
            .collect::<Result<_>>()?;
        let can_fail = plan.can_fail();
        let may_fail = |value: &Value| {
            let run = value.completion.as_ref();
            run.is_some_and(|run| run.may_fail() && !run.is_done())
        };
        let isolation = (wanted.len() > 1 && (can_fail || inputs.iter().any(may_fail))).then(|| Isolation {
            backend: self.devices[usize::from(device.0)].backend.clone(),
            trace: cut.trace,
            scopes: self.graph.scope_names(),
            completions: wanted.iter().map(|_| Completion::new()).collect(),
            asked,
            asked_for: Completion::new(),
        });
        let each = isolation.as_ref().map(|isolation| isolation.completions.clone());
        let asked_for = isolation.as_ref().map(|isolation| isolation.asked_for.clone());
        // A run with failure isolation must find its inputs unchanged after a failure.
        let gives = isolation.is_none();
        let (outputs, completion) = self.submit(device, &plan, inputs, &specs, |_| gives, isolation)?;
        let keep = self.history > 0;
        for (j, (&id, buffer)) in wanted.iter().zip(outputs).enumerate() {
            let completion = each.as_ref().map_or(&completion, |each| &each[j]).clone();
            let completion = Some(completion);
            self.graph.fulfill(id, Value { buffer, completion }, keep)?;
        }
        self.commit(dirty, completion.may_fail() || !gives)?;
        Ok(Some(asked_for.unwrap_or(completion)))
    }

    /// Releases the old versions of Variables whose new versions are now queued.
    fn commit(&mut self, dirty: &[Key], can_fail: bool) -> Result<()> {
        for &v in dirty {
            let Some(variable) = self.variables.get_mut(v) else {
                continue;
            };
            let Some(Value {
                completion: Some(completion),
                ..
            }) = &self.graph.node(variable.node)?.value
            else {
                continue;
            };
            let Some((old, version)) = variable.committed.take() else {
                continue;
            };
            if can_fail {
                self.rollbacks.push(Rollback {
                    completion: completion.clone(),
                    versions: vec![Replaced {
                        variable: v,
                        old: None,
                        new: variable.node,
                        assignments: variable.version - version,
                    }],
                });
            }
            self.graph.release(old)?;
        }
        Ok(())
    }

    /// Marks the inputs that are dead once the requested nodes are computed: their only references are nodes of this trace that
    /// are freed with it, or the committed version of a Variable that is being replaced.
    fn mark_expendable(&self, cut: &mut Cut, dirty: &[Key]) {
        let trace = &mut cut.trace;
        let count = trace.nodes.len();
        let mut edges = vec![0u32; count];
        for node in &trace.nodes {
            for &input in &node.inputs {
                edges[input as usize] += 1;
            }
        }
        let mut output = vec![false; count];
        for &o in &trace.outputs {
            output[o as usize] = true;
        }
        let mut stays = vec![self.history > 0; count];
        let mut read_by_stayer = vec![false; count];
        for i in (0..count).rev() {
            let Ok(node) = self.graph.node(cut.ids[i]) else {
                continue;
            };
            stays[i] |= node.uses > edges[i] || (node.handles > 0 && !output[i]);
            if stays[i] && !output[i] {
                for &input in &trace.nodes[i].inputs {
                    stays[input as usize] = true;
                    read_by_stayer[input as usize] = true;
                }
            }
        }
        let replaced: Vec<NodeId> = dirty
            .iter()
            .filter_map(|&v| self.variables.get(v))
            .filter_map(|v| Some(v.committed?.0))
            .collect();
        for (k, &i) in trace.inputs.iter().enumerate() {
            let Ok(node) = self.graph.node(cut.sources[k]) else {
                continue;
            };
            let only_committed =
                node.handles == 1 && node.uses <= edges[i as usize] && replaced.contains(&cut.sources[k]);
            trace.expendable[k] =
                self.history == 0 && !read_by_stayer[i as usize] && (!stays[i as usize] || only_committed);
        }
    }
}
