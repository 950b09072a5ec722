//! Plans, memory and devices.

use hyperglow_core::Error;
use hyperglow_core::backend::MemoryUse;
use hyperglow_core::engine::DeviceQueue;
use hyperglow_core::random;
use napi::Env;
use napi::bindgen_prelude::Uint32Array;
use napi_derive::napi;

use crate::state::{self, Devices, engine, ids, no_room, to_js};

/// The plan that would compute some nodes, as text.
#[napi]
pub fn explain(nodes: Vec<f64>) -> napi::Result<String> {
    engine(|e| e.explain(&ids(&nodes)))
}

/// The cached plans as text, most recently used first.
#[napi]
pub fn plans() -> napi::Result<Vec<String>> {
    engine(|e| Ok(e.plans()))
}

/// Memory of a device.
#[napi(object)]
pub struct DeviceMemoryInfo {
    /// Bytes of live buffers, arenas included.
    pub bytes: f64,
    /// Number of live buffers.
    pub buffers: f64,
    /// The largest number of live bytes so far.
    pub peak_bytes: f64,
    /// Buffers allocated since the start.
    pub allocations: f64,
    /// Freed bytes that are kept for later results of similar size, not in `bytes`. At most 1 GiB and an eighth of the memory
    /// that the process may use; released before an allocation fails, and by `releaseMemory`.
    pub kept_bytes: f64,
}

impl From<MemoryUse> for DeviceMemoryInfo {
    fn from(held: MemoryUse) -> DeviceMemoryInfo {
        DeviceMemoryInfo {
            bytes: held.bytes as f64,
            buffers: held.buffers as f64,
            peak_bytes: held.peak_bytes as f64,
            allocations: held.allocations as f64,
            kept_bytes: held.kept_bytes as f64,
        }
    }
}

/// Counts of memory and graph. JavaScript sums the devices.
#[napi(object)]
pub struct Memory {
    /// Memory of the devices, by number.
    pub devices: Vec<DeviceMemoryInfo>,
    /// Nodes without a value.
    pub pending_nodes: f64,
    /// Nodes alive.
    pub nodes: f64,
    /// Compiled plans in the cache.
    pub plans: f64,
    /// Plans that were found in the cache since the start.
    pub plan_hits: f64,
    /// Plans that had to be made since the start.
    pub plan_misses: f64,
    /// Variables alive.
    pub variables: f64,
}

/// Exact counts of memory and graph.
#[napi]
pub fn memory() -> napi::Result<Memory> {
    engine(|e| {
        let counts = e.counts();
        Ok(Memory {
            devices: e.memory().into_iter().map(DeviceMemoryInfo::from).collect(),
            pending_nodes: counts.pending as f64,
            nodes: counts.nodes as f64,
            plans: counts.plans as f64,
            plan_hits: counts.hits as f64,
            plan_misses: counts.misses as f64,
            variables: counts.variables as f64,
        })
    })
}

/// Bytes and nodes that JavaScript's objects keep alive.
#[napi]
pub fn held() -> napi::Result<Vec<f64>> {
    engine(|e| {
        let bytes: usize = e.memory().iter().map(|device| device.bytes).sum();
        Ok(vec![bytes as f64, e.graph.live() as f64])
    })
}

/// Returns kept memory to the system.
#[napi]
pub fn release_memory() -> napi::Result<()> {
    engine(|e| {
        e.release_kept();
        Ok(())
    })
}

/// Reports `bytes` more (or fewer, if negative) of memory outside V8's heap.
#[napi]
pub fn adjust_external_memory(env: &Env, bytes: f64) -> napi::Result<()> {
    env.adjust_external_memory(bytes as i64).map(|_| ())
}

/// A device.
#[napi(object)]
pub struct DeviceInfo {
    /// `cpu`, ...
    pub name: String,
    /// `cpu`, `reference` or `cuda`.
    pub kind: String,
    /// Threads that run kernels.
    pub threads: u32,
    /// Instruction set chosen: `amx` (`avx512` with matrix instructions), `avx512`, `avx2` or `portable`; `interpreted`; `cuda`.
    pub level: String,
    /// Whether it is the default device.
    pub is_default: bool,
}

/// The devices, by their numbers.
#[napi]
pub fn devices() -> napi::Result<Vec<DeviceInfo>> {
    let Devices {
        cpu,
        devices,
        default_device,
        ..
    } = state::devices().map_err(to_js)?;
    let info = |(number, (backend, _)): (usize, &DeviceQueue)| {
        let name = backend.name().to_string();
        let (threads, level) = if name == "cpu" {
            (cpu.threads() as u32, cpu.level().name())
        } else if name.starts_with("cuda:") {
            (1, "cuda")
        } else {
            (1, "interpreted")
        };
        DeviceInfo {
            kind: name.split(':').next().unwrap_or_default().into(),
            name,
            threads,
            level: level.into(),
            is_default: number == usize::from(default_device.0),
        }
    };
    Ok(devices.iter().enumerate().map(info).collect())
}

/// A CUDA device, opened.
#[napi(object)]
pub struct CudaDeviceInfo {
    /// The driver's name of the device.
    pub model: String,
    /// Compute capability, for instance `9.0`.
    pub capability: String,
    /// Bytes of its memory.
    pub memory_bytes: f64,
    /// Bytes of it that no process uses.
    pub free_bytes: f64,
}

/// What the driver says about CUDA device `ordinal`. Opens it.
#[napi]
pub fn cuda_device(ordinal: u32) -> napi::Result<CudaDeviceInfo> {
    let info = || {
        let all = state::devices()?.cuda.as_ref().map_err(Clone::clone)?;
        let device = all.get(ordinal as usize);
        let device = device.ok_or_else(|| Error::internal("devices", "no such CUDA device"))?;
        let (model, (major, minor)) = device.model()?;
        let (free, total) = device.room()?;
        Ok(CudaDeviceInfo {
            model: model.into(),
            capability: format!("{major}.{minor}"),
            memory_bytes: total as f64,
            free_bytes: free as f64,
        })
    };
    info().map_err(to_js)
}

/// Why there is no CUDA device, and what to do; nothing where there is one.
#[napi]
pub fn cuda_absence() -> napi::Result<Option<Vec<String>>> {
    let cuda = &state::devices().map_err(to_js)?.cuda;
    Ok(cuda
        .as_ref()
        .err()
        .map(|why| vec![why.message.clone(), why.mend.clone()]))
}

/// Random bits for code in JavaScript: the same numbers as those of the `random` primitive.
#[napi]
pub fn random_bits(key_low: u32, key_high: u32, start: f64, count: u32) -> napi::Result<Uint32Array> {
    engine(|_| {
        let mut bits = Vec::new();
        bits.try_reserve_exact(count as usize)
            .map_err(|_| no_room(count as usize * size_of::<u32>()))?;
        bits.resize(count as usize, 0);
        random::fill_bits([key_low, key_high], start as u64, &mut bits);
        Ok(Uint32Array::new(bits))
    })
}
