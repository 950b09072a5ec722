//! The interpreter of clusters, for every processor and every instruction: all instructions on one block of elements, then the next
//! block. Intermediates stay in the first-level cache.
//!
//! A contiguous operand is read in place, and a stored register is computed in place, unless its slot is also an input of the
//! cluster (a donated buffer): then it is copied at the end of the block, after the block has been read.

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::plan::SlotId;

use super::apply::{self, Block};
use crate::cpu::exec::{Env, for_word};
use crate::cpu::storage::RawBytes;
use crate::steps::walk::Walker;

/// A cluster's instructions with fixed operands.
pub(super) struct Blocks {
    /// Elements of a block.
    pub block: usize,
    /// Blocks of a task.
    pub blocks_per_task: usize,
    /// Bytes of the registers of one worker.
    pub file: usize,
    /// Registers that are filled once per task: constants, repeated elements.
    pub fills: Box<[Fill]>,
    /// Operations on each block, in order.
    pub code: Box<[Action]>,
}

/// The location of a block of elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum OperandLocation {
    /// A register: offset in the worker's registers, in bytes.
    Register(usize),
    /// A slot: offset in bytes of the first element, and bytes of an element.
    Memory { slot: SlotId, start: usize, size: usize },
}

/// A register that is constant over all blocks.
pub(super) struct Fill {
    pub register: usize,
    pub size: usize,
    pub value: Value,
}

pub(super) enum Value {
    /// The element's bytes.
    Bits([u8; 8]),
    /// The element of a slot at this offset in bytes.
    Element(SlotId, usize),
}

/// One operation on a block.
pub(super) struct Action {
    pub kind: Kind,
    pub out: OperandLocation,
    pub operands: [OperandLocation; 3],
}

pub(super) enum Kind {
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

impl Blocks {
    /// Computes elements `start..start + len`.
    ///
    /// # Safety
    /// As for [`ClusterKernel::stretch`](super::ClusterKernel::stretch); `file` has the bytes of one worker's
    /// registers.
    pub unsafe fn stretch(
        &self,
        env: &Env,
        slots: &[RawBytes],
        file: *mut u8,
        start: usize,
        len: usize,
        instead: Option<(SlotId, *const u8)>,
    ) {
        let location = BlockAddresses {
            env,
            slots,
            file,
            origin: start,
            instead,
        };
        for fill in &self.fills {
            // SAFETY: the register has room for a block, `compile` saw to it; a filled element lies within its slot.
            unsafe { fill.run(file, slots, self.block.min(len)) };
        }
        for first in (start..start + len).step_by(self.block) {
            let count = self.block.min(start + len - first);
            for action in &self.code {
                // SAFETY: `compile` chose operands within their slots and registers, and an action's result overlaps
                // none of its operands.
                unsafe { action.run(&location, first, count) };
            }
        }
    }
}

/// The addresses of the operands of one call.
struct BlockAddresses<'a> {
    env: &'a Env,
    slots: &'a [RawBytes],
    file: *mut u8,
    /// The first element of the call.
    origin: usize,
    instead: Option<(SlotId, *const u8)>,
}

impl Fill {
    /// # Safety
    /// The register must have room for `len` elements, and the element must be readable.
    unsafe fn run(&self, file: *mut u8, slots: &[RawBytes], len: usize) {
        // SAFETY: as the caller promises; registers are aligned to a cache line.
        unsafe {
            let source = match &self.value {
                Value::Bits(bytes) => bytes.as_ptr(),
                Value::Element(slot, at) => slots[*slot].start.as_ptr().wrapping_add(*at).cast_const(),
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
    unsafe fn run(&self, at: &BlockAddresses<'_>, start: usize, len: usize) {
        let slots = at.slots;
        let address = |location: OperandLocation| {
            let (raw, offset) = match (location, at.instead) {
                (OperandLocation::Register(register), _) => (at.file, register),
                // Read element for element: its first element is at offset 0.
                (OperandLocation::Memory { slot, size, .. }, Some((replaced, elements)))
                    if slot == replaced =>
                {
                    (elements.cast_mut(), (start - at.origin) * size)
                }
                (
                    OperandLocation::Memory {
                        slot,
                        start: first,
                        size,
                    },
                    _,
                ) => (slots[slot].start.as_ptr(), first + start * size),
            };
            // The address of a private slot is valid only for its current rows.
            raw.wrapping_add(offset)
        };
        let block = |location: OperandLocation| Block {
            start: address(location),
            len,
        };
        let [a, b, c] = self.operands;
        let level = at.env.level;
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
                    let OperandLocation::Memory { slot, .. } = a else {
                        return;
                    };
                    let source = slots[slot].start.as_ptr();
                    let out = address(self.out);
                    for_word!(ElementSize(*size), T => {
                        walker.read::<T>(source.cast_const().cast(), start, std::slice::from_raw_parts_mut(out.cast(), len));
                    });
                }
            }
        }
    }
}

/// An element size, as an argument of [`for_word!`].
pub(super) struct ElementSize(pub usize);
impl ElementSize {
    pub fn size(&self) -> usize {
        self.0
    }
}
