//! Kernels as PTX text, written when a plan is prepared: elementwise clusters ([`mod@cluster`]) and row groups ([`mod@rows`]).
//!
//! The driver compiles the text for the GPU that there is: it allocates registers, orders instructions and removes what is not used.
//! So the text is written straight from the functions of [`math`](crate::math), called on values that write instructions:
//! [`emitter`] has registers and labels, [`float`], [`whole`] and [`convert`] the arithmetic, [`definitions`] what has branches and
//! loops, [`place`] the addresses, [`body`] a cluster's instructions. [`interpreter`] runs exactly these instructions and checks
//! every access, so that texts are proved without a GPU.

mod apply;
mod body;
mod cluster;
mod convert;
mod definitions;
mod emitter;
mod float;
pub mod interpreter;
mod place;
mod rows;
mod vector;
mod whole;

#[cfg(test)]
mod tests;

use std::fmt::Write;

use hyperglow_core::plan::SlotId;

pub use cluster::cluster;
pub use rows::{has_row_code, rows};

/// A kernel's text, and how to launch it.
#[derive(Clone, Debug)]
pub struct KernelText {
    /// Its name in the module.
    pub name: String,
    /// Its text, to be made part of a [`module`].
    pub text: String,
    /// The slots whose addresses are its parameters, in order. Every address is aligned to 16 bytes.
    pub slots: Vec<SlotId>,
    /// Threads of a block: always so many.
    pub threads: u32,
    /// The most blocks that have work, and that may be launched; fewer blocks do the same. 0: nothing is to be launched.
    pub blocks: usize,
    /// Bytes of global memory for each launched block, whose address is the last parameter; 0: there is no such parameter.
    pub scratch: usize,
    /// Whether the module must have the table of the digits of 2 / pi.
    pub(crate) reads_two_over_pi: bool,
}

/// A module of kernels with different names, for the driver.
pub fn module(kernels: &[KernelText]) -> String {
    let mut text = String::from(".version 8.1\n.target sm_75\n.address_size 64\n\n");
    if kernels.iter().any(|kernel| kernel.reads_two_over_pi) {
        let digits: Vec<String> = definitions::TWO_OVER_PI
            .iter()
            .map(|word| format!("0x{word:016X}"))
            .collect();
        let (count, digits) = (digits.len(), digits.join(", "));
        writeln!(
            text,
            ".const .align 8 .b64 two_over_pi[{count}] = {{{digits}}};\n"
        )
        .expect("a string takes all text");
    }
    for kernel in kernels {
        text.push_str(&kernel.text);
        text.push('\n');
    }
    text
}
