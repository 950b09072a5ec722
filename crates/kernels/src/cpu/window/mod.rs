//! Sums, maxima and their places over windows of up to three spatial axes.
//!
//! The last axis is handled in blocks of neighboring windows that have all their taps, so that the compiler makes
//! vectors of them; windows at the border are taken one by one.

mod max;
mod max_grad;
mod maxima;
mod windowed;
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

/// Elements read by one task.
const TASK_ELEMENTS: usize = 1 << 14;
/// Windows side by side in a block.
const BLOCK_WINDOWS: usize = 16;
const HALF_BLOCK_WINDOWS: usize = 8;

/// What is made of the elements of windows, of `N` neighboring windows at a time.
trait Fold<T: Element> {
    type Out: Element;
    type State<const N: usize>: Copy;
    fn start<const N: usize>() -> Self::State<N>;
    /// Takes every `STEP`-th element of `source`, the first of which is at `place`.
    fn step<const N: usize, const STEP: usize>(state: &mut Self::State<N>, source: &[T], place: i32);
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
    fn step<const N: usize, const STEP: usize>(sums: &mut [T; N], source: &[T], _: i32) {
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = sum.plus(source[i * STEP]);
        }
    }
    #[inline(always)]
    fn done<const N: usize>(sums: [T; N]) -> [T; N] {
        sums
    }
}

/// The taps of a window on one axis, and the input place of the first.
type Taps = (Range<usize>, usize);

/// The taps of a line of windows on the first two axes.
type Line<'a> = (&'a Taps, &'a Taps);

/// Windows over planes of three spatial axes (missing ones have extent 1).
pub(crate) struct Windows {
    input: [usize; 3],
    output: [usize; 3],
    dilation: [usize; 3],
    /// Step on the last axis.
    step: usize,
    /// Per axis, per output position: the taps that lie within the input and the place of the first of them.
    taps: [Box<[Taps]>; 3],
    /// Windows on the last axis that have all their taps.
    inner: Range<usize>,
    /// Per axis, per input position: the windows that it lies in.
    covers: [Box<[Box<[usize]>]>; 3],
    /// Runs of `step` positions on the last axis, of which run i + 1 lies in the windows after those of run i.
    regular: Range<usize>,
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
        let taps: [Box<[Taps]>; 3] = std::array::from_fn(|axis| {
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
        if matches!(op, Op::WindowArgMax { .. } | Op::WindowMax { .. })
            && taps
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
        let covers = std::array::from_fn(|axis| covers(&taps[axis], dilation[axis], input[axis]));
        let whole = |(taps, _): &Taps| taps.len() == kernel[2];
        let inner = longest(output[2], |o| whole(&taps[2][o]));
        let regular = regular(&covers[2], stride[2]);
        Ok(Windows {
            input,
            output,
            dilation,
            step: stride[2],
            taps,
            inner,
            covers,
            regular,
        })
    }

    fn input_size(&self) -> usize {
        self.input.iter().product()
    }

    fn output_size(&self) -> usize {
        self.output.iter().product()
    }

    fn planes_together(&self) -> usize {
        (TASK_ELEMENTS / self.input_size().max(1)).max(1)
    }

    /// Folds each window of a plane.
    #[inline(always)]
    fn fold<T: Element, F: Fold<T>>(&self, x: &[T], out: &mut [F::Out]) {
        match self.step {
            1 => self.fold_by::<1, T, F>(x, out),
            2 => self.fold_by::<2, T, F>(x, out),
            _ => self.fold_in::<1, 1, T, F>(x, out, &(0..0)),
        }
    }

    #[inline(always)]
    fn fold_by<const STEP: usize, T: Element, F: Fold<T>>(&self, x: &[T], out: &mut [F::Out]) {
        match self.inner.len() {
            BLOCK_WINDOWS.. => self.fold_in::<BLOCK_WINDOWS, STEP, T, F>(x, out, &self.inner),
            HALF_BLOCK_WINDOWS.. => self.fold_in::<HALF_BLOCK_WINDOWS, STEP, T, F>(x, out, &self.inner),
            _ => self.fold_in::<1, 1, T, F>(x, out, &(0..0)),
        }
    }

    /// Folds those windows of each line that lie in `inner` in blocks of `N`, the others one by one.
    #[inline(always)]
    fn fold_in<const N: usize, const STEP: usize, T: Element, F: Fold<T>>(
        &self,
        x: &[T],
        out: &mut [F::Out],
        inner: &Range<usize>,
    ) {
        self.by_lines(out, |at, line| {
            for o in (0..inner.start).chain(inner.end..line.len()) {
                self.block::<1, 1, T, F>(x, (at, o), &mut line[o..]);
            }
            for o in inner.clone().step_by(N) {
                // The last block may overlap the one before.
                let o = o.min(inner.end - N);
                self.block::<N, STEP, T, F>(x, (at, o), &mut line[o..]);
            }
        });
    }

    /// Calls `each(taps, line)` for every line of a plane of results.
    #[inline(always)]
    fn by_lines<U>(&self, out: &mut [U], mut each: impl FnMut(Line<'_>, &mut [U])) {
        let mut lines = out.chunks_exact_mut(self.output[2]);
        for z in &self.taps[0] {
            for (y, line) in self.taps[1].iter().zip(&mut lines) {
                each((z, y), line);
            }
        }
    }

    /// Calls `visit(place)` for every tap of window `o` of a line, in order.
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

    /// `N` windows from `o` on, `STEP` apart, all of which have the taps of the first.
    #[inline(always)]
    fn block<const N: usize, const STEP: usize, T: Element, F: Fold<T>>(
        &self,
        x: &[T],
        (at, o): (Line<'_>, usize),
        out: &mut [F::Out],
    ) {
        let mut state = F::start::<N>();
        self.each_tap(at, o, |place| {
            F::step::<N, STEP>(&mut state, &x[place..][..(N - 1) * STEP + 1], place as i32);
        });
        out[..N].copy_from_slice(&F::done::<N>(state));
    }

    /// Every element of a plane: the sum of the windows that it lies in.
    #[inline(always)]
    fn spread<T: Element>(&self, dy: &[T], out: &mut [T]) {
        match self.step {
            1 => self.spread_by::<1, T>(dy, out),
            2 => self.spread_by::<2, T>(dy, out),
            _ => self.spread_in::<1, 1, T>(dy, out, &(0..0)),
        }
    }

    #[inline(always)]
    fn spread_by<const STEP: usize, T: Element>(&self, dy: &[T], out: &mut [T]) {
        match self.regular.len() {
            BLOCK_WINDOWS.. => self.spread_in::<BLOCK_WINDOWS, STEP, T>(dy, out, &self.regular),
            HALF_BLOCK_WINDOWS.. => self.spread_in::<HALF_BLOCK_WINDOWS, STEP, T>(dy, out, &self.regular),
            _ => self.spread_in::<1, 1, T>(dy, out, &(0..0)),
        }
    }

    /// The elements of each line in the runs `regular` in blocks of `N` runs, the others one by one.
    #[inline(always)]
    fn spread_in<const N: usize, const STEP: usize, T: Element>(
        &self,
        dy: &[T],
        out: &mut [T],
        regular: &Range<usize>,
    ) {
        let [_, height, width] = self.input;
        for (row, line) in out.chunks_exact_mut(width).enumerate() {
            let (z, y) = (&self.covers[0][row / height], &self.covers[1][row % height]);
            for i in (0..regular.start * STEP).chain(regular.end * STEP..width) {
                self.spread_block::<1, 1, T>(dy, (z, y, i), &mut line[i..]);
            }
            for run in regular.clone().step_by(N) {
                // The last block may overlap the one before.
                let i = run.min(regular.end - N) * STEP;
                self.spread_block::<N, STEP, T>(dy, (z, y, i), &mut line[i..]);
            }
        }
    }

    /// Calls `line(place)` with where each line of covering windows starts.
    #[inline(always)]
    fn covering(&self, z: &[usize], y: &[usize], mut line: impl FnMut(usize)) {
        for z in z {
            for y in y {
                line((z * self.output[1] + y) * self.output[2]);
            }
        }
    }

    /// `N` runs of `STEP` elements, from element `i` on.
    #[inline(always)]
    fn spread_block<const N: usize, const STEP: usize, T: Element>(
        &self,
        dy: &[T],
        (z, y, i): (&[usize], &[usize], usize),
        out: &mut [T],
    ) {
        let mut sums = [[T::ZERO; N]; STEP];
        for (r, sums) in sums.iter_mut().enumerate() {
            let covers = &self.covers[2][i + r];
            self.covering(z, y, |from| {
                for &o in covers {
                    let source = &dy[from + o..][..N];
                    for (sum, &x) in sums.iter_mut().zip(source) {
                        *sum = sum.plus(x);
                    }
                }
            });
        }
        for (i, out) in out[..N * STEP].chunks_exact_mut(STEP).enumerate() {
            for (out, sums) in out.iter_mut().zip(&sums) {
                *out = sums[i];
            }
        }
    }
}

/// For each of `input` positions the windows that it lies in.
fn covers(taps: &[Taps], dilation: usize, input: usize) -> Box<[Box<[usize]>]> {
    let mut covers = vec![Vec::new(); input];
    for (o, (taps, first)) in taps.iter().enumerate() {
        for tap in 0..taps.len() {
            covers[first + tap * dilation].push(o);
        }
    }
    covers.into_iter().map(Vec::into_boxed_slice).collect()
}

/// The runs of `step` positions that are covered alike, each one window further than the one before: the longest
/// row of them.
fn regular(covers: &[Box<[usize]>], step: usize) -> Range<usize> {
    let runs = covers.len() / step;
    let follows = |run: usize| {
        (0..step).all(|r| {
            let (before, now) = (&covers[(run - 1) * step + r], &covers[run * step + r]);
            before.len() == now.len() && before.iter().zip(now).all(|(a, b)| a + 1 == *b)
        })
    };
    let found = longest(runs, |run| run > 0 && follows(run));
    // The run before the first that follows.
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
    /// The sums of the windows that the elements of some planes lie in.
    fn spreads[T: Element](windows: &Windows, dy: &[T], out: &mut [T]) {
        let planes = dy.chunks_exact(windows.output_size());
        for (dy, out) in planes.zip(out.chunks_exact_mut(windows.input_size())) {
            windows.spread(dy, out);
        }
    }
}

/// A kernel that computes some planes of the result from planes of the input, with the sizes of both kinds of planes.
fn by_planes<A: Element, B: Element>(
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
        let (level, together) = (args.level(), windows.planes_together());
        args.pool().chunks(out, together * to, |_, i, piece| {
            let planes = piece.len() / to;
            run(level, &windows, &x[i * together * from..][..planes * from], piece);
        });
        Ok(())
    })
}

/// The sum of each window.
pub(crate) fn sum<T: Element>(windows: Windows) -> Kernel {
    let sizes = (windows.input_size(), windows.output_size());
    by_planes::<T, T>(windows, sizes, sums::<T>)
}

/// Each window's number to every element of the window.
pub(crate) fn sum_grad<T: Element>(windows: Windows) -> Kernel {
    let sizes = (windows.output_size(), windows.input_size());
    by_planes::<T, T>(windows, sizes, spreads::<T>)
}
