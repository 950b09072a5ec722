//! Fallbacks of operations, for devices that have no kernel for them.
//!
//! A fallback is a formula of simpler primitives with the same values, up to rounding. All its primitives come earlier in the
//! order below, so that lowering ends. The first primitives of the order have no fallback.
//!
//! `iota`, random numbers of one key, `sum` `max` `min`, `concat`, `matmul`, `takeAlong`, `scatterAdd`, `argSort`, the decompositions and
//! solvers < random numbers of several keys, `pad`, `take`, `indexAdd`, `topK`, `cumsum`, `argMax` < convolutions, windows, rows of samples, `det`, `cofactors`,
//! similarities.

mod contraction;
mod matrices;
mod order;
mod rows;
mod sources;
mod windows;

use crate::compose::Build;
use crate::fast;
use crate::grad::fused::centered_products_gradient;
use crate::graph::NodeId;
use crate::op::{Op, Spec};

/// The fallback of `op` on `inputs`, with result spec `output`; `None` if there is no formula, or none that is accurate enough.
pub fn fallback(b: &mut Build<'_>, op: &Op, inputs: &[NodeId], output: &Spec) -> Option<NodeId> {
    let x = *inputs.first()?;
    Some(match op {
        Op::Pad { low, high, interior } => order::pad(b, x, low, high, interior),
        Op::Take { axis } => order::take(b, x, inputs[1], *axis),
        Op::IndexAdd { axis } => order::index_add(b, x, inputs[1], *axis, output),
        Op::ArgMax { axis } => order::arg_max(b, x, *axis),
        Op::Random(_) => return sources::random(b, op, x, output),
        Op::TopK { axis, largest } => order::top_k(b, x, *axis, *largest, output),
        Op::CumSum { axis, reverse } => order::cumsum(b, x, *axis, *reverse),
        Op::Conv { window, groups } => contraction::conv(b, x, inputs[1], window, *groups, output),
        Op::ConvInputGrad { window, groups, .. } => contraction::adjoint(b, x, output, |b, at| {
            let y = b.spec(x);
            contraction::conv(b, at, inputs[1], window, *groups, &y)
        }),
        Op::ConvWeightGrad { window, groups, .. } => contraction::adjoint(b, inputs[1], output, |b, at| {
            let y = b.spec(inputs[1]);
            contraction::conv(b, x, at, window, *groups, &y)
        }),
        Op::LocalConv { window } => contraction::local(b, x, inputs[1], window, output),
        Op::LocalConvInputGrad { window, .. } => contraction::adjoint(b, x, output, |b, at| {
            let y = b.spec(x);
            contraction::local(b, at, inputs[1], window, &y)
        }),
        Op::LocalConvWeightGrad { window, .. } => contraction::adjoint(b, inputs[1], output, |b, at| {
            let y = b.spec(inputs[1]);
            contraction::local(b, x, at, window, &y)
        }),
        Op::WindowSum { window, kernel } => windows::sum(b, x, window, kernel, output),
        Op::WindowSumGrad { window, kernel, .. } => contraction::adjoint(b, x, output, |b, at| {
            let y = b.spec(x);
            windows::sum(b, at, window, kernel, &y)
        }),
        Op::WindowArgMax { window, kernel } => windows::extreme(b, x, window, kernel, &output.shape).position,
        Op::WindowMax { window, kernel } => windows::extreme(b, x, window, kernel, &output.shape).value,
        Op::WindowMaxGrad { .. } => windows::max_grad(b, x, inputs[1], output),
        Op::UniqueRows => rows::unique(b, x),
        Op::Neighbors { k, metric } => rows::neighbors(b, x, *k, *metric),
        Op::CountWithin { metric, closed } => rows::count_within(b, x, inputs[1], *metric, *closed),
        Op::MedianDistance => rows::median_distance(b, x),
        Op::Det => matrices::det(b, x),
        Op::Cofactors => return matrices::cofactors(b, inputs),
        Op::Congruence => {
            let left = b.matmul(x, inputs[1], false, false);
            b.matmul(left, x, false, false)
        }
        Op::CenteredProducts(products) => fast::centered_products(b, products, inputs),
        Op::CenteredProductsGrad { products, of } => {
            let gradient = centered_products_gradient(b, products, *of, inputs);
            gradient.unwrap_or_else(|| b.constant(0.0, output))
        }
        Op::SimilaritySums { products, groups } => fast::similarity_sums(b, products, groups, inputs),
        in_clusters!()
        | Op::Iota { .. }
        | Op::Reduce { .. }
        | Op::Concat { .. }
        | Op::MatMul { .. }
        | Op::Gather { .. }
        | Op::ScatterAdd { .. }
        | Op::ArgSort { .. }
        | Op::Cholesky
        | Op::TriangularSolve { .. }
        | Op::Solve
        | Op::PositiveInverse
        | Op::Eigh
        | Op::To(_) => return None,
    })
}
