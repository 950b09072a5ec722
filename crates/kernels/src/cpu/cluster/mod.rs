//! Elementwise clusters. [`machine`] makes machine code of a cluster where it can; elsewhere [`blocks`] interprets
//! it, in operations that [`compile`] gave fixed operands and [`apply`] carries out. A cluster that only transposes
//! is a [`turn`].
//!
//! [`walk`] reads strided views, [`check`] refuses what a plan must not ask for. What a cluster reads and writes
//! passes memory once.

mod apply;
mod blocks;
mod check;
mod compile;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod machine;
mod turn;
mod walk;

use hyperglow_core::Result;
use hyperglow_core::plan::{Cluster, Program, SlotId};

use super::exec::Env;
use super::level::Level;
use super::storage::RawBytes;
use blocks::Blocks;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use machine::Machine;
use turn::Turn;
use walk::Reading;

/// A cluster made ready.
pub(crate) struct ClusterKernel {
    /// Elements of the index space.
    size: usize,
    /// Slots that are read as they lie, and the size of their elements.
    streams: Box<[(SlotId, usize)]>,
    form: Form,
    /// Set when the whole cluster is a transposition.
    turn: Option<Turn>,
}

enum Form {
    Blocks(Blocks),
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Machine(Machine),
}

/// Whether the environment variable `HYPERGLOW_CLUSTERS` is `interpreted`: then no machine code is made.
fn interpreted() -> bool {
    std::env::var_os("HYPERGLOW_CLUSTERS").is_some_and(|value| value == "interpreted")
}

impl Form {
    fn new(cluster: &Cluster, program: &Program, readings: &[Reading], level: Level) -> Result<Form> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if !interpreted()
            && let Some(machine) = Machine::new(cluster, program, readings, level)
        {
            return Ok(Form::Machine(machine));
        }
        Ok(Form::Blocks(Blocks::new(cluster, program, readings)?))
    }
}

impl ClusterKernel {
    /// The cluster for processors of a level.
    ///
    /// # Errors
    /// Internal ones, if the plan asks for what no plan may: see [`check`].
    pub fn new(cluster: &Cluster, program: &Program, level: Level) -> Result<ClusterKernel> {
        let readings = check::readings(cluster, program)?;
        let straight = cluster.loads.iter().zip(&readings).filter_map(|(view, reading)| {
            let size = program.slots[view.slot].spec.dtype.size();
            matches!(reading, Reading::Straight(0)).then_some((view.slot, size))
        });
        Ok(ClusterKernel {
            size: cluster.shape.size(),
            streams: straight.collect(),
            form: Form::new(cluster, program, &readings, level)?,
            turn: Turn::of(cluster, &readings),
        })
    }

    /// Bytes of registers for one thread.
    pub fn register_bytes(&self) -> usize {
        match &self.form {
            Form::Blocks(blocks) => blocks.file,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Form::Machine(machine) => machine.bytes(),
        }
    }

    /// Elements that a task computes.
    fn grain(&self) -> usize {
        match &self.form {
            Form::Blocks(blocks) => blocks.block * blocks.blocks_per_task,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Form::Machine(machine) => machine.grain(),
        }
    }

    /// How many tasks it makes.
    pub fn tasks(&self) -> usize {
        self.size.div_ceil(self.grain())
    }

    /// The way in which it is computed, in words.
    pub fn way(&self) -> &'static str {
        match &self.form {
            _ if self.turn.is_some() => "transposition",
            Form::Blocks(_) => "interpreted",
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Form::Machine(_) => "machine code",
        }
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
    /// The cluster's loads must be readable, its stores writable, nobody else may use the latter, and they may
    /// overlap the former only where the plan's donations say so. `registers` holds `register_bytes` for every
    /// thread and is used by nobody else.
    pub unsafe fn run(&self, env: &Env, slots: &[RawBytes], registers: RawBytes) {
        if let Some(turn) = &self.turn {
            // SAFETY: as the caller promises; a copy's result overlaps nothing that is read.
            return unsafe { turn.run(env, slots) };
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
        let own = self.register_bytes();
        assert!(registers.len >= own * (worker + 1) && start + len <= self.size);
        // SAFETY: within `registers`, and this worker's own.
        let memory = unsafe { registers.at(worker * own) };
        match &self.form {
            // SAFETY: as the caller promises.
            Form::Blocks(blocks) => unsafe { blocks.stretch(env, slots, memory, start, len, instead) },
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            // SAFETY: as the caller promises.
            Form::Machine(machine) => unsafe { machine.stretch(slots, memory, start, len, instead) },
        }
    }
}
