//! How a cluster's loads are read a stretch of elements at a time, so that machine code finds each of them either
//! side by side or as one element for all.

use hyperglow_core::DType;
use hyperglow_core::plan::{Cluster, Program, SlotId};

use super::lower::Arrival;
use crate::steps::walk::{Reading, Walker};

/// Elements of a block when some operand must be gathered first.
const BLOCK_ELEMENTS: usize = 2048;
/// Rows from this length on are run one by one; shorter ones are gathered.
const MIN_LONG_ROW_ELEMENTS: usize = 64;
/// Maximal length of a repeated row that is replicated for a whole block.
const MAX_PERIOD_ELEMENTS: usize = 512;
/// Padding after each gathered operand: the bytes of the widest vector register.
const SLACK_BYTES: usize = 64;

/// An argument of the machine code.
pub(super) struct Argument {
    pub slot: SlotId,
    pub dtype: DType,
    pub access: Access,
    /// Written rather than read.
    pub is_result: bool,
}

pub(super) enum Access {
    /// In place, from an element on.
    Straight(usize),
    /// One element.
    Same(usize),
    /// Row by row: contiguous within a row.
    Row(Walker),
    /// Row by row: one element for a row.
    RowElement(Walker),
    /// A short row again and again, laid out at a byte of the worker's memory.
    Period(Walker, Period, usize),
    /// Gathered for every block at a byte of the worker's memory.
    Gathered(Walker, usize),
    /// Contiguous from the first element of a block on, at a byte of the worker's memory.
    Block(usize),
}

/// How a view reads a short row again and again: a bias, for instance.
pub(super) struct Period {
    /// Elements of the row.
    pub len: usize,
    /// Elements of the view until another row's turn comes.
    pub reach: usize,
}

/// The arguments, and how the elements are cut.
pub(super) struct Segments {
    pub arguments: Vec<Argument>,
    /// A segment ends where a row does.
    pub row: usize,
    /// Longest segment.
    pub block: usize,
    /// Bytes of a worker's memory for gathered operands.
    pub gathered: usize,
}

impl Argument {
    /// A result of one byte per element that stays in the worker's memory for a block. `slot` is any slot.
    fn block_bytes(slot: SlotId, at: usize) -> Argument {
        Argument {
            slot,
            dtype: DType::Bool,
            access: Access::Block(at),
            is_result: true,
        }
    }

    pub fn is_pointer(&self) -> bool {
        !matches!(self.access, Access::Same(_) | Access::RowElement(_))
    }
}

impl Segments {
    /// The arguments for the loads of a cluster, in their order, and how each arrives.
    pub fn new(cluster: &Cluster, program: &Program, readings: &[Reading]) -> (Segments, Vec<Arrival>) {
        let row = readings.iter().filter_map(Reading::walker).filter_map(row).min();
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
                Reading::Strided(walker) => segments.strided(walker, dtype.size()),
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

    /// Adds a result of one byte per element that stays in the worker's memory for a block; its offset there in bytes.
    pub fn add_block_bytes(&mut self) -> usize {
        let at = self.room(BLOCK_ELEMENTS);
        let slot = self.arguments.first().map_or(0, |argument| argument.slot);
        self.arguments.push(Argument::block_bytes(slot, at));
        at
    }

    /// Bytes that are read and written in place, for `size` elements.
    pub fn stream_bytes(&self, size: usize) -> usize {
        let streams = self
            .arguments
            .iter()
            .filter(|argument| matches!(argument.access, Access::Straight(_)));
        streams.map(|argument| argument.dtype.size() * size).sum()
    }

    /// The longest segment of `size` elements.
    pub fn longest(&self, size: usize) -> usize {
        size.min(self.block).min(self.row)
    }

    fn strided(&mut self, walker: &Walker, size: usize) -> Access {
        let walker = walker.clone();
        match (row(&walker), period(&walker)) {
            (None, _) => Access::Gathered(walker, self.room(BLOCK_ELEMENTS * size)),
            (_, Some(period)) => {
                let at = self.room((BLOCK_ELEMENTS + period.len) * size);
                Access::Period(walker, period, at)
            }
            _ if walker.parts().0.last().is_some_and(|inner| inner.stride == 1) => Access::Row(walker),
            _ => Access::RowElement(walker),
        }
    }

    /// An offset in the worker's memory.
    fn room(&mut self, bytes: usize) -> usize {
        self.block = BLOCK_ELEMENTS;
        let at = self.gathered;
        self.gathered += (bytes + SLACK_BYTES).next_multiple_of(64);
        at
    }
}

/// How many elements of a view are found in one go, if it is worth while to cut the elements there. The inner axes of
/// all views are the last ones of one shape, so that the shortest such row divides the others.
fn row(walker: &Walker) -> Option<usize> {
    let axes = walker.parts().0;
    let (row, everywhere) = match (period(walker), axes.last()) {
        (Some(period), _) => (period.reach, axes.len() == 2),
        (None, Some(inner)) if matches!(inner.stride, 0 | 1) => (inner.extent, false),
        _ => return None,
    };
    (row >= MIN_LONG_ROW_ELEMENTS || everywhere).then_some(row)
}

/// The short row that the view repeats, if its innermost axes do that.
fn period(walker: &Walker) -> Option<Period> {
    match walker.parts().0 {
        [.., outer, inner]
            if outer.stride == 0 && inner.stride == 1 && inner.extent <= MAX_PERIOD_ELEMENTS =>
        {
            Some(Period {
                len: inner.extent,
                reach: outer.extent * inner.extent,
            })
        }
        _ => None,
    }
}
