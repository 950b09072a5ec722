//! The engine: a graph, its Variables, compiled functions and the devices that run plans.
//!
//! Everything here happens on the thread that owns the engine; only jobs cross to the device's thread.
//! Evaluation returns at once: results are nodes whose buffers a queued run will write.

mod cache;
mod compiled;
mod evaluation;
mod explain;
mod profile;
mod sites;
mod variables;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use crate::apart::Apart;
use crate::backend::Backend;
use crate::completion::Completion;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, NodeId, Value};
use crate::home::{DeviceId, Home};
use crate::infer::infer;
use crate::op::{Op, Spec};
use crate::plan::build::{Context, build};
use crate::plan::print::print;
use crate::plan::trace::Trace;
use crate::prepared::{Dependence, Prepared};
use crate::run::{Job, Queue};
use crate::slab::{Key, Slab};
use crate::storage::Buffer;

use cache::{Plan, PlanCache};
use compiled::{Compiled, Tracing};
use profile::Profile;
pub use profile::{ProfiledPlan, ProfiledStep};
pub use sites::Site;
use sites::Station;
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

/// A graph and the devices it runs on.
pub struct Engine {
    /// The graph.
    pub graph: Graph,
    /// What there is for each device, by its number.
    stations: Vec<Station>,
    variables: Slab<Variable>,
    /// Variables whose assignments wait for the next evaluation, whatever it is asked for.
    dirty: Vec<Key>,
    compiled: Slab<Compiled>,
    tracing: Option<Tracing>,
    /// Depth of functions being differentiated: evaluated nodes then keep their history.
    history: usize,
    rollbacks: Vec<Rollback>,
    /// What runs take, while someone wants to know.
    profile: Option<Profile>,
    /// Pending nodes without a handle at which the next evaluation is forced.
    bound: usize,
}

impl Engine {
    /// An engine on `backend`, whose plans run through `queue`.
    pub fn new(backend: Arc<dyn Backend>, queue: Arc<Queue>) -> Engine {
        Engine::on_devices(vec![(backend, queue)], DeviceId::default())
    }

    /// An engine on several devices, of which one computes what is not told where.
    pub fn on_devices(sites: Vec<Site>, default_device: DeviceId) -> Engine {
        let names = sites.iter().map(|(backend, _)| backend.name().into()).collect();
        Engine {
            graph: Graph::on_devices(names, default_device),
            stations: sites.into_iter().map(Station::from).collect(),
            variables: Slab::default(),
            dirty: Vec::new(),
            compiled: Slab::default(),
            tracing: None,
            history: 0,
            rollbacks: Vec::new(),
            profile: None,
            bound: PENDING_LIMIT,
        }
    }

    /// Data from outside, copied to the default device.
    pub fn source(&mut self, bytes: &[u8], spec: Spec) -> Result<NodeId> {
        self.source_at(Home::on(self.graph.default_device()), bytes, spec)
    }

    /// Data from outside, copied to a device.
    pub fn source_at(&mut self, home: Home, bytes: &[u8], spec: Spec) -> Result<NodeId> {
        let spec = infer(&Op::Input, &[], Some(&spec))?;
        if bytes.len() != spec.bytes() {
            return Err(Error::shape(
                "tensor",
                format!("{} bytes for {} {}", bytes.len(), spec.dtype, spec.shape),
                "the product of the extents must equal the number of elements",
            ));
        }
        let buffer = self.station(home.device)?.backend.upload(bytes)?;
        Ok(self.graph.add_value(
            spec,
            home,
            Value {
                buffer,
                completion: None,
            },
        ))
    }

    /// A node whose bytes are undefined until [`fill`](Engine::fill) has written all of them; the caller gets one handle, and uses it
    /// for nothing else before.
    ///
    /// # Errors
    /// No memory.
    pub fn room(&mut self, home: Home, spec: Spec) -> Result<NodeId> {
        let spec = infer(&Op::Input, &[], Some(&spec))?;
        let buffer = self.station(home.device)?.backend.allocate(spec.bytes())?;
        let completion = None;
        Ok(self.graph.add_value(spec, home, Value { buffer, completion }))
    }

    /// Writes bytes of a node that [`room`](Engine::room) made, from byte `from` on.
    ///
    /// # Errors
    /// A node that somebody else may read: one without bytes of its own, or whose bytes a run or another node has.
    pub fn fill(&mut self, id: NodeId, from: usize, bytes: &[u8]) -> Result<()> {
        let held = self.graph.node(id)?.value.as_ref();
        let alone = held.filter(|value| Arc::strong_count(&value.buffer) == 1 && value.completion.is_none());
        let value = alone.ok_or_else(|| Error::internal("fill", "the node is in use"))?;
        value.buffer.write_part(from, bytes)
    }

    /// A node with the value of another, on this device; the caller gets one handle.
    ///
    /// # Errors
    /// Where a function is being compiled, unless the node is or may be there.
    pub fn to(&mut self, id: NodeId, device: DeviceId) -> Result<NodeId> {
        self.station(device)?;
        let home = self.graph.node(id)?.home;
        if self.tracing.is_some() && !home.fits(device) {
            let names = [home.device, device].map(|device| self.graph.device_name(device));
            return Err(Error::new(
                ErrorKind::Device,
                "to",
                format!(
                    "from \"{}\" to \"{}\" while a function is being compiled, which runs on one device",
                    names[0], names[1]
                ),
                "bring its arguments there before it is called, or its results after",
            ));
        }
        self.graph.to(id, device)
    }

    fn plan(&mut self, device: DeviceId, trace: &Trace) -> Result<Plan> {
        self.station(device)?;
        let graph = &self.graph;
        let Station { backend, cache, .. } = &mut self.stations[usize::from(device.0)];
        cache.get(trace, |trace| {
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

    /// Queues one run on a device. An output takes the buffer of the input donated to it if `give` says that input may
    /// go, and fresh storage else.
    fn submit(
        &self,
        device: DeviceId,
        plan: &Plan,
        inputs: Vec<Value>,
        outputs: &[Spec],
        give: impl Fn(usize) -> bool,
        apart: Option<Apart>,
    ) -> Result<(Vec<Buffer>, Arc<Completion>)> {
        let Station { backend, queue, .. } = self.station(device)?;
        let buffers = outputs
            .iter()
            .enumerate()
            .map(|(j, spec)| match plan.program.donations[j] {
                Some(k) if give(k) => Ok(inputs[k].buffer.clone()),
                _ => backend.allocate(spec.bytes()),
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
                depends.push(Dependence {
                    input,
                    run,
                    must_have_ended: false,
                });
            }
        }
        let completion = if can_fail {
            Completion::new()
        } else {
            Completion::sure(queue.id())
        };
        queue.submit(Job {
            executable: plan.executable.clone(),
            inputs: inputs.into_iter().map(|v| v.buffer).collect(),
            outputs: buffers.clone(),
            depends,
            completion: completion.clone(),
            apart,
            recorder: self
                .profile
                .as_ref()
                .map(|profile| profile.recorder(device, plan)),
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

    /// The cached plans as text, device by device, most recently used first.
    pub fn plans(&self) -> Vec<String> {
        let caches = self.stations.iter().map(|station| &station.cache);
        caches.flat_map(|cache| cache.list()).map(|p| print(&p)).collect()
    }

    /// What it holds.
    pub fn counts(&mut self) -> Counts {
        self.settle();
        let caches = || self.stations.iter().map(|station| &station.cache);
        Counts {
            nodes: self.graph.live(),
            pending: self.graph.pending(),
            plans: caches().map(PlanCache::len).sum(),
            hits: caches().map(|cache| cache.hits).sum(),
            misses: caches().map(|cache| cache.misses).sum(),
            variables: self.variables.len(),
        }
    }
}
