//! From a primitive with its shapes to its launches. `None`: the operation is lowered to simpler ones.

mod axes;
mod conv;
mod indexing;
mod linalg;
mod movement;
mod neighbors;
mod order;
mod products;
mod reduce;
mod similarity;
mod sources;
mod tiles;
mod window;

use hyperglow_core::op::{Op, Spec, Window};
use hyperglow_core::{DType, Error, Result, in_clusters};

use super::kernel::CudaKernel;

/// The kernel of `op` for the given shapes.
///
/// # Errors
/// Shapes that no kernel takes.
pub(super) fn choose(op: &Op, inputs: &[&Spec], output: &Spec) -> Result<Option<CudaKernel>> {
    let kernel = kernel(op, inputs, output)?;
    kernel.map(|kernel| kernel.checked(op, output)).transpose()
}

fn kernel(op: &Op, inputs: &[&Spec], output: &Spec) -> Result<Option<CudaKernel>> {
    let x = inputs.first().copied().unwrap_or(output);
    Ok(Some(match op {
        Op::Iota { axis } => sources::iota(output, *axis),
        // Several keys: lowered to draws of one key.
        Op::Random(_) if x.shape.rank() > 1 => return Ok(None),
        Op::Random(kind) => sources::random(*kind, output),
        Op::Pad { low, interior, .. } => return Ok(movement::pad(x, output, low, interior)),
        Op::Concat { axis } => movement::concat(inputs, output, *axis),
        Op::Reduce { kind, axes } => reduce::reduce(op, *kind, axes, x)?,
        Op::ArgMax { axis } => reduce::arg_max(x, *axis),
        Op::MatMul { ta, tb } => products::matmul(x, inputs[1], output, *ta, *tb),
        Op::Take { axis } => indexing::take(op, x, inputs[1], output, *axis),
        Op::Gather { axis } => indexing::gather(op, x, inputs[1], *axis)?,
        Op::IndexAdd { axis } => indexing::index_add(op, x, inputs[1], output, *axis)?,
        Op::ScatterAdd { axis } => indexing::scatter_add(op, x, inputs[1], output, *axis)?,
        Op::ArgSort { axis, descending } => order::sort(x, output, *axis, *descending),
        Op::TopK { axis, largest } => order::sort(x, output, *axis, *largest),
        Op::CumSum { axis, reverse } => order::cumsum(x, *axis, *reverse),
        Op::Cholesky => linalg::cholesky(x),
        Op::PositiveInverse => linalg::positive_inverse(x),
        Op::TriangularSolve { lower, transpose } => linalg::triangular_solve(inputs[1], *lower, *transpose),
        Op::Solve => linalg::solve(x, inputs[1]),
        Op::Eigh => linalg::eigh(x),
        Op::Neighbors { k, metric } => neighbors::nearest(x, *k, *metric),
        Op::CountWithin { metric, closed } => neighbors::count_within(x, *metric, *closed),
        Op::MedianDistance => neighbors::median_distance(x),
        Op::CenteredProducts(products) => return Ok(similarity::centered_products(products, inputs)),
        Op::CenteredProductsGrad { products, of } => {
            return Ok(similarity::centered_products_grad(products, *of, inputs));
        }
        Op::SimilaritySums { products, groups } => return Ok(similarity::sums(products, groups, inputs)),
        Op::Conv { window, groups } => {
            let (x, w, y) = (dims(x), dims(inputs[1]), dims(output));
            return Ok(conv_of(window, *groups, (x, w, y), output).of_elements(false));
        }
        Op::ConvInputGrad { window, groups, .. } => {
            let (x, w, y) = (dims(output), dims(inputs[1]), dims(x));
            return Ok(conv_of(window, *groups, (x, w, y), output).of_elements(true));
        }
        Op::ConvWeightGrad { window, groups, .. } => {
            let (x, w, y) = (dims(x), dims(output), dims(inputs[1]));
            return Ok(conv_of(window, *groups, (x, w, y), output).of_weights());
        }
        Op::WindowSum { window, kernel } => {
            return Ok(forward("window_sum", window, kernel, x, output));
        }
        Op::WindowMax { window, kernel } => {
            return Ok(forward("window_max", window, kernel, x, output));
        }
        Op::WindowArgMax { window, kernel } => {
            return Ok(forward("window_arg_max", window, kernel, x, output));
        }
        Op::WindowSumGrad { window, kernel, .. } => {
            return Ok(backward("window_sum_grad", window, kernel, inputs, output));
        }
        Op::WindowMaxGrad { window, kernel, .. } => {
            return Ok(backward("window_max_grad", window, kernel, inputs, output));
        }
        Op::LocalConv { .. }
        | Op::LocalConvInputGrad { .. }
        | Op::LocalConvWeightGrad { .. }
        | Op::UniqueRows
        | Op::Congruence
        | Op::Det
        | Op::Cofactors => return Ok(None),
        in_clusters!() => return Err(Error::internal(op.name(), "belongs into a cluster")),
        Op::To(_) => return Err(Error::internal(op.name(), "parts programs")),
    }))
}

fn dims(spec: &Spec) -> &[usize] {
    spec.shape.dims()
}

fn conv_of<'a>(
    window: &'a Window,
    groups: usize,
    (x, w, y): (&'a [usize], &'a [usize], &'a [usize]),
    to: &'a Spec,
) -> conv::Conv<'a> {
    conv::Conv {
        window,
        groups,
        x,
        w,
        y,
        to,
    }
}

/// An operation on windows of x.
fn forward(name: &str, window: &Window, kernel: &[usize], x: &Spec, output: &Spec) -> Option<CudaKernel> {
    let extents = (&dims(x)[2..], &dims(output)[2..]);
    window::kernel(name, window, kernel, extents, (x, 1, output))
}

/// The adjoint of one: the last operand is dy.
fn backward(
    name: &str,
    window: &Window,
    kernel: &[usize],
    inputs: &[&Spec],
    to: &Spec,
) -> Option<CudaKernel> {
    let dy = inputs.last()?;
    let extents = (&dims(to)[2..], &dims(dy)[2..]);
    window::kernel(name, window, kernel, extents, (dy, inputs.len(), to))
}

/// The suffix of a kernel's name for elements of a dtype. Truth values are bytes.
fn suffix(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "f32",
        DType::F64 => "f64",
        DType::I32 => "i32",
        DType::I64 => "i64",
        DType::U32 => "u32",
        DType::U8 | DType::Bool => "u8",
    }
}

/// The suffix of a kernel's name that only copies elements or zeros.
fn bits(dtype: DType) -> &'static str {
    match dtype.size() {
        1 => "u8",
        4 => "u32",
        _ => "u64",
    }
}

#[cfg(test)]
mod tests {
    use hyperglow_core::error::ErrorKind;
    use hyperglow_core::op::Reduction;

    use super::*;

    #[test]
    fn more_blocks_than_a_launch_has_are_refused() {
        let sum = Op::Reduce {
            kind: Reduction::Sum,
            axes: [1].into(),
        };
        let (x, y) = (
            Spec::new([1 << 32, 3], DType::F32),
            Spec::new([1 << 32], DType::F32),
        );
        let error = choose(&sum, &[&x], &y).unwrap_err();
        assert_eq!((error.kind, error.op.as_str()), (ErrorKind::Shape, "sum"));
    }
}
