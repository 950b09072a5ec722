//! Clusters as machine code of the processor they run on (x86-64 with AVX2 or AVX-512, on Linux): one loop over
//! vectors of elements, with every intermediate value in a register.
//!
//! [`lower`] turns a cluster into a [`graph`] of operations that are about one instruction each; functions such as exp are those of
//! [`math`](crate::math), [`traced`]. [`schedule`] orders the operations; [`registers`], [`emit`] and [`moves`] generate the
//! instructions of the loop body, [`function`] the loop around it, [`assembler`] the bytes, which [`memory`] makes executable.
//! [`segments`] divides the elements so that the loop finds every operand contiguous, and [`stretch`] gives the addresses.
//!
//! Numbers are those of the interpreter at the same level: the same operations, with the same roundings (a multiplication and an
//! addition of a cluster stay two), but for the sign of a NaN. An element's number does not depend on its position in a vector.
//!
//! A function that is right for some arguments only, such as a sine of moderate numbers, has a guard: the code also writes a mask of
//! the elements for which its values are right, and the caller has the interpreter compute the blocks of all other elements.

mod assembler;
mod emit;
mod function;
mod graph;
mod lower;
mod memory;
mod moves;
mod registers;
mod schedule;
mod segments;
mod stretch;
mod traced;
mod uses;

#[cfg(test)]
mod tests;

use hyperglow_core::plan::{Cluster, Program, SlotId};

use self::function::function;
use self::graph::{Graph, Id, Kind, Op};
use self::lower::{Lowered, lower};
use self::memory::Code;
use self::registers::{FIXED_ARGUMENTS, SPILL_SLOT_BYTES};
use self::segments::{Argument, Segments};
use self::stretch::Stretch;
use crate::cpu::caches;
use crate::cpu::level::{Kind as LevelKind, Level};
use crate::cpu::storage::RawBytes;
use crate::steps::walk::Reading;

/// Maximal number of arguments of a function.
const MAX_ARGUMENTS: usize = 62;
/// Minimal work of a task, in elements times operations, worth waking a thread.
const TASK_OPERATIONS: usize = 1 << 18;
/// Tasks start at multiples of this number of elements, so that no two tasks write to one cache line.
const TASK_ALIGN_ELEMENTS: usize = 64;

/// The argument table: see [`FIXED_ARGUMENTS`], then one word per argument, an address or an element.
type Table = [u64; FIXED_ARGUMENTS + MAX_ARGUMENTS];
type Entry = unsafe extern "sysv64" fn(*const u64);

/// A cluster's machine code.
pub(super) struct Machine {
    code: Code,
    /// The same with non-temporal stores, for whole vectors at aligned addresses; only if a cluster's
    /// operands and results do not fit into the caches anyway, and lines of results would be read for nothing.
    past_caches: Option<Code>,
    segments: Segments,
    lanes: usize,
    /// Whether the code computes parts of vectors, too.
    masks_tails: bool,
    /// Elements for one task.
    grain: usize,
    /// Offset in a worker's memory of the guard of a block, a byte per element; `None`: the values are right for all elements.
    guard: Option<usize>,
    /// Bytes of a worker's memory: gathered operands and guards, then from here copies of the last elements, then from here
    /// spilled values.
    staged: usize,
    spilled: usize,
    bytes: usize,
}

impl Machine {
    /// The machine code for a cluster; `None` if this processor or system, or the cluster, is not one for it.
    pub fn new(cluster: &Cluster, program: &Program, readings: &[Reading], level: Level) -> Option<Machine> {
        Machine::with_caches(cluster, program, readings, level, caches::last_level())
    }

    /// As [`Machine::new`], for caches of so many bytes.
    fn with_caches(
        cluster: &Cluster,
        program: &Program,
        readings: &[Reading],
        level: Level,
        caches: usize,
    ) -> Option<Machine> {
        let wide = match level.kind() {
            LevelKind::Portable => return None,
            LevelKind::Avx2 => false,
            LevelKind::Avx512 => true,
        };
        let (mut segments, arrivals) = Segments::new(cluster, program, readings);
        let Lowered {
            graph,
            registers,
            guard,
        } = lower(cluster, &arrivals, wide)?;
        let guard = guard.map(|mask| (mask, segments.arguments.len(), segments.add_block_bytes()));
        if segments.arguments.len() > MAX_ARGUMENTS {
            return None;
        }
        let size = cluster.shape.size();
        let is_pointer: Vec<bool> = segments.arguments.iter().map(Argument::is_pointer).collect();
        let write = |past_caches: bool| {
            let mut graph = graph.clone();
            let (mut stores, late) = add_stores(&mut graph, cluster, program, &registers, past_caches)?;
            if let Some((mask, argument, _)) = guard {
                // The fallback could not read an input that a result has overwritten.
                if !late.is_empty() {
                    return None;
                }
                stores.push(graph.add(Op::StoreBytes, Kind::Mask, &[mask], argument as u64));
            }
            let order = schedule::order(&graph, &stores, &late);
            let function = function(&graph, &order, &is_pointer, segments.longest(size));
            Some((function, order.len()))
        };
        let (function, operations) = write(false)?;
        let passes = wide && segments.stream_bytes(size) > caches;
        let past_caches = passes.then(|| write(true)).flatten();
        let staged = segments.gathered;
        let spilled = staged
            + if wide {
                0
            } else {
                SPILL_SLOT_BYTES * segments.arguments.len()
            };
        Some(Machine {
            code: Code::new(&function.bytes)?,
            past_caches: past_caches.and_then(|(function, _)| Code::new(&function.bytes)),
            lanes: graph.lanes,
            masks_tails: wide,
            grain: (TASK_OPERATIONS / operations.max(1)).next_multiple_of(TASK_ALIGN_ELEMENTS),
            staged,
            spilled,
            bytes: spilled + SPILL_SLOT_BYTES * function.slots,
            guard: guard.map(|(_, _, at)| at),
            segments,
        })
    }

    /// Bytes of memory for one thread.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Elements for one task.
    pub fn grain(&self) -> usize {
        self.grain
    }

    /// Whether the values may be wrong for some elements, so that [`Machine::stretch`] calls `interpret`.
    pub fn is_guarded(&self) -> bool {
        self.guard.is_some()
    }

    /// Computes elements `start..start + len`; calls `interpret(first, count)` for ranges in which some values are wrong, which must
    /// then compute the whole range.
    ///
    /// # Safety
    /// As for [`ClusterKernel::stretch`](super::ClusterKernel::stretch); `memory` has [`Machine::bytes`], aligned to
    /// a cache line.
    pub unsafe fn stretch(
        &self,
        slots: &[RawBytes],
        memory: *mut u8,
        (start, len): (usize, usize),
        instead: Option<(SlotId, *const u8)>,
        interpret: impl Fn(usize, usize),
    ) {
        let place = Stretch {
            slots,
            memory,
            start,
            longest: self.segments.longest(len),
            instead,
        };
        let mut table: Table = [0; FIXED_ARGUMENTS + MAX_ARGUMENTS];
        table[0] = memory.wrapping_add(self.spilled).addr() as u64;
        let mut first = start;
        while first < start + len {
            let row = self.segments.row - first % self.segments.row;
            let count = (start + len - first).min(self.segments.block).min(row);
            for (entry, argument) in table[FIXED_ARGUMENTS..].iter_mut().zip(&self.segments.arguments) {
                // SAFETY: as the caller promises; gathered operands have room for a block.
                *entry = unsafe { place.argument(argument, first, count) };
            }
            // SAFETY: the table was just filled for these elements.
            unsafe { self.call(&mut table, memory, count) };
            // SAFETY: the code has written a byte for each element of the block.
            if unsafe { self.fails(memory, count) } {
                interpret(first, count);
            }
            first += count;
        }
    }

    /// Whether the guard of the last block of `count` elements is false for some element.
    ///
    /// # Safety
    /// `memory` as in `stretch`, after a call for these elements.
    unsafe fn fails(&self, memory: *mut u8, count: usize) -> bool {
        self.guard.is_some_and(|at| {
            // SAFETY: as the caller promises.
            let held = unsafe { std::slice::from_raw_parts(memory.wrapping_add(at), count) };
            held.contains(&0)
        })
    }

    /// Whether every result begins where a whole vector may be written past the caches.
    fn results_are_aligned(&self, table: &Table) -> bool {
        let mut entries = table[FIXED_ARGUMENTS..].iter().zip(&self.segments.arguments);
        entries.all(|(&address, argument)| !argument.is_result || address % SPILL_SLOT_BYTES as u64 == 0)
    }

    /// Runs the code on `count` elements of the arguments in the table.
    ///
    /// # Safety
    /// Every address in the table is that of `count` elements of its argument, and `memory` as in `stretch`.
    unsafe fn call(&self, table: &mut Table, memory: *mut u8, count: usize) {
        let code = match &self.past_caches {
            Some(code) if self.results_are_aligned(table) => code,
            _ => &self.code,
        };
        // SAFETY: `code` is a function of this type, made by `function`; it keeps to the calling convention.
        let entry = unsafe { std::mem::transmute::<*const u8, Entry>(code.start()) };
        let rest = if self.masks_tails { 0 } else { count % self.lanes };
        let whole = count - rest;
        if whole > 0 {
            table[1] = whole as u64;
            // SAFETY: it reads and writes `whole` elements of its arguments, and the spill slots.
            unsafe { entry(table.as_ptr()) };
        }
        if rest == 0 {
            return;
        }
        // The last elements on copies as long as a vector.
        let arguments = &self.segments.arguments;
        let staged = |i: usize| memory.wrapping_add(self.staged + SPILL_SLOT_BYTES * i);
        let mut copies = *table;
        copies[1] = self.lanes as u64;
        for (i, argument) in arguments
            .iter()
            .enumerate()
            .filter(|(_, argument)| argument.is_pointer())
        {
            let size = argument.dtype.size();
            let from = (table[FIXED_ARGUMENTS + i] as *const u8).wrapping_add(whole * size);
            // SAFETY: the slot belongs to this worker; `rest` elements lie behind the whole vectors.
            unsafe {
                staged(i).write_bytes(0, SPILL_SLOT_BYTES);
                staged(i).copy_from_nonoverlapping(from, rest * size);
            }
            copies[FIXED_ARGUMENTS + i] = staged(i).addr() as u64;
        }
        // SAFETY: every copy has the length of a vector.
        unsafe { entry(copies.as_ptr()) };
        for (i, argument) in arguments
            .iter()
            .enumerate()
            .filter(|(_, argument)| argument.is_result)
        {
            let size = argument.dtype.size();
            let to = (table[FIXED_ARGUMENTS + i] as *mut u8).wrapping_add(whole * size);
            // SAFETY: as above, and the results are the caller's to write.
            unsafe { to.copy_from_nonoverlapping(staged(i), rest * size) };
        }
    }
}

/// The stores of a cluster, and those of them that write where a load reads: they are never non-temporal, since the
/// cache holds the lines that were read.
fn add_stores(
    graph: &mut Graph,
    cluster: &Cluster,
    program: &Program,
    registers: &[Id],
    past_caches: bool,
) -> Option<(Vec<Id>, Vec<Id>)> {
    let (mut stores, mut late) = (Vec::new(), Vec::new());
    for (i, &(register, slot)) in cluster.stores.iter().enumerate() {
        let (id, dtype) = (registers[register], cluster.code[register].dtype);
        let is_read = cluster
            .loads
            .iter()
            .any(|view| program.may_share(view.slot, slot));
        let op = match (graph.kind(id), dtype.size()) {
            (Kind::Mask, _) => Op::StoreBytes,
            (_, 1) => return None,
            _ if past_caches && !is_read => Op::StorePast,
            _ => Op::Store,
        };
        let arg = (cluster.loads.len() + i) as u64;
        let store = graph.add(op, graph.kind(id), &[id], arg);
        if is_read {
            late.push(store)
        } else {
            stores.push(store)
        }
    }
    Some((stores, late))
}
