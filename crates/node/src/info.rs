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

/// What is held.
#[napi(object)]
pub struct Memory {
    /// Bytes of live buffers, arenas included.
    pub bytes: f64,
    /// Live buffers.
    pub buffers: f64,
    /// The most bytes there ever were.
    pub peak_bytes: f64,
    /// Times memory was asked of the system.
    pub allocations: f64,
    /// Bytes that wait for reuse.
    pub kept_bytes: f64,
    /// Nodes without a value.
    pub pending_nodes: f64,
    /// Nodes of the graph.
    pub nodes: f64,
    /// Cached plans.
    pub plans: f64,
    /// Plans found in the cache, ever.
    pub plan_hits: f64,
    /// Plans that had to be made, ever.
    pub plan_misses: f64,
    /// Variables.
    pub variables: f64,
}

/// Exact counts of what is held.
#[napi]
pub fn memory() -> napi::Result<Memory> {
    engine(|e| {
        let stats = hyperglow_kernels::memory();
        let counts = e.counts();
        Ok(Memory {
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

/// The device.
#[napi(object)]
pub struct DeviceInfo {
    /// `cpu`.
    pub name: String,
    /// Threads that run kernels.
    pub threads: u32,
    /// Instruction set chosen: `amx` (`avx512` with matrix instructions), `avx512`, `avx2` or `portable`.
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
