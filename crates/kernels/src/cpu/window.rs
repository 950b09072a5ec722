//! Sums and positions of maxima over windows of up to three spatial axes.

use std::cell::Cell;
use std::ops::Range;

use hyperglow_core::op::{Op, Spec, Window};
use hyperglow_core::{Error, Result};

use super::element::Element;
use super::exec::Kernel;

/// Elements read by one task.
const GRAIN: usize = 1 << 14;

/// The taps of a window on one axis, and the input place of the first.
type Taps = (Range<usize>, usize);

/// Windows over planes of three spatial axes (missing ones have extent 1).
pub(crate) struct Windows {
    input: [usize; 3],
    output: [usize; 3],
    dilation: [usize; 3],
    /// Per axis, per output position: the taps that lie within the input and the place of the first of them.
    taps: [Box<[Taps]>; 3],
}

/// `dims` behind leading ones.
pub(crate) fn three<T: Copy>(op: &str, dims: &[T], missing: T) -> Result<[T; 3]> {
    if dims.len() > 3 {
        return Err(Error::argument(
            op,
            format!("{} spatial axes", dims.len()),
            "use at most three, or reshape some of them into the batch",
        ));
    }
    let mut all = [missing; 3];
    all[3 - dims.len()..].copy_from_slice(dims);
    Ok(all)
}

impl Windows {
    /// The windows of `kernel` over `x` (N, C, in..) that give `y` (N, C, out..).
    pub fn new(op: &Op, window: &Window, kernel: &[usize], x: &Spec, y: &Spec) -> Result<Windows> {
        let name = op.name();
        let input = three(name, &x.shape.dims()[2..], 1)?;
        let output = three(name, &y.shape.dims()[2..], 1)?;
        let kernel = three(name, kernel, 1)?;
        let stride = three(name, &window.stride, 1)?;
        let dilation = three(name, &window.dilation, 1)?;
        let pad = three(name, &window.pad_low, 0)?;
        let taps = std::array::from_fn(|axis| {
            (0..output[axis])
                .map(|o| {
                    let place = |tap: usize| (o * stride[axis] + tap * dilation[axis]).checked_sub(pad[axis]);
                    let first = (0..kernel[axis])
                        .find(|&tap| place(tap).is_some())
                        .unwrap_or(kernel[axis]);
                    let last = (first..kernel[axis]).find(|&tap| place(tap).is_none_or(|i| i >= input[axis]));
                    (first..last.unwrap_or(kernel[axis]), place(first).unwrap_or(0))
                })
                .collect()
        });
        let windows = Windows {
            input,
            output,
            dilation,
            taps,
        };
        if matches!(op, Op::WindowArgMax { .. })
            && windows
                .taps
                .iter()
                .any(|axis| axis.iter().any(|(taps, _)| taps.is_empty()))
        {
            return Err(Error::shape(
                name,
                format!(
                    "a window of {kernel:?} lies in the padding alone, and the maximum of nothing has no place"
                ),
                "use less padding",
            ));
        }
        Ok(windows)
    }

    fn input_size(&self) -> usize {
        self.input.iter().product()
    }

    fn output_size(&self) -> usize {
        self.output.iter().product()
    }

    /// For each window of a plane, in order, `done(output place, state)` with `state` taken from `start` over the
    /// input places of its taps, in order.
    #[inline(always)]
    fn fold<S: Copy>(&self, start: S, step: impl Fn(S, usize) -> S, mut done: impl FnMut(usize, S)) {
        let [_, h, w] = self.input;
        let [dz, dy, dx] = self.dilation;
        let mut out = 0;
        for (z_taps, z) in &self.taps[0] {
            for (y_taps, y) in &self.taps[1] {
                for (x_taps, x) in &self.taps[2] {
                    let mut state = start;
                    for iz in 0..z_taps.len() {
                        for iy in 0..y_taps.len() {
                            let line = ((z + iz * dz) * h + y + iy * dy) * w + x;
                            for ix in 0..x_taps.len() {
                                state = step(state, line + ix * dx);
                            }
                        }
                    }
                    done(out, state);
                    out += 1;
                }
            }
        }
    }

    fn planes_together(&self) -> usize {
        (GRAIN / self.input_size().max(1)).max(1)
    }
}

/// The sum of each window.
pub(crate) fn sum<T: Element>(windows: Windows) -> Kernel {
    Box::new(move |args| {
        let (x, out) = (args.input::<T>(0), args.output::<T>());
        let (from, to) = (windows.input_size(), windows.output_size());
        let together = windows.planes_together();
        args.pool().chunks(out, (together * to).max(1), |_, i, piece| {
            for (j, plane) in piece.chunks_exact_mut(to).enumerate() {
                let x = &x[(i * together + j) * from..][..from];
                windows.fold(
                    T::ZERO,
                    |sum, place| sum.plus(x[place]),
                    |out, sum| plane[out] = sum,
                );
            }
        });
        Ok(())
    })
}

/// Each window's number to every element of the window.
pub(crate) fn sum_grad<T: Element>(windows: Windows) -> Kernel {
    Box::new(move |args| {
        let (dy, out) = (args.input::<T>(0), args.output::<T>());
        let (from, to) = (windows.input_size(), windows.output_size());
        let together = windows.planes_together();
        args.pool().chunks(out, (together * from).max(1), |_, i, piece| {
            for (j, plane) in piece.chunks_exact_mut(from).enumerate() {
                let dy = &dy[(i * together + j) * to..][..to];
                plane.fill(T::ZERO);
                let plane = Cell::from_mut(plane).as_slice_of_cells();
                let window = Cell::new(0);
                let add = |(), place: usize| {
                    let element = &plane[place];
                    element.set(element.get().plus(dy[window.get()]));
                };
                windows.fold((), add, |out, ()| window.set(out + 1));
            }
        });
        Ok(())
    })
}

/// The flat spatial place of each window's first maximum; NaN is the largest.
pub(crate) fn argmax<T: Element>(windows: Windows) -> Kernel {
    Box::new(move |args| {
        let (x, out) = (args.input::<T>(0), args.output::<i32>());
        let (from, to) = (windows.input_size(), windows.output_size());
        let together = windows.planes_together();
        args.pool().chunks(out, (together * to).max(1), |_, i, piece| {
            for (j, plane) in piece.chunks_exact_mut(to).enumerate() {
                let x = &x[(i * together + j) * from..][..from];
                let better = |(best, at): (T, usize), place: usize| {
                    let element = x[place];
                    // Without branches: which tap wins cannot be foreseen.
                    let first = at == usize::MAX;
                    let wins = first | (element > best) | (element.is_nan() & !best.is_nan());
                    (if wins { element } else { best }, if wins { place } else { at })
                };
                windows.fold((T::LOWEST, usize::MAX), better, |out, (_, at)| {
                    plane[out] = at as i32
                });
            }
        });
        Ok(())
    })
}
