//! Concatenation in place: an operand that will be a contiguous range of the result is an alias of that range, so its step
//! writes into the result and nothing is copied. A recurrent layer thus writes its collected gates and states once.

use crate::op::Op;
use crate::plan::draft::Draft;
use crate::plan::{Location, Program, SlotId, Step, StepKind};

/// A slot that is a range of another slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alias {
    /// The slot that contains it: the result of the concatenation.
    pub base: SlotId,
    /// Bytes from the start of `base`.
    pub offset: usize,
}

/// Per slot without a location, the range of a concatenation that it is, if any.
///
/// A slot is written by one step and never again, so an alias may be read before and after the concatenation. Operands whose
/// range would be unaligned are copied.
pub(super) fn aliases(draft: &Draft, alignment: usize) -> Vec<Option<Alias>> {
    let mut made = vec![false; draft.slots.len()];
    for slot in draft.steps.iter().flat_map(Step::writes) {
        made[slot] = draft.slots[slot].1.is_none();
    }
    let mut aliases: Vec<Option<Alias>> = vec![None; draft.slots.len()];
    for step in &draft.steps {
        let Some((of, inputs)) = concatenation(step, |slot| draft.slots[slot].0.bytes()) else {
            continue;
        };
        let alone = |(i, &slot): (usize, &SlotId)| {
            made[slot] && aliases[slot].is_none() && !inputs[..i].contains(&slot)
        };
        if !made[of] {
            continue;
        }
        let offsets = offsets(draft, &inputs);
        if let Some(there) = contiguous_in_base(&aliases, &inputs, &offsets) {
            aliases[of] = Some(there);
            continue;
        }
        let aligned = offsets.iter().all(|offset| offset.is_multiple_of(alignment));
        if aligned && inputs.iter().enumerate().all(alone) {
            for (&slot, offset) in inputs.iter().zip(offsets) {
                aliases[slot] = Some(Alias { base: of, offset });
            }
        }
    }
    aliases
}

/// The alias of a concatenation whose operands are already contiguous in an earlier concatenation.
fn contiguous_in_base(aliases: &[Option<Alias>], slots: &[SlotId], offsets: &[usize]) -> Option<Alias> {
    let first = aliases[*slots.first()?]?;
    let follows = |(&slot, offset): (&SlotId, &usize)| {
        aliases[slot].is_some_and(|alias| alias.base == first.base && alias.offset == first.offset + offset)
    };
    slots.iter().zip(offsets).all(follows).then_some(first)
}

/// The outermost slot that contains `slot`, and the offset in it.
pub(super) fn resolve(aliases: &[Option<Alias>], slot: SlotId) -> Alias {
    let mut at = Alias {
        base: slot,
        offset: 0,
    };
    while let Some(next) = aliases[at.base] {
        at = Alias {
            base: next.base,
            offset: at.offset + next.offset,
        };
    }
    at
}

/// Whether step `at` is a concatenation whose operands were written into its result, so that there is nothing left to copy.
pub fn is_in_place_concat(program: &Program, at: usize) -> bool {
    let bytes = |slot: SlotId| program.slots[slot].spec.bytes();
    let Some((of, inputs)) = concatenation(&program.steps[at], bytes) else {
        return false;
    };
    let Location::Arena(start) = program.slots[of].location else {
        return false;
    };
    let mut next = start;
    inputs.iter().all(|&slot| {
        let there = program.slots[slot].location == Location::Arena(next);
        next += bytes(slot);
        there
    })
}

/// Result and inputs of a concatenation whose inputs are contiguous ranges of the result and whole slots: an input may also be
/// the first rows of a larger slot. `bytes` gives the size of a slot.
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
