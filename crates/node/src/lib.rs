//! The native addon: numbers, typed arrays and promises in and out. No mathematics.
//!
//! Handles of nodes are JavaScript numbers; Variables and compiled functions are small integers. Every
//! function goes through [`state::engine`], which turns a refusal or a panic into a JavaScript error of the
//! registered class.

mod evaluate;
mod functions;
mod info;
mod ops;
mod state;
