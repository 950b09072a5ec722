//! What the planner is told beside the trace.

use crate::device::Device;

/// The planner's surroundings.
pub struct Context<'a> {
    /// The path of a scope.
    pub scope: &'a dyn Fn(u32) -> String,
    /// The device that will run the program.
    pub device: &'a dyn Device,
}
