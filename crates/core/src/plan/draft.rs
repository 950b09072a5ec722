//! A program before steps are scheduled and memory is assigned.

use crate::op::Spec;
use crate::plan::{Location, SlotId, Step};

/// The output of [`build`](crate::plan::build) and the input of [`schedule`](crate::plan::schedule). Slots without a location go
/// to the arena.
#[derive(Default)]
pub struct Draft {
    /// Slots, with their location if it is already known.
    pub slots: Vec<(Spec, Option<Location>)>,
    /// Steps, in a topological order.
    pub steps: Vec<Step>,
    /// Slots of the inputs.
    pub inputs: Vec<SlotId>,
    /// Slots of the outputs.
    pub outputs: Vec<SlotId>,
}
