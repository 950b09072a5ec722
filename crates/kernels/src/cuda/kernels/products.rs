//! `cu/matmul.cu`: matrix products.

use hyperglow_core::op::Spec;

use super::axes::words;
use super::suffix;
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{CudaKernel, Launch};

/// `TILE` and the bytes of two operands' tiles, in elements.
const TILE: usize = 64;
const ROOM: usize = 2 * 16 * (TILE + 1);

/// A product of stacks of matrices; a flag says that an operand is stored transposed.
pub(super) fn matmul(a: &Spec, b: &Spec, output: &Spec, ta: bool, tb: bool) -> CudaKernel {
    let dims = output.shape.dims();
    let (batch, &[m, n]) = dims.split_last_chunk::<2>().unwrap_or((&[], &[1, 1]));
    let rank = a.shape.rank();
    let k = a.shape[if ta { rank - 2 } else { rank - 1 }];
    let matrices: usize = batch.iter().product();
    if output.shape.size() == 0 {
        return CudaKernel::default();
    }
    let strides = |rows: usize, columns: usize, transposed: bool| {
        let step = if transposed { [1, rows] } else { [columns, 1] };
        words(&[&[rows * columns, step[0], step[1]].map(|stride| stride as i64)])
    };
    debug_assert_eq!(b.shape.size(), matrices * k * n);
    let tiles = m.div_ceil(TILE) * n.div_ceil(TILE) * matrices;
    let launch = Launch::new(
        File::Matmul,
        format!("matmul_{}", suffix(output.dtype)),
        tiles,
        256,
    )
    .shared(ROOM * output.dtype.size())
    .input(0)
    .input(1)
    .output()
    .ints([m, n, k])
    .arg(strides(m, k, ta))
    .arg(strides(k, n, tb));
    CudaKernel::of([launch])
}
