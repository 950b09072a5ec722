//! The engine: a graph, its Variables, compiled functions and the device that runs plans.
//!
//! Everything here happens on the thread that owns the engine; only jobs cross to the device's thread.
//! Evaluation returns at once: results are nodes whose buffers a queued run will write.

mod cache;
mod compiled;
mod evaluation;
mod variables;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, TryLockError};

use crate::apart::Apart;
use crate::backend::Backend;
use crate::completion::Completion;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, NodeId, Value};
use crate::infer::infer;
use crate::op::{Op, Spec};
use crate::plan::build::{Context, build};
use crate::plan::print::print;
use crate::plan::trace::{Trace, cut};
use crate::prepared::{Dependence, Prepared};
use crate::run::{Job, Queue};
use crate::slab::{Key, Slab};
use crate::storage::Buffer;

use cache::{Plan, PlanCache};
use compiled::{Compiled, Tracing};
use variables::Variable;

/// Pending nodes without a handle beyond which an evaluation is forced, so that a forgotten one does not let the graph grow.
pub const PENDING_LIMIT: usize = 200_000;
/// Such nodes that must wait for a node for it to be computed then: its value takes the place of their memory.
const BURDEN: f64 = 16.0;

/// Versions to take back if a run refuses.
struct Rollback {
    completion: Arc<Completion>,
    versions: Vec<Replaced>,
}

/// A Variable's version that a run replaces.
struct Replaced {
    variable: Key,
    /// Where to go back to; none for an assignment on its own, which fails for whoever reads it until another takes its place.
    old: Option<NodeId>,
    new: NodeId,
    /// Assignments that led from one to the other.
    assignments: u64,
}

/// Counts of what an engine holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Nodes of the graph.
    pub nodes: usize,
    /// Those without a value.
    pub pending: usize,
    /// Cached plans.
    pub plans: usize,
    /// Cache look-ups that found their plan.
    pub hits: u64,
    /// Those that did not.
    pub misses: u64,
    /// Variables.
    pub variables: usize,
}

/// A graph and the device it runs on.
pub struct Engine {
    /// The graph.
    pub graph: Graph,
    backend: Arc<dyn Backend>,
    queue: Arc<Queue>,
    cache: PlanCache,
    variables: Slab<Variable>,
    /// Variables whose assignments wait for the next evaluation, whatever it is asked for.
    dirty: Vec<Key>,
    compiled: Slab<Compiled>,
    tracing: Option<Tracing>,
    /// Depth of functions being differentiated: evaluated nodes then keep their history.
    history: usize,
    rollbacks: Vec<Rollback>,
    /// Pending nodes without a handle at which the next evaluation is forced.
    bound: usize,
}

impl Engine {
    /// An engine on `backend`, whose plans run through `queue`.
    pub fn new(backend: Arc<dyn Backend>, queue: Arc<Queue>) -> Engine {
        Engine {
            graph: Graph::new(),
            backend,
            queue,
            cache: PlanCache::default(),
            variables: Slab::default(),
            dirty: Vec::new(),
            compiled: Slab::default(),
            tracing: None,
            history: 0,
            rollbacks: Vec::new(),
            bound: PENDING_LIMIT,
        }
    }

    /// Data from outside, copied to the device.
    pub fn source(&mut self, bytes: &[u8], spec: Spec) -> Result<NodeId> {
        let spec = infer(&Op::Input, &[], Some(&spec))?;
        if bytes.len() != spec.bytes() {
            return Err(Error::shape(
                "tensor",
                format!("{} bytes for {} {}", bytes.len(), spec.dtype, spec.shape),
                "the product of the extents must equal the number of elements",
            ));
        }
        let buffer = self.backend.upload(bytes)?;
        Ok(self.graph.add_value(
            spec,
            Value {
                buffer,
                completion: None,
            },
        ))
    }

    fn value(&self, id: NodeId) -> Result<Value> {
        self.graph.node(id)?.value.clone().ok_or_else(|| {
            Error::new(
                ErrorKind::State,
                "evaluate",
                "an argument of a compiled function was used outside of it",
                "use tensors made inside jit only there, and return what is needed outside",
            )
        })
    }

    fn plan(&mut self, trace: &Trace) -> Result<Plan> {
        let (backend, graph) = (&self.backend, &self.graph);
        self.cache.get(trace, |trace| {
            let scope = |s: u32| graph.scope_name(s).to_string();
            let program = Arc::new(build(
                trace,
                &Context {
                    scope: &scope,
                    device: backend.as_ref(),
                },
            )?);
            let prepared = Prepared::Planned(backend.clone(), program.clone());
            Ok(Plan {
                program,
                executable: Arc::new(Mutex::new(prepared)),
                first: Arc::default(),
            })
        })
    }

    /// Queues one run. An output takes the buffer of the input donated to it if `give` says that input may
    /// go, and fresh storage else.
    fn submit(
        &self,
        plan: &Plan,
        inputs: Vec<Value>,
        outputs: &[Spec],
        give: impl Fn(usize) -> bool,
        apart: Option<Apart>,
    ) -> Result<(Vec<Buffer>, Arc<Completion>)> {
        let buffers = outputs
            .iter()
            .enumerate()
            .map(|(j, spec)| match plan.program.donations[j] {
                Some(k) if give(k) => Ok(inputs[k].buffer.clone()),
                _ => self.backend.allocate(spec.bytes()),
            })
            .collect::<Result<Vec<Buffer>>>()?;
        // Runs that ended well have nothing more to say. Of one that wrote many inputs each is noted where it is asked which.
        let mut depends: Vec<Dependence> = Vec::new();
        let mut can_fail = plan.can_fail();
        let mut seen: HashSet<*const Completion> = HashSet::new();
        for (input, value) in inputs.iter().enumerate() {
            if let Some(run) = value.completion.as_ref().filter(|run| !run.is_done())
                && (seen.insert(Arc::as_ptr(run)) || apart.is_some())
            {
                let run = run.clone();
                can_fail |= run.may_fail();
                depends.push(Dependence { input, run });
            }
        }
        let completion = if can_fail {
            Completion::new()
        } else {
            Completion::sure(self.queue.id())
        };
        self.queue.submit(Job {
            executable: plan.executable.clone(),
            inputs: inputs.into_iter().map(|v| v.buffer).collect(),
            outputs: buffers.clone(),
            depends,
            completion: completion.clone(),
            apart,
        })?;
        plan.first.get_or_init(|| completion.clone());
        Ok((buffers, completion))
    }

    /// Takes note of runs that have ended: what a failed one would have assigned does not count, and where the assignment was part
    /// of a compiled function it goes back to its old version.
    fn settle(&mut self) {
        if self.rollbacks.is_empty() {
            return;
        }
        let mut open = VecDeque::from(std::mem::take(&mut self.rollbacks));
        while let Some(result) = open.front().and_then(|r| r.completion.result()) {
            let ended = open.pop_front().map_or(Vec::new(), |run| run.versions);
            for replaced in ended {
                let stale = match result {
                    Ok(()) => replaced.old,
                    Err(_) => self.take_back(&replaced, &mut open),
                };
                if let Some(stale) = stale {
                    let _ = self.graph.release(stale);
                }
            }
        }
        self.rollbacks = open.into();
    }

    /// Takes back what a failed run would have assigned; what nothing needs any more is returned.
    fn take_back(&mut self, replaced: &Replaced, open: &mut VecDeque<Rollback>) -> Option<NodeId> {
        let Replaced {
            variable, old, new, ..
        } = *replaced;
        if let Some(variable) = self.variables.get_mut(variable) {
            variable.version -= replaced.assignments;
        }
        let old = old?;
        // A later run may already have superseded the failed version: then that one goes back further.
        let later = open
            .iter_mut()
            .flat_map(|r| &mut r.versions)
            .find(|later| later.variable == variable && later.old == Some(new));
        match (later, self.variables.get_mut(variable)) {
            (Some(later), _) => later.old.replace(old),
            (None, Some(variable)) if variable.node == new => {
                Some(std::mem::replace(&mut variable.node, old))
            }
            (None, _) => Some(old),
        }
    }

    /// Evaluates when too much is pending that nobody holds; true if it did.
    ///
    /// Computed is what much history waits for, and no more than that: a handle may be one that its owner has forgotten and
    /// whose collection is still to come, and computing it would free nothing. Who holds every node of a long chain keeps
    /// it. What is left after an evaluation doubles the bound of the next, so that all of them together take no longer than
    /// building the graph.
    pub fn bound_pending(&mut self) -> Result<bool> {
        if self.graph.unheld() < self.bound || self.tracing.is_some() || self.history > 0 {
            return Ok(false);
        }
        let burdens = self.graph.burdens().into_iter();
        let wanted: Vec<NodeId> = burdens
            .filter(|&(_, burden)| burden >= BURDEN)
            .map(|(id, _)| id)
            .collect();
        self.bound = 2 * self.graph.unheld();
        if !wanted.is_empty() {
            // What cannot be computed is told to whoever asks for it, not to who happens to build on.
            self.evaluate(&wanted).ok();
            self.bound = PENDING_LIMIT.max(2 * self.graph.unheld());
        }
        Ok(!wanted.is_empty())
    }

    /// While entered, evaluated nodes keep their history, so that they can still be differentiated through.
    pub fn enter_history(&mut self) {
        self.history += 1;
    }
    /// Leaves what `enter_history` entered.
    pub fn leave_history(&mut self) {
        self.history = self.history.saturating_sub(1);
    }

    /// The plan that would compute `targets`, as text, and how the device would run it.
    pub fn explain(&mut self, targets: &[NodeId]) -> Result<String> {
        let mut wanted = Vec::new();
        for &id in targets {
            if self.graph.node(id)?.value.is_none() {
                wanted.push(id);
            }
        }
        if wanted.is_empty() {
            return Ok("nothing to run: the values are there\n".into());
        }
        let cut = cut(&self.graph, &wanted, &[])?;
        let plan = self.plan(&cut.trace)?;
        let described = match plan.executable.try_lock() {
            Ok(mut prepared) => prepared.describe(),
            Err(TryLockError::Poisoned(prepared)) => prepared.into_inner().describe(),
            // It runs right now: rather than wait for it, it is prepared once more.
            Err(TryLockError::WouldBlock) => {
                Prepared::Planned(self.backend.clone(), plan.program.clone()).describe()
            }
        };
        Ok(print(&plan.program) + &described?)
    }

    /// The cached plans as text, most recently used first.
    pub fn plans(&self) -> Vec<String> {
        self.cache.list().iter().map(|p| print(p)).collect()
    }

    /// What it holds.
    pub fn counts(&mut self) -> Counts {
        self.settle();
        Counts {
            nodes: self.graph.live(),
            pending: self.graph.pending(),
            plans: self.cache.len(),
            hits: self.cache.hits,
            misses: self.cache.misses,
            variables: self.variables.len(),
        }
    }
}
