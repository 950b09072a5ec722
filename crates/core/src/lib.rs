//! Hyperglow's core: an array is a node in a lazy graph; the graph is differentiated by rules that
//! themselves build graph; it runs as a cached plan on a backend.
//!
//! Reading order: [`op`] (the primitives, data only), [`elementwise`] (their table), [`infer`]
//! (shapes and dtypes), [`graph`] (the arena), [`grad`] (derivatives), [`mod@batch`] (maps over samples), [`plan`] (what a backend
//! runs), [`device`] (what the planner asks), [`storage`] and [`backend`] (memory and executables), [`mod@reference`] (the executable definition of every primitive).
#![forbid(unsafe_code)]

// First, for the patterns of primitives that it defines.
#[macro_use]
pub mod traits;

pub mod backend;
pub mod batch;
pub mod completion;
pub mod compose;
pub mod device;
pub mod dtype;
pub mod elementwise;
pub mod engine;
pub mod error;
pub mod fast;
pub mod grad;
pub mod graph;
pub mod hash;
pub mod infer;
pub mod isolation;
pub mod lower;
pub mod op;
pub mod placement;
pub mod plan;
pub mod prepared;
pub mod profile;
pub mod random;
pub mod reference;
pub mod run;
pub mod shape;
pub mod similarity;
pub mod slab;
pub mod special;
pub mod storage;

pub use dtype::DType;
pub use error::{Error, Result};
pub use graph::{Graph, NodeId};
pub use op::Op;
pub use shape::Shape;
