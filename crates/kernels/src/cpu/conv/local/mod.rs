//! Local convolution: every position has weights of its own. Also its two adjoints. Adjacent positions are contiguous
//! in every operand, so registers hold positions and nothing is rearranged but for the padding. The kernels take a run
//! of positions at a time, and for it a tile of sums for two of samples, outputs and terms (a channel and a tap each).
//!
//! Weights are as large as all the rest together and are used once for each sample. A task has a run of a few outputs
//! and all samples, or a channel and some samples, so that it reads them from the cache after the first time.

use std::ops::Range;

use crate::cpu::conv::lanes::{LaneDispatch, LaneKernel, has_32_registers};
use crate::cpu::conv::planes::{Run, Runs};
use crate::cpu::conv::shape::{ConvShape, TapMap};
use crate::cpu::element::Element;
use crate::cpu::exec::{Args, Chosen, Env, Plain, scratch_bytes};
use crate::cpu::gemm::Lanes;
use crate::cpu::level::{Kind, Level};
use crate::cpu::pool::SharedSlice;

/// Outputs of a task.
const TASK_OUTPUTS: usize = 4;
/// Samples of a task of the adjoint in x.
const TASK_SAMPLES: usize = 8;

/// The geometry of one of the three.
struct Local {
    shape: ConvShape,
    runs: Runs,
    /// Channels whose planes are written out together.
    channels: usize,
}

impl Local {
    fn new<T>(shape: ConvShape, channels: usize, level: Level) -> Local {
        let tap_map: TapMap = shape.forward();
        let runs = Runs::new(&tap_map, channels, lanes::<T>(level));
        Local {
            shape,
            runs,
            channels,
        }
    }

    /// Terms of a sum over channels and taps.
    fn terms(&self) -> usize {
        self.channels * self.shape.taps()
    }

    /// Where run `run` of the weights between output `o` and term `k` of all channels starts.
    fn weight(&self, o: usize, k: usize) -> usize {
        (o * self.shape.channels * self.shape.taps() + k) * self.shape.output_size()
    }

    /// Where the positions of output `o` of sample `n` start.
    fn position(&self, n: usize, o: usize) -> usize {
        (n * self.shape.outputs + o) * self.shape.output_size()
    }

    /// All samples with their padding, each at a multiple of `Runs::len`.
    fn padded<'a, T: Plain + Element + LaneDispatch>(&self, args: &Args<'a>, x: &'a [T]) -> (&'a [T], usize) {
        let (len, sample) = (
            self.runs.len(self.channels),
            self.channels * self.shape.input_size(),
        );
        if len == 0 {
            self.runs.check(self.channels, sample);
            return (x, sample);
        }
        let work = args.scratch::<T>(len * self.shape.batch);
        let level = args.level();
        args.pool().chunks(work, len, |_, n, work| {
            work.fill(T::ZERO);
            self.runs.write(level, &x[n * sample..][..sample], work);
        });
        (work, len)
    }

    fn padded_bytes<T>(&self) -> usize {
        scratch_bytes::<T>(self.runs.len(self.channels) * self.shape.batch)
    }
}

/// Elements of the registers of a level.
fn lanes<T>(level: Level) -> usize {
    let bytes = match level.kind() {
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => 64,
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 => 32,
        Kind::Portable => 16,
    };
    bytes / size_of::<T>()
}

/// y (N, O, out..) of x and w.
pub(crate) fn forward<T: Plain + Element + LaneDispatch>(shape: ConvShape, env: &Env) -> Chosen {
    let channels = shape.channels;
    let local = Local::new::<T>(shape, channels, env.level);
    Chosen {
        scratch: local.padded_bytes::<T>(),
        serial: false,
        kernel: Box::new(move |args| {
            let (x, w, y) = (args.input::<T>(0), args.input::<T>(1), args.output::<T>());
            let (planes, sample) = local.padded(args, x);
            let (y, level) = (SharedSlice::new(y), args.level());
            let groups = local.shape.outputs.div_ceil(TASK_OUTPUTS);
            args.pool().run(local.runs.all.len() * groups, |_, task| {
                let kernel = Forward {
                    local: &local,
                    planes,
                    sample,
                    w,
                    y: &y,
                    run: local.runs.all[task / groups],
                    first: task % groups * TASK_OUTPUTS,
                };
                T::dispatch(level, kernel);
            });
            Ok(())
        }),
    }
}

/// dw (O, C, k.., out..) of x and dy.
pub(crate) fn weight_grad<T: Plain + Element + LaneDispatch>(shape: ConvShape, env: &Env) -> Chosen {
    let channels = shape.channels;
    let local = Local::new::<T>(shape, channels, env.level);
    Chosen {
        scratch: local.padded_bytes::<T>(),
        serial: false,
        kernel: Box::new(move |args| {
            let (x, dy, dw) = (args.input::<T>(0), args.input::<T>(1), args.output::<T>());
            let (planes, sample) = local.padded(args, x);
            let (dw, level) = (SharedSlice::new(dw), args.level());
            let groups = local.shape.outputs.div_ceil(TASK_OUTPUTS);
            args.pool().run(local.runs.all.len() * groups, |_, task| {
                let kernel = WeightGrad {
                    local: &local,
                    planes,
                    sample,
                    dy,
                    dw: &dw,
                    run: local.runs.all[task / groups],
                    first: task % groups * TASK_OUTPUTS,
                };
                T::dispatch(level, kernel);
            });
            Ok(())
        }),
    }
}

/// dx (N, C, in..) of dy and w.
pub(crate) fn input_grad<T: Plain + Element + LaneDispatch>(shape: ConvShape, env: &Env) -> Chosen {
    let local = Local::new::<T>(shape, 1, env.level);
    let len = sums_len(&local.runs);
    Chosen {
        scratch: scratch_bytes::<T>(env.pool.threads() * TASK_SAMPLES * len),
        serial: false,
        kernel: Box::new(move |args| {
            let (dy, w, dx) = (args.input::<T>(0), args.input::<T>(1), args.output::<T>());
            let work = args.worker_scratch::<T>(TASK_SAMPLES * len);
            let (dx, level) = (SharedSlice::new(dx), args.level());
            let groups = local.shape.batch.div_ceil(TASK_SAMPLES);
            args.pool().run(local.shape.channels * groups, |worker, task| {
                // SAFETY: this worker's own.
                let sums = unsafe { work.of(worker) };
                let (channel, first) = (task / groups, task % groups * TASK_SAMPLES);
                let samples = TASK_SAMPLES.min(local.shape.batch - first);
                sums[..samples * len].fill(T::ZERO);
                let kernel = InputGrad {
                    local: &local,
                    dy,
                    w,
                    sums: &mut *sums,
                    len,
                    channel,
                    samples: first..first + samples,
                };
                T::dispatch(level, kernel);
                let size = local.shape.input_size();
                for (n, sums) in sums.chunks_exact(len).take(samples).enumerate() {
                    let start = ((first + n) * local.shape.channels + channel) * size;
                    // SAFETY: no other task has this channel of this sample.
                    let plane = unsafe { dx.range(start..start + size) };
                    local.runs.planes.read(sums, plane);
                }
            });
            Ok(())
        }),
    }
}

/// Elements of the sums of a channel of a sample, with what a register of them may reach behind.
fn sums_len(runs: &Runs) -> usize {
    (runs.planes.size() + runs.lanes).next_multiple_of(64)
}

/// Sums over `depth` terms, of products of two operands' registers of positions: one sum for each pair of an `a` and a
/// `b`.
trait Sums<T: Element> {
    fn depth(&self) -> usize;
    /// Where the positions of term `d` of the left operand are for `a`.
    fn left(&self, d: usize, a: usize) -> *const T;
    /// Where those of the right one are for `b`.
    fn right(&self, d: usize, b: usize) -> *const T;
    /// Takes the sum for `a` and `b`. Beyond the positions it may hold anything, 0 if both operands end there.
    ///
    /// # Safety
    /// The processor must have `V`'s instructions, and `a` and `b` be within the extents.
    unsafe fn take<V: Lanes<Elem = T>>(&self, a: usize, b: usize, sum: V);

    /// All sums for `a` and `b` below the extents, of `count` positions.
    ///
    /// # Safety
    /// The processor must have `V`'s instructions, and the addresses of `count` positions, at most a register of them,
    /// be readable.
    #[inline(always)]
    unsafe fn all<V: Lanes<Elem = T>>(&self, extents: (usize, usize), count: usize) {
        // SAFETY: as the caller promises.
        unsafe {
            if count == V::N {
                self.rows::<V, true>(extents, count);
            } else {
                self.rows::<V, false>(extents, count);
            }
        }
    }

    /// # Safety
    /// As for [`Sums::all`]; `WHOLE` says that a register is full.
    #[inline(always)]
    unsafe fn rows<V: Lanes<Elem = T>, const WHOLE: bool>(
        &self,
        (until, width): (usize, usize),
        count: usize,
    ) {
        let mut a = 0;
        while a < until {
            // SAFETY: as the caller promises.
            a += unsafe {
                match until - a {
                    4.. if has_32_registers::<V>() => self.row::<V, WHOLE, 4>(a, width, count),
                    2.. => self.row::<V, WHOLE, 2>(a, width, count),
                    _ => self.row::<V, WHOLE, 1>(a, width, count),
                }
            };
        }
    }

    /// # Safety
    /// As for [`Sums::rows`].
    #[inline(always)]
    unsafe fn row<V: Lanes<Elem = T>, const WHOLE: bool, const A: usize>(
        &self,
        a: usize,
        width: usize,
        count: usize,
    ) -> usize {
        let mut b = 0;
        while b < width {
            // SAFETY: as the caller promises.
            b += unsafe {
                match width - b {
                    4.. => self.tile::<V, WHOLE, A, 4>((a, b), count),
                    2.. => self.tile::<V, WHOLE, A, 2>((a, b), count),
                    _ => self.tile::<V, WHOLE, A, 1>((a, b), count),
                }
            };
        }
        A
    }

    /// # Safety
    /// As for [`Sums::rows`].
    #[inline(always)]
    unsafe fn tile<V: Lanes<Elem = T>, const WHOLE: bool, const A: usize, const B: usize>(
        &self,
        (a, b): (usize, usize),
        count: usize,
    ) -> usize {
        // SAFETY: as the caller promises.
        unsafe {
            let mask = V::first(count);
            let load = |from: *const T| {
                if WHOLE {
                    V::load(from)
                } else {
                    V::load_some(from, mask)
                }
            };
            let mut sums = [[V::splat(T::ZERO); B]; A];
            for d in 0..self.depth() {
                let lefts: [V; A] = std::array::from_fn(|i| load(self.left(d, a + i)));
                let rights: [V; B] = std::array::from_fn(|j| load(self.right(d, b + j)));
                for (row, left) in sums.iter_mut().zip(lefts) {
                    for (sum, right) in row.iter_mut().zip(rights) {
                        *sum = sum.fma(left, right);
                    }
                }
            }
            for (i, row) in sums.into_iter().enumerate() {
                for (j, sum) in row.into_iter().enumerate() {
                    self.take(a + i, b + j, sum);
                }
            }
        }
        B
    }
}

/// Stores the first `count` positions of a register.
///
/// # Safety
/// The processor must have `V`'s instructions, and the positions be writable.
#[inline(always)]
unsafe fn put<V: Lanes>(sum: V, to: *mut V::Elem, count: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        if count == V::N {
            sum.store(to);
        } else {
            sum.store_some(to, V::first(count));
        }
    }
}

/// A run of some outputs of all samples: sums over terms, of weights and what they read.
struct Forward<'a, T> {
    local: &'a Local,
    planes: &'a [T],
    /// Elements between samples in `planes`.
    sample: usize,
    w: &'a [T],
    y: &'a SharedSlice<'a, T>,
    run: Run,
    /// The first output.
    first: usize,
}

impl<T: Element> Sums<T> for Forward<'_, T> {
    #[inline(always)]
    fn depth(&self) -> usize {
        self.local.terms()
    }
    #[inline(always)]
    fn left(&self, k: usize, o: usize) -> *const T {
        self.w
            .as_ptr()
            .wrapping_add(self.local.weight(self.first + o, k) + self.run.position)
    }
    #[inline(always)]
    fn right(&self, k: usize, n: usize) -> *const T {
        let from = n * self.sample + self.local.runs.offsets[k] + self.run.from;
        self.planes.as_ptr().wrapping_add(from)
    }
    #[inline(always)]
    unsafe fn take<V: Lanes<Elem = T>>(&self, o: usize, n: usize, sum: V) {
        let at = self.local.position(n, self.first + o) + self.run.position;
        // SAFETY: as the caller promises; the task's own positions.
        unsafe { put(sum, self.y.as_mut_ptr().add(at), self.run.count) }
    }
}

impl<T: Element> LaneKernel<T> for Forward<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(self) {
        let Local { shape, runs, .. } = self.local;
        assert!(V::N == runs.lanes && shape.batch * self.sample <= self.planes.len());
        assert!(self.w.len() == self.local.weight(shape.outputs, 0));
        assert!(self.y.len() == self.local.position(shape.batch, 0));
        let outputs = TASK_OUTPUTS.min(shape.outputs - self.first);
        // SAFETY: the operands have the extents that were checked, and samples' planes what registers reach.
        unsafe { self.all::<V>((outputs, shape.batch), self.run.count) }
    }
}

/// A run of the weights of some outputs: sums over samples, of cotangents and what positions read.
struct WeightGrad<'a, T> {
    local: &'a Local,
    planes: &'a [T],
    /// Elements between samples in `planes`.
    sample: usize,
    dy: &'a [T],
    dw: &'a SharedSlice<'a, T>,
    run: Run,
    /// The first output.
    first: usize,
}

impl<T: Element> Sums<T> for WeightGrad<'_, T> {
    #[inline(always)]
    fn depth(&self) -> usize {
        self.local.shape.batch
    }
    #[inline(always)]
    fn left(&self, n: usize, o: usize) -> *const T {
        self.dy
            .as_ptr()
            .wrapping_add(self.local.position(n, self.first + o) + self.run.position)
    }
    #[inline(always)]
    fn right(&self, n: usize, k: usize) -> *const T {
        let from = n * self.sample + self.local.runs.offsets[k] + self.run.from;
        self.planes.as_ptr().wrapping_add(from)
    }
    #[inline(always)]
    unsafe fn take<V: Lanes<Elem = T>>(&self, o: usize, k: usize, sum: V) {
        let at = self.local.weight(self.first + o, k) + self.run.position;
        // SAFETY: as the caller promises; the task's own positions.
        unsafe { put(sum, self.dw.as_mut_ptr().add(at), self.run.count) }
    }
}

impl<T: Element> LaneKernel<T> for WeightGrad<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(self) {
        let Local { shape, runs, .. } = self.local;
        assert!(V::N == runs.lanes && shape.batch * self.sample <= self.planes.len());
        assert!(self.dw.len() == self.local.weight(shape.outputs, 0));
        assert!(self.dy.len() == self.local.position(shape.batch, 0));
        let outputs = TASK_OUTPUTS.min(shape.outputs - self.first);
        // SAFETY: as in `Forward`.
        unsafe { self.all::<V>((outputs, self.local.terms()), self.run.count) }
    }
}

/// A channel of some samples, padded: sums over outputs, of cotangents and weights, added where the positions' elements
/// are.
struct InputGrad<'a, T> {
    local: &'a Local,
    dy: &'a [T],
    w: &'a [T],
    /// A plane of `len` for each sample.
    sums: &'a mut [T],
    len: usize,
    channel: usize,
    samples: Range<usize>,
}

/// One run of [`InputGrad`].
struct Scatter<'a, T> {
    grad: &'a InputGrad<'a, T>,
    sums: *mut T,
    run: Run,
}

impl<T: Element> Sums<T> for Scatter<'_, T> {
    #[inline(always)]
    fn depth(&self) -> usize {
        self.grad.local.shape.outputs
    }
    #[inline(always)]
    fn left(&self, o: usize, tap: usize) -> *const T {
        let k = self.grad.channel * self.grad.local.shape.taps() + tap;
        let at = self.grad.local.weight(o, k) + self.run.position;
        self.grad.w.as_ptr().wrapping_add(at)
    }
    #[inline(always)]
    fn right(&self, o: usize, n: usize) -> *const T {
        let at = self.grad.local.position(self.grad.samples.start + n, o) + self.run.position;
        self.grad.dy.as_ptr().wrapping_add(at)
    }
    #[inline(always)]
    unsafe fn take<V: Lanes<Elem = T>>(&self, tap: usize, n: usize, sum: V) {
        let at = n * self.grad.len + self.grad.local.runs.offsets[tap] + self.run.from;
        // SAFETY: as the caller promises; a plane has room for a register behind its last position.
        unsafe {
            let to = self.sums.add(at);
            V::load(to).add(sum).store(to);
        }
    }
}

impl<T: Element> LaneKernel<T> for InputGrad<'_, T> {
    #[inline(always)]
    unsafe fn run<V: Lanes<Elem = T>>(self) {
        let Local { shape, runs, .. } = self.local;
        assert!(V::N == runs.lanes && self.samples.end <= shape.batch && self.channel < shape.channels);
        assert!(self.w.len() == self.local.weight(shape.outputs, 0));
        assert!(self.dy.len() == self.local.position(shape.batch, 0));
        assert!(self.samples.len() * self.len <= self.sums.len());
        runs.check(1, self.len);
        let sums = self.sums.as_mut_ptr();
        for &run in &runs.all {
            let grad = &self;
            let scatter = Scatter { grad, sums, run };
            // SAFETY: as in `Forward`.
            unsafe { scatter.all::<V>((shape.taps(), self.samples.len()), run.count) }
        }
    }
}
