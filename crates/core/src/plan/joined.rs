//! Concatenations that cost nothing: where the parts would lie one behind the other in the result, each is given its
//! place there from the start. The gates and states that a recurrent layer collects over time are then written once.

use crate::op::Op;
use crate::plan::draft::Draft;
use crate::plan::{Place, Program, SlotId, Step, StepKind};

/// Where a slot lies inside of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The result of the concatenation.
    pub of: SlotId,
    /// Bytes from its start.
    pub offset: usize,
}

/// Per slot, the concatenation it is a part of, for all whose place is still to be chosen.
///
/// A slot is written by one step and never again, so a part may be read before and after the concatenation as if it lay
/// alone. Parts that would begin off the alignment of the arena are left to be copied.
pub(super) fn parts(draft: &Draft, alignment: usize) -> Vec<Option<Part>> {
    let mut made = vec![false; draft.slots.len()];
    for slot in draft.steps.iter().flat_map(Step::writes) {
        made[slot] = draft.slots[slot].1.is_none();
    }
    let mut parts: Vec<Option<Part>> = vec![None; draft.slots.len()];
    for step in &draft.steps {
        let Some((of, inputs)) = concatenation(step, |slot| draft.slots[slot].0.bytes()) else {
            continue;
        };
        let alone = |(i, &slot): (usize, &SlotId)| {
            made[slot] && parts[slot].is_none() && !inputs[..i].contains(&slot)
        };
        if !made[of] {
            continue;
        }
        let offsets = offsets(draft, &inputs);
        if let Some(there) = beside(&parts, &inputs, &offsets) {
            parts[of] = Some(there);
            continue;
        }
        let aligned = offsets.iter().all(|offset| offset.is_multiple_of(alignment));
        if aligned && inputs.iter().enumerate().all(alone) {
            for (&slot, offset) in inputs.iter().zip(offsets) {
                parts[slot] = Some(Part { of, offset });
            }
        }
    }
    parts
}

/// Where the slots lie beside each other already, in a concatenation made before.
fn beside(parts: &[Option<Part>], slots: &[SlotId], offsets: &[usize]) -> Option<Part> {
    let first = parts[*slots.first()?]?;
    let follows = |(&slot, offset): (&SlotId, &usize)| {
        parts[slot].is_some_and(|part| part.of == first.of && part.offset == first.offset + offset)
    };
    slots.iter().zip(offsets).all(follows).then_some(first)
}

/// The slot that a part lies in at last, and the bytes from the start of that.
pub(super) fn outermost(parts: &[Option<Part>], slot: SlotId) -> Part {
    let mut at = Part { of: slot, offset: 0 };
    while let Some(next) = parts[at.of] {
        at = Part {
            of: next.of,
            offset: at.offset + next.offset,
        };
    }
    at
}

/// Whether step `at` is a concatenation whose parts lie in its result, so that nothing is left to do.
pub fn is_joined(program: &Program, at: usize) -> bool {
    let bytes = |slot: SlotId| program.slots[slot].spec.bytes();
    let Some((of, inputs)) = concatenation(&program.steps[at], bytes) else {
        return false;
    };
    let Place::Arena(start) = program.slots[of].place else {
        return false;
    };
    let mut next = start;
    inputs.iter().all(|&slot| {
        let there = program.slots[slot].place == Place::Arena(next);
        next += bytes(slot);
        there
    })
}

/// Result and inputs of a concatenation whose inputs lie whole in the result, in order, and are all that is in their slots:
/// an input may be the first rows of a larger tensor. `bytes` is what a slot holds.
fn concatenation(step: &Step, bytes: impl Fn(SlotId) -> usize) -> Option<(SlotId, Vec<SlotId>)> {
    let StepKind::Op {
        op: Op::Concat { axis },
        inputs,
        output,
        ..
    } = &step.kind
    else {
        return None;
    };
    let whole = inputs.iter().all(|(slot, spec)| {
        let in_one_piece = spec.shape.dims()[..*axis].iter().all(|&extent| extent == 1);
        spec.bytes() > 0 && spec.bytes() == bytes(*slot) && in_one_piece
    });
    whole.then(|| (*output, inputs.iter().map(|(slot, _)| *slot).collect()))
}

fn offsets(draft: &Draft, inputs: &[SlotId]) -> Vec<usize> {
    let mut next = 0;
    inputs
        .iter()
        .map(|&slot| {
            let offset = next;
            next += draft.slots[slot].0.bytes();
            offset
        })
        .collect()
}
