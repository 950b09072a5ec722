//! The threads of a block: each runs until it reaches a barrier or a shuffle, which all threads of its block or warp must reach.

use super::memory::Memory;
use super::parse::{
    Action, CONSTANT_SPACING_BITS, Instruction, Kernel, Module, Operand, SHARED_START, Space,
};
use super::races::{Moment, Races};
use super::{Fault, Grid};

/// Threads of a warp.
const WARP: usize = 32;
/// Instructions of a thread after which it is taken to run for ever.
const MOST_INSTRUCTIONS: usize = 1 << 23;

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// At a barrier of the block: the instruction.
    AtBlock(usize),
    /// At a barrier or a shuffle of the warp.
    AtWarp(usize),
    Done,
}

struct Thread {
    next: usize,
    state: State,
    /// `None`: nothing has written it.
    registers: Vec<Option<u64>>,
    instructions: usize,
    warp_barriers: u32,
}

/// A block that runs.
struct Block<'a> {
    module: &'a Module,
    kernel: &'a Kernel,
    memory: &'a mut Memory,
    races: &'a mut Races,
    arguments: &'a [u64],
    number: u32,
    grid: &'a Grid,
    shared: Memory,
    /// The address of shared memory in `shared`.
    shared_start: u64,
    shared_races: Races,
    threads: Vec<Thread>,
    barriers: u32,
}

/// Runs a block.
pub(super) fn run(
    module: &Module,
    kernel: &Kernel,
    memory: &mut Memory,
    races: &mut Races,
    arguments: &[u64],
    (number, grid): (u32, &Grid),
) -> Result<(), Fault> {
    let mut shared = Memory::new();
    let shared_start = shared.without_content(kernel.shared);
    let thread = || Thread {
        next: 0,
        state: State::Running,
        registers: vec![None; kernel.registers.len()],
        instructions: 0,
        warp_barriers: 0,
    };
    let mut block = Block {
        module,
        kernel,
        memory,
        races,
        arguments,
        number,
        grid,
        shared,
        shared_start,
        shared_races: Races::default(),
        threads: (0..grid.threads).map(|_| thread()).collect(),
        barriers: 0,
    };
    block.run()
}

impl Block<'_> {
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            for warp in 0..self.threads.len() / WARP {
                self.warp(warp)?;
            }
            let states = || self.threads.iter().map(|thread| thread.state);
            if states().all(|state| state == State::Done) {
                return Ok(());
            }
            let first = self.threads[0].state;
            if states().any(|state| state != first) {
                let waiting = states().find_map(at).unwrap_or(0);
                return Err(self.fault(waiting, "a barrier that some threads of the block do not reach"));
            }
            self.barriers += 1;
            for thread in &mut self.threads {
                thread.state = State::Running;
            }
        }
    }

    fn fault(&self, instruction: usize, message: impl Into<String>) -> Fault {
        Fault::new(self.kernel.code[instruction].line, message)
    }

    /// Runs a warp until all its threads are done, or at a barrier of the block.
    fn warp(&mut self, warp: usize) -> Result<(), Fault> {
        let lanes = warp * WARP..(warp + 1) * WARP;
        loop {
            for thread in lanes.clone() {
                self.thread(thread)?;
            }
            let states = || self.threads[lanes.clone()].iter().map(|thread| thread.state);
            let Some(State::AtWarp(at)) = states().find(|state| matches!(state, State::AtWarp(_))) else {
                return Ok(());
            };
            if states().any(|state| state != State::AtWarp(at)) {
                return Err(self.fault(
                    at,
                    "a barrier or a shuffle that some threads of the warp do not reach",
                ));
            }
            if let Action::Shuffle { to, from, ahead } = self.kernel.code[at].action {
                let given: Vec<u64> = lanes
                    .clone()
                    .map(|thread| self.register(thread, from, at))
                    .collect::<Result<_, _>>()?;
                for (lane, thread) in lanes.clone().enumerate() {
                    let source = if lane + ahead < WARP { lane + ahead } else { lane };
                    self.threads[thread].registers[to] = Some(given[source]);
                }
            }
            for thread in &mut self.threads[lanes.clone()] {
                thread.state = State::Running;
                thread.warp_barriers += 1;
            }
        }
    }

    /// Runs a thread until it waits or is done.
    fn thread(&mut self, thread: usize) -> Result<(), Fault> {
        while self.threads[thread].state == State::Running {
            let at = self.threads[thread].next;
            let kernel = self.kernel;
            let Instruction { guard, action, .. } = &kernel.code[at];
            self.threads[thread].next += 1;
            self.threads[thread].instructions += 1;
            if self.threads[thread].instructions > MOST_INSTRUCTIONS {
                return Err(self.fault(at, "the thread does not end"));
            }
            if let Some((register, on)) = *guard
                && (self.register(thread, register, at)? != 0) != on
            {
                continue;
            }
            self.act(thread, at, action)?;
        }
        Ok(())
    }

    fn register(&self, thread: usize, register: usize, at: usize) -> Result<u64, Fault> {
        self.threads[thread].registers[register]
            .ok_or_else(|| self.fault(at, "a register is read that nothing has written"))
    }

    fn operand(&self, thread: usize, operand: Operand, at: usize) -> Result<u64, Fault> {
        match operand {
            Operand::Register(register) => self.register(thread, register, at),
            Operand::Bits(bits) => Ok(bits),
            Operand::Special(which) => {
                let values = [thread as u32, self.grid.threads, self.number, self.grid.blocks];
                Ok(u64::from(values[which]))
            }
        }
    }

    fn act(&mut self, thread: usize, at: usize, action: &Action) -> Result<(), Fault> {
        match action {
            Action::Value { function, to, from } => {
                let mut given = [0; 4];
                for (given, &operand) in given.iter_mut().zip(from) {
                    *given = self.operand(thread, operand, at)?;
                }
                let value = function(given).ok_or_else(|| self.fault(at, "a value that is not defined"))?;
                self.threads[thread].registers[*to] = Some(value);
            }
            Action::Parameter { to, number } => {
                self.threads[thread].registers[*to] = Some(self.arguments[*number]);
            }
            Action::Split { to, from } => {
                let value = self.register(thread, *from, at)?;
                self.threads[thread].registers[to[0]] = Some(value & u64::from(u32::MAX));
                self.threads[thread].registers[to[1]] = Some(value >> 32);
            }
            Action::Join { to, from } => {
                let [low, high] = [
                    self.register(thread, from[0], at)?,
                    self.register(thread, from[1], at)?,
                ];
                self.threads[thread].registers[*to] = Some(high << 32 | low);
            }
            Action::Load {
                space,
                size,
                to,
                base,
                offset,
            } => {
                let address = self.register(thread, *base, at)?.wrapping_add_signed(*offset);
                self.aligned(address, size * to.len(), at)?;
                for (i, &to) in to.iter().enumerate() {
                    let value = self.load(thread, *space, address + (i * size) as u64, *size);
                    let value = value.map_err(|message| self.fault(at, message))?;
                    self.threads[thread].registers[to] = Some(value);
                }
            }
            Action::Store {
                space,
                size,
                from,
                base,
                offset,
            } => {
                let address = self.register(thread, *base, at)?.wrapping_add_signed(*offset);
                self.aligned(address, size * from.len(), at)?;
                for (i, &from) in from.iter().enumerate() {
                    let bytes = self.register(thread, from, at)?.to_le_bytes();
                    let stored = self.store(thread, *space, address + (i * size) as u64, &bytes[..*size]);
                    stored.map_err(|message| self.fault(at, message))?;
                }
            }
            Action::Branch(target) => self.threads[thread].next = *target,
            Action::BlockBarrier => self.threads[thread].state = State::AtBlock(at),
            Action::WarpBarrier | Action::Shuffle { .. } => self.threads[thread].state = State::AtWarp(at),
            Action::Return => self.threads[thread].state = State::Done,
        }
        Ok(())
    }

    fn aligned(&self, address: u64, bytes: usize, at: usize) -> Result<(), Fault> {
        if address.is_multiple_of(bytes as u64) {
            Ok(())
        } else {
            Err(self.fault(
                at,
                format!("{bytes} bytes at an address that is no multiple of it"),
            ))
        }
    }

    fn now(&self, thread: usize) -> Moment {
        Moment {
            block: self.number,
            thread: thread as u32,
            barriers: self.barriers,
            warp_barriers: self.threads[thread].warp_barriers,
        }
    }

    fn load(&mut self, thread: usize, space: Space, address: u64, size: usize) -> Result<u64, String> {
        let now = self.now(thread);
        let mut word = [0; 8];
        match space {
            Space::Global | Space::Cached => {
                self.races.load(address, now, space == Space::Cached)?;
                self.memory.read_into(address, &mut word[..size])?;
            }
            Space::Shared => {
                let address = self.in_shared(address)?;
                self.shared_races.load(address, now, false)?;
                self.shared.read_into(address, &mut word[..size])?;
            }
            Space::Constant => {
                let table = (address >> CONSTANT_SPACING_BITS).checked_sub(1);
                let table = table.and_then(|table| self.module.constants.get(table as usize));
                let at = (address & ((1 << CONSTANT_SPACING_BITS) - 1)) / 8;
                let found = table.and_then(|words| words.get(at as usize));
                word[..size]
                    .copy_from_slice(&found.ok_or("beyond a table of constants")?.to_le_bytes()[..size]);
            }
        }
        Ok(u64::from_le_bytes(word))
    }

    fn store(&mut self, thread: usize, space: Space, address: u64, bytes: &[u8]) -> Result<(), String> {
        let now = self.now(thread);
        match space {
            Space::Shared => {
                let address = self.in_shared(address)?;
                self.shared_races.store(address, now)?;
                self.shared.write(address, bytes)
            }
            Space::Global => {
                self.races.store(address, now)?;
                self.memory.write(address, bytes)
            }
            Space::Cached | Space::Constant => Err("a store to what can only be read".into()),
        }
    }

    fn in_shared(&self, address: u64) -> Result<u64, String> {
        let offset = address
            .checked_sub(SHARED_START)
            .ok_or("no shared memory at the address")?;
        Ok(self.shared_start + offset)
    }
}

/// Where a thread waits.
fn at(state: State) -> Option<usize> {
    match state {
        State::AtBlock(at) | State::AtWarp(at) => Some(at),
        State::Running | State::Done => None,
    }
}
