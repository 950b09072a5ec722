//! Elementwise clusters: all instructions on one block of elements, then the next block. Intermediate values
//! stay in the first-level cache; what a cluster reads and writes passes memory once.
//!
//! [`compile`] turns a cluster into operations with fixed operands, [`walk`] reads strided views, [`apply`]
//! holds the arithmetic. A contiguous operand is used where it lies, and a register that is stored is computed
//! where it goes, unless that place is also an input of the cluster (a donated buffer): then it is copied there
//! at the end of the block, when the block has been read.

mod apply;
mod compile;
mod walk;

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::plan::SlotId;

use super::exec::{Env, for_word};
use super::storage::RawBytes;
use apply::Block;
use walk::Walker;

/// A cluster made ready.
pub(crate) struct ClusterKernel {
    /// Elements of the index space.
    size: usize,
    /// Elements computed at a time.
    block: usize,
    /// Blocks that one task computes.
    blocks_per_task: usize,
    /// Bytes of the registers of one worker.
    file: usize,
    /// What is computed once per task: constants, repeated elements.
    fills: Box<[Fill]>,
    /// What is computed for each block, in order.
    code: Box<[Action]>,
}

/// Where a block of elements is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// In the worker's registers, at a byte.
    Register(usize),
    /// In a slot: its first element is at a byte, elements have a size.
    Memory { slot: SlotId, start: usize, size: usize },
}

/// A register that is the same in every block.
struct Fill {
    register: usize,
    size: usize,
    value: Value,
}

enum Value {
    /// The element's bytes.
    Bits([u8; 8]),
    /// The element at a byte of a slot.
    Element(SlotId, usize),
}

/// One operation on a block.
struct Action {
    kind: Kind,
    out: Place,
    operands: [Place; 3],
}

enum Kind {
    /// Reads a strided view of elements of `size` bytes; the operand is the slot's start.
    Walk(Walker, usize),
    /// Copies elements of `size` bytes.
    Copy(usize),
    Unary(UnaryOp, DType),
    /// With the dtype of the operands.
    Binary(BinaryOp, DType),
    Select(DType),
    /// From, to.
    Cast(DType, DType),
}

impl ClusterKernel {
    /// Bytes of registers for one thread.
    pub fn register_bytes(&self) -> usize {
        self.file
    }

    /// # Safety
    /// The cluster's loads must be readable, its stores writable, nobody else may use the latter, and they may
    /// overlap the former only where the plan's donations say so. `registers` holds `register_bytes` for every
    /// thread and is used by nobody else.
    pub unsafe fn run(&self, env: &Env, slots: &[RawBytes], registers: RawBytes) {
        assert!(registers.len >= self.file * env.pool.threads());
        env.pool.ranges(
            self.size.div_ceil(self.block),
            self.blocks_per_task,
            |worker, blocks| {
                // The whole of it, which may go to other threads, rather than its address, which may not.
                // SAFETY: within `registers`, and this worker's own.
                let file = unsafe { registers.at(worker * self.file) };
                let longest = self.block.min(self.size);
                for fill in &self.fills {
                    // SAFETY: the register has room for a block, `compile` saw to it; a filled element lies within its slot.
                    unsafe { fill.run(file, slots, longest) };
                }
                for block in blocks {
                    let start = block * self.block;
                    let len = self.block.min(self.size - start);
                    for action in &self.code {
                        // SAFETY: `compile` chose operands within their slots and registers; tasks compute different
                        // blocks, and an action's result overlaps none of its operands.
                        unsafe { action.run(env, slots, file, start, len) };
                    }
                }
            },
        );
    }
}

impl Fill {
    /// # Safety
    /// The register must have room for `len` elements, and the element must be readable.
    unsafe fn run(&self, file: *mut u8, slots: &[RawBytes], len: usize) {
        // SAFETY: as the caller promises; registers are aligned to a cache line.
        unsafe {
            let source = match &self.value {
                Value::Bits(bytes) => bytes.as_ptr(),
                Value::Element(slot, at) => slots[*slot].start.as_ptr().add(*at).cast_const(),
            };
            let out = file.add(self.register);
            match self.size {
                1 => std::slice::from_raw_parts_mut(out, len).fill(*source),
                4 => std::slice::from_raw_parts_mut(out.cast::<u32>(), len)
                    .fill(source.cast::<u32>().read_unaligned()),
                _ => std::slice::from_raw_parts_mut(out.cast::<u64>(), len)
                    .fill(source.cast::<u64>().read_unaligned()),
            }
        }
    }
}

impl Action {
    /// # Safety
    /// The operands must be readable and the result writable for elements `start..start + len`, without overlap.
    #[inline]
    unsafe fn run(&self, env: &Env, slots: &[RawBytes], file: *mut u8, start: usize, len: usize) {
        let address = |place: Place| {
            let (raw, at) = match place {
                Place::Register(at) => (file, at),
                Place::Memory {
                    slot,
                    start: first,
                    size,
                } => (slots[slot].start.as_ptr(), first + start * size),
            };
            // SAFETY: a register lies within the file, an element within its slot.
            unsafe { raw.add(at) }
        };
        let block = |place: Place| Block {
            start: address(place),
            len,
        };
        let [a, b, c] = self.operands;
        let level = env.level;
        // SAFETY: as the caller promises; `compile` took care of the dtypes.
        unsafe {
            match &self.kind {
                Kind::Unary(op, dtype) => apply::unary(level, *op, *dtype, block(a), block(self.out)),
                Kind::Binary(op, dtype) => {
                    apply::binary(level, *op, *dtype, block(a), block(b), block(self.out))
                }
                Kind::Select(dtype) => {
                    apply::select(level, *dtype, block(a), block(b), block(c), block(self.out))
                }
                Kind::Cast(from, to) => apply::cast(level, *from, *to, block(a), block(self.out)),
                Kind::Copy(size) => address(self.out).copy_from_nonoverlapping(address(a), len * size),
                Kind::Walk(walker, size) => {
                    let Place::Memory { slot, .. } = a else { return };
                    let source = slots[slot].start.as_ptr();
                    let out = address(self.out);
                    for_word!(DTypeOfSize(*size), T => {
                        walker.read::<T>(source.cast_const().cast(), start, std::slice::from_raw_parts_mut(out.cast(), len));
                    });
                }
            }
        }
    }
}

/// An element size where [`for_word!`] wants something that has one.
struct DTypeOfSize(usize);
impl DTypeOfSize {
    fn size(&self) -> usize {
        self.0
    }
}
