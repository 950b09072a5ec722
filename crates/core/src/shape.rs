//! Shapes: the extents of a tensor, row-major.

use std::sync::Arc;

use crate::error::{Error, Result};

/// Extents of a tensor, resolve first. The empty shape is a scalar. Shared, so that a copy costs next to nothing.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(Arc<[usize]>);

impl Shape {
    /// The shape of a scalar.
    pub fn scalar() -> Shape {
        Shape::default()
    }
    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }
    /// Number of elements.
    pub fn size(&self) -> usize {
        self.0.iter().product()
    }
    /// The extents.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }
    /// Row-major strides in elements.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.rank()];
        for i in (1..self.rank()).rev() {
            strides[i - 1] = strides[i] * self.0[i];
        }
        strides
    }
    /// This shape with the extents of `axes` replaced by 1 (`keep`) or removed.
    pub fn reduced(&self, axes: &[usize], keep: bool) -> Shape {
        let dims = self.0.iter().enumerate();
        if keep {
            dims.map(|(i, &d)| if axes.contains(&i) { 1 } else { d })
                .collect()
        } else {
            dims.filter(|(i, _)| !axes.contains(i)).map(|(_, &d)| d).collect()
        }
    }
    /// This shape with axis `axis` of extent `extent`.
    pub fn with(&self, axis: usize, extent: usize) -> Shape {
        let extents = self.0.iter().enumerate();
        extents
            .map(|(i, &d)| if i == axis { extent } else { d })
            .collect()
    }
    /// The shape both broadcast to under NumPy's rule (right-aligned, 1 stretches).
    pub fn broadcast(op: &'static str, a: &Shape, b: &Shape) -> Result<Shape> {
        let rank = a.rank().max(b.rank());
        let at = |s: &Shape, i: usize| (i + s.rank()).checked_sub(rank).map_or(1, |j| s.0[j]);
        (0..rank)
            .map(|i| match (at(a, i), at(b, i)) {
                (x, y) if x == y => Ok(x),
                (1, y) => Ok(y),
                (x, 1) => Ok(x),
                (x, y) => Err(Error::shape(
                    op,
                    format!("shapes {a} and {b} do not broadcast: on axis {i}, {x} is not {y}"),
                    "make the extents equal or 1 (reshape, expandDims), counting axes from the right",
                )),
            })
            .collect()
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(iter: I) -> Shape {
        Shape(iter.into_iter().collect())
    }
}
impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Shape {
        Shape(dims.into())
    }
}
impl From<Vec<usize>> for Shape {
    fn from(dims: Vec<usize>) -> Shape {
        Shape(dims.into())
    }
}
impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Shape {
        Shape(Arc::new(dims))
    }
}
impl std::ops::Index<usize> for Shape {
    type Output = usize;
    fn index(&self, axis: usize) -> &usize {
        &self.0[axis]
    }
}
impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(")?;
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{d}")?;
        }
        f.write_str(")")
    }
}
impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
