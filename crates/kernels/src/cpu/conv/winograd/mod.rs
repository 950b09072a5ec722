//! Convolution with 3 x 3 taps that moves in steps of 1, with 16 multiplications where 36 would be expected
//! (Winograd's minimal filtering F(2 x 2, 3 x 3); Lavin and Gray 2016, arXiv 1509.09308). A tile of 4 x 4 elements is
//! transformed, multiplied with the transformed filter, summed over channels as 16 matrix products, and transformed
//! back to 2 x 2 results. A third spatial axis is summed over directly.
//!
//! The transforms of elements and results only add, so the error stays near that of direct summation. The root mean
//! square error by that of the result, of uniformly distributed numbers against float64:
//!
//! | channels | so      | directly |
//! | -------- | ------- | -------- |
//! | 64       | 2.5e-7  | 1.9e-7   |
//! | 128      | 3.5e-7  | 2.0e-7   |
//! | 512      | 3.7e-7  | 2.2e-7   |
//!
//! With the environment variable `HYPERGLOW_CONV` set to `direct` everything is summed directly.

mod channels_last;
mod filters;
mod forward;
mod shape;
mod task_split;
mod transform;
mod weight_grad;

pub(super) use forward::Winograd;
pub(super) use weight_grad::WinogradWeightGrad;
