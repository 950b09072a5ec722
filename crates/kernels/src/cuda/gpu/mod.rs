//! A device: its context, its streams, its properties and its counters.

pub(super) mod modules;
pub(super) mod storage;

use std::ffi::c_void;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cudarc::driver::sys::{self, CUdevice_attribute as Attribute};
use cudarc::driver::{DriverError, result};
use hyperglow_core::backend::MemoryUse;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::{Error, Result};

use super::driver::fault;
use modules::Modules;
use storage::Staging;

/// The oldest architecture that the PTX is made for.
const OLDEST: (i32, i32) = (7, 5);

/// An open device. Its handles may be used by any thread; a thread first makes the context its own, with [`Gpu::bind`].
pub(super) struct Gpu {
    /// `cuda:0`.
    pub device: String,
    /// As the driver calls it.
    pub model: String,
    /// Compute capability.
    pub capability: (i32, i32),
    /// Multiprocessors.
    pub processors: u32,
    context: sys::CUcontext,
    pool: sys::CUmemoryPool,
    /// The stream of all computation, uploads, allocation and release, in the order of the queue.
    pub stream: sys::CUstream,
    /// Where plans are captured: nothing runs there.
    pub capture: sys::CUstream,
    /// Downloads, which do not wait for later runs.
    pub downloads: sys::CUstream,
    pub modules: Mutex<Modules>,
    pub staging: Mutex<Staging>,
    pub counters: Counters,
}

// SAFETY: the driver's handles belong to the process, not to a thread; the calls on them are thread-safe by its documentation.
unsafe impl Send for Gpu {}
// SAFETY: as above; what is ours is behind locks and atomics.
unsafe impl Sync for Gpu {}

/// What the device holds.
#[derive(Default)]
pub(super) struct Counters {
    live_bytes: AtomicUsize,
    live_buffers: AtomicUsize,
    peak_bytes: AtomicUsize,
    allocations: AtomicUsize,
}

impl Counters {
    /// Counts a block; a tensor's block counts as a buffer.
    pub fn add(&self, bytes: usize, is_tensor: bool) {
        let live = self.live_bytes.fetch_add(bytes, Relaxed) + bytes;
        self.peak_bytes.fetch_max(live, Relaxed);
        self.live_buffers.fetch_add(usize::from(is_tensor), Relaxed);
        self.allocations.fetch_add(usize::from(bytes > 0), Relaxed);
    }
    pub fn remove(&self, bytes: usize, is_tensor: bool) {
        self.live_bytes.fetch_sub(bytes, Relaxed);
        self.live_buffers.fetch_sub(usize::from(is_tensor), Relaxed);
    }
}

impl Gpu {
    /// Opens device number `ordinal`.
    ///
    /// # Errors
    /// Those of [`super::driver::count`]; a device that is older than the PTX.
    pub fn open(ordinal: usize) -> Result<Gpu> {
        super::driver::count()?;
        let device = format!("cuda:{ordinal}");
        Gpu::start(ordinal, &device)
            .map_err(|e| fault(&device, "opening it", e))
            .and_then(|gpu| {
                if gpu.capability >= OLDEST {
                    return Ok(gpu);
                }
                let (major, minor) = gpu.capability;
                Err(Error::new(
                    ErrorKind::Device,
                    device,
                    format!(
                        "{} has compute capability {major}.{minor}, and 7.5 is needed",
                        gpu.model
                    ),
                    "compute on \"cpu\", or on a device of the Turing generation or newer",
                ))
            })
    }

    fn start(ordinal: usize, name: &str) -> std::result::Result<Gpu, DriverError> {
        let device = result::device::get(ordinal as i32)?;
        // SAFETY: the device is the driver's own; the attributes are integers.
        let attribute = |which| unsafe { result::device::get_attribute(device, which) };
        let capability = (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        );
        let processors = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        // SAFETY: the device is valid; the context is held for the life of the process.
        let context = unsafe { result::primary_ctx::retain(device) }?;
        // SAFETY: the context was just retained.
        unsafe { result::ctx::set_current(context) }?;
        // SAFETY: the device is valid.
        let pool = unsafe { result::device::get_default_mem_pool(device) }?;
        // Freed blocks stay with the process until `release_kept`: the next step takes them again.
        let mut keep = u64::MAX;
        // SAFETY: the attribute is a 64-bit number.
        unsafe {
            result::mem_pool::set_attribute(
                pool,
                sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD,
                (&raw mut keep).cast::<c_void>(),
            )
        }?;
        let stream = || result::stream::create(result::stream::StreamKind::NonBlocking);
        Ok(Gpu {
            device: name.into(),
            model: result::device::get_name(device)?,
            capability,
            processors: processors.max(1) as u32,
            context,
            pool,
            stream: stream()?,
            capture: stream()?,
            downloads: stream()?,
            modules: Mutex::default(),
            staging: Mutex::default(),
            counters: Counters::default(),
        })
    }

    /// Makes the context this thread's.
    pub fn bind(&self) -> Result<()> {
        // SAFETY: the context is held for the life of the process.
        unsafe { result::ctx::set_current(self.context) }.map_err(|e| self.fault("binding its context", e))
    }

    /// An error of the driver.
    pub fn fault(&self, doing: &str, error: DriverError) -> Error {
        fault(&self.device, doing, error)
    }

    /// Waits until all work submitted so far is done.
    pub fn synchronize(&self) -> Result<()> {
        self.bind()?;
        // SAFETY: the stream lives as long as the device.
        unsafe { result::stream::synchronize(self.stream) }.map_err(|e| self.fault("computing", e))
    }

    /// Free and total bytes.
    pub fn room(&self) -> Result<(usize, usize)> {
        self.bind()?;
        result::mem_get_info().map_err(|e| self.fault("asking for its memory", e))
    }

    /// Returns the memory of freed blocks to the system.
    pub fn trim(&self) -> Result<()> {
        self.synchronize()?;
        // SAFETY: the pool is the device's own.
        unsafe { result::mem_pool::trim_to(self.pool, 0) }.map_err(|e| self.fault("releasing memory", e))
    }

    pub fn memory(&self) -> MemoryUse {
        let Counters {
            live_bytes,
            live_buffers,
            peak_bytes,
            allocations,
        } = &self.counters;
        MemoryUse {
            bytes: live_bytes.load(Relaxed),
            buffers: live_buffers.load(Relaxed),
            peak_bytes: peak_bytes.load(Relaxed),
            kept_bytes: self.kept_bytes(),
            allocations: allocations.load(Relaxed),
        }
    }

    /// Bytes that the pool holds and no block uses; 0 where the driver does not say.
    fn kept_bytes(&self) -> usize {
        let read = |which| {
            let mut bytes = 0u64;
            // SAFETY: both attributes are 64-bit numbers.
            let read =
                unsafe { sys::cuMemPoolGetAttribute(self.pool, which, (&raw mut bytes).cast::<c_void>()) };
            read.result().map(|()| bytes as usize)
        };
        let reserved = read(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT);
        let used = read(sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT);
        reserved.unwrap_or(0).saturating_sub(used.unwrap_or(0))
    }
}
