//! The engine: a graph, its Variables, compiled functions and the devices that run plans.
//!
//! Everything here happens on the thread that owns the engine; only runs cross to the device's thread.
//! Evaluation returns at once: results are nodes whose buffers a queued run will write.

mod cache;
mod compiled;
mod devices;
mod evaluation;
mod explain;
mod profile;
mod variables;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use crate::backend::Backend;
use crate::completion::Completion;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, NodeId, Value};
use crate::infer::infer;
use crate::isolation::Isolation;
use crate::op::{Op, Spec};
use crate::placement::{DeviceId, Placement};
use crate::plan::build::build;
use crate::plan::context::Context;
use crate::plan::print::print;
use crate::plan::trace::Trace;
use crate::prepared::{Dependence, Prepared};
use crate::run::{Queue, QueuedRun};
use crate::slab::{Key, Slab};
use crate::storage::Buffer;

use cache::{Plan, PlanCache};
use compiled::{Compiled, Tracing};
pub use devices::DeviceQueue;
use devices::DeviceState;
use profile::Profile;
pub use profile::{ProfiledPlan, ProfiledStep};
use variables::Variable;

/// Number of pending nodes without a handle beyond which an evaluation is forced, so that the graph does not grow without bound.
pub const MAX_PENDING_NODES: usize = 200_000;
/// A forced evaluation computes the held nodes that retain at least so many nodes: the value replaces their memory.
const MIN_RETAINED_NODES: f64 = 16.0;

/// Assignments to roll back if a run fails.
struct Rollback {
    completion: Arc<Completion>,
    versions: Vec<Replaced>,
}

/// A version of a Variable that a run replaces.
struct Replaced {
    variable: Key,
    /// The version to restore; `None` for an assignment outside of compiled functions, which fails for its readers until the
    /// next assignment.
    old: Option<NodeId>,
    new: NodeId,
    /// Number of assignments from `old` to `new`.
    assignments: u64,
}

/// Counts of what an engine holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Nodes of the graph.
    pub nodes: usize,
    /// Nodes without a value.
    pub pending: usize,
    /// Cached plans.
    pub plans: usize,
    /// Cache look-ups that found their plan.
    pub hits: u64,
    /// Cache look-ups that did not.
    pub misses: u64,
    /// Variables.
    pub variables: usize,
}

/// A graph and the devices it runs on.
pub struct Engine {
    /// The graph.
    pub graph: Graph,
    /// The state of each device, by its number.
    devices: Vec<DeviceState>,
    variables: Slab<Variable>,
    /// Variables with pending assignments, which the next evaluation computes too.
    dirty: Vec<Key>,
    compiled: Slab<Compiled>,
    tracing: Option<Tracing>,
    /// Nesting depth of functions being differentiated; while above 0, evaluated nodes keep their history.
    history: usize,
    rollbacks: Vec<Rollback>,
    /// Times of runs, while a profile is under way.
    profile: Option<Profile>,
    /// Pending nodes without a handle at which the next evaluation is forced.
    bound: usize,
}

impl Engine {
    /// An engine on `backend`, whose plans run through `queue`.
    pub fn new(backend: Arc<dyn Backend>, queue: Arc<Queue>) -> Engine {
        Engine::on_devices(vec![(backend, queue)], DeviceId::default())
    }

    /// An engine on several devices, one of them the default.
    pub fn on_devices(devices: Vec<DeviceQueue>, default_device: DeviceId) -> Engine {
        let names = devices.iter().map(|(backend, _)| backend.name().into()).collect();
        Engine {
            graph: Graph::on_devices(names, default_device),
            devices: devices.into_iter().map(DeviceState::from).collect(),
            variables: Slab::default(),
            dirty: Vec::new(),
            compiled: Slab::default(),
            tracing: None,
            history: 0,
            rollbacks: Vec::new(),
            profile: None,
            bound: MAX_PENDING_NODES,
        }
    }

    /// Data from outside, copied to the default device.
    pub fn source(&mut self, bytes: &[u8], spec: Spec) -> Result<NodeId> {
        self.source_at(Placement::on(self.graph.default_device()), bytes, spec)
    }

    /// Data from outside, copied to a device.
    pub fn source_at(&mut self, placement: Placement, bytes: &[u8], spec: Spec) -> Result<NodeId> {
        let spec = infer(&Op::Input, &[], Some(&spec))?;
        if bytes.len() != spec.bytes() {
            return Err(Error::shape(
                "tensor",
                format!("{} bytes for {} {}", bytes.len(), spec.dtype, spec.shape),
                "the product of the extents must equal the number of elements",
            ));
        }
        let buffer = self.device_state(placement.device)?.backend.upload(bytes)?;
        Ok(self.graph.add_value(
            spec,
            placement,
            Value {
                buffer,
                completion: None,
            },
        ))
    }

    /// A node whose bytes are undefined until [`fill`](Engine::fill) has written all of them; the caller gets one handle and must
    /// not use the node before.
    ///
    /// # Errors
    /// No memory.
    pub fn room(&mut self, placement: Placement, spec: Spec) -> Result<NodeId> {
        let spec = infer(&Op::Input, &[], Some(&spec))?;
        let buffer = self
            .device_state(placement.device)?
            .backend
            .allocate(spec.bytes())?;
        let completion = None;
        Ok(self
            .graph
            .add_value(spec, placement, Value { buffer, completion }))
    }

    /// Writes bytes of a node that [`room`](Engine::room) made, from byte `from` on.
    ///
    /// # Errors
    /// A node whose bytes a run or another node may read.
    pub fn fill(&mut self, id: NodeId, from: usize, bytes: &[u8]) -> Result<()> {
        let held = self.graph.node(id)?.value.as_ref();
        let alone = held.filter(|value| Arc::strong_count(&value.buffer) == 1 && value.completion.is_none());
        let value = alone.ok_or_else(|| Error::internal("fill", "the node is in use"))?;
        value.buffer.write_part(from, bytes)
    }

    /// A node with the value of another, on this device; the caller gets one handle.
    ///
    /// # Errors
    /// While a function is being compiled, unless the node is free or on this device.
    pub fn to(&mut self, id: NodeId, device: DeviceId) -> Result<NodeId> {
        self.device_state(device)?;
        let placement = self.graph.node(id)?.placement;
        if self.tracing.is_some() && !placement.fits(device) {
            let names = [placement.device, device].map(|device| self.graph.device_name(device));
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
        self.device_state(device)?;
        let graph = &self.graph;
        let DeviceState { backend, cache, .. } = &mut self.devices[usize::from(device.0)];
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

    /// Queues one run on a device. An output takes the buffer of the input donated to it if `give` allows that, else new storage.
    fn submit(
        &self,
        device: DeviceId,
        plan: &Plan,
        inputs: Vec<Value>,
        outputs: &[Spec],
        give: impl Fn(usize) -> bool,
        isolation: Option<Isolation>,
    ) -> Result<(Vec<Buffer>, Arc<Completion>)> {
        let DeviceState { backend, queue, .. } = self.device_state(device)?;
        let buffers = outputs
            .iter()
            .enumerate()
            .map(|(j, spec)| match plan.program.donations[j] {
                Some(k) if give(k) => Ok(inputs[k].buffer.clone()),
                _ => backend.allocate(spec.bytes()),
            })
            .collect::<Result<Vec<Buffer>>>()?;
        // Runs that ended well are no dependence. A run that wrote several inputs is listed once, but for each input if outputs
        // may be computed one by one.
        let mut depends: Vec<Dependence> = Vec::new();
        let mut can_fail = plan.can_fail();
        let mut seen: HashSet<*const Completion> = HashSet::new();
        for (input, value) in inputs.iter().enumerate() {
            if let Some(run) = value.completion.as_ref().filter(|run| !run.is_done())
                && (seen.insert(Arc::as_ptr(run)) || isolation.is_some())
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
            Completion::infallible(queue.id())
        };
        queue.submit(QueuedRun {
            executable: plan.executable.clone(),
            inputs: inputs.into_iter().map(|v| v.buffer).collect(),
            outputs: buffers.clone(),
            depends,
            completion: completion.clone(),
            isolation,
            recorder: self
                .profile
                .as_ref()
                .map(|profile| profile.recorder(device, plan)),
        })?;
        plan.first.get_or_init(|| completion.clone());
        Ok((buffers, completion))
    }

    /// Settles runs that have ended: assignments of a failed run are not counted, and those of a compiled function are rolled back
    /// to the old version.
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
                    Err(_) => self.roll_back(&replaced, &mut open),
                };
                if let Some(stale) = stale {
                    let _ = self.graph.release(stale);
                }
            }
        }
        self.rollbacks = open.into();
    }

    /// Rolls back an assignment of a failed run; returns the node that is no longer needed.
    fn roll_back(&mut self, replaced: &Replaced, open: &mut VecDeque<Rollback>) -> Option<NodeId> {
        let Replaced {
            variable, old, new, ..
        } = *replaced;
        if let Some(variable) = self.variables.get_mut(variable) {
            variable.version -= replaced.assignments;
        }
        let old = old?;
        // A later run may already have superseded the failed version: its rollback then restores the older version.
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

    /// Forces an evaluation if too many pending nodes have no handle; true if it did.
    ///
    /// Only held nodes that retain much history are computed: a handle may belong to an object that waits for garbage collection,
    /// and computing its node would free nothing. After an evaluation the bound is twice the number of nodes that are left, so
    /// that all forced evaluations together take no longer than building the graph.
    pub fn bound_pending(&mut self) -> Result<bool> {
        if self.graph.unheld() < self.bound || self.tracing.is_some() || self.history > 0 {
            return Ok(false);
        }
        let retained = self.graph.retained_history().into_iter();
        let wanted: Vec<NodeId> = retained
            .filter(|&(_, nodes)| nodes >= MIN_RETAINED_NODES)
            .map(|(id, _)| id)
            .collect();
        self.bound = 2 * self.graph.unheld();
        if !wanted.is_empty() {
            // Errors are reported to the evaluations that read the nodes, not to the call that happened to add a node.
            self.evaluate(&wanted).ok();
            self.bound = MAX_PENDING_NODES.max(2 * self.graph.unheld());
        }
        Ok(!wanted.is_empty())
    }

    /// From now on evaluated nodes keep their history, so that they can still be differentiated.
    pub fn enter_history(&mut self) {
        self.history += 1;
    }
    /// Leaves what `enter_history` entered.
    pub fn leave_history(&mut self) {
        self.history = self.history.saturating_sub(1);
    }

    /// The cached plans as text, device by device, most recently used first.
    pub fn plans(&self) -> Vec<String> {
        let caches = self.devices.iter().map(|device| &device.cache);
        caches.flat_map(|cache| cache.list()).map(|p| print(&p)).collect()
    }

    /// What it holds.
    pub fn counts(&mut self) -> Counts {
        self.settle();
        let caches = || self.devices.iter().map(|device| &device.cache);
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
