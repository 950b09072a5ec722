//! The one list of devices that tests run on. A new device is added here.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::Arc;

use hyperglow_core::backend::Backend;
use hyperglow_core::reference::ReferenceBackend;
use hyperglow_kernels::{CpuBackend, CudaBackend, Level};

/// A device, as tests run it.
pub struct Tested {
    /// For messages.
    pub name: String,
    /// Devices of equal arithmetic give the same bits.
    pub arithmetic: &'static str,
    /// Whether it is among the few that whole programs run on: others differ from them in kernels alone.
    pub is_usual: bool,
    /// Whether it takes as long as the definition that it is compared with: few elements are enough then.
    pub is_slow: bool,
    /// The device.
    pub backend: Arc<dyn Backend>,
}

/// Every level of this processor with one and with several threads.
pub fn processors() -> Vec<CpuBackend> {
    // Miri, which is slow, runs those that may race alone.
    let threads: &[usize] = if cfg!(miri) { &[2] } else { &[1, 3] };
    let level = |level: Level| threads.iter().map(move |&n| CpuBackend::with_level(n, level));
    Level::available().into_iter().flat_map(level).collect()
}

/// The model of the emulated device.
const EMULATED: &str = "CPU emulation";

/// The CUDA devices of the machine; none without a driver. The emulated driver is slow.
pub fn cuda() -> Vec<Tested> {
    let tested = |backend: CudaBackend| {
        let (model, _) = backend.model().expect("a device that the driver counts opens");
        Tested {
            name: format!("cuda: {model}"),
            arithmetic: "cuda",
            // The emulated driver runs the kernels of clusters with an interpreter, if it has one.
            is_usual: model != EMULATED || std::env::var_os("EMU_PTX").is_some(),
            is_slow: model == EMULATED,
            backend: Arc::new(backend),
        }
    };
    let all = CudaBackend::all().unwrap_or_default();
    all.into_iter().take(1).map(tested).collect()
}

/// Every device there is.
pub fn devices() -> Vec<Tested> {
    let best = Level::detect();
    let processor = |cpu: CpuBackend| Tested {
        name: format!("{} with {} threads", cpu.level().name(), cpu.threads()),
        arithmetic: cpu.level().name(),
        is_usual: cpu.level() == best,
        is_slow: false,
        backend: Arc::new(cpu),
    };
    let reference = Tested {
        name: "reference".into(),
        arithmetic: "reference",
        is_usual: true,
        is_slow: true,
        backend: Arc::new(ReferenceBackend),
    };
    processors()
        .into_iter()
        .map(processor)
        .chain([reference])
        .chain(cuda())
        .collect()
}
