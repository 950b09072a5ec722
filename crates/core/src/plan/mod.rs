//! Plans: a graph as a list of steps on slots with fixed locations.
//!
//! [`trace`] cuts the nodes to be computed out of the graph (its hash is the plan's key), [`build`]
//! turns a trace into a [`Program`]: dead nodes and common subexpressions removed, operations without a kernel
//! [lowered](lower), movement operations turned into views, elementwise nodes fused into clusters, steps ordered so that outputs
//! may overwrite the inputs that they replace, and arena offsets assigned by lifetime. A backend makes a program executable.
//! [`print`] shows it.

pub mod build;
pub mod concat;
pub mod context;
pub mod cost;
pub mod draft;
pub mod independent;
pub mod lower;
pub mod memory;
pub mod print;
mod queries;
pub mod rows;
pub mod schedule;
pub mod simplify;
pub mod trace;
pub mod view;

use std::sync::Arc;

use crate::device::Kernel;
use crate::dtype::DType;
use crate::elementwise::{BinaryOp, UnaryOp};
use crate::op::{Op, Spec};
use crate::shape::Shape;

/// Index of a slot in its program.
pub type SlotId = usize;

/// Where the bytes of a slot are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// The i-th input buffer.
    Input(usize),
    /// The i-th output buffer.
    Output(usize),
    /// The arena, at a byte offset that is a multiple of the device's alignment.
    Arena(usize),
    /// Private to one row group: only its current rows exist, in memory of the thread.
    Private {
        /// Bytes of a row.
        row_bytes: usize,
    },
}

/// A tensor that exists in memory, contiguous and row-major.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Shape and dtype.
    pub spec: Spec,
    /// Where its bytes are.
    pub location: Location,
}

/// A strided view of a slot. Strides and offset count elements; stride 0 repeats, a negative stride flips.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The slot read.
    pub slot: SlotId,
    /// Extents of the view.
    pub shape: Shape,
    /// Distance between neighbors, per axis of `shape`.
    pub strides: Vec<isize>,
    /// The element at index 0.
    pub offset: usize,
}

impl View {
    /// The whole slot, row-major, with the extents of `shape`.
    pub fn contiguous(slot: SlotId, shape: Shape) -> View {
        let strides = shape.strides().into_iter().map(|s| s as isize).collect();
        View {
            slot,
            shape,
            strides,
            offset: 0,
        }
    }
    /// True when elements lie row-major without gaps (from `offset`). Axes of extent 1 do not matter.
    pub fn is_contiguous(&self) -> bool {
        let expected = self.shape.strides();
        (0..self.shape.rank()).all(|i| self.shape[i] == 1 || self.strides[i] == expected[i] as isize)
            || self.shape.size() == 0
    }
}

/// One register of a cluster: instruction i writes register i, a block of elements of one dtype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instr {
    /// What it computes.
    pub kind: InstrKind,
    /// The register's dtype.
    pub dtype: DType,
}

/// The instructions of a cluster; numbers are registers of earlier instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstrKind {
    /// The i-th view of the cluster.
    Load(usize),
    /// A constant, as f64 bits.
    Const(u64),
    /// Elementwise, one argument.
    Unary(UnaryOp, usize),
    /// Elementwise, two arguments of the same dtype.
    Binary(BinaryOp, usize, usize),
    /// `(condition, a, b)`.
    Where(usize, usize, usize),
    /// Conversion to the instruction's dtype.
    Cast(usize),
}

/// Fused elementwise operations over one index space, computed block by block.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The index space.
    pub shape: Shape,
    /// The views that it reads; every view has the cluster's shape.
    pub loads: Vec<View>,
    /// The registers, in order of computation.
    pub code: Vec<Instr>,
    /// Registers written out, contiguously: (register, slot).
    pub stores: Vec<(usize, SlotId)>,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// A primitive on contiguous inputs (never an elementwise or movement operation, except `Pad` and `Concat`).
    Op {
        /// The primitive.
        op: Op,
        /// Inputs: slots with the shape in which the operation sees them.
        inputs: Vec<(SlotId, Spec)>,
        /// The output slot.
        output: SlotId,
        /// The kernel that the device chose.
        kernel: Arc<dyn Kernel>,
        /// Scratch of the kernel: offset in the arena and bytes.
        scratch: (usize, usize),
    },
    /// A cluster.
    Cluster(Cluster),
}

/// One step of a program.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// The scope of the node, for messages; may be empty.
    pub scope: String,
}

/// A list of steps on slots with fixed locations: all that a backend needs.
#[derive(Debug)]
pub struct Program {
    /// Every tensor in memory.
    pub slots: Vec<Slot>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Groups of steps that are run together, some rows at a time, in order.
    pub groups: Vec<rows::RowGroup>,
    /// Runs of independent serial steps, in order.
    pub independent: Vec<std::ops::Range<usize>>,
    /// Slots of the inputs, in order.
    pub inputs: Vec<SlotId>,
    /// Slots of the outputs, in order.
    pub outputs: Vec<SlotId>,
    /// Per output, the input whose buffer it may be given: every reader of that input runs before the writer,
    /// or is the writer, reading each element before it writes it.
    pub donations: Vec<Option<usize>>,
    /// Bytes of the arena.
    pub arena_bytes: usize,
    /// True when a step can refuse at run time; then nothing is donated.
    pub can_fail: bool,
}
