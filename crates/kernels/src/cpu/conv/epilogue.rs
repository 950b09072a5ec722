//! A convolution whose only reader is the elementwise cluster after it (bias, activation, a sum with another branch):
//! the cluster is run on each part of the result that is finished, while it is in the cache.

use hyperglow_core::plan::SlotId;

use super::Convolution;
use crate::cpu::cluster::ClusterKernel;
use crate::cpu::exec::Plain;
use crate::cpu::fused::FusedKernel;

/// The kernel of a convolution, whose result's position is `slot`, and of the cluster that uses it up.
pub(crate) fn compile<T: Plain>(
    convolution: &Convolution<T>,
    cluster: ClusterKernel,
    slot: SlotId,
) -> FusedKernel {
    let convolve = convolution.run.clone();
    FusedKernel::new(move |args, slots, registers| {
        let env = args.env();
        let epilogue = |worker: usize, start: usize, elements: &[T]| {
            let instead = Some((slot, elements.as_ptr().cast::<u8>()));
            // SAFETY: as the caller of `FusedKernel::run` promises; parts are different and finished once, and only the
            // convolution's slot is read from the part instead.
            unsafe { cluster.stretch(env, slots, registers, worker, start, elements.len(), instead) };
        };
        convolve(args, Some(&epilogue));
    })
}
