//! What there is: plans, memory, the device.

use hyperglow_core::random;
use napi::Env;
use napi::bindgen_prelude::Uint32Array;
use napi_derive::napi;

use crate::state::{device, engine, ids, no_room, to_js};

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

/// Counters of the native side, see `memory`.
#[napi(object)]
pub struct MemoryInfo {
    /// Bytes held by results, Variables and arenas now.
    pub bytes: f64,
    /// Buffers those bytes are in.
    pub buffers: f64,
    /// Most bytes ever held at once.
    pub peak_bytes: f64,
    /// Buffers allocated since the start.
    pub allocations: f64,
    /// Bytes that are not in `bytes`: given back and kept for the next results of about the same size. At most 1 GiB and an
    /// eighth of the memory that the process may use; released when memory gets short, and by `releaseMemory`.
    pub kept_bytes: f64,
    /// Nodes built but not computed.
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

/// Exact counts of what is held.
#[napi]
pub fn memory() -> napi::Result<MemoryInfo> {
    engine(|e| {
        let stats = hyperglow_kernels::memory();
        let counts = e.counts();
        Ok(MemoryInfo {
            bytes: (stats.live_bytes + stats.arena_bytes) as f64,
            buffers: stats.live_buffers as f64,
            peak_bytes: stats.peak_bytes as f64,
            allocations: stats.system_allocations as f64,
            kept_bytes: stats.kept_bytes as f64,
            pending_nodes: counts.pending as f64,
            nodes: counts.nodes as f64,
            plans: counts.plans as f64,
            plan_hits: counts.hits as f64,
            plan_misses: counts.misses as f64,
            variables: counts.variables as f64,
        })
    })
}

/// Gives memory that waits for reuse back to the system.
#[napi]
pub fn release_memory() -> napi::Result<()> {
    engine(|_| {
        hyperglow_kernels::release_kept();
        Ok(())
    })
}

/// Tells V8 of memory outside its heap: `bytes` more, or fewer if negative.
#[napi]
pub fn adjust_external_memory(env: &Env, bytes: f64) -> napi::Result<()> {
    env.adjust_external_memory(bytes as i64).map(|_| ())
}

/// The device that plans run on.
#[napi(object)]
pub struct DeviceInfo {
    /// `cpu`.
    pub name: String,
    /// Threads that kernels use.
    pub threads: u32,
    /// Instruction set in use: `amx` (`avx512` with matrix instructions), `avx512`, `avx2` or `portable`.
    pub level: String,
}

/// What runs the plans.
#[napi]
pub fn device_info() -> napi::Result<DeviceInfo> {
    let (backend, _) = device().map_err(to_js)?;
    Ok(DeviceInfo {
        name: "cpu".into(),
        threads: backend.threads() as u32,
        level: backend.level().name().to_string(),
    })
}

/// Random bits for code that runs in JavaScript: the same numbers as the `random` primitive's.
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
