//! Streaming reductions of rows: a state for each row, to which chunks are added one after the other.

use hyperglow_core::DType;
use hyperglow_core::op::Reduction;

use super::reducer::{Max, Min, Reducer, Row, SumF32, SumF64, SumInt, row};
use crate::cpu::element::for_dtype;
use crate::cpu::level::Level;

/// A streaming reduction of rows of one dtype. The order of combination depends only on the chunks.
pub(crate) struct RowReducer {
    /// Bytes of a row's state, a multiple of its alignment.
    pub state_bytes: usize,
    start: unsafe fn(*mut u8, usize),
    add: unsafe fn(Level, *mut u8, *const u8, usize, usize),
    finish: unsafe fn(*const u8, *mut u8, usize),
}

impl RowReducer {
    pub fn new(kind: Reduction, dtype: DType) -> RowReducer {
        with_reducer!(kind, dtype, reducer_of())
    }

    /// Initializes the states of `rows` rows.
    ///
    /// # Safety
    /// `states` has room for them, is aligned to a cache line and not aliased.
    pub unsafe fn start(&self, states: *mut u8, rows: usize) {
        // SAFETY: as the caller promises.
        unsafe { (self.start)(states, rows) }
    }

    /// Adds a chunk of `len` elements to each of `rows` rows: x (rows, len).
    ///
    /// # Safety
    /// As for [`RowReducer::start`], which was called for so many rows; the elements are readable.
    pub unsafe fn add(&self, level: Level, states: *mut u8, x: *const u8, rows: usize, len: usize) {
        // SAFETY: as the caller promises.
        unsafe { (self.add)(level, states, x, rows, len) }
    }

    /// Writes the results of `rows` rows.
    ///
    /// # Safety
    /// As for [`RowReducer::add`]; the results are writable and not aliased.
    pub unsafe fn finish(&self, states: *const u8, out: *mut u8, rows: usize) {
        // SAFETY: as the caller promises.
        unsafe { (self.finish)(states, out, rows) }
    }
}

fn reducer_of<C: Reducer>() -> RowReducer {
    RowReducer {
        state_bytes: size_of::<Row<C>>(),
        start: start::<C>,
        add: add::<C>,
        finish: finish::<C>,
    }
}

/// # Safety
/// See [`RowReducer::start`].
unsafe fn start<C: Reducer>(states: *mut u8, rows: usize) {
    for i in 0..rows {
        // SAFETY: there is room for the states.
        unsafe { states.cast::<Row<C>>().add(i).write(Row::new()) };
    }
}

/// # Safety
/// See [`RowReducer::add`].
unsafe fn add<C: Reducer>(level: Level, states: *mut u8, x: *const u8, rows: usize, len: usize) {
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
/// See [`RowReducer::finish`].
unsafe fn finish<C: Reducer>(states: *const u8, out: *mut u8, rows: usize) {
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
