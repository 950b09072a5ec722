//! The nearest points found so far.

use super::blocks::NOBODY;
use super::lanes::Real;

/// The k nearest points so far, nearest first, of equally near ones the first row.
pub(super) struct Nearest<'a, T> {
    measures: &'a mut [T],
    rows: &'a mut [u32],
    below: T,
}

impl<'a, T: Real> Nearest<'a, T> {
    /// An empty list; both slices have k elements, at least one.
    #[inline(always)]
    pub fn new(measures: &'a mut [T], rows: &'a mut [u32]) -> Nearest<'a, T> {
        measures.fill(T::HIGHEST);
        rows.fill(NOBODY);
        Nearest {
            measures,
            rows,
            below: T::LARGEST,
        }
    }

    /// The measure that a point must not exceed to enter.
    #[inline(always)]
    pub fn limit(&self) -> T {
        self.measures[self.measures.len() - 1]
    }

    /// The greatest measure below the limit; the greatest of all while the list is not full.
    #[inline(always)]
    pub fn below(&self) -> T {
        self.below
    }

    /// Whether a point with this measure in a row from `first` on could enter.
    #[inline(always)]
    pub fn admits(&self, measure: T, first: u32) -> bool {
        let limit = self.limit();
        measure < limit || (measure == limit && first < self.rows[self.rows.len() - 1])
    }

    /// Enters a point if it belongs here.
    #[inline(always)]
    pub fn offer(&mut self, measure: T, row: u32) {
        if !self.admits(measure, row) {
            return;
        }
        let mut at = self.rows.len() - 1;
        while at > 0
            && (measure < self.measures[at - 1]
                || (measure == self.measures[at - 1] && row < self.rows[at - 1]))
        {
            self.measures[at] = self.measures[at - 1];
            self.rows[at] = self.rows[at - 1];
            at -= 1;
        }
        self.measures[at] = measure;
        self.rows[at] = row;
        self.below = self.limit().next_down();
    }

    /// Writes the rows.
    #[inline(always)]
    pub fn write(&self, out: &mut [i32]) {
        for (out, &row) in out.iter_mut().zip(&*self.rows) {
            *out = row as i32;
        }
    }
}
