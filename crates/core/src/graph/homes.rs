//! Where the nodes of a graph are.

use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Node, NodeId};
use crate::home::{DeviceId, Home};
use crate::op::Op;

impl Graph {
    /// An empty graph of the devices of these names, with the default device.
    pub fn on_devices(devices: Vec<String>, default_device: DeviceId) -> Graph {
        Graph {
            devices,
            default_device,
            ..Graph::default()
        }
    }

    /// Where an operation is computed: where its operands are.
    pub(super) fn home_of(&self, op: &Op, inputs: &[NodeId]) -> Result<Home> {
        match op {
            Op::To(device) => return Ok(Home::on(*device)),
            Op::Input => return Ok(Home::on(self.default_device)),
            _ => {}
        }
        let mut common: Option<DeviceId> = None;
        for &id in inputs {
            let home = self.node(id)?.home;
            if home.is_free || common == Some(home.device) {
                continue;
            }
            if let Some(first) = common {
                return Err(self.on_two_devices(op.name(), first, home.device));
            }
            common = Some(home.device);
        }
        Ok(common.map_or(Home::free(self.default_device), Home::on))
    }

    /// The refusal of operands on two devices.
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
        if self.node(id)?.home != Home::on(device) {
            return self.add(Op::To(device), &[id], None);
        }
        self.retain(id)?;
        Ok(id)
    }

    /// The same where a node may be made to stay: a free one that would be computed on this device does from now on.
    pub fn settled(&mut self, id: NodeId, device: DeviceId) -> Result<NodeId> {
        if self.node(id)?.home == Home::free(device) {
            self.node_mut(id)?.home = Home::on(device);
        }
        self.to(id, device)
    }

    /// Whether a node has to be brought from the device of its input.
    pub fn is_transfer(&self, node: &Node) -> bool {
        let from = |id: &NodeId| {
            self.node(*id)
                .is_ok_and(|input| !input.home.fits(node.home.device))
        };
        matches!(node.op, Op::To(_)) && node.inputs.iter().any(from)
    }

    /// The device that computes some nodes, which are on one.
    pub fn device_of(&self, ids: &[NodeId]) -> Result<DeviceId> {
        for &id in ids {
            let home = self.node(id)?.home;
            if !home.is_free {
                return Ok(home.device);
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

    /// Where what is made of nothing is computed, unless it is told otherwise.
    pub fn default_device(&self) -> DeviceId {
        self.default_device
    }
}
