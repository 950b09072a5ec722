//! Memory of a device: blocks in the order of its stream, and copies through pinned memory.

use std::any::Any;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Arc, PoisonError};

use cudarc::driver::sys;
use cudarc::driver::{DriverError, result};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::storage::Storage;
use hyperglow_core::{Error, Result};

use super::Gpu;

/// A block of device memory, allocated and released in the order of the stream: work submitted before its release may use it.
pub(in crate::cuda) struct Block {
    gpu: Arc<Gpu>,
    /// 0 for a block without bytes.
    pub address: u64,
    pub len: usize,
    is_tensor: bool,
}

impl Block {
    /// A block with undefined content. A tensor's block counts as a buffer.
    ///
    /// # Errors
    /// Out of memory, with what was asked for and what there is.
    pub fn new(gpu: &Arc<Gpu>, len: usize, is_tensor: bool) -> Result<Block> {
        let mut address = 0;
        if len > 0 {
            gpu.bind()?;
            // SAFETY: the stream lives as long as the device.
            let allocate = || unsafe { result::malloc_async(gpu.stream, len) };
            let mut taken = allocate();
            if matches!(taken, Err(DriverError(sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY))) {
                // Blocks that wait for their release, and kept ones, make room.
                gpu.trim()?;
                taken = allocate();
            }
            address = taken.map_err(|e| no_room(gpu, len, e))?;
        }
        gpu.counters.add(len, is_tensor);
        Ok(Block {
            gpu: gpu.clone(),
            address,
            len,
            is_tensor,
        })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.gpu.counters.remove(self.len, self.is_tensor);
        if self.address != 0 && self.gpu.bind().is_ok() {
            // SAFETY: the address is this block's, and nothing submitted later uses it. A lost device has nothing to release.
            let _ = unsafe { result::free_async(self.address, self.gpu.stream) };
        }
    }
}

fn no_room(gpu: &Gpu, bytes: usize, error: DriverError) -> Error {
    if !matches!(error, DriverError(sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)) {
        return gpu.fault("allocating memory", error);
    }
    let room = match gpu.room() {
        Ok((free, total)) => format!("{free} of its {total} bytes are free"),
        Err(_) => "how much is free is not known".into(),
    };
    Error::new(
        ErrorKind::Device,
        gpu.device.clone(),
        format!("no memory for {bytes} bytes: {room}"),
        "dispose of tensors that are no longer needed, or compute less at a time",
    )
}

/// A tensor's bytes.
pub(in crate::cuda) struct CudaStorage(Block);

impl CudaStorage {
    pub fn new(gpu: &Arc<Gpu>, len: usize) -> Result<CudaStorage> {
        Ok(CudaStorage(Block::new(gpu, len, true)?))
    }
    pub fn address(&self) -> u64 {
        self.0.address
    }
    /// The device that holds it.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.0.gpu
    }
    fn check(&self, op: &str, from: usize, bytes: usize) -> Result<()> {
        if from.checked_add(bytes).is_some_and(|end| end <= self.0.len) {
            return Ok(());
        }
        let held = self.0.len;
        Err(Error::internal(
            op,
            format!("{bytes} bytes from {from} wanted of {held}"),
        ))
    }
}

impl Storage for CudaStorage {
    fn byte_len(&self) -> usize {
        self.0.len
    }
    fn read_part(&self, from: usize, out: &mut [u8]) -> Result<()> {
        self.check("read", from, out.len())?;
        let gpu = self.gpu();
        gpu.bind()?;
        let mut staging = gpu.staging.lock().unwrap_or_else(PoisonError::into_inner);
        staging.download(gpu, self.0.address + from as u64, out)
    }
    fn write_part(&self, from: usize, bytes: &[u8]) -> Result<()> {
        self.check("write", from, bytes.len())?;
        let gpu = self.gpu();
        gpu.bind()?;
        let mut staging = gpu.staging.lock().unwrap_or_else(PoisonError::into_inner);
        staging.upload(gpu, self.0.address + from as u64, bytes)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Bytes of a block of pinned memory: at 25 GB/s a copy of so many takes as long as ten submissions.
const PINNED_BYTES: usize = 1 << 20;
/// Blocks for uploads, which go on while the next block is filled.
const UPLOAD_BLOCKS: usize = 4;

/// Pinned memory of the host.
pub(in crate::cuda) struct Pinned {
    pub start: NonNull<u8>,
}

// SAFETY: it is memory of the process.
unsafe impl Send for Pinned {}

impl Pinned {
    /// The context must be this thread's. Flag 0: not write-combined, since it is read, too.
    pub fn new(gpu: &Gpu, bytes: usize) -> Result<Pinned> {
        // SAFETY: the memory is released by nobody: it lives as long as the device, which is as long as the process.
        let start = unsafe { result::malloc_host(bytes, 0) }.map_err(|e| gpu.fault("pinning memory", e))?;
        let start = NonNull::new(start.cast::<u8>());
        let start = start.ok_or_else(|| Error::internal("cuda", "pinned memory without an address"))?;
        Ok(Pinned { start })
    }
}

/// A new event without timing.
pub(in crate::cuda) fn event(gpu: &Gpu) -> Result<sys::CUevent> {
    result::event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING)
        .map_err(|e| gpu.fault("making an event", e))
}

/// A block for uploads, and the event after its last copy.
struct UploadBlock {
    memory: Pinned,
    copied: sys::CUevent,
}

/// Pinned memory for copies in both directions, made at the first copy.
#[derive(Default)]
pub(in crate::cuda) struct Staging {
    uploads: Vec<UploadBlock>,
    /// Number of uploads so far: the block of the next one is this number modulo the number of blocks.
    turn: usize,
    download: Option<Pinned>,
}

// SAFETY: its handles belong to the process.
unsafe impl Send for Staging {}

impl Staging {
    /// Copies to the device. It returns when the bytes are in pinned memory; later work of the stream finds them on the device.
    fn upload(&mut self, gpu: &Gpu, mut to: u64, bytes: &[u8]) -> Result<()> {
        for piece in bytes.chunks(PINNED_BYTES) {
            let at = self.turn % UPLOAD_BLOCKS;
            if at == self.uploads.len() {
                self.uploads.push(UploadBlock {
                    memory: Pinned::new(gpu, PINNED_BYTES)?,
                    copied: event(gpu)?,
                });
            } else {
                // SAFETY: the event is alive. The block is filled again only after its last copy.
                unsafe { result::event::synchronize(self.uploads[at].copied) }
                    .map_err(|e| gpu.fault("copying to it", e))?;
            }
            self.turn += 1;
            let UploadBlock { memory, copied } = &self.uploads[at];
            // SAFETY: the block has room for a piece, and no copy reads it. The caller has checked the range of the device.
            unsafe {
                memory
                    .start
                    .as_ptr()
                    .copy_from_nonoverlapping(piece.as_ptr(), piece.len());
                let pinned = std::slice::from_raw_parts(memory.start.as_ptr(), piece.len());
                result::memcpy_htod_async(to, pinned, gpu.stream)
                    .and_then(|()| result::event::record(*copied, gpu.stream))
            }
            .map_err(|e| gpu.fault("copying to it", e))?;
            to += piece.len() as u64;
        }
        Ok(())
    }

    /// Copies from the device. The run that wrote the bytes has ended; an upload may still go on.
    fn download(&mut self, gpu: &Gpu, mut from: u64, out: &mut [u8]) -> Result<()> {
        if self.turn > 0 {
            let last = &self.uploads[(self.turn - 1) % UPLOAD_BLOCKS];
            // SAFETY: stream and event are alive.
            unsafe {
                result::stream::wait_event(
                    gpu.downloads,
                    last.copied,
                    sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT,
                )
            }
            .map_err(|e| gpu.fault("copying from it", e))?;
        }
        if self.download.is_none() {
            self.download = Some(Pinned::new(gpu, PINNED_BYTES)?);
        }
        let Some(memory) = &self.download else {
            return Err(Error::internal("read", "pinned memory is missing"));
        };
        for piece in out.chunks_mut(PINNED_BYTES) {
            // SAFETY: the block has room for a piece; it is read after the copy has ended. The caller has checked the range.
            unsafe {
                let pinned = memory.start.as_ptr();
                copy_down(pinned.cast(), from, piece.len(), gpu.downloads)
                    .and_then(|()| result::stream::synchronize(gpu.downloads))
                    .map(|()| piece.as_mut_ptr().copy_from_nonoverlapping(pinned, piece.len()))
            }
            .map_err(|e| gpu.fault("copying from it", e))?;
            from += piece.len() as u64;
        }
        Ok(())
    }
}

/// Begins a copy from the device into pinned memory.
///
/// # Safety
/// Both ranges are valid until the copy has ended.
pub(in crate::cuda) unsafe fn copy_down(
    to: *mut c_void,
    from: u64,
    bytes: usize,
    stream: sys::CUstream,
) -> std::result::Result<(), DriverError> {
    // SAFETY: as the caller promises.
    unsafe { sys::cuMemcpyDtoHAsync_v2(to, from, bytes, stream) }.result()
}
