//! The planner's view of a device: its limits, and a kernel for every operation. The planner itself has no machine-dependent
//! number.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use crate::error::Result;
use crate::op::{Op, Spec};

/// Planning limits of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Instructions in one elementwise cluster, at least 1.
    pub cluster: usize,
    /// Arena offsets are multiples of this number of bytes, a power of two of at least 8.
    pub alignment: usize,
    /// Matrix products that are written as elementwise arithmetic; `None`: none.
    pub outer: Option<OuterProducts>,
    /// Which row groups are worthwhile; `None`: none.
    pub rows: Option<RowLimits>,
}

/// Matrix products of few terms and a large result, which cost more to write than to compute. As elementwise arithmetic they are
/// fused with their consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterProducts {
    /// Terms of a sum, at most.
    pub terms: usize,
    /// Elements of the result, at least.
    pub elements: usize,
}

/// Which [row groups](crate::plan::rows::RowGroup) are worthwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowLimits {
    /// Minimal number of rows, so that all threads are busy, of a group that is not small.
    pub few: usize,
    /// Bytes up to which a group is small.
    pub small_bytes: usize,
    /// Minimal number of elements of a segment, if rows have several segments.
    pub segment: usize,
    /// Whether the device runs pooling as part of a group.
    pub pooling: bool,
}

/// Requirements of a kernel on the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Bytes of scratch in the arena while it runs.
    pub scratch: usize,
    /// A single thread computes it: several such steps may run in parallel.
    pub serial: bool,
    /// It can compute the following cluster as an epilogue, block by block of its result; its scratch lives until the end of
    /// that cluster.
    pub epilogue: bool,
}

/// A kernel that a device has chosen for an operation and its shapes. The object that states the requirements is the one that is
/// run, so that the two agree.
pub trait Kernel: Any + Debug + Send + Sync {
    /// Its requirements on the plan.
    fn needs(&self) -> Needs;
    /// For the backend that made it.
    fn as_any(&self) -> &dyn Any;
}

/// The planner's view of a device.
pub trait Device {
    /// `cpu`, `cuda:0`, ...
    fn name(&self) -> &str;
    /// Its planning limits.
    fn limits(&self) -> &Limits;
    /// The kernel for an operation on operands of these shapes; `None` if the device has none, so that the operation is
    /// [lowered](crate::lower).
    ///
    /// # Errors
    /// Shapes that the kernel does not take.
    fn kernel(&self, op: &Op, inputs: &[&Spec], output: &Spec) -> Result<Option<Arc<dyn Kernel>>>;
}
