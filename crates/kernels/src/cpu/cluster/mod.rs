//! Elementwise clusters. [`machine`] compiles a cluster to machine code where it can; otherwise [`blocks`] interprets it: its
//! operations have operands from [`compile`] and are computed by [`apply`]. A cluster that only copies a transposed view is a
//! [`transposition`].
//!
//! [`walk`](crate::steps::walk) reads strided views, [`check`] refuses invalid plans. A cluster reads each operand and writes each result once.

mod apply;
mod blocks;
mod compile;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod machine;
mod transposition;

use hyperglow_core::Result;
use hyperglow_core::plan::{Cluster, Program, SlotId};

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::blocks::ALIGN_BYTES;
use super::exec::Env;
use super::level::Level;
use super::storage::RawBytes;
use crate::steps::check;
use crate::steps::walk::Reading;
use blocks::Blocks;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use machine::Machine;
use transposition::Transposition;

/// The kernel of a cluster.
pub(crate) struct ClusterKernel {
    /// Elements of the index space.
    size: usize,
    /// Slots that are read element for element, and the size of their elements.
    streams: Box<[(SlotId, usize)]>,
    code: ClusterCode,
    /// The transposition that the cluster is, if any.
    transposition: Option<Transposition>,
}

enum ClusterCode {
    Blocks(Blocks),
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Machine {
        machine: Machine,
        /// The interpreter, for elements that a guard of the machine code excludes.
        fallback: Option<Box<Blocks>>,
    },
}

/// Whether the environment variable `HYPERGLOW_CLUSTERS` is `interpreted`: then no machine code is made.
fn interpreted() -> bool {
    std::env::var_os("HYPERGLOW_CLUSTERS").is_some_and(|value| value == "interpreted")
}

impl ClusterCode {
    fn new(cluster: &Cluster, program: &Program, readings: &[Reading], level: Level) -> Result<ClusterCode> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if !interpreted()
            && let Some(machine) = Machine::new(cluster, program, readings, level)
        {
            let fallback = || Blocks::new(cluster, program, readings).map(Box::new);
            let fallback = machine.is_guarded().then(fallback).transpose()?;
            return Ok(ClusterCode::Machine { machine, fallback });
        }
        Ok(ClusterCode::Blocks(Blocks::new(cluster, program, readings)?))
    }
}

impl ClusterKernel {
    /// The cluster for processors of a level.
    ///
    /// # Errors
    /// Internal ones, for an invalid plan: see [`check`].
    pub fn new(cluster: &Cluster, program: &Program, level: Level) -> Result<ClusterKernel> {
        let readings = check::readings(cluster, program)?;
        let straight = cluster.loads.iter().zip(&readings).filter_map(|(view, reading)| {
            let size = program.slots[view.slot].spec.dtype.size();
            matches!(reading, Reading::Straight(0)).then_some((view.slot, size))
        });
        Ok(ClusterKernel {
            size: cluster.shape.size(),
            streams: straight.collect(),
            code: ClusterCode::new(cluster, program, &readings, level)?,
            transposition: Transposition::of(cluster, &readings),
        })
    }

    /// Bytes of registers for one thread.
    pub fn register_bytes(&self) -> usize {
        match &self.code {
            ClusterCode::Blocks(blocks) => blocks.file,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            ClusterCode::Machine { machine, fallback } => {
                let fallback = fallback.as_ref().map_or(0, |blocks| blocks.file);
                machine.bytes().next_multiple_of(ALIGN_BYTES) + fallback
            }
        }
    }

    /// Elements of a task.
    fn grain(&self) -> usize {
        match &self.code {
            ClusterCode::Blocks(blocks) => blocks.block * blocks.blocks_per_task,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            ClusterCode::Machine { machine, .. } => machine.grain(),
        }
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.size.div_ceil(self.grain())
    }

    /// Kind of code, in words.
    pub fn code_name(&self) -> &'static str {
        match &self.code {
            _ if self.transposition.is_some() => "transposition",
            ClusterCode::Blocks(_) => "interpreted",
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            ClusterCode::Machine { .. } => "machine code",
        }
    }

    /// The addresses of operands with elements of `size` bytes that are read element for element, without `except`, as many as
    /// `room` holds.
    pub fn streams<'a>(
        &self,
        slots: &[RawBytes],
        except: SlotId,
        size: usize,
        room: &'a mut [usize],
    ) -> &'a [usize] {
        let mut found = 0;
        for &(slot, given) in &self.streams {
            let address = slots[slot].start.addr().get();
            if given == size && slot != except && found < room.len() && !room[..found].contains(&address) {
                room[found] = address;
                found += 1;
            }
        }
        &room[..found]
    }

    /// # Safety
    /// The cluster's loads must be readable, its stores writable and not aliased, and a store may overlap a load only if the plan
    /// donates the buffer. `registers` holds `register_bytes` for every thread and is not aliased.
    pub unsafe fn run(&self, env: &Env, slots: &[RawBytes], registers: RawBytes) {
        if let Some(transposition) = &self.transposition {
            // SAFETY: as the caller promises; the result of a copy does not overlap its operand.
            return unsafe { transposition.run(env, slots) };
        }
        env.pool.ranges(self.size, self.grain(), |worker, elements| {
            // SAFETY: as the caller promises; tasks compute different elements.
            unsafe {
                self.stretch(
                    env,
                    slots,
                    registers,
                    worker,
                    elements.start,
                    elements.len(),
                    None,
                );
            }
        });
    }

    /// Computes elements `start..start + len` on one thread. `instead` replaces the address of a slot: it is the address of the
    /// slot's element `start`.
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
        let own = self.register_bytes();
        assert!(registers.len >= own * (worker + 1) && start + len <= self.size);
        // SAFETY: within `registers`, and this worker's own.
        let memory = unsafe { registers.at(worker * own) };
        match &self.code {
            // SAFETY: as the caller promises.
            ClusterCode::Blocks(blocks) => unsafe { blocks.stretch(env, slots, memory, start, len, instead) },
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            ClusterCode::Machine { machine, fallback } => {
                let interpret = |first: usize, count: usize| {
                    let blocks = fallback
                        .as_ref()
                        .expect("guarded machine code has an interpreter");
                    let file = memory.wrapping_add(machine.bytes().next_multiple_of(ALIGN_BYTES));
                    let size =
                        |slot: SlotId| self.streams.iter().find(|(of, _)| *of == slot).map_or(0, |s| s.1);
                    let instead = instead
                        .map(|(slot, elements)| (slot, elements.wrapping_add((first - start) * size(slot))));
                    // SAFETY: as the caller promises; the registers of the interpreter are behind those of the machine code.
                    unsafe { blocks.stretch(env, slots, file, first, count, instead) };
                };
                // SAFETY: as the caller promises.
                unsafe { machine.stretch(slots, memory, (start, len), instead, interpret) }
            }
        }
    }
}
