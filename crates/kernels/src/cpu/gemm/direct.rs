//! Products whose operands are small or lie well: the left operand is read in place, and the right one too where
//! its rows are contiguous; there are no blocks of k. A fork costs about a microsecond, so what takes less than
//! some of them stays on the caller's thread.

use std::ops::Range;

use super::product::Geometry;
use super::strip::{Strip, StripFn, StripLanes, Strips};
use super::tile::Tiled;
use crate::cpu::element::Element;
use crate::cpu::exec::{Args, Plain, scratch_bytes};
use crate::cpu::level::Level;
use crate::cpu::pool::SharedSlice;
use crate::cpu::transpose::transpose;

/// Multiply-adds that a task should have: a few microseconds of them.
const TASK: usize = 1 << 18;
/// Tasks per thread, so that one that was held up does not hold up the rest.
const TASKS: usize = 4;
/// Elements of the right operand up to which it stays in the second-level cache.
const RIGHT: usize = 1 << 17;
/// Elements between rows up to which an operand is read in place: a page has some of them.
const STRIDE: usize = 1 << 10;
/// Rows from which on packing the right operand pays.
const PACK_ROWS: usize = 8;
/// Registers of columns of a strip, unless it is the last.
const REGISTERS: usize = 2;

/// A direct product and how it is divided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direct {
    shape: Geometry,
    /// Products, rows and columns of a task.
    task: (usize, usize, usize),
}

impl Direct {
    /// The product, if this is the way to compute it.
    pub fn new(shape: Geometry, threads: usize) -> Option<Direct> {
        let Geometry { batch, m, n, k, a, b } = shape;
        let left_lies_well = a.1 == 1 || m <= STRIDE;
        let right_lies_well = if b.1 == 1 { n <= STRIDE } else { m >= PACK_ROWS };
        if k * n > RIGHT || !left_lies_well || !right_lies_well {
            return None;
        }
        let pieces = (batch * m * n * k / TASK).clamp(1, threads * TASKS);
        let task = if threads == 1 || pieces == 1 {
            (batch, m, n)
        } else if batch >= pieces {
            (batch.div_ceil(pieces), m, n)
        } else {
            let each = pieces.div_ceil(batch);
            if m >= 8 * each {
                (1, m.div_ceil(each).next_multiple_of(4), n)
            } else {
                (1, m, n.div_ceil(each).next_multiple_of(32))
            }
        };
        let task = (task.0.max(1), task.1.max(1), task.2.max(1));
        Some(Direct { shape, task })
    }

    /// Whether the right operand is packed: it is stored transposed, or a level cannot read part of a register.
    fn packs<T>(&self, strips: &Strips<T>) -> bool {
        self.shape.b.1 != 1 || !strips.masks && !self.shape.n.is_multiple_of(strips.lanes)
    }

    /// Elements between rows of a packed right operand: whole registers, and an odd number of them, so that rows do
    /// not compete for places in the cache.
    fn stride<T>(&self, strips: &Strips<T>) -> usize {
        (self.shape.n.div_ceil(strips.lanes) | 1) * strips.lanes
    }

    /// Elements of scratch for packed right operands, and how many of them there are.
    fn packed<T: StripLanes>(&self, level: Level, threads: usize) -> (usize, usize) {
        let strips = T::strips(level);
        if self.packs(&strips) {
            let each = self.shape.k * self.stride(&strips);
            (each, if self.shape.batch == 1 { 1 } else { threads })
        } else {
            (0, 0)
        }
    }

    /// Bytes of scratch that [`Direct::run`] takes.
    pub fn scratch_bytes<T: StripLanes>(&self, level: Level, threads: usize) -> usize {
        let (each, count) = self.packed::<T>(level, threads);
        scratch_bytes::<T>(each * count)
    }

    /// Computes all products.
    pub fn run<T: Tiled + Plain>(&self, args: &Args<'_>, a: &[T], b: &[T], c: &mut [T]) {
        let Geometry { batch, m, n, k, .. } = self.shape;
        assert!(a.len() >= batch * m * k && b.len() >= batch * k * n && c.len() >= batch * m * n);
        let (level, pool) = (args.level(), args.pool());
        let strips = T::strips(level);
        let (each, count) = self.packed::<T>(level, pool.threads());
        let packed = args.scratch::<T>(each * count);
        let (products, rows, cols) = self.task;
        let (groups, row_tasks, col_tasks) = (batch.div_ceil(products), m.div_ceil(rows), n.div_ceil(cols));
        let out = SharedSlice::new(c);
        let part = |task: usize| {
            let (r0, c0) = (task % row_tasks * rows, task / row_tasks % col_tasks * cols);
            let group = task / (row_tasks * col_tasks) * products;
            let cols = c0..n.min(c0 + cols);
            (group..batch.min(group + products), r0..m.min(r0 + rows), cols)
        };
        let tasks = groups * row_tasks * col_tasks;
        if batch == 1 || each == 0 {
            let stride = if each > 0 {
                self.pack(level, &strips, b, 0..n, packed);
                self.stride(&strips)
            } else {
                self.shape.b.0
            };
            let right = if each > 0 { &*packed } else { b };
            pool.run(tasks, |_, task| {
                let (products, rows, cols) = part(task);
                // SAFETY: tasks are different parts of the result.
                unsafe { self.part(&strips, a, (right, k * n, stride), &out, products, rows, cols) };
            });
            return;
        }
        let packed = SharedSlice::new(packed);
        pool.run(tasks, |worker, task| {
            let (products, rows, cols) = part(task);
            for product in products {
                // SAFETY: a worker's own place.
                let own = unsafe { packed.range(worker * each..(worker + 1) * each) };
                self.pack(level, &strips, &b[product * k * n..], cols.clone(), own);
                let right = (&*own, 0, self.stride(&strips));
                // SAFETY: as above.
                unsafe {
                    self.part(
                        &strips,
                        a,
                        right,
                        &out,
                        product..product + 1,
                        rows.clone(),
                        cols.clone(),
                    )
                };
            }
        });
    }

    /// Packs columns of a right operand, each at its own place.
    fn pack<T: Element>(&self, level: Level, strips: &Strips<T>, b: &[T], cols: Range<usize>, out: &mut [T]) {
        let (k, stride) = (self.shape.k, self.stride(strips));
        let (down, along) = self.shape.b;
        if k == 0 {
            return;
        }
        let from = &b[cols.start * along..];
        if along == 1 {
            for (line, from) in out.chunks_exact_mut(stride).zip(from.chunks(down)) {
                line[cols.clone()].copy_from_slice(&from[..cols.len()]);
            }
        } else {
            transpose(
                level,
                from,
                (down, along),
                (k, cols.len()),
                &mut out[cols.start..],
                stride,
            );
        }
        if !strips.masks {
            // What a register holds beyond the last column is computed with, though not stored.
            let end = cols.end.next_multiple_of(strips.lanes);
            out.chunks_exact_mut(stride)
                .for_each(|line| line[cols.end..end].fill(T::ZERO));
        }
    }

    /// Computes rows and columns of some products, given the right operands' elements, the distance between two of
    /// them and between their rows.
    ///
    /// # Safety
    /// Nobody else may use that part of `out`.
    #[expect(clippy::too_many_arguments, reason = "three matrices and the part to compute")]
    unsafe fn part<T: Tiled>(
        &self,
        strips: &Strips<T>,
        a: &[T],
        (right, apart, stride): (&[T], usize, usize),
        out: &SharedSlice<'_, T>,
        products: Range<usize>,
        rows: Range<usize>,
        cols: Range<usize>,
    ) {
        let Geometry {
            m,
            n,
            k,
            a: left_strides,
            ..
        } = self.shape;
        let functions: [StripFn<T>; 3] =
            std::array::from_fn(|i| strips.best(strips.registers().min(i + 1), rows.len()));
        for product in products {
            let (left, right) = (
                &a[product * m * k + rows.start * left_strides.0..],
                &right[product * apart..],
            );
            let first = product * m * n + rows.start * n;
            let mut col = cols.start;
            while col < cols.end {
                let registers = match (cols.end - col).div_ceil(strips.lanes) {
                    left if left == strips.registers() => left,
                    left => left.min(REGISTERS),
                };
                let end = cols.end.min(col + registers * strips.lanes);
                // SAFETY: the function has the instructions of its level. It reads `k` terms of rows and columns that
                // exist, and what a packed right operand is padded with; it writes rows and columns of the part.
                unsafe {
                    functions[registers - 1](&Strip {
                        k,
                        rows: rows.len(),
                        left: left.as_ptr(),
                        left_strides,
                        right: right.as_ptr().add(col),
                        right_stride: stride,
                        out: out.as_mut_ptr().add(first + col),
                        out_stride: n,
                        last: end - col - (registers - 1) * strips.lanes,
                    });
                }
                col = end;
            }
        }
    }
}
