//! A sorted list of the nearest points found so far.

use super::blocks::NO_POINT;
use super::lanes::Real;

/// The k nearest points so far, nearest first; at equal distances the lower row comes first.
pub(super) struct Nearest<'a, T> {
    keys: &'a mut [T],
    rows: &'a mut [u32],
    below: T,
}

impl<'a, T: Real> Nearest<'a, T> {
    /// An empty list; both slices have k elements, at least one.
    #[inline(always)]
    pub fn new(keys: &'a mut [T], rows: &'a mut [u32]) -> Nearest<'a, T> {
        keys.fill(T::HIGHEST);
        rows.fill(NO_POINT);
        Nearest {
            keys,
            rows,
            below: T::LARGEST,
        }
    }

    /// The key that a point must not exceed to enter.
    #[inline(always)]
    pub fn limit(&self) -> T {
        self.keys[self.keys.len() - 1]
    }

    /// The largest key below the limit; the largest finite key while the list is not full.
    #[inline(always)]
    pub fn below(&self) -> T {
        self.below
    }

    /// Whether a point with this key in a row from `first` on could enter.
    #[inline(always)]
    pub fn admits(&self, key: T, first: u32) -> bool {
        let limit = self.limit();
        key < limit || (key == limit && first < self.rows[self.rows.len() - 1])
    }

    /// Inserts a point if it is near enough.
    #[inline(always)]
    pub fn offer(&mut self, key: T, row: u32) {
        if !self.admits(key, row) {
            return;
        }
        let mut at = self.rows.len() - 1;
        while at > 0 && (key < self.keys[at - 1] || (key == self.keys[at - 1] && row < self.rows[at - 1])) {
            self.keys[at] = self.keys[at - 1];
            self.rows[at] = self.rows[at - 1];
            at -= 1;
        }
        self.keys[at] = key;
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
