//! Evaluation: what is asked for, and along with it the pending assignments, so that loops which only assign do not let the graph
//! grow. What is only computed along fails for those who read it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::apart::Apart;
use crate::completion::Completion;
use crate::engine::{Engine, Replaced, Rollback};
use crate::error::Result;
use crate::graph::{NodeId, Value};
use crate::op::Spec;
use crate::plan::trace::{Cut, cut};
use crate::slab::Key;

impl Engine {
    /// Queues whatever must run so that `targets` have values, and along with them pending assignments. The completions
    /// of the runs that write the targets are returned.
    ///
    /// # Errors
    /// Where the targets cannot be planned, or memory for them cannot be had. An assignment of which this is true fails for
    /// those who ask for it: until then it waits for them.
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
            self.bring(&wanted[..asked], &dirty)?;
            // What cannot be brought for an assignment is told to those who read it.
            let along = wanted.split_off(asked);
            wanted.extend(along.into_iter().filter(|&id| self.bring(&[id], &dirty).is_ok()));
            let is_pending = |id: &NodeId| self.graph.node(*id).is_ok_and(|node| node.value.is_none());
            asked = wanted[..asked].iter().filter(|id| is_pending(id)).count();
            wanted.retain(is_pending);
        }
        let made: HashSet<NodeId> = wanted[..asked].iter().copied().collect();
        let mut runs = Vec::new();
        for group in self.by_device(&wanted)? {
            // In each the nodes that were asked for come first, as in all.
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

    /// Queues nodes of one device, of which the first `asked` were asked for: all together, or else apart from the others. What is
    /// returned tells how those ended that were asked for; none where there are none.
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

    /// Queues assignments that could not be computed along with what was asked for: together, or else one by one. Those that are
    /// refused wait for someone who reads them and is told why.
    fn run_along(&mut self, wanted: &[NodeId], dirty: &[Key]) {
        if self.run_pending(wanted, 0, dirty).is_err() && wanted.len() > 1 {
            for id in wanted {
                self.run_pending(std::slice::from_ref(id), 0, dirty).ok();
            }
        }
    }

    /// Queues one plan for `wanted`, nodes of one device for which all was brought that is elsewhere. Of them the first `asked` were asked
    /// for; their completion is returned, none where there is nothing to run. The assignments among them, of the Variables `dirty`, are no longer pending then.
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
        let apart = (wanted.len() > 1 && (can_fail || inputs.iter().any(may_fail))).then(|| Apart {
            backend: self.stations[usize::from(device.0)].backend.clone(),
            trace: cut.trace,
            scopes: self.graph.scope_names(),
            completions: wanted.iter().map(|_| Completion::new()).collect(),
            asked,
            asked_for: Completion::new(),
        });
        let each = apart.as_ref().map(|apart| apart.completions.clone());
        let asked_for = apart.as_ref().map(|apart| apart.asked_for.clone());
        // What may have to be computed in parts must find its inputs as they were.
        let gives = apart.is_none();
        let (outputs, completion) = self.submit(device, &plan, inputs, &specs, |_| gives, apart)?;
        let keep = self.history > 0;
        for (j, (&id, buffer)) in wanted.iter().zip(outputs).enumerate() {
            let completion = each.as_ref().map_or(&completion, |each| &each[j]).clone();
            let completion = Some(completion);
            self.graph.fulfil(id, Value { buffer, completion }, keep)?;
        }
        self.commit(dirty, completion.may_fail() || !gives)?;
        Ok(Some(asked_for.unwrap_or(completion)))
    }

    /// Lets go of the old versions of Variables whose new ones are now queued.
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

    /// Marks the inputs that nothing needs once the wanted nodes are computed: their only references are
    /// nodes of this trace that go away with it, or the committed version of a Variable being replaced.
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
