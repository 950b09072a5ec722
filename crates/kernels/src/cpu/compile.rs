//! From a primitive with its shapes to a kernel, and how much scratch it wants. One exhaustive match each.

use hyperglow_core::op::{Distribution, Op, Spec};
use hyperglow_core::{Error, Result};

use super::element::{for_dtype, for_float};
use super::exec::{Env, Kernel};
use super::{
    centered, conv, gemm, index, linalg, movement, neighbors, random, reduce, scan, sort, unique, window,
};

/// The kernel of `op` for these shapes.
pub(crate) fn compile(op: &Op, inputs: &[&Spec], output: &Spec, env: &Env) -> Result<Kernel> {
    let x = inputs.first().copied().unwrap_or(output);
    Ok(match op {
        Op::Iota { axis } => for_dtype!(output.dtype, T => movement::iota::<T>(&output.shape, *axis)),
        Op::Pad { low, interior, .. } => movement::pad(x, output, low, interior),
        Op::Concat { axis } => movement::concat(inputs, *axis),
        Op::Random(Distribution::Bits) => random::bits(),
        Op::Random(Distribution::Uniform) => random::uniform(output.dtype),
        Op::Random(Distribution::Normal) => random::normal(output.dtype),
        Op::Reduce { kind, axes } => reduce::compile(*kind, axes, x),
        Op::ArgMax { axis } => for_dtype!(x.dtype, T => reduce::argmax::<T>(&x.shape, *axis)),
        Op::MatMul { ta, tb } => {
            for_float!(x.dtype, T => gemm::matmul::<T>(x, inputs[1], *ta, *tb, env.pool.threads()))
        }
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
        Op::LocalConv { window } => {
            let shape = conv::ConvShape::local(op, window, x, inputs[1], output)?;
            for_float!(x.dtype, T => conv::local::forward::<T>(shape, env))
        }
        Op::LocalConvInputGrad { window, .. } => {
            let shape = conv::ConvShape::local(op, window, output, inputs[1], x)?;
            for_float!(x.dtype, T => conv::local::input_grad::<T>(shape, env))
        }
        Op::LocalConvWeightGrad { window, .. } => {
            let shape = conv::ConvShape::local(op, window, x, output, inputs[1])?;
            for_float!(x.dtype, T => conv::local::weight_grad::<T>(shape, env))
        }
        Op::WindowSum { window, kernel } => {
            for_dtype!(x.dtype, T => window::sum::<T>(window::Windows::new(op, window, kernel, x, output)?))
        }
        Op::WindowSumGrad { window, kernel, .. } => {
            for_dtype!(x.dtype, T => window::sum_grad::<T>(window::Windows::new(op, window, kernel, output, x)?))
        }
        Op::WindowArgMax { window, kernel } => {
            for_dtype!(x.dtype, T => window::argmax::<T>(window::Windows::new(op, window, kernel, x, output)?))
        }
        Op::WindowMax { window, kernel } => {
            for_dtype!(x.dtype, T => window::max::<T>(window::Windows::new(op, window, kernel, x, output)?))
        }
        Op::WindowMaxGrad { window, kernel, .. } => {
            for_dtype!(output.dtype, T => window::max_grad::<T>(window::Windows::new(op, window, kernel, output, x)?))
        }
        Op::Take { axis } => index::take(&x.shape, *axis, x.dtype, inputs[1].dtype),
        Op::IndexAdd { axis } => index::index_add(&output.shape, *axis, output.dtype, x.dtype),
        Op::Gather { axis } => index::gather(&x.shape, &output.shape, *axis, x.dtype, inputs[1].dtype),
        Op::ScatterAdd { axis } => index::scatter_add(&output.shape, &x.shape, *axis, output.dtype, x.dtype),
        Op::ArgSort { axis, descending } => sort::argsort(&x.shape, *axis, x.dtype, *descending),
        Op::TopK { axis, largest } => sort::top_k(&x.shape, *axis, x.dtype, output.shape[*axis], *largest),
        Op::CumSum { axis, reverse } => scan::cumsum(&x.shape, *axis, x.dtype, *reverse),
        Op::UniqueRows => for_dtype!(x.dtype, T => unique::rows::<T>(&x.shape)),
        Op::Neighbors { k, metric } => {
            for_float!(x.dtype, T => neighbors::nearest::<T>(&x.shape, *k, *metric))
        }
        Op::CountWithin { metric, closed } => {
            for_float!(x.dtype, T => neighbors::count_within::<T>(&x.shape, *metric, *closed))
        }
        Op::Cholesky => for_float!(x.dtype, T => linalg::cholesky::<T>(&x.shape)),
        Op::TriangularSolve { lower, transpose } => {
            for_float!(x.dtype, T => linalg::triangular_solve::<T>(&output.shape, *lower, *transpose))
        }
        Op::Solve => for_float!(x.dtype, T => linalg::solve::<T>(&output.shape)),
        Op::Det => for_float!(x.dtype, T => linalg::det::<T>(&x.shape)),
        Op::Cofactors => for_float!(x.dtype, T => linalg::cofactors::<T>(&x.shape, inputs.len() - 1)),
        Op::Eigh => for_float!(x.dtype, T => linalg::eigh::<T>(&x.shape)),
        Op::CenteredProducts(products) => {
            for_float!(x.dtype, T => centered::products::<T>(products, inputs, env))
        }
        Op::CenteredProductsGrad { products, of } => {
            for_float!(x.dtype, T => centered::grad::<T>(products, *of, inputs, env))
        }
        Op::SimilaritySums { products, groups } => {
            for_float!(x.dtype, T => centered::row_sums::<T>(products, groups, inputs, env))
        }
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

/// The way in which `op` is computed, in words; empty where there is but one.
pub(crate) fn way(op: &Op, inputs: &[&Spec], env: &Env) -> String {
    let Op::MatMul { ta, tb } = op else {
        return String::new();
    };
    let product = gemm::product_of(inputs[0], inputs[1], *ta, *tb, env.pool.threads());
    let way = for_float!(inputs[0].dtype, T => product.way::<T>(env.level));
    format!("product: {way}")
}

/// Bytes of scratch that the kernel of `op` takes.
pub(crate) fn scratch(op: &Op, inputs: &[&Spec], output: &Spec, env: &Env) -> usize {
    let threads = env.pool.threads();
    let x = inputs.first().copied().unwrap_or(output);
    match op {
        Op::Reduce { kind, axes } => reduce::scratch(*kind, axes, x),
        Op::MatMul { ta, tb } => {
            let product = gemm::product_of(x, inputs[1], *ta, *tb, threads);
            for_float!(x.dtype, T => product.scratch_bytes::<T>(env.level, threads))
        }
        // A shape that `compile` refuses wants no scratch.
        Op::Conv { window, groups } => conv::ConvShape::new(op, window, *groups, x, inputs[1], output)
            .map_or(
                0,
                |shape| for_float!(x.dtype, T => conv::forward_scratch::<T>(&shape, env)),
            ),
        Op::ConvInputGrad { window, groups, .. } => {
            conv::ConvShape::new(op, window, *groups, output, inputs[1], x).map_or(
                0,
                |shape| for_float!(x.dtype, T => conv::input_grad_scratch::<T>(&shape, env)),
            )
        }
        Op::ConvWeightGrad { window, groups, .. } => {
            conv::ConvShape::new(op, window, *groups, x, output, inputs[1]).map_or(
                0,
                |shape| for_float!(x.dtype, T => conv::weight_grad_scratch::<T>(&shape, env)),
            )
        }
        Op::LocalConv { window } => conv::ConvShape::local(op, window, x, inputs[1], output).map_or(
            0,
            |shape| for_float!(x.dtype, T => conv::local::padded_scratch::<T>(shape, env)),
        ),
        Op::LocalConvInputGrad { window, .. } => conv::ConvShape::local(op, window, output, inputs[1], x)
            .map_or(
                0,
                |shape| for_float!(x.dtype, T => conv::local::input_grad_scratch::<T>(shape, env)),
            ),
        Op::LocalConvWeightGrad { window, .. } => conv::ConvShape::local(op, window, x, output, inputs[1])
            .map_or(
                0,
                |shape| for_float!(x.dtype, T => conv::local::padded_scratch::<T>(shape, env)),
            ),
        Op::ArgSort { axis, .. } | Op::TopK { axis, .. } => sort::scratch(x, *axis, threads),
        Op::UniqueRows => unique::scratch(&x.shape),
        Op::Neighbors { k, .. } => neighbors::nearest_scratch(x, *k, threads),
        Op::CountWithin { .. } => neighbors::count_scratch(x, threads),
        Op::Cholesky => linalg::cholesky_scratch(&x.shape, threads),
        Op::TriangularSolve { .. } | Op::Solve => linalg::solve_scratch(&output.shape, threads),
        Op::Det => linalg::det_scratch(&x.shape, threads),
        Op::Cofactors => linalg::cofactors_scratch(&x.shape, inputs.len() - 1, threads),
        Op::Eigh => linalg::eigh_scratch(&x.shape, threads),
        Op::CenteredProducts(products) => {
            for_float!(x.dtype, T => centered::products_scratch::<T>(products, inputs, env))
        }
        Op::CenteredProductsGrad { products, of } => {
            for_float!(x.dtype, T => centered::grad_scratch::<T>(products, *of, inputs, env))
        }
        Op::SimilaritySums { products, groups } => {
            for_float!(x.dtype, T => centered::row_sums_scratch::<T>(products, groups, inputs, env))
        }
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
        | Op::WindowMax { .. }
        | Op::WindowMaxGrad { .. }
        | Op::Take { .. }
        | Op::IndexAdd { .. }
        | Op::Gather { .. }
        | Op::ScatterAdd { .. }
        | Op::CumSum { .. }
        | Op::StopGradient => 0,
    }
}
