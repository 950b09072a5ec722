//! Large float32 products with the matrix instructions of recent server processors (AMX), which multiply bfloat16
//! and add in float32, at some 16 times the rate of the vector units.
//!
//! bf16x3: each number is split into three bfloat16 that add up to it; of the nine products of parts the six that
//! matter at the precision of a float32 are summed (Henry, Tang, Heinecke, "Leveraging the bfloat16 artificial
//! intelligence datatype for higher-precision computations", 2019). What is left out is at most 2^-23 of a term, about
//! what rounding its factors costs. Parts below 2^-126 are taken for 0, and so are results. Operands with numbers
//! beyond 2^62 or not finite are left to the vector units.

mod bf16;
mod layout;
mod macro_tile;
mod micro_kernel;
mod pack;
mod panels;
mod plan;
mod prepared;
mod records;
mod run;
mod skinny;
mod skinny_plan;

pub(crate) use layout::PANEL_LINES;
pub(crate) use panels::{TileMultiplier, pack_columns, pack_rows, panels_words};
pub(super) use plan::Bf16x3;
pub(crate) use records::{RECORD_CHANNELS, RECORD_WORDS, RECORDS_PER_TILE, pack_records};
