//! Where nodes are.

/// Names a device of an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceId(pub u8);

/// Where a node is computed and its value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// The device.
    pub device: DeviceId,
    /// What is made of nothing that has a place, such as a constant, goes wherever it is used; by itself it is computed
    /// on this device.
    pub is_free: bool,
}

impl Home {
    /// On this device and no other.
    pub fn on(device: DeviceId) -> Home {
        Home {
            device,
            is_free: false,
        }
    }
    /// Wherever it is used.
    pub fn free(device: DeviceId) -> Home {
        Home {
            device,
            is_free: true,
        }
    }
    /// Whether what is computed on `device` can have it as an operand.
    pub fn fits(self, device: DeviceId) -> bool {
        self.is_free || self.device == device
    }
}
