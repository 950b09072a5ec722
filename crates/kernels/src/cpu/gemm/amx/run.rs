//! Runs the tasks of a bf16x3 product.

use std::sync::atomic::{AtomicBool, Ordering};

use super::macro_tile::MacroTile;
use super::plan::Bf16x3;
use super::prepared::{OutView, Prepared};
use crate::cpu::exec::Args;
use crate::cpu::gemm::epilogue::{Epilogue, run_epilogue};
use crate::cpu::gemm::macro_kernel::Prefetch;
use crate::cpu::gemm::shape::GemmShape;
use crate::cpu::pool::{SharedSlice, WorkerSlices};

impl Bf16x3 {
    /// Computes all products, and calls `epilogue`; or gives false: a number cannot be split.
    pub fn run(
        &self,
        args: &Args<'_>,
        (a, b): (&[f32], &[f32]),
        c: &mut [f32],
        epilogue: Option<&Epilogue<'_, f32>>,
    ) -> bool {
        let GemmShape { batch, m, n, k, .. } = self.shape;
        assert!(c.len() >= batch * m * n);
        let (left_len, right_len, work_len) = self.scratch(args.level());
        let threads = args.pool().threads();
        let (left, right, work) = (
            args.scratch(left_len),
            args.scratch(right_len),
            args.scratch(work_len * threads),
        );
        let result = SharedSlice::new(c);
        (0..batch).all(|product| {
            let (a, b) = (&a[product * m * k..], &b[product * k * n..]);
            let Some(prepared) = Prepared::new(self, args, a, b, (&mut *left, &mut *right)) else {
                return false;
            };
            let work = WorkerSlices::new(&mut *work, work_len);
            let in_range = AtomicBool::new(true);
            args.pool().run(self.tasks(), |worker, task| {
                let (rows, cols) = self.part(task);
                let at = if self.swapped {
                    cols.start * n + rows.start
                } else {
                    rows.start * n + cols.start
                };
                // SAFETY: a worker's own work; tasks are different parts of the result, which has room for them.
                let split = unsafe {
                    let work = work.of(worker);
                    let start = result.as_mut_ptr().add(product * m * n + at);
                    let out = OutView {
                        start,
                        stride: n,
                        transposed: self.swapped,
                    };
                    MacroTile::compute(&prepared, rows.clone(), cols.clone(), out, Prefetch::NONE, work)
                };
                let part = if self.swapped { (cols, rows) } else { (rows, cols) };
                match epilogue {
                    _ if !split => in_range.store(false, Ordering::Relaxed),
                    // SAFETY: the part is this task's, and is written.
                    Some(epilogue) => unsafe {
                        run_epilogue(&result, product * m * n, n, part, worker, epilogue)
                    },
                    None => {}
                }
            });
            in_range.into_inner()
        })
    }

    /// Computes the product in tiles, each of which is given to `consume(worker, start, elements)` row by row,
    /// in `room` for one tile of every thread. False if a number cannot be split: then nothing was done.
    pub fn run_tiles(
        &self,
        args: &Args<'_>,
        (a, b): (&[f32], &[f32]),
        room: &mut [f32],
        prefetch: Prefetch<'_>,
        consume: impl Fn(usize, usize, &[f32]) + Sync,
    ) -> bool {
        let (left_len, right_len, _) = self.scratch(args.level());
        let Some(prepared) = Prepared::new(
            self,
            args,
            a,
            b,
            (args.scratch(left_len), args.scratch(right_len)),
        ) else {
            return false;
        };
        // A stride that is no power of two, so that rows do not compete for the same cache sets.
        let stride = self.task.1.min(self.shape.n) + 16;
        let room = WorkerSlices::new(room, self.task.0.min(self.shape.m) * stride);
        args.pool().run(self.tasks(), |worker, task| {
            let (rows, cols) = self.part(task);
            // SAFETY: a worker's own tile, which has room for the part.
            let tile = unsafe {
                let tile = room.of(worker);
                let out = OutView {
                    start: tile.as_mut_ptr(),
                    stride,
                    transposed: false,
                };
                MacroTile::compute(&prepared, rows.clone(), cols.clone(), out, prefetch, &mut []);
                tile
            };
            for (row, line) in rows.zip(tile.chunks(stride)) {
                consume(worker, row * self.shape.n + cols.start, &line[..cols.len()]);
            }
        });
        true
    }
}
