//! Device placement in a graph.

use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Node, NodeId};
use crate::op::Op;
use crate::placement::{DeviceId, Placement};

impl Graph {
    /// An empty graph of the devices of these names, with the default device.
    pub fn on_devices(devices: Vec<String>, default_device: DeviceId) -> Graph {
        Graph {
            devices,
            default_device,
            ..Graph::default()
        }
    }

    /// The placement of an operation: that of its operands.
    pub(super) fn placement_of(&self, op: &Op, inputs: &[NodeId]) -> Result<Placement> {
        match op {
            Op::To(device) => return Ok(Placement::on(*device)),
            Op::Input => return Ok(Placement::on(self.default_device)),
            _ => {}
        }
        let mut common: Option<DeviceId> = None;
        for &id in inputs {
            let placement = self.node(id)?.placement;
            if placement.is_free || common == Some(placement.device) {
                continue;
            }
            if let Some(first) = common {
                return Err(self.on_two_devices(op.name(), first, placement.device));
            }
            common = Some(placement.device);
        }
        Ok(common.map_or(Placement::free(self.default_device), Placement::on))
    }

    /// The error for operands on two devices.
    pub fn on_two_devices(&self, op: &str, first: DeviceId, second: DeviceId) -> Error {
        let [first, second] = [first, second].map(|device| self.device_name(device));
        Error::new(
            ErrorKind::Device,
            op,
            format!("operands on \"{first}\" and on \"{second}\""),
            format!("bring them to one device, for instance with x.to(\"{first}\")"),
        )
    }

    /// A node with the value of another, on this device; the caller gets one handle.
    pub fn to(&mut self, id: NodeId, device: DeviceId) -> Result<NodeId> {
        if self.node(id)?.placement != Placement::on(device) {
            return self.add(Op::To(device), &[id], None);
        }
        self.retain(id)?;
        Ok(id)
    }

    /// As [`Graph::to`], but a free node that would be computed on this device is placed there from now on.
    pub fn settled(&mut self, id: NodeId, device: DeviceId) -> Result<NodeId> {
        if self.node(id)?.placement == Placement::free(device) {
            self.node_mut(id)?.placement = Placement::on(device);
        }
        self.to(id, device)
    }

    /// Whether a node copies its input from another device.
    pub fn is_transfer(&self, node: &Node) -> bool {
        let from = |id: &NodeId| {
            self.node(*id)
                .is_ok_and(|input| !input.placement.fits(node.placement.device))
        };
        matches!(node.op, Op::To(_)) && node.inputs.iter().any(from)
    }

    /// The device that computes some nodes, all placed on one device.
    pub fn device_of(&self, ids: &[NodeId]) -> Result<DeviceId> {
        for &id in ids {
            let placement = self.node(id)?.placement;
            if !placement.is_free {
                return Ok(placement.device);
            }
        }
        Ok(self.default_device)
    }

    /// Whether nodes are on several devices.
    pub fn is_divided(&self) -> bool {
        self.is_divided
    }

    /// The name of a device.
    pub fn device_name(&self, device: DeviceId) -> &str {
        self.devices.get(usize::from(device.0)).map_or("", |name| name)
    }

    /// The device of nodes without placed operands.
    pub fn default_device(&self) -> DeviceId {
        self.default_device
    }
}
