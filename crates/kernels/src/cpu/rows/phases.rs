//! Phases of a group whose rows have several segments. A reduction of a row is known after a pass over all its segments, so the
//! steps are divided into phases, each one pass.

use hyperglow_core::plan::{SlotId, Step};

use crate::steps::group_program::GroupProgram;

/// The phase of each step. In each phase, steps that run once per block come before steps that run by segments.
pub(super) fn phases(local: &GroupProgram) -> Vec<usize> {
    let mut phases: Vec<usize> = Vec::with_capacity(local.steps.len());
    for i in 0..local.steps.len() {
        let known = local.steps[i].reads().into_iter().filter_map(|slot| {
            let (writer, _) = local.written[slot]?;
            Some(phases[writer] + usize::from(!is_ready(local, writer, i, slot)))
        });
        phases.push(known.max().unwrap_or(0));
    }
    for i in 0..local.steps.len() {
        phases[i] = shared_read_phase(local, &phases, i);
    }
    phases
}

/// Whether a step can read the result of another in the same phase.
fn is_ready(local: &GroupProgram, writer: usize, reader: usize, slot: SlotId) -> bool {
    if local.segments == 1 {
        return true;
    }
    let row_by_row = !local.by_segments(writer);
    row_by_row || !local.accumulates(writer) && local.reads_in_place(reader, slot)
}

/// The phase of a reduction of a slot from outside the group: the last phase in which another step reads the slot too, if the
/// reduction is not needed earlier. Memory is then read as few times as possible.
fn shared_read_phase(local: &GroupProgram, phases: &[usize], step: usize) -> usize {
    let read = local.steps[step].reads();
    let from_outside = read.iter().all(|&slot| local.written[slot].is_none());
    if !(local.accumulates(step) && from_outside) {
        return phases[step];
    }
    let needed = |(i, other): (usize, &Step)| {
        let written = other.reads().into_iter().filter_map(|slot| local.written[slot]);
        written
            .map(|(writer, _)| writer)
            .any(|writer| writer == step)
            .then_some(phases[i])
    };
    let limit = local.steps.iter().enumerate().filter_map(needed).min();
    let others = local
        .readers(read[0])
        .filter(|&i| i != step && local.by_segments(i));
    let in_time = others
        .map(|i| phases[i])
        .filter(|&phase| limit.is_none_or(|limit| phase < limit));
    in_time.max().unwrap_or(phases[step])
}

/// Whether all readers of a private slot with segments are in the phase that writes it.
pub(super) fn is_consumed_in_phase(local: &GroupProgram, phases: &[usize], slot: SlotId) -> bool {
    local.written[slot].is_some_and(|(writer, division)| {
        division.segments > 1 && local.readers(slot).all(|reader| phases[reader] == phases[writer])
    })
}
