//! A convolution whose only reader is the elementwise cluster after it (bias, activation, a sum with another branch): the
//! cluster is run on each part of the result that is finished, while it is in the cache.

use hyperglow_core::op::{Op, Spec};
use hyperglow_core::plan::{Program, SlotId, StepKind};
use hyperglow_core::{Error, Result};

use super::{ConvShape, Pass, Vectors};
use crate::cpu::cluster::ClusterKernel;
use crate::cpu::element::for_float;
use crate::cpu::exec::{Env, Plain};
use crate::cpu::fused::{FusedKernel, used_up_by_next};
use crate::cpu::gemm::Tiled;

/// What is called with the worker, the first element's number, and the elements of each part of a result that is
/// finished. Parts are finished once.
pub(super) type Finish<'a, T> = Option<&'a (dyn Fn(usize, usize, &[T]) + Sync)>;

/// Whether step `i` is a convolution, and it and the cluster of the next step can be run as one.
pub(crate) fn fits(program: &Program, i: usize) -> bool {
    let StepKind::Op { op, .. } = &program.steps[i].kind else {
        return false;
    };
    matches!(op, Op::Conv { .. } | Op::ConvInputGrad { .. }) && used_up_by_next(program, i).is_some()
}

/// The kernel of the convolution of step `i`, whose result's place is `slot`, and of the cluster that uses it up.
pub(crate) fn compile(
    program: &Program,
    i: usize,
    cluster: ClusterKernel,
    slot: SlotId,
    env: &Env,
) -> Result<FusedKernel> {
    let StepKind::Op { op, inputs, .. } = &program.steps[i].kind else {
        return Err(Error::internal("prepare", "a cluster where a convolution was"));
    };
    let (x, w, y) = (&inputs[0].1, &inputs[1].1, &program.slots[slot].spec);
    for_float!(y.dtype, T => Ok(kernel::<T>(pass::<T>(op, x, w, y)?, cluster, slot, env)))
}

fn pass<T>(op: &Op, x: &Spec, w: &Spec, y: &Spec) -> Result<Pass> {
    match op {
        Op::Conv { window, groups } => Ok(Pass::forward::<T>(&ConvShape::new(op, window, *groups, x, w, y)?)),
        Op::ConvInputGrad { window, groups, .. } => Ok(Pass::backward::<T>(&ConvShape::new(
            op, window, *groups, y, w, x,
        )?)),
        _ => Err(Error::internal("prepare", "another step where a convolution was")),
    }
}

fn kernel<T: Tiled + Plain + Vectors>(
    pass: Pass,
    cluster: ClusterKernel,
    slot: SlotId,
    env: &Env,
) -> FusedKernel {
    let convolve = pass.prepare::<T>(env);
    FusedKernel::new(move |args, slots, registers| {
        let env = args.env();
        let finish = |worker: usize, start: usize, elements: &[T]| {
            let instead = Some((slot, elements.as_ptr().cast::<u8>()));
            // SAFETY: as the caller of `FusedKernel::run` promises; parts are different and finished once, and only the
            // convolution's slot is read from the part instead.
            unsafe { cluster.stretch(env, slots, registers, worker, start, elements.len(), instead) };
        };
        convolve(args, Some(&finish));
    })
}
