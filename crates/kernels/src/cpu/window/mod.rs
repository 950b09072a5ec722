//! Pooling: sums, maxima and their positions over windows of up to three spatial axes.
//!
//! On the last axis, interior windows (those with all taps inside the input) are computed in blocks, which the compiler
//! vectorizes; windows at the border are computed one by one.

mod covering;
mod max;
mod max_grad;
mod maxima;

#[cfg(target_arch = "x86_64")]
mod x86;
#[cfg(target_arch = "x86_64")]
mod x86_grad;

pub(crate) use max::{Maxima, argmax, max};
pub(crate) use max_grad::max_grad;

use std::ops::Range;

use hyperglow_core::op::{Op, Spec, Window};
use hyperglow_core::{Error, Result};

use super::element::Element;
use super::exec::Kernel;
use super::level::{Level, versions};

/// Minimal number of input elements of a task.
const TASK_ELEMENTS: usize = 1 << 14;
/// Neighboring windows of a block, and of a smaller block for short lines.
const BLOCK_WINDOWS: usize = 16;
const HALF_BLOCK_WINDOWS: usize = 8;

/// A reduction over the elements of a window, for `N` neighboring windows at a time.
trait Fold<T: Element> {
    type Out: Element;
    type State<const N: usize>: Copy;
    fn start<const N: usize>() -> Self::State<N>;
    /// Adds element `i * STRIDE` of `source` to window i; the first element is at `position` of the plane.
    fn step<const N: usize, const STRIDE: usize>(state: &mut Self::State<N>, source: &[T], position: i32);
    fn done<const N: usize>(state: Self::State<N>) -> [Self::Out; N];
}

/// The sum.
struct Sum;
impl<T: Element> Fold<T> for Sum {
    type Out = T;
    type State<const N: usize> = [T; N];
    #[inline(always)]
    fn start<const N: usize>() -> [T; N] {
        [T::ZERO; N]
    }
    #[inline(always)]
    fn step<const N: usize, const STRIDE: usize>(sums: &mut [T; N], source: &[T], _: i32) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = sum.plus(source[i * STRIDE]);
        }
    }
    #[inline(always)]
    fn done<const N: usize>(sums: [T; N]) -> [T; N] {
        sums
    }
}

/// The taps of a window inside the input on one axis, and the input position of the first tap.
type Taps = (Range<usize>, usize);

/// The taps of a line of windows on the first two axes.
type Line<'a> = (&'a Taps, &'a Taps);

/// Windows over planes of three spatial axes (missing ones have extent 1).
pub(crate) struct Windows {
    input: [usize; 3],
    output: [usize; 3],
    dilation: [usize; 3],
    /// Stride on the last axis.
    stride: usize,
    /// Per axis, per output position, its taps.
    taps: [Box<[Taps]>; 3],
    /// Interior windows on the last axis: those with all taps.
    inner: Range<usize>,
    /// Per axis, per input position, the windows that cover it.
    covering: [Box<[Box<[usize]>]>; 3],
    /// Runs of `stride` input positions on the last axis such that each run is covered by the successors of the windows that cover
    /// the run before.
    regular_runs: Range<usize>,
}

/// `dims` padded to three axes with leading `missing`.
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
        let taps: [Box<[Taps]>; 3] = std::array::from_fn(|axis| {
            (0..output[axis])
                .map(|o| {
                    let position =
                        |tap: usize| (o * stride[axis] + tap * dilation[axis]).checked_sub(pad[axis]);
                    let first = (0..kernel[axis])
                        .find(|&tap| position(tap).is_some())
                        .unwrap_or(kernel[axis]);
                    let last =
                        (first..kernel[axis]).find(|&tap| position(tap).is_none_or(|i| i >= input[axis]));
                    (first..last.unwrap_or(kernel[axis]), position(first).unwrap_or(0))
                })
                .collect()
        });
        if matches!(op, Op::WindowArgMax { .. } | Op::WindowMax { .. })
            && taps
                .iter()
                .any(|axis| axis.iter().any(|(taps, _)| taps.is_empty()))
        {
            return Err(Error::shape(
                name,
                format!(
                    "a window of {kernel:?} lies in the padding alone, and the maximum of nothing has no position"
                ),
                "use less padding",
            ));
        }
        let covering = std::array::from_fn(|axis| covering(&taps[axis], dilation[axis], input[axis]));
        let whole = |(taps, _): &Taps| taps.len() == kernel[2];
        let inner = longest(output[2], |o| whole(&taps[2][o]));
        let regular_runs = regular_runs(&covering[2], stride[2]);
        Ok(Windows {
            input,
            output,
            dilation,
            stride: stride[2],
            taps,
            inner,
            covering,
            regular_runs,
        })
    }

    fn input_size(&self) -> usize {
        self.input.iter().product()
    }

    fn output_size(&self) -> usize {
        self.output.iter().product()
    }

    fn planes_per_task(&self) -> usize {
        (TASK_ELEMENTS / self.input_size().max(1)).max(1)
    }

    /// Reduces each window of a plane.
    #[inline(always)]
    fn fold<T: Element, F: Fold<T>>(&self, x: &[T], out: &mut [F::Out]) {
        match self.stride {
            1 => self.fold_by::<1, T, F>(x, out),
            2 => self.fold_by::<2, T, F>(x, out),
            _ => self.fold_in::<1, 1, T, F>(x, out, &(0..0)),
        }
    }

    #[inline(always)]
    fn fold_by<const STRIDE: usize, T: Element, F: Fold<T>>(&self, x: &[T], out: &mut [F::Out]) {
        match self.inner.len() {
            BLOCK_WINDOWS.. => self.fold_in::<BLOCK_WINDOWS, STRIDE, T, F>(x, out, &self.inner),
            HALF_BLOCK_WINDOWS.. => self.fold_in::<HALF_BLOCK_WINDOWS, STRIDE, T, F>(x, out, &self.inner),
            _ => self.fold_in::<1, 1, T, F>(x, out, &(0..0)),
        }
    }

    /// Reduces the windows `inner` of each line in blocks of `N`, the others one by one.
    #[inline(always)]
    fn fold_in<const N: usize, const STRIDE: usize, T: Element, F: Fold<T>>(
        &self,
        x: &[T],
        out: &mut [F::Out],
        inner: &Range<usize>,
    ) {
        self.each_output_line(out, |at, line| {
            for o in (0..inner.start).chain(inner.end..line.len()) {
                self.block::<1, 1, T, F>(x, (at, o), &mut line[o..]);
            }
            for o in inner.clone().step_by(N) {
                // The last block may overlap the one before.
                let o = o.min(inner.end - N);
                self.block::<N, STRIDE, T, F>(x, (at, o), &mut line[o..]);
            }
        });
    }

    /// Calls `each(taps, line)` for every line of a plane of the output.
    #[inline(always)]
    fn each_output_line<U>(&self, out: &mut [U], mut each: impl FnMut(Line<'_>, &mut [U])) {
        let mut lines = out.chunks_exact_mut(self.output[2]);
        for z in &self.taps[0] {
            for (y, line) in self.taps[1].iter().zip(&mut lines) {
                each((z, y), line);
            }
        }
    }

    /// Calls `visit(position)` for every tap of window `o` of a line, in order.
    #[inline(always)]
    fn each_tap(&self, ((z_taps, z), (y_taps, y)): Line<'_>, o: usize, mut visit: impl FnMut(usize)) {
        let (x_taps, x) = &self.taps[2][o];
        let [dz, dy, dx] = self.dilation;
        for iz in 0..z_taps.len() {
            for iy in 0..y_taps.len() {
                let line = ((z + iz * dz) * self.input[1] + y + iy * dy) * self.input[2] + x;
                for ix in 0..x_taps.len() {
                    visit(line + ix * dx);
                }
            }
        }
    }

    /// Reduces `N` interior windows from window `o` on.
    #[inline(always)]
    fn block<const N: usize, const STRIDE: usize, T: Element, F: Fold<T>>(
        &self,
        x: &[T],
        (at, o): (Line<'_>, usize),
        out: &mut [F::Out],
    ) {
        let mut state = F::start::<N>();
        self.each_tap(at, o, |position| {
            F::step::<N, STRIDE>(
                &mut state,
                &x[position..][..(N - 1) * STRIDE + 1],
                position as i32,
            );
        });
        out[..N].copy_from_slice(&F::done::<N>(state));
    }

    /// The adjoint of window sums: each input element is the sum of dy over the windows that cover it.
    #[inline(always)]
    fn sum_covering<T: Element>(&self, dy: &[T], out: &mut [T]) {
        match self.stride {
            1 => self.sum_covering_by::<1, T>(dy, out),
            2 => self.sum_covering_by::<2, T>(dy, out),
            _ => self.sum_covering_in::<1, 1, T>(dy, out, &(0..0)),
        }
    }

    #[inline(always)]
    fn sum_covering_by<const STRIDE: usize, T: Element>(&self, dy: &[T], out: &mut [T]) {
        match self.regular_runs.len() {
            BLOCK_WINDOWS.. => self.sum_covering_in::<BLOCK_WINDOWS, STRIDE, T>(dy, out, &self.regular_runs),
            HALF_BLOCK_WINDOWS.. => {
                self.sum_covering_in::<HALF_BLOCK_WINDOWS, STRIDE, T>(dy, out, &self.regular_runs)
            }
            _ => self.sum_covering_in::<1, 1, T>(dy, out, &(0..0)),
        }
    }

    /// The runs `regular` of each line in blocks of `N` runs, the other elements one by one.
    #[inline(always)]
    fn sum_covering_in<const N: usize, const STRIDE: usize, T: Element>(
        &self,
        dy: &[T],
        out: &mut [T],
        regular: &Range<usize>,
    ) {
        let [_, height, width] = self.input;
        for (row, line) in out.chunks_exact_mut(width).enumerate() {
            let (z, y) = (&self.covering[0][row / height], &self.covering[1][row % height]);
            for i in (0..regular.start * STRIDE).chain(regular.end * STRIDE..width) {
                self.sum_covering_block::<1, 1, T>(dy, (z, y, i), &mut line[i..]);
            }
            for run in regular.clone().step_by(N) {
                // The last block may overlap the one before.
                let i = run.min(regular.end - N) * STRIDE;
                self.sum_covering_block::<N, STRIDE, T>(dy, (z, y, i), &mut line[i..]);
            }
        }
    }

    /// Calls `line(position)` with the start of each output line of covering windows.
    #[inline(always)]
    fn covering_lines(&self, z: &[usize], y: &[usize], mut line: impl FnMut(usize)) {
        for z in z {
            for y in y {
                line((z * self.output[1] + y) * self.output[2]);
            }
        }
    }

    /// `N` runs of `STRIDE` elements, from element `i` on.
    #[inline(always)]
    fn sum_covering_block<const N: usize, const STRIDE: usize, T: Element>(
        &self,
        dy: &[T],
        (z, y, i): (&[usize], &[usize], usize),
        out: &mut [T],
    ) {
        let mut sums = [[T::ZERO; N]; STRIDE];
        for (r, sums) in sums.iter_mut().enumerate() {
            let covering = &self.covering[2][i + r];
            self.covering_lines(z, y, |from| {
                for &o in covering {
                    let source = &dy[from + o..][..N];
                    for (sum, &x) in sums.iter_mut().zip(source) {
                        *sum = sum.plus(x);
                    }
                }
            });
        }
        for (i, out) in out[..N * STRIDE].chunks_exact_mut(STRIDE).enumerate() {
            for (out, sums) in out.iter_mut().zip(&sums) {
                *out = sums[i];
            }
        }
    }
}

/// Per input position on one axis, the windows that cover it.
fn covering(taps: &[Taps], dilation: usize, input: usize) -> Box<[Box<[usize]>]> {
    let mut covering = vec![Vec::new(); input];
    for (o, (taps, first)) in taps.iter().enumerate() {
        for tap in 0..taps.len() {
            covering[first + tap * dilation].push(o);
        }
    }
    covering.into_iter().map(Vec::into_boxed_slice).collect()
}

/// The longest range of runs of `stride` positions such that each run is covered by the successors of the windows that cover the
/// run before.
fn regular_runs(covering: &[Box<[usize]>], step: usize) -> Range<usize> {
    let runs = covering.len() / step;
    let follows = |run: usize| {
        (0..step).all(|r| {
            let (before, now) = (&covering[(run - 1) * step + r], &covering[run * step + r]);
            before.len() == now.len() && before.iter().zip(now).all(|(a, b)| a + 1 == *b)
        })
    };
    let found = longest(runs, |run| run > 0 && follows(run));
    // With the run before the first that follows.
    found.start.saturating_sub(1)..found.end
}

/// The longest range below `count` on which `holds`.
fn longest(count: usize, holds: impl Fn(usize) -> bool) -> Range<usize> {
    let (mut best, mut start) = (0..0, 0);
    for i in 0..count {
        if !holds(i) {
            start = i + 1;
        } else if i + 1 - start > best.len() {
            best = start..i + 1;
        }
    }
    best
}

versions! {
    /// The sums of the windows of some planes.
    fn sums[T: Element](windows: &Windows, x: &[T], out: &mut [T]) {
        let planes = x.chunks_exact(windows.input_size());
        for (x, out) in planes.zip(out.chunks_exact_mut(windows.output_size())) {
            windows.fold::<T, Sum>(x, out);
        }
    }
}

versions! {
    /// The adjoint of window sums, for some planes.
    fn covering_sums[T: Element](windows: &Windows, dy: &[T], out: &mut [T]) {
        let planes = dy.chunks_exact(windows.output_size());
        for (dy, out) in planes.zip(out.chunks_exact_mut(windows.input_size())) {
            windows.sum_covering(dy, out);
        }
    }
}

/// A kernel that computes planes of the output from planes of the input. `from`, `to`: elements of an input plane and of an output
/// plane.
fn plane_kernel<A: Element, B: Element>(
    windows: Windows,
    (from, to): (usize, usize),
    run: impl Fn(Level, &Windows, &[A], &mut [B]) + Send + Sync + 'static,
) -> Kernel {
    Box::new(move |args| {
        let (x, out) = (args.input::<A>(0), args.output::<B>());
        if out.is_empty() {
            return Ok(());
        }
        if x.is_empty() {
            out.fill(B::ZERO);
            return Ok(());
        }
        let (level, per_task) = (args.level(), windows.planes_per_task());
        args.pool().chunks(out, per_task * to, |_, i, out| {
            let planes = out.len() / to;
            run(level, &windows, &x[i * per_task * from..][..planes * from], out);
        });
        Ok(())
    })
}

/// The sum of each window.
pub(crate) fn sum<T: Element>(windows: Windows) -> Kernel {
    let sizes = (windows.input_size(), windows.output_size());
    plane_kernel::<T, T>(windows, sizes, sums::<T>)
}

/// The adjoint of the window sum.
pub(crate) fn sum_grad<T: Element>(windows: Windows) -> Kernel {
    let sizes = (windows.output_size(), windows.input_size());
    plane_kernel::<T, T>(windows, sizes, covering_sums::<T>)
}
