//! When the steps of a group whose rows lie in segments are run. A sum over a row is known when all its segments have
//! been gone through, so that the steps divide into phases, each of which goes through the segments once.

use hyperglow_core::plan::{SlotId, Step};

use super::local::GroupProgram;

/// The phase of each step. In each phase, what goes over the rows alone comes before what goes over segments.
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
        phases[i] = with_other_readers(local, &phases, i);
    }
    phases
}

/// Whether what one step writes is there for another in the same phase.
fn is_ready(local: &GroupProgram, writer: usize, reader: usize, slot: SlotId) -> bool {
    if local.segments == 1 {
        return true;
    }
    let row_by_row = !local.by_segments(writer);
    row_by_row || !local.accumulates(writer) && local.reads_in_place(reader, slot)
}

/// The phase for a sum of what was there before the group: the last in which something else reads that, too, as long
/// as the sum is known in time. What comes from far away is then read as few times as may be.
fn with_other_readers(local: &GroupProgram, phases: &[usize], step: usize) -> usize {
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

/// Whether a private slot is used up in the phase in which it is written, segment by segment.
pub(super) fn is_passing(local: &GroupProgram, phases: &[usize], slot: SlotId) -> bool {
    local.written[slot].is_some_and(|(writer, division)| {
        division.segments > 1 && local.readers(slot).all(|reader| phases[reader] == phases[writer])
    })
}
