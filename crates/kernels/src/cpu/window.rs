//! Windows over the spatial axes: sums, their adjoint, and where the maximum is.

use hyperglow_core::op::{Op, Spec, Window};

use super::element::{Element, for_dtype};
use super::exec::{Args, Kernel};

/// The geometry of one plane (one sample, one channel), per spatial axis.
struct Plane {
    window: Window,
    kernel: Vec<usize>,
    input: Vec<usize>,
    output: Vec<usize>,
}

impl Plane {
    fn new(window: &Window, kernel: &[usize], input: &[usize], output: &[usize]) -> Plane {
        Plane { window: window.clone(), kernel: kernel.to_vec(), input: input.to_vec(), output: output.to_vec() }
    }

    /// Calls `visit(output index, input index)` for every tap that lies in the input, window by window in row-major
    /// order, taps in row-major order within a window.
    fn taps(&self, mut visit: impl FnMut(usize, usize)) {
        let mut at = [0; MAX_RANK];
        for o in 0..self.output.iter().product() {
            self.window_taps(&at, |i| visit(o, i));
            advance(&mut at, &self.output);
        }
    }

    #[inline]
    fn window_taps(&self, at: &[usize; MAX_RANK], mut visit: impl FnMut(usize)) {
        let mut tap = [0; MAX_RANK];
        for _ in 0..self.kernel.iter().product() {
            let mut index = 0;
            let mut inside = true;
            for axis in 0..self.kernel.len() {
                let padded = at[axis] * self.window.stride[axis] + tap[axis] * self.window.dilation[axis];
                let position = padded.wrapping_sub(self.window.pad_low[axis]);
                inside &= position < self.input[axis];
                index = index * self.input[axis] + position.min(self.input[axis]);
            }
            if inside {
                visit(index);
            }
            advance(&mut tap, &self.kernel);
        }
    }
}

/// More spatial axes than anyone pools over; inference admits any rank, the compiler of this kernel this many.
const MAX_RANK: usize = 8;

/// The next index in row-major order.
#[inline]
fn advance(at: &mut [usize; MAX_RANK], extents: &[usize]) {
    for axis in (0..extents.len()).rev() {
        at[axis] += 1;
        if at[axis] < extents[axis] {
            return;
        }
        at[axis] = 0;
    }
}

/// The kernel of `WindowSum`, `WindowSumGrad` and `WindowArgMax`.
pub(crate) fn compile(op: &Op, inputs: &[&Spec], output: &Spec) -> Kernel {
    let (from, to) = (&inputs[0].shape.dims()[2..], &output.shape.dims()[2..]);
    assert!(from.len() <= MAX_RANK, "windows over {} axes", from.len());
    let dtype = inputs[0].dtype;
    match op {
        Op::WindowSumGrad { window, kernel, .. } => {
            let plane = Plane::new(window, kernel, to, from);
            Box::new(move |args| {
                for_dtype!(dtype, T => spread::<T>(args, &plane));
                Ok(())
            })
        }
        Op::WindowArgMax { window, kernel } => {
            let plane = Plane::new(window, kernel, from, to);
            Box::new(move |args| {
                for_dtype!(dtype, T => arg_max::<T>(args, &plane));
                Ok(())
            })
        }
        Op::WindowSum { window, kernel } => {
            let plane = Plane::new(window, kernel, from, to);
            Box::new(move |args| {
                for_dtype!(dtype, T => sum::<T>(args, &plane));
                Ok(())
            })
        }
        other => unreachable!("{} is not a window operation", other.name()),
    }
}

fn sum<T: Element>(args: &Args<'_>, plane: &Plane) {
    let (x, y) = (args.input::<T>(0), args.output::<T>());
    let (inside, outside): (usize, usize) = (plane.input.iter().product(), plane.output.iter().product());
    if y.is_empty() {
        return;
    }
    args.pool().chunks(y, outside, |_, p, y| {
        let x = &x[p * inside..][..inside];
        y.fill(T::ZERO);
        plane.taps(|o, i| y[o] = y[o].plus(x[i]));
    });
}

fn spread<T: Element>(args: &Args<'_>, plane: &Plane) {
    let (dy, dx) = (args.input::<T>(0), args.output::<T>());
    let (inside, outside): (usize, usize) = (plane.input.iter().product(), plane.output.iter().product());
    if dx.is_empty() {
        return;
    }
    args.pool().chunks(dx, inside, |_, p, dx| {
        let dy = &dy[p * outside..][..outside];
        dx.fill(T::ZERO);
        plane.taps(|o, i| dx[i] = dx[i].plus(dy[o]));
    });
}

fn arg_max<T: Element>(args: &Args<'_>, plane: &Plane) {
    let (x, y) = (args.input::<T>(0), args.output::<i32>());
    let (inside, outside): (usize, usize) = (plane.input.iter().product(), plane.output.iter().product());
    if y.is_empty() {
        return;
    }
    args.pool().chunks(y, outside, |_, p, y| {
        let x = &x[p * inside..][..inside];
        let mut at = [0; MAX_RANK];
        for y in y.iter_mut() {
            let mut best: Option<usize> = None;
            plane.window_taps(&at, |i| {
                let better = best.is_none_or(|b| x[i] > x[b] || (x[i].is_nan() && !x[b].is_nan()));
                if better {
                    best = Some(i);
                }
            });
            *y = best.unwrap_or(0) as i32;
            advance(&mut at, &plane.output);
        }
    });
}
