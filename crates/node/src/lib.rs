//! The native addon: numbers, typed arrays and promises in and out. No mathematics.
//!
//! Nodes, Variables and compiled functions are JavaScript numbers. Every
//! function goes through [`state::engine`], which turns a refusal or a panic into a JavaScript error of the
//! registered class.

mod evaluate;
mod functions;
mod info;
mod ops;
mod profile;
mod state;
