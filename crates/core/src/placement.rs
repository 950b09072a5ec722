//! Device placement of nodes.

/// Number of a device of an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceId(pub u8);

/// The device that computes a node and holds its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The device.
    pub device: DeviceId,
    /// A node without placed operands, such as a constant, is free: it is computed on the device of its consumer, and on `device`
    /// if it is evaluated by itself.
    pub is_free: bool,
}

impl Placement {
    /// On this device alone.
    pub fn on(device: DeviceId) -> Placement {
        Placement {
            device,
            is_free: false,
        }
    }
    /// On the device of its consumer; by itself on `device`.
    pub fn free(device: DeviceId) -> Placement {
        Placement {
            device,
            is_free: true,
        }
    }
    /// Whether a node computed on `device` may have it as an operand.
    pub fn fits(self, device: DeviceId) -> bool {
        self.is_free || self.device == device
    }
}
