//! Reductions of rows that come in pieces: a state for each row, to which pieces are added one after the other.

use hyperglow_core::DType;
use hyperglow_core::op::Reduction;

use super::combine::{Combine, Largest, Row, Smallest, SumF32, SumF64, Total, row};
use crate::cpu::element::for_dtype;
use crate::cpu::level::Level;

/// How rows of one dtype are reduced. The order of combination follows from the pieces alone.
pub(crate) struct Folding {
    /// Bytes of a row's state, a multiple of what it is aligned to.
    pub state: usize,
    start: unsafe fn(*mut u8, usize),
    add: unsafe fn(Level, *mut u8, *const u8, usize, usize),
    finish: unsafe fn(*const u8, *mut u8, usize),
}

impl Folding {
    pub fn new(kind: Reduction, dtype: DType) -> Folding {
        with_combine!(kind, dtype, of())
    }

    /// Makes the states of `rows` rows those of empty rows.
    ///
    /// # Safety
    /// `states` has room for them, is aligned to a cache line and used by nobody else.
    pub unsafe fn start(&self, states: *mut u8, rows: usize) {
        // SAFETY: as the caller promises.
        unsafe { (self.start)(states, rows) }
    }

    /// Adds a piece of `len` elements to each of `rows` rows; pieces lie one after the other.
    ///
    /// # Safety
    /// As for [`Folding::start`], which was called for so many rows; the elements are readable.
    pub unsafe fn add(&self, level: Level, states: *mut u8, x: *const u8, rows: usize, len: usize) {
        // SAFETY: as the caller promises.
        unsafe { (self.add)(level, states, x, rows, len) }
    }

    /// Writes the results of `rows` rows.
    ///
    /// # Safety
    /// As for [`Folding::add`]; the results are writable and used by nobody else.
    pub unsafe fn finish(&self, states: *const u8, out: *mut u8, rows: usize) {
        // SAFETY: as the caller promises.
        unsafe { (self.finish)(states, out, rows) }
    }
}

fn of<C: Combine>() -> Folding {
    Folding {
        state: size_of::<Row<C>>(),
        start: start::<C>,
        add: add::<C>,
        finish: finish::<C>,
    }
}

/// # Safety
/// See [`Folding::start`].
unsafe fn start<C: Combine>(states: *mut u8, rows: usize) {
    for i in 0..rows {
        // SAFETY: there is room for the states.
        unsafe { states.cast::<Row<C>>().add(i).write(Row::new()) };
    }
}

/// # Safety
/// See [`Folding::add`].
unsafe fn add<C: Combine>(level: Level, states: *mut u8, x: *const u8, rows: usize, len: usize) {
    // SAFETY: the states were made by `start`, and the elements are readable.
    let (states, x) = unsafe {
        (
            std::slice::from_raw_parts_mut(states.cast::<Row<C>>(), rows),
            std::slice::from_raw_parts(x.cast::<C::Elem>(), rows * len),
        )
    };
    for (state, x) in states.iter_mut().zip(x.chunks_exact(len)) {
        row::<C>(level, x, state);
    }
}

/// # Safety
/// See [`Folding::finish`].
unsafe fn finish<C: Combine>(states: *const u8, out: *mut u8, rows: usize) {
    // SAFETY: the states were made by `start`, and the results are writable.
    let (states, out) = unsafe {
        (
            std::slice::from_raw_parts(states.cast::<Row<C>>(), rows),
            std::slice::from_raw_parts_mut(out.cast::<C::Out>(), rows),
        )
    };
    for (state, out) in states.iter().zip(out) {
        *out = C::narrow(state.total());
    }
}
