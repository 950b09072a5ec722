//! A program before its order and places are fixed.

use crate::op::Spec;
use crate::plan::{Place, SlotId, Step};

/// What [`build`](crate::plan::build) writes and [`schedule`](crate::plan::schedule) puts in order. Slots without a place
/// go to the arena.
#[derive(Default)]
pub struct Draft {
    /// Slots, and where they are if that is known.
    pub slots: Vec<(Spec, Option<Place>)>,
    /// Steps, in an order that works.
    pub steps: Vec<Step>,
    /// Slots of the inputs.
    pub inputs: Vec<SlotId>,
    /// Slots of the outputs.
    pub outputs: Vec<SlotId>,
}
