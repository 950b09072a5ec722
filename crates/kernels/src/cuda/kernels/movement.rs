//! `cu/movement.cu`: concatenation and padding.

use hyperglow_core::op::Spec;

use super::axes::{MAX_AXES, words};
use super::bits;
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{CudaKernel, Launch};

/// Operands one after the other along `axis`: a launch for each.
pub(super) fn concat(inputs: &[&Spec], output: &Spec, axis: usize) -> CudaKernel {
    let inner: usize = output.shape.dims()[axis + 1..].iter().product();
    let rows: usize = output.shape.dims()[..axis].iter().product();
    let pitch = output.shape[axis] * inner;
    let name = format!("copy_rows_{}", bits(output.dtype));
    let mut at = 0;
    let mut launches = Vec::new();
    for (number, input) in inputs.iter().enumerate() {
        let row = input.shape[axis] * inner;
        if rows * row > 0 {
            let launch = Launch::over(File::Movement, name.clone(), rows * row);
            launches.push(launch.input(number).output().ints([rows, row, pitch, at]));
        }
        at += row;
    }
    CudaKernel::of(launches)
}

/// Zeros around and between the elements; `None` for more axes than the kernel takes.
pub(super) fn pad(x: &Spec, output: &Spec, low: &[usize], interior: &[usize]) -> Option<CudaKernel> {
    let rank = output.shape.rank();
    if rank > MAX_AXES {
        return None;
    }
    let padded = |values: Vec<usize>, filler: usize| -> Vec<i64> {
        let rest = std::iter::repeat_n(filler, MAX_AXES - rank);
        values.into_iter().chain(rest).map(|value| value as i64).collect()
    };
    let padding = words(&[
        &[rank as i64],
        &padded(output.shape.dims().to_vec(), 1),
        &padded(low.to_vec(), 0),
        &padded(interior.iter().map(|zeros| zeros + 1).collect(), 1),
        &padded(x.shape.dims().to_vec(), 1),
        &padded(x.shape.strides(), 0),
    ]);
    let size = output.shape.size();
    let launch = Launch::over(File::Movement, format!("pad_{}", bits(output.dtype)), size);
    let launch = launch.input(0).output().ints([size]).arg(padding);
    Some(CudaKernel::of((size > 0).then_some(launch)))
}
