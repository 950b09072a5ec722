//! a s a of symmetric matrices: one product, and the half of another that lies on and below the diagonal, which is mirrored.

use hyperglow_core::Shape;

use super::blocked::{PART_LINES, each_pair};
use super::extents;
use crate::cpu::exec::{Chosen, Env, Plain, scratch_bytes};
use crate::cpu::gemm::{
    GemmElement, LeftOperand, Matrix, OutBlock, Prefetch, Product, RightOperand, macro_kernel, work_len,
};
use crate::cpu::pool::SharedSlice;

/// a s a for symmetric (.., n, n).
pub(crate) fn congruence<T: GemmElement + Plain>(shape: &Shape, env: &Env) -> Chosen {
    let (count, n, _) = extents(shape);
    let (level, threads) = (env.level, env.pool.threads());
    let product = Product::new(count, (n, n, n), false, false, threads);
    let each = work_len::<T>(level, n, PART_LINES, PART_LINES, true, true);
    let size = n * n;
    Chosen {
        scratch: scratch_bytes::<T>(count * size)
            + product.scratch_bytes::<T>(level, threads)
            + scratch_bytes::<T>(each * threads),
        serial: false,
        kernel: Box::new(move |args| {
            let (a, s, out) = (args.input::<T>(0), args.input::<T>(1), args.output::<T>());
            let right = args.scratch::<T>(count * size);
            let work = SharedSlice::new(args.scratch::<T>(each * threads));
            product.run(args, s, a, right);
            let out = SharedSlice::new(out);
            let plain = |data| Matrix { data, row: n, col: 1 };
            for matrix in 0..count {
                let first = matrix * size;
                let (left, right) = (plain(&a[first..][..size]), plain(&right[first..][..size]));
                each_pair(args.pool(), n, |worker, rows, cols| {
                    let line = |r: usize| first + r * n + cols.start..first + r * n + cols.end;
                    // SAFETY: a part of the result that no other task has, and a worker's own piece of scratch.
                    unsafe {
                        let target = OutBlock {
                            start: out.as_mut_ptr().add(line(rows.start).start),
                            stride: n,
                            add: false,
                            prefetch: Prefetch::NONE,
                        };
                        let work = work.range(worker * each..(worker + 1) * each);
                        macro_kernel(
                            level,
                            n,
                            LeftOperand::Pack(left),
                            rows.clone(),
                            &RightOperand::Pack(&right),
                            cols.clone(),
                            target,
                            work,
                        );
                    }
                    for c in cols {
                        let below = rows.end.min(rows.start.max(c + 1))..rows.end;
                        let line = first + c * n + below.start..first + c * n + below.end;
                        // SAFETY: elements above the diagonal, of the mirror image of the part, which is no other task's either.
                        let mirrored = unsafe { out.range(line) };
                        for (r, to) in below.zip(mirrored) {
                            // SAFETY: an element below the diagonal, of the part.
                            *to = unsafe { out.range(first + r * n + c..first + r * n + c + 1) }[0];
                        }
                    }
                });
            }
            Ok(())
        }),
    }
}
