//! The CPU as a [`Backend`].

use std::sync::Arc;

use hyperglow_core::Result;
use hyperglow_core::backend::{Backend, Executable, MemoryUse};
use hyperglow_core::device::{Device, Kernel, Limits, OuterProducts, RowLimits};
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::Program;
use hyperglow_core::storage::Buffer;

use super::blocks::{ALIGN_BYTES, release_kept};
use super::compile::CpuKernel;
use super::environment::Environment;
use super::exec::Env;
use super::executable::CpuExecutable;
use super::level::Level;
use super::pool::Pool;
use super::storage::{CpuStorage, memory};
use super::workspace::Workspace;

/// The processor: threads, vector instructions and memory. Results do not depend on the number of threads.
pub struct CpuBackend {
    env: Env,
    workspace: Arc<Workspace>,
}

impl CpuBackend {
    /// A backend with `threads` threads, the calling one included, and the best instructions of the processor
    /// (or the level that `HYPERGLOW_CPU` names).
    ///
    /// # Panics
    /// See [`Level::detect`].
    pub fn new(threads: usize) -> CpuBackend {
        CpuBackend::with_level(threads, Level::detect())
    }

    /// A backend by the environment variables: `HYPERGLOW_THREADS` threads, by default as many as the machine and
    /// its control group allow, and the instructions of `HYPERGLOW_CPU`, by default the best.
    ///
    /// # Errors
    /// An invalid value of a variable, also of the variables that kernels read later (`HYPERGLOW_CLUSTERS`, `HYPERGLOW_CONV`).
    pub fn from_environment() -> Result<CpuBackend> {
        let Environment { threads, level } = Environment::read()?;
        Ok(CpuBackend::with_level(threads, level))
    }

    /// As [`CpuBackend::new`] with chosen instructions.
    pub fn with_level(threads: usize, level: Level) -> CpuBackend {
        CpuBackend {
            env: Env {
                pool: Arc::new(Pool::new(threads)),
                level,
            },
            workspace: Workspace::new(),
        }
    }

    /// Number of threads that run a plan.
    pub fn threads(&self) -> usize {
        self.env.pool.threads()
    }

    /// The vector instructions in use.
    pub fn level(&self) -> Level {
        self.env.level
    }
}

/// Limits that suit current processors; measured on two threads.
const LIMITS: Limits = Limits {
    // The blocks of more instructions would not fit the first-level cache.
    cluster: 64,
    alignment: ALIGN_BYTES,
    outer: Some(OuterProducts {
        terms: 8,
        elements: 1 << 18,
    }),
    rows: Some(RowLimits {
        few: 16,
        // A larger operand does not fit the second-level cache beside the others.
        small_bytes: 1 << 18,
        // In shorter segments the addresses cost more than the elements: batch normalization gains a quarter with 16 elements
        // a segment, half with 36.
        segment: 16,
        pooling: true,
    }),
};

impl Device for CpuBackend {
    fn name(&self) -> &str {
        "cpu"
    }

    fn limits(&self) -> &Limits {
        &LIMITS
    }

    fn kernel(&self, op: &Op, inputs: &[&Spec], output: &Spec) -> Result<Option<Arc<dyn Kernel>>> {
        Ok(Some(Arc::new(CpuKernel::new(op, inputs, output, &self.env)?)))
    }
}

impl Backend for CpuBackend {
    fn allocate(&self, bytes: usize) -> Result<Buffer> {
        Ok(Arc::new(CpuStorage::new(bytes)?))
    }

    fn upload(&self, bytes: &[u8]) -> Result<Buffer> {
        Ok(Arc::new(CpuStorage::copy_of(bytes)?))
    }

    fn memory(&self) -> MemoryUse {
        let stats = memory();
        MemoryUse {
            bytes: stats.live_bytes + stats.arena_bytes,
            buffers: stats.live_buffers,
            peak_bytes: stats.peak_bytes,
            kept_bytes: stats.kept_bytes,
            allocations: stats.system_allocations,
        }
    }

    fn release_kept(&self) {
        release_kept();
    }

    fn prepare(&self, program: Arc<Program>) -> Result<Box<dyn Executable>> {
        Ok(Box::new(CpuExecutable::new(
            program,
            self.env.clone(),
            &self.workspace,
        )?))
    }
}
