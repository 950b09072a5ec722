//! Texts against the CPU, bit by bit: every operation and dtype, views, widths, tails, row groups.

mod clusters;
mod groups;
mod operations;
mod ptxas;
mod support;
