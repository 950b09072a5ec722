//! From a primitive with its shapes to a kernel, and how much scratch it wants. One exhaustive match each.

use hyperglow_core::op::{Op, Spec};
use hyperglow_core::{Error, Result};

use super::element::{for_dtype, for_float};
use super::exec::{Env, Kernel};
use super::{conv, gemm, index, linalg, movement, random, reduce, scan, sort, unique, window};

/// The kernel of `op` for these shapes.
pub(crate) fn compile(op: &Op, inputs: &[&Spec], output: &Spec, env: &Env) -> Result<Kernel> {
    let x = inputs.first().copied().unwrap_or(output);
    Ok(match op {
        Op::Iota { .. } | Op::Pad { .. } | Op::Concat { .. } => movement::compile(op, inputs, output),
        Op::Random(_) => random::compile(op, inputs, output),
        Op::Reduce { kind, axes } => reduce::compile(*kind, axes, x),
        Op::ArgMax { axis } => for_dtype!(x.dtype, T => reduce::argmax::<T>(&x.shape, *axis)),
        Op::MatMul { ta, tb } => for_float!(x.dtype, T => gemm::matmul::<T>(x, inputs[1], *ta, *tb)),
        Op::Conv { window, groups } => {
            let shape = conv::ConvShape::new(op, window, *groups, x, inputs[1], output)?;
            for_float!(x.dtype, T => conv::forward::<T>(shape, env))
        }
        Op::ConvInputGrad { window, groups, .. } => {
            let shape = conv::ConvShape::new(op, window, *groups, output, inputs[1], x)?;
            for_float!(x.dtype, T => conv::input_grad::<T>(shape, env))
        }
        Op::ConvWeightGrad { window, groups, .. } => {
            let shape = conv::ConvShape::new(op, window, *groups, x, output, inputs[1])?;
            for_float!(x.dtype, T => conv::weight_grad::<T>(shape, env))
        }
        Op::WindowSum { .. } | Op::WindowSumGrad { .. } | Op::WindowArgMax { .. } => window::compile(op, inputs, output),
        Op::Take { .. } | Op::IndexAdd { .. } | Op::Gather { .. } | Op::ScatterAdd { .. } => {
            index::compile(op, inputs, output)
        }
        Op::ArgSort { .. } | Op::TopK { .. } => sort::compile(op, inputs, output),
        Op::CumSum { .. } => scan::compile(op, inputs, output),
        Op::UniqueRows => unique::compile(op, inputs, output),
        Op::Cholesky | Op::TriangularSolve { .. } | Op::Solve | Op::Det | Op::Eigh => linalg::compile(op, inputs, output),
        Op::Input
        | Op::Const(_)
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::Cast(_)
        | Op::Broadcast
        | Op::Reshape
        | Op::Permute(_)
        | Op::Slice { .. }
        | Op::Flip(_)
        | Op::StopGradient => return Err(Error::internal(op.name(), "belongs into a cluster")),
    })
}

/// Bytes of scratch that the kernel of `op` takes.
pub(crate) fn scratch(op: &Op, inputs: &[&Spec], output: &Spec, env: &Env) -> usize {
    let threads = env.pool.threads();
    let x = inputs.first().copied().unwrap_or(output);
    match op {
        Op::Reduce { kind, axes } => reduce::scratch(*kind, axes, x),
        Op::MatMul { ta, tb } => {
            let product = gemm::product(x, inputs[1], *ta, *tb);
            for_float!(x.dtype, T => product.scratch_bytes::<T>(env.level, threads))
        }
        // A shape that `compile` refuses wants no scratch.
        Op::Conv { window, groups } => conv::ConvShape::new(op, window, *groups, x, inputs[1], output)
            .map_or(0, |shape| for_float!(x.dtype, T => conv::forward_scratch::<T>(&shape, env))),
        Op::ConvInputGrad { window, groups, .. } => conv::ConvShape::new(op, window, *groups, output, inputs[1], x)
            .map_or(0, |shape| for_float!(x.dtype, T => conv::input_grad_scratch::<T>(&shape, env))),
        Op::ConvWeightGrad { window, groups, .. } => conv::ConvShape::new(op, window, *groups, x, output, inputs[1])
            .map_or(0, |shape| for_float!(x.dtype, T => conv::weight_grad_scratch::<T>(&shape, env))),
        Op::ArgSort { .. } | Op::TopK { .. } => sort::scratch(op, inputs, output),
        Op::UniqueRows => unique::scratch(op, inputs, output),
        Op::Cholesky | Op::TriangularSolve { .. } | Op::Solve | Op::Det | Op::Eigh => linalg::scratch(op, inputs, output),
        Op::CumSum { .. } => 0,
        Op::Input
        | Op::Const(_)
        | Op::Iota { .. }
        | Op::Random(_)
        | Op::Unary(_)
        | Op::Binary(_)
        | Op::Where
        | Op::Cast(_)
        | Op::ArgMax { .. }
        | Op::Broadcast
        | Op::Reshape
        | Op::Permute(_)
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Flip(_)
        | Op::Concat { .. }
        | Op::WindowSum { .. }
        | Op::WindowSumGrad { .. }
        | Op::WindowArgMax { .. }
        | Op::Take { .. }
        | Op::IndexAdd { .. }
        | Op::Gather { .. }
        | Op::ScatterAdd { .. }
        | Op::StopGradient => 0,
    }
}
