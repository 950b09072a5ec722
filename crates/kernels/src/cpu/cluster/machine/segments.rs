//! How a cluster's loads are read a stretch of elements at a time, so that machine code finds each of them either
//! side by side or as one element for all.

use hyperglow_core::DType;
use hyperglow_core::plan::{Cluster, Program, SlotId};

use super::lower::Arrival;
use crate::cpu::cluster::walk::{Reading, Walker};

/// Elements of a block when some operand must be gathered first.
const BLOCK: usize = 2048;
/// Rows from this length on are run one by one; shorter ones are gathered.
const LONG_ROW: usize = 64;
/// Rows up to this length that are the same all over are laid out once.
const LONGEST_PERIOD: usize = 512;
/// Behind each gathered operand, since vectors are as long as this.
const SLACK: usize = 64;

/// An argument of the machine code.
pub(super) struct Argument {
    pub slot: SlotId,
    pub dtype: DType,
    pub access: Access,
    /// Written rather than read.
    pub is_result: bool,
}

pub(super) enum Access {
    /// As it lies, from an element on.
    Straight(usize),
    /// One element.
    Same(usize),
    /// Row by row: side by side within a row.
    Row(Walker),
    /// Row by row: one element for a row.
    RowElement(Walker),
    /// One short row again and again (from an element, its length), laid out at a byte of the worker's memory.
    Period(usize, usize, usize),
    /// Gathered for every block at a byte of the worker's memory.
    Gathered(Walker, usize),
}

/// The arguments, and how the elements are cut.
pub(super) struct Segments {
    pub arguments: Vec<Argument>,
    /// A segment ends where a row does.
    pub row: usize,
    /// Longest segment.
    pub block: usize,
    /// Bytes of a worker's memory that gathered operands take.
    pub gathered: usize,
}

impl Argument {
    pub fn is_pointer(&self) -> bool {
        !matches!(self.access, Access::Same(_) | Access::RowElement(_))
    }
}

impl Segments {
    /// The arguments for the loads of a cluster, in their order, and how each arrives.
    pub fn new(cluster: &Cluster, program: &Program, readings: &[Reading]) -> (Segments, Vec<Arrival>) {
        let row = row(readings);
        let mut segments = Segments {
            arguments: Vec::with_capacity(readings.len() + cluster.stores.len()),
            row: row.unwrap_or(usize::MAX),
            block: usize::MAX,
            gathered: 0,
        };
        let mut arrivals = Vec::with_capacity(readings.len());
        for (view, reading) in cluster.loads.iter().zip(readings) {
            let dtype = program.slots[view.slot].spec.dtype;
            let access = match reading {
                Reading::Straight(at) => Access::Straight(*at),
                Reading::Same(at) => Access::Same(*at),
                Reading::Strided(walker) => segments.strided(walker, row, dtype.size()),
            };
            let argument = Argument {
                slot: view.slot,
                dtype,
                access,
                is_result: false,
            };
            let number = segments.arguments.len();
            arrivals.push(if argument.is_pointer() {
                Arrival::Vector(number)
            } else {
                Arrival::Uniform(number)
            });
            segments.arguments.push(argument);
        }
        for &(register, slot) in &cluster.stores {
            segments.arguments.push(Argument {
                slot,
                dtype: cluster.code[register].dtype,
                access: Access::Straight(0),
                is_result: true,
            });
        }
        (segments, arrivals)
    }

    /// The longest segment of `size` elements.
    pub fn longest(&self, size: usize) -> usize {
        size.min(self.block).min(self.row)
    }

    fn strided(&mut self, walker: &Walker, row: Option<usize>, size: usize) -> Access {
        if let Some((start, period)) = period(walker) {
            let at = self.room((BLOCK + period) * size);
            return Access::Period(start, period, at);
        }
        let inner = walker.parts().0.last().map_or(0, |axis| axis.stride);
        match (row, inner) {
            (Some(_), 1) => Access::Row(walker.clone()),
            (Some(_), 0) => Access::RowElement(walker.clone()),
            _ => Access::Gathered(walker.clone(), self.room(BLOCK * size)),
        }
    }

    /// A place in the worker's memory.
    fn room(&mut self, bytes: usize) -> usize {
        self.block = BLOCK;
        let at = self.gathered;
        self.gathered += (bytes + SLACK).next_multiple_of(64);
        at
    }
}

/// The length of the rows that all strided views have in common, if they are long enough to be run one by one.
fn row(readings: &[Reading]) -> Option<usize> {
    let strided = readings.iter().filter_map(|reading| match reading {
        Reading::Strided(walker) if period(walker).is_none() => Some(walker),
        _ => None,
    });
    let (mut shortest, mut profitable) = (usize::MAX, false);
    for walker in strided {
        let inner = walker.parts().0.last()?;
        // The inner axes are the last ones of one shape, so that the shortest divides the others.
        shortest = shortest.min(inner.extent);
        profitable |= matches!(inner.stride, 0 | 1);
    }
    (profitable && shortest >= LONG_ROW).then_some(shortest)
}

/// The first element and the length of a row that the view repeats, if it is short and nothing else.
fn period(walker: &Walker) -> Option<(usize, usize)> {
    let (axes, start) = walker.parts();
    match axes {
        [outer, inner] if outer.stride == 0 && inner.stride == 1 && inner.extent <= LONGEST_PERIOD => {
            Some((start, inner.extent))
        }
        _ => None,
    }
}
