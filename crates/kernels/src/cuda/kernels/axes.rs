//! Loops over axes, as kernels take them: `struct Axes` of `cu/compat.h`.

use hyperglow_core::op::Op;
use hyperglow_core::{Error, Result};

use crate::cuda::kernel::Arg;

/// The most axes of a loop: `MAX_AXES`.
pub(super) const MAX_AXES: usize = 8;

/// Extents of a loop, with the distance of neighbors in another tensor.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Axes(Vec<(usize, usize)>);

impl Axes {
    /// Axes given as (extent, distance), row-major; axes of extent 1 are left out, and axes without a gap between them are one.
    pub fn new(axes: impl IntoIterator<Item = (usize, usize)>) -> Axes {
        let mut merged: Vec<(usize, usize)> = Vec::new();
        for (extent, stride) in axes {
            match merged.last_mut() {
                _ if extent == 1 => {}
                Some(last) if last.1 == extent * stride => *last = (last.0 * extent, stride),
                _ => merged.push((extent, stride)),
            }
        }
        Axes(merged)
    }
    /// The innermost axis.
    pub fn last(&self) -> Option<(usize, usize)> {
        self.0.last().copied()
    }
    /// The number of elements of the loop.
    pub fn size(&self) -> usize {
        self.0.iter().map(|axis| axis.0).product()
    }
    /// The words of the struct.
    ///
    /// # Errors
    /// More axes than a kernel takes.
    pub fn words(&self, op: &Op) -> Result<Vec<i64>> {
        let count = self.0.len();
        if count > MAX_AXES {
            return Err(Error::shape(
                op.name(),
                format!("{count} axes that cannot be merged; CUDA kernels take {MAX_AXES}"),
                "reshape the operand to fewer axes",
            ));
        }
        let mut words = vec![count as i64];
        let mut padded = |of: fn(&(usize, usize)) -> usize, filler: i64| {
            words.extend(self.0.iter().map(|axis| of(axis) as i64));
            words.extend(std::iter::repeat_n(filler, MAX_AXES - count));
        };
        padded(|axis| axis.0, 1);
        padded(|axis| axis.1, 0);
        Ok(words)
    }
}

/// A struct made of several words.
pub(super) fn words(parts: &[&[i64]]) -> Arg {
    Arg::Ints(parts.concat())
}

/// The elements before, on, and after an axis.
pub(super) fn around(dims: &[usize], axis: usize) -> [usize; 3] {
    [
        dims[..axis].iter().product(),
        dims[axis],
        dims[axis + 1..].iter().product(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_without_a_gap_are_one() {
        assert_eq!(Axes::new([(2, 12), (3, 4), (4, 1)]), Axes(vec![(24, 1)]));
        assert_eq!(
            Axes::new([(2, 24), (1, 7), (3, 4), (4, 1)]),
            Axes(vec![(2, 24), (12, 1)])
        );
        assert_eq!(Axes::new([(1, 5)]).size(), 1);
    }
}
