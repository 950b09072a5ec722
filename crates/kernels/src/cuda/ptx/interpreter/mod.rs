//! Runs PTX text without a GPU: exactly the instructions that the writer emits, and it refuses every other.
//!
//! [`parse`] reads a module, [`table`] has one row per arithmetic instruction, [`memory`] is the GPU's memory, [`block`] runs the
//! threads of a block, [`races`] finds accesses without an order. A run ends with a fault where a GPU's behavior would not be
//! defined: an access out of bounds, unaligned, or to what nothing has written; a register that is read before it is written; a
//! barrier or a shuffle that some threads do not reach; two accesses of one element, one of them a store, without a barrier
//! between; a load through the read-only cache of an element that the launch writes; a division by 0.

mod block;
mod memory;
mod parse;
mod races;
mod table;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

pub use memory::Memory;
pub use parse::Module;

/// Why a text is refused, or a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line of the module's text, from 1 on; 0: none.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl Fault {
    fn new(line: usize, message: impl Into<String>) -> Fault {
        Fault {
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for Fault {}

/// Extents of a launch, each of one dimension.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Blocks of the grid.
    pub blocks: u32,
    /// Threads of a block, a multiple of 32.
    pub threads: u32,
    /// The blocks that are run; of a huge grid a test runs some.
    pub run: Range<u32>,
}

impl Grid {
    /// A launch of which all blocks are run.
    pub fn all(blocks: u32, threads: u32) -> Grid {
        Grid {
            blocks,
            threads,
            run: 0..blocks,
        }
    }
}

/// Runs a kernel of a module on addresses in memory.
///
/// # Errors
/// The first fault.
pub fn launch(
    module: &Module,
    name: &str,
    memory: &mut Memory,
    arguments: &[u64],
    grid: &Grid,
) -> Result<(), Fault> {
    let kernel = module
        .kernels
        .iter()
        .find(|kernel| kernel.name == name)
        .ok_or_else(|| Fault::new(0, format!("no kernel {name}")))?;
    if arguments.len() != kernel.parameters {
        let message = format!("{} arguments of {}", arguments.len(), kernel.parameters);
        return Err(Fault::new(0, message));
    }
    if grid.threads == 0 || grid.threads > 1024 || !grid.threads.is_multiple_of(32) {
        return Err(Fault::new(0, format!("{} threads in a block", grid.threads)));
    }
    let mut races = races::Races::default();
    for number in grid.run.clone() {
        block::run(module, kernel, memory, &mut races, arguments, (number, grid))?;
    }
    Ok(())
}
