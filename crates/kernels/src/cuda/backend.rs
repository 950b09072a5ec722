//! A CUDA device as a [`Backend`].

use std::sync::{Arc, OnceLock};

use hyperglow_core::Result;
use hyperglow_core::backend::{Backend, Executable, MemoryUse};
use hyperglow_core::device::{Device, Kernel, Limits, OuterProducts, RowLimits};
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::Program;
use hyperglow_core::storage::{Buffer, Storage};

use super::driver;
use super::executable::CudaExecutable;
use super::gpu::Gpu;
use super::gpu::storage::CudaStorage;
use super::kernels;
use super::open::Open;
use super::waiter::Waiter;

/// A CUDA device. It is opened at its first use: naming it costs nothing.
pub struct CudaBackend {
    name: String,
    ordinal: usize,
    open: OnceLock<Result<Open>>,
}

impl CudaBackend {
    /// The devices of the machine, in the driver's order.
    ///
    /// # Errors
    /// There is no driver, it is too old, or it has no device; the message says which.
    pub fn all() -> Result<Vec<CudaBackend>> {
        let backend = |ordinal| CudaBackend {
            name: format!("cuda:{ordinal}"),
            ordinal,
            open: OnceLock::new(),
        };
        Ok((0..driver::count()?).map(backend).collect())
    }

    /// The driver's name of the device, and its compute capability.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn model(&self) -> Result<(&str, (i32, i32))> {
        let gpu = &self.open()?.gpu;
        Ok((&gpu.model, gpu.capability))
    }

    /// Its free and total bytes.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn room(&self) -> Result<(usize, usize)> {
        self.open()?.gpu.room()
    }

    fn open(&self) -> Result<&Open> {
        let open = self.open.get_or_init(|| {
            let gpu = Arc::new(Gpu::open(self.ordinal)?);
            let waiter = Arc::new(Waiter::start(gpu.clone())?);
            Ok(Open { gpu, waiter })
        });
        open.as_ref().map_err(Clone::clone)
    }
}

/// Limits that follow from the hardware: an address of a multiple of 256 bytes suits every access.
const LIMITS: Limits = Limits {
    cluster: 64,
    alignment: 256,
    outer: Some(OuterProducts {
        terms: 8,
        elements: 1 << 18,
    }),
    rows: Some(RowLimits {
        // A warp computes a row. Fewer warps leave most multiprocessors without work, and the steps of a group wait for each
        // other: a launch for each step is faster then, unless the launch itself costs more than its work.
        few: 64,
        // Below this, a launch (some 3 microseconds) costs more than the bytes that one multiprocessor moves in that time.
        small_bytes: 1 << 18,
        // Threads of a warp read 32 neighbors at a time; a shorter segment leaves some of them without work.
        segment: 32,
        pooling: false,
    }),
};

impl Device for CudaBackend {
    fn name(&self) -> &str {
        &self.name
    }

    fn limits(&self) -> &Limits {
        &LIMITS
    }

    fn kernel(&self, op: &Op, inputs: &[&Spec], output: &Spec) -> Result<Option<Arc<dyn Kernel>>> {
        let kernel = kernels::choose(op, inputs, output)?;
        Ok(kernel.map(|kernel| Arc::new(kernel) as Arc<dyn Kernel>))
    }
}

impl Backend for CudaBackend {
    fn allocate(&self, bytes: usize) -> Result<Buffer> {
        Ok(Arc::new(CudaStorage::new(&self.open()?.gpu, bytes)?))
    }

    fn upload(&self, bytes: &[u8]) -> Result<Buffer> {
        let storage = CudaStorage::new(&self.open()?.gpu, bytes.len())?;
        storage.write(bytes)?;
        Ok(Arc::new(storage))
    }

    fn memory(&self) -> MemoryUse {
        // A device that was never used holds nothing, and stays closed.
        match self.open.get() {
            Some(Ok(open)) => open.gpu.memory(),
            Some(Err(_)) | None => MemoryUse::default(),
        }
    }

    fn release_kept(&self) {
        if let Some(Ok(open)) = self.open.get() {
            // A device that is lost holds nothing.
            let _ = open.gpu.trim();
        }
    }

    fn prepare(&self, program: Arc<Program>) -> Result<Box<dyn Executable>> {
        let open = self.open()?;
        Ok(Box::new(CudaExecutable::new(program, open)?))
    }
}
