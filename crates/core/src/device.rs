//! What the planner asks a device: its limits, and a kernel for every operation. No number that only one machine knows
//! stands in the planner itself.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use crate::error::Result;
use crate::op::{Op, Spec};

/// What suits a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Instructions in one elementwise cluster, at least 1.
    pub cluster: usize,
    /// Arena offsets are multiples of so many bytes, a power of two of at least 8.
    pub alignment: usize,
    /// Matrix products that are written as elementwise arithmetic; `None`: none.
    pub outer: Option<OuterProducts>,
    /// How steps are grouped by rows; `None`: not at all.
    pub rows: Option<RowLimits>,
}

/// Matrix products of few terms and large result, which cost more to write than to compute. As arithmetic they are
/// fused with whatever comes behind them.
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
    /// Fewer rows than these keep too few threads busy, unless all that the group touches is small.
    pub few: usize,
    /// Bytes up to which a group is small.
    pub small_bytes: usize,
    /// Elements that a segment of a row has at least, where rows lie in segments.
    pub segment: usize,
}

/// What a kernel needs of the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Bytes of scratch in the arena while it runs.
    pub scratch: usize,
    /// One thread computes it, however many there are: several such steps may run at the same time.
    pub serial: bool,
    /// It can hand its result on, part by part, to the cluster behind it (an epilogue), and keeps its scratch until that is
    /// done.
    pub epilogue: bool,
}

/// A kernel that a device has chosen for an operation and its shapes. The same object says what it needs and is what is
/// run, so that both are decided once.
pub trait Kernel: Any + Debug + Send + Sync {
    /// What it needs of the plan.
    fn needs(&self) -> Needs;
    /// For the backend that made it.
    fn as_any(&self) -> &dyn Any;
}

/// What the planner asks.
pub trait Device {
    /// `cpu`, `cuda:0`, ...
    fn name(&self) -> &str;
    /// What suits it.
    fn limits(&self) -> &Limits;
    /// The kernel for an operation on operands of these shapes; `None` where the device has none, so that the operation is
    /// computed by [simpler ones](crate::lower).
    ///
    /// # Errors
    /// Shapes that the kernel does not take.
    fn kernel(&self, op: &Op, inputs: &[&Spec], output: &Spec) -> Result<Option<Arc<dyn Kernel>>>;
}
