//! Variables: names for nodes. Assigning makes another node the current version; holders of the old version keep it.

use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::NodeId;
use crate::placement::{DeviceId, Placement};
use crate::slab::Key;

/// A slot that plans may overwrite.
pub(super) struct Variable {
    /// The current version.
    pub(super) node: NodeId,
    /// The last computed version and its number, while the current version is pending.
    pub(super) committed: Option<(NodeId, u64)>,
    /// Counts assignments, without those of failed runs.
    pub(super) version: u64,
}

impl Engine {
    /// A Variable that starts with the value of a node, on a device, by default the node's.
    pub fn variable(&mut self, initial: NodeId, device: Option<DeviceId>) -> Result<Key> {
        let device = match device {
            Some(device) => device,
            None => self.graph.node(initial)?.placement.device,
        };
        self.device_state(device)?;
        let node = self.graph.settled(initial, device)?;
        self.insert_variable(node)
    }

    /// A Variable that holds a value for a compiled function on a device. A free node stays free for its other readers.
    pub(super) fn capture(&mut self, id: NodeId, device: DeviceId) -> Result<Key> {
        if self.graph.node(id)?.placement == Placement::free(device) {
            self.graph.retain(id)?;
            return self.insert_variable(id);
        }
        let node = self.graph.to(id, device)?;
        self.insert_variable(node)
    }

    /// A Variable with this node as its current version, whose handle it takes over.
    fn insert_variable(&mut self, node: NodeId) -> Result<Key> {
        let pending = self.graph.node(node)?.value.is_none();
        let v = self.variables.insert(Variable {
            node,
            committed: None,
            version: 0,
        });
        if pending {
            self.dirty.push(v);
        }
        Ok(v)
    }

    /// The current version of a Variable, as a new handle; inside a compiled function, its placeholder.
    pub fn read_variable(&mut self, v: Key) -> Result<NodeId> {
        self.settle();
        let node = self.existing(v)?.node;
        if self.tracing.is_none() {
            self.graph.retain(node)?;
            return Ok(node);
        }
        let (spec, placement) = (self.graph.spec(node)?.clone(), self.graph.node(node)?.placement);
        let assigned = self
            .tracing
            .as_ref()
            .and_then(|t| t.assigned.iter().find(|(a, _)| *a == v));
        let read = self
            .tracing
            .as_ref()
            .and_then(|t| t.reads.iter().find(|(a, _)| *a == v));
        let id = match (assigned, read) {
            (Some(&(_, id)), _) | (None, Some(&(_, id))) => id,
            (None, None) => {
                let id = self.graph.argument(spec, placement);
                if let Some(tracing) = &mut self.tracing {
                    tracing.reads.push((v, id));
                }
                id
            }
        };
        self.graph.retain(id)?;
        Ok(id)
    }

    /// Makes a node the current version of a Variable; inside a compiled function, when that runs.
    pub fn assign_variable(&mut self, v: Key, id: NodeId) -> Result<()> {
        self.settle();
        let node = self.existing(v)?.node;
        let (old, new) = (self.graph.spec(node)?, self.graph.spec(id)?);
        if old != new {
            return Err(Error::shape(
                "assign",
                format!(
                    "a Variable of {} {} given {} {}",
                    old.dtype, old.shape, new.dtype, new.shape
                ),
                "a Variable keeps its shape and dtype",
            ));
        }
        let (here, given) = (
            self.graph.node(node)?.placement.device,
            self.graph.node(id)?.placement,
        );
        if !given.fits(here) {
            let names = [here, given.device].map(|device| self.graph.device_name(device));
            return Err(Error::new(
                ErrorKind::Device,
                "assign",
                format!(
                    "a Variable on \"{}\" given a tensor on \"{}\"",
                    names[0], names[1]
                ),
                format!("bring it there: x.to(\"{}\")", names[0]),
            ));
        }
        let id = self.graph.settled(id, here)?;
        if let Some(tracing) = &mut self.tracing {
            let before = tracing.assigned.iter().position(|(a, _)| *a == v);
            let old = match before {
                Some(i) => Some(std::mem::replace(&mut tracing.assigned[i].1, id)),
                None => {
                    tracing.assigned.push((v, id));
                    None
                }
            };
            if let Some(old) = old {
                self.graph.release(old)?;
            }
            return Ok(());
        }
        let computed = self.graph.node(node)?.value.is_some();
        let pending = self.graph.node(id)?.value.is_none();
        let Some(variable) = self.variables.get_mut(v) else {
            return Ok(());
        };
        let before = (node, variable.version);
        variable.version += 1;
        variable.node = id;
        let superseded = if computed && pending {
            variable.committed.replace(before)
        } else {
            Some(before)
        };
        let superseded = [superseded, if pending { None } else { variable.committed.take() }];
        for (old, _) in superseded.into_iter().flatten() {
            self.graph.release(old)?;
        }
        if pending && !self.dirty.contains(&v) {
            self.dirty.push(v);
        }
        Ok(())
    }

    /// The device of a Variable.
    pub fn variable_device(&self, v: Key) -> Result<DeviceId> {
        Ok(self.graph.node(self.existing(v)?.node)?.placement.device)
    }

    /// Number of assignments to a Variable; those of a failed run are not counted once the failure is known.
    pub fn variable_version(&mut self, v: Key) -> Result<u64> {
        self.settle();
        Ok(self.existing(v)?.version)
    }

    /// Releases a Variable.
    pub fn release_variable(&mut self, v: Key) -> Result<()> {
        self.existing(v)?;
        if let Some(variable) = self.variables.remove(v) {
            self.dirty.retain(|&d| d != v);
            // Runs under way have nothing to roll back of this Variable any more.
            let replaced = self.rollbacks.iter_mut();
            let replaced = replaced.flat_map(|run| run.versions.extract_if(.., |of| of.variable == v));
            let old: Vec<NodeId> = replaced.filter_map(|of| of.old).collect();
            for id in old {
                self.graph.release(id)?;
            }
            self.graph.release(variable.node)?;
            if let Some((old, _)) = variable.committed {
                self.graph.release(old)?;
            }
        }
        Ok(())
    }

    pub(super) fn existing(&self, v: Key) -> Result<&Variable> {
        self.variables.get(v).ok_or_else(|| {
            Error::new(
                ErrorKind::Disposed,
                "variable",
                "it was disposed of",
                "keep it until its last use",
            )
        })
    }
}
