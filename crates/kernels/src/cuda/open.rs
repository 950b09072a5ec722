//! A device that is in use.

use std::sync::{Arc, PoisonError};

use cudarc::driver::sys::CUfunction;
use hyperglow_core::Result;

use super::gpu::Gpu;
use super::kernel::Launch;
use super::waiter::Waiter;

/// A device that is in use.
pub(super) struct Open {
    pub gpu: Arc<Gpu>,
    pub waiter: Arc<Waiter>,
}

impl Open {
    /// The function of a launch.
    pub fn function(&self, launch: &Launch) -> Result<CUfunction> {
        let mut modules = self.gpu.modules.lock().unwrap_or_else(PoisonError::into_inner);
        modules.function(&self.gpu, launch.file, &launch.name)
    }
}
