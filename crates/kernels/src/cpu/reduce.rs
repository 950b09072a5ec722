//! Reductions over any axes, in an order fixed by the shapes alone.
//!
//! Floats are summed in double precision. Neighbouring axes that are all kept or all reduced count as one, so
//! a reduction is a chain of kept and reduced groups; its last group decides which loop runs innermost.

use hyperglow_core::op::{Reduction, Spec};
use hyperglow_core::{DType, Shape};

use super::element::{Element, for_dtype};
use super::exec::{Args, Kernel, Plain, scratch_bytes};
use super::level::{Level, versions};
use super::pool::SharedSlice;

/// Elements that one partial sum of a whole-tensor reduction covers.
const CHUNK: usize = 1 << 15;
/// Columns reduced together when the innermost group is kept.
const COLUMNS: usize = 128;
/// Elements that make a task worth handing out.
const GRAIN: usize = 1 << 13;

/// How values are gathered: an accumulator, its start, a step, and what it says in the end.
trait Gather<T: Element>: Copy + Send + Sync + 'static {
    type Sum: Plain;
    const START: Self::Sum;
    fn step(sum: Self::Sum, x: T) -> Self::Sum;
    fn join(a: Self::Sum, b: Self::Sum) -> Self::Sum;
    fn done(sum: Self::Sum) -> T;
}

#[derive(Clone, Copy)]
struct FloatSum;
#[derive(Clone, Copy)]
struct WholeSum;
#[derive(Clone, Copy)]
struct Largest;
#[derive(Clone, Copy)]
struct Smallest;

impl<T: Element> Gather<T> for FloatSum {
    type Sum = f64;
    const START: f64 = 0.0;
    #[inline(always)]
    fn step(sum: f64, x: T) -> f64 {
        sum + x.to_f64()
    }
    #[inline(always)]
    fn join(a: f64, b: f64) -> f64 {
        a + b
    }
    #[inline(always)]
    fn done(sum: f64) -> T {
        T::from_f64(sum)
    }
}

impl<T: Element + Plain> Gather<T> for WholeSum {
    type Sum = T;
    const START: T = T::ZERO;
    #[inline(always)]
    fn step(sum: T, x: T) -> T {
        sum.plus(x)
    }
    #[inline(always)]
    fn join(a: T, b: T) -> T {
        a.plus(b)
    }
    #[inline(always)]
    fn done(sum: T) -> T {
        sum
    }
}

macro_rules! extremum {
    ($name:ident, $start:ident, |$best:ident, $x:ident| $better:expr) => {
        impl<T: Element + Plain> Gather<T> for $name {
            type Sum = T;
            const START: T = T::$start;
            #[inline(always)]
            fn step($best: T, $x: T) -> T {
                // Once NaN, always NaN.
                if $better || $x.is_nan() { if $best.is_nan() { $best } else { $x } } else { $best }
            }
            #[inline(always)]
            fn join(a: T, b: T) -> T {
                <Self as Gather<T>>::step(a, b)
            }
            #[inline(always)]
            fn done(best: T) -> T {
                best
            }
        }
    };
}
extremum!(Largest, LOWEST, |best, x| x > best);
extremum!(Smallest, HIGHEST, |best, x| x < best);

/// A reduction's geometry: extents and strides of the merged kept and reduced groups, outermost first.
#[derive(Clone, Debug)]
struct Geometry {
    kept: Vec<(usize, usize)>,
    reduced: Vec<(usize, usize)>,
    /// The innermost group is reduced.
    runs: bool,
    outputs: usize,
    inputs: usize,
}

impl Geometry {
    fn new(shape: &Shape, axes: &[usize]) -> Geometry {
        let mut groups: Vec<(bool, usize, usize)> = Vec::new();
        let strides = shape.strides();
        for axis in 0..shape.rank() {
            let (extent, stride, gone) = (shape[axis], strides[axis], axes.contains(&axis));
            if extent == 1 {
                continue;
            }
            match groups.last_mut() {
                Some(last) if last.0 == gone => *last = (gone, last.1 * extent, stride),
                _ => groups.push((gone, extent, stride)),
            }
        }
        let pick = |gone: bool| groups.iter().filter(|g| g.0 == gone).map(|g| (g.1, g.2)).collect::<Vec<_>>();
        let (kept, reduced) = (pick(false), pick(true));
        Geometry {
            runs: groups.last().is_none_or(|g| g.0),
            outputs: kept.iter().map(|g| g.0).product(),
            inputs: shape.size(),
            kept,
            reduced,
        }
    }

    /// A whole tensor to one number, in chunks.
    fn whole(&self) -> bool {
        self.kept.is_empty() && self.inputs > 2 * CHUNK
    }
}

/// The element at which index `i` of some groups starts.
fn offset(groups: &[(usize, usize)], mut i: usize) -> usize {
    let mut at = 0;
    for &(extent, stride) in groups.iter().rev() {
        at += i % extent * stride;
        i /= extent;
    }
    at
}

/// Scratch: the partial results of a whole-tensor reduction.
pub(crate) fn scratch(_kind: Reduction, axes: &[usize], x: &Spec) -> usize {
    let geometry = Geometry::new(&x.shape, axes);
    if geometry.whole() { scratch_bytes::<f64>(geometry.inputs.div_ceil(CHUNK)) } else { 0 }
}

/// The kernel of a reduction.
pub(crate) fn compile(kind: Reduction, axes: &[usize], x: &Spec) -> Kernel {
    let geometry = Geometry::new(&x.shape, axes);
    let dtype = x.dtype;
    match (kind, dtype) {
        (Reduction::Sum, DType::F32) => kernel::<f32, FloatSum>(geometry),
        (Reduction::Sum, DType::F64) => kernel::<f64, FloatSum>(geometry),
        (Reduction::Sum, _) => for_dtype!(dtype, T => kernel::<T, WholeSum>(geometry)),
        (Reduction::Max, _) => for_dtype!(dtype, T => kernel::<T, Largest>(geometry)),
        (Reduction::Min, _) => for_dtype!(dtype, T => kernel::<T, Smallest>(geometry)),
    }
}

fn kernel<T: Element, G: Gather<T>>(geometry: Geometry) -> Kernel {
    Box::new(move |args| {
        reduce::<T, G>(args, &geometry);
        Ok(())
    })
}

fn reduce<T: Element, G: Gather<T>>(args: &Args<'_>, g: &Geometry) {
    let (x, y, level, pool) = (args.input::<T>(0), args.output::<T>(), args.level(), args.pool());
    if y.is_empty() {
        return;
    }
    if x.is_empty() {
        y.fill(G::done(G::START));
        return;
    }
    if g.whole() {
        let partial = args.scratch::<G::Sum>(x.len().div_ceil(CHUNK));
        pool.chunks(partial, 1, |_, i, partial| {
            let end = x.len().min((i + 1) * CHUNK);
            partial[0] = run::<T, G>(level, &x[i * CHUNK..end]);
        });
        y[0] = G::done(partial.iter().fold(G::START, |a, &b| G::join(a, b)));
        return;
    }
    let rows: usize = g.reduced.iter().map(|r| r.0).product();
    if g.runs {
        let (outer, inner) = g.reduced.split_at(g.reduced.len().saturating_sub(1));
        let (count, width) = (outer.iter().map(|r| r.0).product(), inner.first().map_or(1, |r| r.0));
        let grain = (GRAIN / rows.max(1)).max(1);
        let shared = SharedSlice::new(y);
        pool.ranges(g.outputs, grain, |_, range| {
            for o in range {
                let start = offset(&g.kept, o);
                let mut sum = G::START;
                for r in 0..count {
                    let at = start + offset(outer, r);
                    sum = G::join(sum, run::<T, G>(level, &x[at..at + width]));
                }
                // SAFETY: ranges are disjoint, so each output is written by one task, and it lies in the slice.
                unsafe { shared.as_mut_ptr().add(o).write(G::done(sum)) };
            }
        });
        return;
    }
    let (outer, inner) = g.kept.split_at(g.kept.len() - 1);
    let width = inner[0].0;
    let blocks = width.div_ceil(COLUMNS);
    let shared = SharedSlice::new(y);
    let tasks = outer.iter().map(|k| k.0).product::<usize>() * blocks;
    pool.ranges(tasks, (GRAIN / (rows * width.min(COLUMNS)).max(1)).max(1), |_, range| {
        for task in range {
            let (o, block) = (task / blocks, task % blocks);
            let (low, high) = (block * COLUMNS, width.min((block + 1) * COLUMNS));
            let start = offset(outer, o);
            let mut sums = [G::START; COLUMNS];
            for r in 0..rows {
                let at = start + offset(&g.reduced, r);
                add_row::<T, G>(level, &mut sums[..high - low], &x[at + low..at + high]);
            }
            for (i, &sum) in sums[..high - low].iter().enumerate() {
                // SAFETY: (o, column) belongs to this task alone and lies in the output.
                unsafe { shared.as_mut_ptr().add(o * width + low + i).write(G::done(sum)) };
            }
        }
    });
}

fn add_row<T: Element, G: Gather<T>>(level: Level, sums: &mut [G::Sum], row: &[T]) {
    add_columns::<T, G>(level, sums, row);
}

versions! {
    fn add_columns[T: Element, G: Gather<T>](sums: &mut [G::Sum], row: &[T]) {
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum = G::step(*sum, x);
        }
    }
}

versions! {
    /// Gathers a contiguous run in sixteen lanes, joined in pairs.
    fn run[T: Element, G: Gather<T>](x: &[T]) -> G::Sum {
        let mut lanes = [G::START; 16];
        let (blocks, rest) = x.as_chunks::<16>();
        for block in blocks {
            for (lane, &x) in lanes.iter_mut().zip(block) {
                *lane = G::step(*lane, x);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane = G::step(*lane, x);
        }
        let mut half = 8;
        while half > 0 {
            for i in 0..half {
                lanes[i] = G::join(lanes[i], lanes[i + half]);
            }
            half /= 2;
        }
        lanes[0]
    }
}

/// The kernel of `ArgMax`: the first maximum; the first NaN if there is one.
pub(crate) fn argmax<T: Element>(shape: &Shape, axis: usize) -> Kernel {
    let (n, inner) = (shape[axis], shape.dims()[axis + 1..].iter().product::<usize>());
    Box::new(move |args| {
        let (x, y) = (args.input::<T>(0), args.output::<i32>());
        if inner == 0 {
            return Ok(());
        }
        for (o, y) in y.chunks_exact_mut(inner).enumerate() {
            for (i, y) in y.iter_mut().enumerate() {
                let at = |k: usize| x[(o * n + k) * inner + i];
                let better = |k: usize, best: usize| at(k) > at(best) || (at(k).is_nan() && !at(best).is_nan());
                *y = (1..n).fold(0, |best, k| if better(k, best) { k } else { best }) as i32;
            }
        }
        Ok(())
    })
}
