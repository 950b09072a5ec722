//! Elementwise clusters: all instructions on one block of elements, then the next block. Intermediate values
//! stay in the first-level cache; what a cluster reads and writes passes memory once.
//!
//! [`compile`] turns a cluster into operations with fixed operands, [`walk`] reads strided views, [`apply`]
//! holds the arithmetic. A contiguous operand is used where it lies, and a register that is stored is computed
//! where it goes, unless that place is also an input of the cluster (a donated buffer): then it is copied there
//! at the end of the block, when the block has been read.

mod apply;
mod compile;
mod turn;
mod walk;

pub(crate) use compile::may_share;

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::plan::SlotId;

use super::exec::{Env, for_word};
use super::storage::RawBytes;
use apply::Block;
use turn::Turn;
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
    /// Set when the whole cluster is a transposition.
    turn: Option<Turn>,
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

    /// The addresses of operands with elements of `size` bytes that are read as they lie, but for `except`: as many
    /// as there is room for.
    pub fn streams<'a>(
        &self,
        slots: &[RawBytes],
        except: SlotId,
        size: usize,
        room: &'a mut [usize],
    ) -> &'a [usize] {
        let mut found = 0;
        for operand in self.code.iter().flat_map(|action| action.operands) {
            let Place::Memory {
                slot,
                start: 0,
                size: given,
            } = operand
            else {
                continue;
            };
            let address = slots[slot].start.addr().get();
            if given == size && slot != except && found < room.len() && !room[..found].contains(&address) {
                room[found] = address;
                found += 1;
            }
        }
        &room[..found]
    }

    /// # Safety
    /// The cluster's loads must be readable, its stores writable, nobody else may use the latter, and they may
    /// overlap the former only where the plan's donations say so. `registers` holds `register_bytes` for every
    /// thread and is used by nobody else.
    pub unsafe fn run(&self, env: &Env, slots: &[RawBytes], registers: RawBytes) {
        if let Some(turn) = &self.turn {
            // SAFETY: as the caller promises; a copy's result overlaps nothing that is read.
            unsafe { turn.run(env, slots, self.size) };
            return;
        }
        let blocks = self.size.div_ceil(self.block);
        env.pool.ranges(blocks, self.blocks_per_task, |worker, blocks| {
            let start = blocks.start * self.block;
            let len = self.size.min(blocks.end * self.block) - start;
            // SAFETY: as the caller promises; tasks compute different elements.
            unsafe { self.stretch(env, slots, registers, worker, start, len, None) };
        });
    }

    /// Computes elements `start..start + len` on one thread. If `instead` names a slot, its elements are read from
    /// there: the address is that of element `start`.
    ///
    /// # Safety
    /// As for [`ClusterKernel::run`]; concurrent calls must be for different elements and workers.
    #[expect(
        clippy::too_many_arguments,
        reason = "where everything is, and what to compute"
    )]
    pub unsafe fn stretch(
        &self,
        env: &Env,
        slots: &[RawBytes],
        registers: RawBytes,
        worker: usize,
        start: usize,
        len: usize,
        instead: Option<(SlotId, *const u8)>,
    ) {
        assert!(registers.len >= self.file * (worker + 1) && start + len <= self.size);
        // SAFETY: within `registers`, and this worker's own.
        let file = unsafe { registers.at(worker * self.file) };
        let place = Where {
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
                unsafe { action.run(&place, first, count) };
            }
        }
    }
}

/// Where the operands of one stretch are.
struct Where<'a> {
    env: &'a Env,
    slots: &'a [RawBytes],
    file: *mut u8,
    /// The stretch's first element.
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
    unsafe fn run(&self, at: &Where<'_>, start: usize, len: usize) {
        let slots = at.slots;
        let address = |place: Place| {
            let (raw, offset) = match (place, at.instead) {
                (Place::Register(register), _) => (at.file, register),
                // Read as it lies: its first element is at 0.
                (Place::Memory { slot, size, .. }, Some((replaced, elements))) if slot == replaced => {
                    (elements.cast_mut(), (start - at.origin) * size)
                }
                (
                    Place::Memory {
                        slot,
                        start: first,
                        size,
                    },
                    _,
                ) => (slots[slot].start.as_ptr(), first + start * size),
            };
            // SAFETY: a register lies within the file, an element within its slot or what stands for it.
            unsafe { raw.add(offset) }
        };
        let block = |place: Place| Block {
            start: address(place),
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
                    let Place::Memory { slot, .. } = a else { return };
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

/// An element size where [`for_word!`] wants something that has one.
struct ElementSize(usize);
impl ElementSize {
    fn size(&self) -> usize {
        self.0
    }
}
