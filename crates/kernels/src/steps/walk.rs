//! Reading a strided view in the row-major order of its shape.

use hyperglow_core::plan::View;

use crate::cpu::exec::Word;

/// A view with as few axes as describe it: axes of extent 1 dropped, neighbors merged where one stride
/// follows from the other. Outermost first; the last axis is the inner loop.
#[derive(Clone, Debug)]
pub(crate) struct Walker {
    axes: Box<[Axis]>,
    offset: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub extent: usize,
    /// In elements; 0 repeats an element, a negative stride reverses.
    pub stride: isize,
}

/// The layout of a view in memory.
#[derive(Clone, Debug)]
pub(crate) enum Reading {
    /// Row-major without gaps, from an element on.
    Straight(usize),
    /// One element, everywhere.
    Same(usize),
    /// Anything else.
    Strided(Walker),
}

impl Reading {
    pub fn of(view: &View) -> Reading {
        let mut axes: Vec<Axis> = Vec::with_capacity(view.shape.rank());
        for (&extent, &stride) in view.shape.dims().iter().zip(&view.strides) {
            if extent == 1 {
                continue;
            }
            match axes.last_mut() {
                Some(outer) if outer.stride == stride * extent as isize => {
                    *outer = Axis {
                        extent: outer.extent * extent,
                        stride,
                    };
                }
                _ => axes.push(Axis { extent, stride }),
            }
        }
        match axes.as_slice() {
            [] => Reading::Same(view.offset),
            [Axis { stride: 0, .. }] => Reading::Same(view.offset),
            [Axis { stride: 1, .. }] => Reading::Straight(view.offset),
            _ => Reading::Strided(Walker {
                axes: axes.into(),
                offset: view.offset,
            }),
        }
    }

    /// How a strided view is walked.
    pub fn walker(&self) -> Option<&Walker> {
        match self {
            Reading::Strided(walker) => Some(walker),
            _ => None,
        }
    }
}

/// More axes than this are refused when a cluster is prepared.
pub(crate) const MAX_AXES: usize = 16;

impl Walker {
    /// The axes, and the element at index 0.
    pub fn parts(&self) -> (&[Axis], usize) {
        (&self.axes, self.offset)
    }

    pub fn rank(&self) -> usize {
        self.axes.len()
    }

    /// The smallest and the largest element read, for the check when a cluster is prepared.
    pub fn bounds(&self) -> (isize, isize) {
        let (mut low, mut high) = (self.offset as isize, self.offset as isize);
        for axis in &self.axes {
            let reach = (axis.extent as isize - 1) * axis.stride;
            if reach < 0 { low += reach } else { high += reach }
        }
        (low, high)
    }

    /// Where element `index` of the view is.
    pub fn position(&self, index: usize) -> usize {
        let (mut rest, mut at) = (index, self.offset as isize);
        for axis in self.axes.iter().rev() {
            at += (rest % axis.extent) as isize * axis.stride;
            rest /= axis.extent;
        }
        at as usize
    }

    /// `out[i]` = element `start + i` of the view, in the order of its shape.
    ///
    /// # Safety
    /// `source` must be readable over [`Walker::bounds`], and `start + out.len()` within the view.
    pub unsafe fn read<T: Word>(&self, source: *const T, start: usize, out: &mut [T]) {
        let Some((inner, outer)) = self.axes.split_last() else {
            return;
        };
        // Where the first element is.
        let mut index = [0_usize; MAX_AXES];
        let mut rest = start / inner.extent;
        let mut at = self.offset as isize;
        for (i, axis) in outer.iter().enumerate().rev() {
            index[i] = rest % axis.extent;
            rest /= axis.extent;
            at += index[i] as isize * axis.stride;
        }
        let mut skip = start % inner.extent;
        let mut out = out;
        while !out.is_empty() {
            let count = out.len().min(inner.extent - skip);
            let (row, left) = std::mem::take(&mut out).split_at_mut(count);
            // SAFETY: the elements `skip..skip + count` of this row lie within the view.
            unsafe {
                read_row(
                    source.wrapping_offset(at + skip as isize * inner.stride),
                    inner.stride,
                    row,
                )
            };
            out = left;
            skip = 0;
            for (i, axis) in outer.iter().enumerate().rev() {
                index[i] += 1;
                at += axis.stride;
                if index[i] < axis.extent {
                    break;
                }
                at -= axis.extent as isize * axis.stride;
                index[i] = 0;
            }
        }
    }
}

/// # Safety
/// `source + i * stride` must be readable for each element of `row`.
#[inline(always)]
unsafe fn read_row<T: Word>(source: *const T, stride: isize, row: &mut [T]) {
    match stride {
        // SAFETY: as the caller promises.
        1 => row.copy_from_slice(unsafe { std::slice::from_raw_parts(source, row.len()) }),
        // SAFETY: as above.
        0 => row.fill(unsafe { *source }),
        _ => {
            for (i, out) in row.iter_mut().enumerate() {
                // SAFETY: as above.
                *out = unsafe { *source.offset(i as isize * stride) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyperglow_core::Shape;

    fn view(dims: &[usize], strides: &[isize], offset: usize) -> View {
        View {
            slot: 0,
            shape: Shape::from(dims),
            strides: strides.to_vec(),
            offset,
        }
    }

    #[test]
    fn axes_merge() {
        assert!(matches!(
            Reading::of(&view(&[2, 1, 3], &[3, 9, 1], 4)),
            Reading::Straight(4)
        ));
        assert!(matches!(
            Reading::of(&view(&[2, 3], &[0, 0], 4)),
            Reading::Same(4)
        ));
        assert!(matches!(Reading::of(&view(&[], &[], 4)), Reading::Same(4)));
    }

    #[test]
    fn any_part_of_a_transposed_and_flipped_view_is_read_in_order() {
        // Element (i, j, k) of the view is 100 - 20 i + j * 5 - k.
        let (dims, strides) = ([3, 4, 5], [-20, 5, -1]);
        let Reading::Strided(walker) = Reading::of(&view(&dims, &strides, 60)) else {
            panic!("strided")
        };
        let (low, high) = walker.bounds();
        let source: Vec<u32> = (0..100).collect();
        assert!(low >= 0 && high < 100);
        let expected: Vec<u32> = (0..60)
            .map(|i| 60 - 20 * (i / 20) + 5 * (i / 5 % 4) - i % 5)
            .collect();
        for start in 0..60 {
            for len in [0, 1, 7, 60 - start] {
                let mut out = vec![0; len.min(60 - start)];
                // SAFETY: the bounds were checked above.
                unsafe { walker.read(source.as_ptr(), start, &mut out) };
                assert_eq!(out, expected[start..start + out.len()]);
            }
        }
    }
}
