//! The devices of an engine, each with its queue and plan cache, and copies between devices.

use std::sync::{Arc, Mutex};

use crate::backend::{Backend, Executable, Launch, MemoryUse};
use crate::completion::Completion;
use crate::engine::Engine;
use crate::engine::cache::PlanCache;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{NodeId, Value};
use crate::hash::FastSet;
use crate::placement::DeviceId;
use crate::prepared::{Dependence, Prepared};
use crate::run::{Queue, QueuedRun};
use crate::slab::Key;

/// A device and its queue.
pub type DeviceQueue = (Arc<dyn Backend>, Arc<Queue>);

/// The engine's state of a device.
pub(super) struct DeviceState {
    pub backend: Arc<dyn Backend>,
    pub queue: Arc<Queue>,
    pub cache: PlanCache,
}

impl From<DeviceQueue> for DeviceState {
    fn from((backend, queue): DeviceQueue) -> DeviceState {
        DeviceState {
            backend,
            queue,
            cache: PlanCache::default(),
        }
    }
}

/// Copies of at most so many bytes take less time than handing them to a device's thread.
const BRIEF_BYTES: usize = 1 << 16;

/// A copy from one device to another, through host memory.
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
        format!("no memory for {bytes} bytes of the copy"),
        "copy less at a time, or dispose of tensors that are no longer needed",
    )
}

impl Engine {
    pub(super) fn device_state(&self, device: DeviceId) -> Result<&DeviceState> {
        self.devices
            .get(usize::from(device.0))
            .ok_or_else(|| Error::internal("device", format!("there is none of number {}", device.0)))
    }

    /// Memory use of each device, by its number.
    pub fn memory(&self) -> Vec<MemoryUse> {
        self.devices
            .iter()
            .map(|device| device.backend.memory())
            .collect()
    }

    /// Returns the memory that the devices keep for reuse to the operating system.
    pub fn release_kept(&self) {
        self.devices
            .iter()
            .for_each(|device| device.backend.release_kept());
    }

    /// The value of a node on a device, copied there if it is on another.
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
        if node.placement.device == device {
            return Ok(value.clone());
        }
        let bytes = node.spec.bytes();
        let buffer = self.device_state(device)?.backend.allocate(bytes)?;
        let completion = Completion::new();
        let depends = value.completion.iter().filter(|run| !run.is_done());
        let depends = depends.map(|run| Dependence {
            input: 0,
            run: run.clone(),
            must_have_ended: true,
        });
        let copy = Copy {
            is_brief: bytes <= BRIEF_BYTES,
        };
        // On the source device's queue, since later runs there may overwrite the value.
        self.device_state(node.placement.device)?
            .queue
            .submit(QueuedRun {
                executable: Arc::new(Mutex::new(Prepared::Ready(Box::new(copy)))),
                inputs: vec![value.buffer.clone()],
                outputs: vec![buffer.clone()],
                depends: depends.collect(),
                completion: completion.clone(),
                isolation: None,
                recorder: None,
            })?;
        Ok(Value {
            buffer,
            completion: Some(completion),
        })
    }

    /// Queues the runs on other devices that `wanted` depends on, and the copies of their results.
    pub(super) fn queue_transfers(&mut self, wanted: &[NodeId], dirty: &[Key]) -> Result<()> {
        if !self.graph.is_divided() {
            return Ok(());
        }
        let (mut sources, transfers) = self.foreign_dependences(wanted)?;
        for &id in &transfers {
            sources.extend(&self.graph.node(id)?.inputs);
        }
        let is_pending =
            |engine: &Engine, id: &NodeId| engine.graph.node(*id).is_ok_and(|node| node.value.is_none());
        sources.retain(|id| is_pending(self, id));
        sources.sort_unstable();
        sources.dedup();
        if !sources.is_empty() {
            self.queue_transfers(&sources, dirty)?;
            sources.retain(|id| is_pending(self, id));
            for group in self.by_device(&sources)? {
                self.run_pending(&group, group.len(), dirty)?;
            }
        }
        let keep = self.history > 0;
        for id in transfers {
            let node = self.graph.node(id)?;
            let value = self.value_on(node.placement.device, node.inputs[0])?;
            self.graph.fulfill(id, value, keep)?;
        }
        Ok(())
    }

    /// The dependences of `wanted` on other devices: the nearest nodes that are computed there, and the copies from there.
    pub(super) fn foreign_dependences(&self, wanted: &[NodeId]) -> Result<(Vec<NodeId>, Vec<NodeId>)> {
        if !self.graph.is_divided() {
            return Ok((Vec::new(), Vec::new()));
        }
        let (mut foreign, mut transfers) = (Vec::new(), Vec::new());
        for group in self.by_device(wanted)? {
            let device = self.graph.device_of(&group)?;
            let mut seen = FastSet::default();
            let mut stack = group;
            while let Some(id) = stack.pop() {
                let node = self.graph.node(id)?;
                if node.value.is_some() || !seen.insert(id) {
                    continue;
                }
                if !node.placement.fits(device) {
                    foreign.push(id);
                } else if self.graph.is_transfer(node) {
                    transfers.push(id);
                } else {
                    stack.extend(&node.inputs);
                }
            }
        }
        transfers.sort_unstable();
        transfers.dedup();
        Ok((foreign, transfers))
    }

    /// Nodes grouped by device, in their order.
    pub(super) fn by_device(&self, ids: &[NodeId]) -> Result<Vec<Vec<NodeId>>> {
        if !self.graph.is_divided() {
            return Ok(vec![ids.to_vec()]);
        }
        let mut groups: Vec<(DeviceId, Vec<NodeId>)> = Vec::new();
        for &id in ids {
            let device = self.graph.node(id)?.placement.device;
            match groups.iter_mut().find(|(of, _)| *of == device) {
                Some((_, group)) => group.push(id),
                None => groups.push((device, vec![id])),
            }
        }
        Ok(groups.into_iter().map(|(_, group)| group).collect())
    }
}
