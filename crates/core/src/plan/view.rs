//! Movement operations as arithmetic on strides.

use crate::plan::View;
use crate::shape::Shape;

/// Output axis i is input axis `axes[i]`.
pub fn permute(from: &View, axes: &[usize]) -> View {
    View {
        slot: from.slot,
        shape: axes.iter().map(|&a| from.shape[a]).collect(),
        strides: axes.iter().map(|&a| from.strides[a]).collect(),
        offset: from.offset,
    }
}

/// `shape` elements from `start`, every `step`-th.
pub fn slice(from: &View, start: &[usize], step: &[usize], shape: &Shape) -> View {
    if shape.size() == 0 {
        return View {
            slot: from.slot,
            shape: shape.clone(),
            strides: from.strides.clone(),
            offset: 0,
        };
    }
    let shift: isize = start
        .iter()
        .zip(&from.strides)
        .map(|(&s, &d)| s as isize * d)
        .sum();
    View {
        slot: from.slot,
        shape: shape.clone(),
        strides: from
            .strides
            .iter()
            .zip(step)
            .map(|(&d, &s)| d * s as isize)
            .collect(),
        offset: from.offset.wrapping_add_signed(shift),
    }
}

/// Reversal along `axes`.
pub fn flip(from: &View, axes: &[usize]) -> View {
    let mut view = from.clone();
    if view.shape.size() == 0 {
        return view;
    }
    for &axis in axes {
        let last = (view.shape[axis] - 1) as isize * view.strides[axis];
        view.offset = view.offset.wrapping_add_signed(last);
        view.strides[axis] = -view.strides[axis];
    }
    view
}

/// Extents of 1 repeat.
pub fn broadcast(from: &View, shape: &Shape) -> View {
    let strides = (0..shape.rank())
        .map(|i| {
            if from.shape[i] == shape[i] {
                from.strides[i]
            } else {
                0
            }
        })
        .collect();
    View {
        slot: from.slot,
        shape: shape.clone(),
        strides,
        offset: from.offset,
    }
}

/// The same elements in order with other extents, if strides can say so.
pub fn reshape(from: &View, shape: &Shape) -> Option<View> {
    if from.shape.size() == 0 {
        return Some(View {
            offset: 0,
            ..View::contiguous(from.slot, shape.clone())
        });
    }
    // Axes of extent 1 carry no information.
    let old: Vec<(usize, isize)> = (0..from.shape.rank())
        .filter(|&i| from.shape[i] != 1)
        .map(|i| (from.shape[i], from.strides[i]))
        .collect();
    let mut strides = vec![0isize; shape.rank()];
    let (mut i, mut j) = (0, 0);
    while i < old.len() {
        // The shortest runs of old and new axes with equal element counts.
        let (first, mut old_count) = (i, old[i].0);
        while shape[j] == 1 {
            j += 1;
        }
        let (start, mut new_count) = (j, shape[j]);
        while old_count != new_count {
            if old_count < new_count {
                i += 1;
                old_count *= old[i].0;
            } else {
                j += 1;
                new_count *= shape[j];
            }
        }
        for k in first..i {
            if old[k].1 != old[k + 1].1 * old[k + 1].0 as isize {
                return None;
            }
        }
        let mut stride = old[i].1;
        for k in (start..=j).rev() {
            strides[k] = stride;
            stride *= shape[k] as isize;
        }
        i += 1;
        j += 1;
    }
    Some(View {
        slot: from.slot,
        shape: shape.clone(),
        strides,
        offset: from.offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The elements a view reads, in order.
    fn elements(v: &View) -> Vec<usize> {
        let mut out = vec![v.offset as isize];
        for i in 0..v.shape.rank() {
            out = out
                .iter()
                .flat_map(|&at| (0..v.shape[i]).map(move |k| at + k as isize * v.strides[i]))
                .collect();
        }
        out.into_iter().map(|i| i as usize).collect()
    }

    #[test]
    fn reshapes_read_the_same_elements_in_the_same_order() {
        let x = View::contiguous(0, [2, 3, 4].into());
        let views = [
            x.clone(),
            permute(&x, &[2, 0, 1]),
            slice(&x, &[0, 1, 0], &[1, 1, 2], &[2, 2, 2].into()),
            flip(&x, &[1]),
            broadcast(&View::contiguous(0, [2, 1, 1, 4].into()), &[2, 5, 1, 4].into()),
        ];
        let mut moved = 0;
        for v in views {
            for shape in [
                vec![v.shape.size()],
                vec![1, v.shape.size() / 2, 2],
                vec![2, v.shape.size() / 2, 1],
                vec![v.shape[0], 1, v.shape.size() / v.shape[0]],
            ] {
                if let Some(r) = reshape(&v, &shape.into()) {
                    assert_eq!(elements(&r), elements(&v), "{v:?} as {r:?}");
                    moved += 1;
                }
            }
        }
        assert_eq!(moved, 7);
        assert!(reshape(&permute(&x, &[2, 0, 1]), &[24].into()).is_none());
        assert_eq!(elements(&flip(&x, &[2]))[..4], [3, 2, 1, 0]);
    }
}
