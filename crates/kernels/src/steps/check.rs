//! Checks of clusters: views are within their slots, and results overwrite operands only element for element.

use hyperglow_core::plan::{Cluster, Location as SlotLocation, Program, SlotId};
use hyperglow_core::{Error, Result};

use super::walk::{MAX_AXES, Reading};

/// The reading of each view. Refuses views beyond their slot, and in-place writes that are not element for element.
pub(crate) fn readings(cluster: &Cluster, program: &Program) -> Result<Vec<Reading>> {
    let size = cluster.shape.size();
    let mistake = |text: String| Err(Error::internal("cluster", text));
    let mut readings = Vec::with_capacity(cluster.loads.len());
    for view in &cluster.loads {
        if view.shape != cluster.shape {
            return mistake(format!(
                "a view of {} in a cluster of {}",
                view.shape, cluster.shape
            ));
        }
        let reading = Reading::of(view);
        let extent = program.slots[view.slot].spec.shape.size() as isize;
        let (low, high) = match &reading {
            Reading::Same(at) => (*at as isize, *at as isize),
            Reading::Straight(at) => (*at as isize, (at + size) as isize - 1),
            Reading::Strided(walker) => walker.bounds(),
        };
        if size > 0 && (low < 0 || high >= extent) {
            return mistake(format!("a view reads elements {low} to {high} of {extent}"));
        }
        if matches!(&reading, Reading::Strided(walker) if walker.rank() > MAX_AXES) {
            return mistake(format!("a view has more than {MAX_AXES} axes: {}", view.shape));
        }
        readings.push(reading);
    }
    for &(register, slot) in &cluster.stores {
        let (dtype, spec) = (cluster.code[register].dtype, &program.slots[slot].spec);
        if spec.shape.size() != size || spec.dtype != dtype {
            return mistake(format!(
                "{dtype} {} stored in {} {}",
                cluster.shape, spec.dtype, spec.shape
            ));
        }
        for (view, reading) in cluster.loads.iter().zip(&readings) {
            let together = size <= 1
                || matches!(reading, Reading::Straight(0))
                    && program.slots[view.slot].spec.dtype.size() == dtype.size()
                    && same_start(program, view.slot, slot);
            if program.may_share(view.slot, slot) && !together {
                return mistake("an output overwrites an input that is not read element for element".into());
            }
        }
    }
    Ok(readings)
}

fn same_start(program: &Program, read: SlotId, written: SlotId) -> bool {
    match (program.slots[read].location, program.slots[written].location) {
        (SlotLocation::Arena(a), SlotLocation::Arena(b)) => a == b,
        _ => true,
    }
}
