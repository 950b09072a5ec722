//! The devices of an engine, each with its queue and its plans, and what is brought from one to another.

use std::sync::{Arc, Mutex};

use crate::backend::{Backend, Executable, Launch, MemoryUse};
use crate::completion::Completion;
use crate::engine::Engine;
use crate::engine::cache::PlanCache;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{NodeId, Value};
use crate::hash::FastSet;
use crate::home::DeviceId;
use crate::prepared::{Dependence, Prepared};
use crate::run::{Job, Queue};
use crate::slab::Key;

/// A device and the queue that its plans run through.
pub type Site = (Arc<dyn Backend>, Arc<Queue>);

/// What an engine keeps for a device.
pub(super) struct Station {
    pub backend: Arc<dyn Backend>,
    pub queue: Arc<Queue>,
    pub cache: PlanCache,
}

impl From<Site> for Station {
    fn from((backend, queue): Site) -> Station {
        Station {
            backend,
            queue,
            cache: PlanCache::default(),
        }
    }
}

/// Bytes that are copied in less time than the way to a device's thread and back takes.
const BRIEF: usize = 1 << 16;

/// Copies from one device to another, by way of memory of the processor.
struct Copy {
    is_brief: bool,
}

impl Executable for Copy {
    fn launch(&mut self, launch: &mut Launch<'_>) -> Result<()> {
        let (from, to) = (&launch.inputs[0], &launch.outputs[0]);
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(from.byte_len())
            .map_err(|_| no_room(from.byte_len()))?;
        bytes.resize(from.byte_len(), 0);
        from.read(&mut bytes)?;
        to.write(&bytes)
    }
    fn is_brief(&self) -> bool {
        self.is_brief
    }
}

fn no_room(bytes: usize) -> Error {
    Error::new(
        ErrorKind::Device,
        "to",
        format!("{bytes} bytes are not to be had on the way"),
        "bring less at a time, or dispose of what is no longer needed",
    )
}

impl Engine {
    pub(super) fn station(&self, device: DeviceId) -> Result<&Station> {
        self.stations
            .get(usize::from(device.0))
            .ok_or_else(|| Error::internal("device", format!("there is none of number {}", device.0)))
    }

    /// What each device holds, by its number.
    pub fn memory(&self) -> Vec<MemoryUse> {
        self.stations
            .iter()
            .map(|station| station.backend.memory())
            .collect()
    }

    /// Gives back to the system what the devices keep for reuse.
    pub fn release_kept(&self) {
        self.stations
            .iter()
            .for_each(|station| station.backend.release_kept());
    }

    /// The value of a node, on this device: brought there if it is on another.
    pub(super) fn value_on(&self, device: DeviceId, id: NodeId) -> Result<Value> {
        let node = self.graph.node(id)?;
        let Some(value) = &node.value else {
            return Err(Error::new(
                ErrorKind::State,
                "evaluate",
                "an argument of a compiled function was used outside of it",
                "use tensors made inside jit only there, and return what is needed outside",
            ));
        };
        if node.home.device == device {
            return Ok(value.clone());
        }
        let bytes = node.spec.bytes();
        let buffer = self.station(device)?.backend.allocate(bytes)?;
        let completion = Completion::new();
        let depends = value.completion.iter().filter(|run| !run.is_done());
        let depends = depends.map(|run| Dependence {
            input: 0,
            run: run.clone(),
            must_have_ended: true,
        });
        let copy = Copy {
            is_brief: bytes <= BRIEF,
        };
        // On the queue of the device that is read: what comes behind it there may overwrite the value.
        self.station(node.home.device)?.queue.submit(Job {
            executable: Arc::new(Mutex::new(Prepared::Ready(Box::new(copy)))),
            inputs: vec![value.buffer.clone()],
            outputs: vec![buffer.clone()],
            depends: depends.collect(),
            completion: completion.clone(),
            apart: None,
            recorder: None,
        })?;
        Ok(Value {
            buffer,
            completion: Some(completion),
        })
    }

    /// Queues what must be computed on other devices before `wanted` can be computed on theirs, and brings it.
    pub(super) fn bring(&mut self, wanted: &[NodeId], dirty: &[Key]) -> Result<()> {
        if !self.graph.is_divided() {
            return Ok(());
        }
        let (elsewhere, transfers) = self.needed_from_elsewhere(wanted)?;
        let mut sources = elsewhere;
        for &id in &transfers {
            sources.extend(&self.graph.node(id)?.inputs);
        }
        let is_pending =
            |engine: &Engine, id: &NodeId| engine.graph.node(*id).is_ok_and(|node| node.value.is_none());
        sources.retain(|id| is_pending(self, id));
        sources.sort_unstable();
        sources.dedup();
        if !sources.is_empty() {
            self.bring(&sources, dirty)?;
            sources.retain(|id| is_pending(self, id));
            for group in self.by_device(&sources)? {
                self.run_pending(&group, group.len(), dirty)?;
            }
        }
        let keep = self.history > 0;
        for id in transfers {
            let node = self.graph.node(id)?;
            let value = self.value_on(node.home.device, node.inputs[0])?;
            self.graph.fulfil(id, value, keep)?;
        }
        Ok(())
    }

    /// The first nodes on the ways back from `wanted` that are computed elsewhere, and those that are brought from elsewhere.
    pub(super) fn needed_from_elsewhere(&self, wanted: &[NodeId]) -> Result<(Vec<NodeId>, Vec<NodeId>)> {
        if !self.graph.is_divided() {
            return Ok((Vec::new(), Vec::new()));
        }
        let (mut elsewhere, mut transfers) = (Vec::new(), Vec::new());
        for group in self.by_device(wanted)? {
            let device = self.graph.device_of(&group)?;
            let mut seen = FastSet::default();
            let mut stack = group;
            while let Some(id) = stack.pop() {
                let node = self.graph.node(id)?;
                if node.value.is_some() || !seen.insert(id) {
                    continue;
                }
                if !node.home.fits(device) {
                    elsewhere.push(id);
                } else if self.graph.is_transfer(node) {
                    transfers.push(id);
                } else {
                    stack.extend(&node.inputs);
                }
            }
        }
        transfers.sort_unstable();
        transfers.dedup();
        Ok((elsewhere, transfers))
    }

    /// Nodes by the devices that compute them, in their order.
    pub(super) fn by_device(&self, ids: &[NodeId]) -> Result<Vec<Vec<NodeId>>> {
        if !self.graph.is_divided() {
            return Ok(vec![ids.to_vec()]);
        }
        let mut groups: Vec<(DeviceId, Vec<NodeId>)> = Vec::new();
        for &id in ids {
            let device = self.graph.node(id)?.home.device;
            match groups.iter_mut().find(|(of, _)| *of == device) {
                Some((_, group)) => group.push(id),
                None => groups.push((device, vec![id])),
            }
        }
        Ok(groups.into_iter().map(|(_, group)| group).collect())
    }
}
