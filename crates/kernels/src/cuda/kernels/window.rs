//! `cu/window.cu`: sums and maxima over windows.

use hyperglow_core::op::{Spec, Window};

use super::suffix;
use crate::cuda::gpu::modules::File;
use crate::cuda::kernel::{Arg, CudaKernel, Launch};

/// `struct Windows`; `None` for more than three axes, and for extents beyond 32 bits.
pub(super) fn words_of(window: &Window, input: &[usize], kernel: &[usize], output: &[usize]) -> Option<Arg> {
    let rank = window.rank();
    let small = |extents: &[usize]| extents.iter().product::<usize>() < 1 << 31;
    let is_small = (0..rank).all(|axis| window.padded(axis, input[axis]) < 1 << 31);
    if rank > 3 || !is_small || ![input, kernel, output].into_iter().all(small) {
        return None;
    }
    let fields: [(&[usize], usize); 6] = [
        (input, 1),
        (kernel, 1),
        (output, 1),
        (&window.stride, 1),
        (&window.pad_low, 0),
        (&window.dilation, 1),
    ];
    let mut words = Vec::with_capacity(18);
    for (extents, missing) in fields {
        words.extend(vec![missing as i64; 3 - rank]);
        // A stride of one window and a dilation of one tap may be longer than the padded extent, and are not used.
        words.extend(extents.iter().map(|&extent| extent.min(i32::MAX as usize) as i64));
    }
    Some(Arg::Ints(words))
}

/// A kernel of windows whose operands come first: `input` and `output` are those of the forward operation.
pub(super) fn kernel(
    name: &str,
    window: &Window,
    kernel: &[usize],
    (input, output): (&[usize], &[usize]),
    (elements, operands, to): (&Spec, usize, &Spec),
) -> Option<CudaKernel> {
    if to.shape.size() == 0 {
        return Some(CudaKernel::default());
    }
    let planes: usize = to.shape.dims()[..to.shape.rank() - window.rank()]
        .iter()
        .product();
    let launch = Launch::over(
        File::Window,
        format!("{name}_{}", suffix(elements.dtype)),
        to.shape.size(),
    );
    let launch = (0..operands).fold(launch, Launch::input).output().ints([planes]);
    Some(CudaKernel::of([
        launch.arg(words_of(window, input, kernel, output)?)
    ]))
}
