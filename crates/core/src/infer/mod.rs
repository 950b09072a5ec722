//! Shape and dtype of every node, computed while the graph is built, so that a mistake is reported on
//! the user's own line. One exhaustive match; a file per family of operations.

mod checks;
mod contraction;
mod elementwise;
mod indexing;
mod limits;
mod linalg;
mod movement;
mod order;
mod reduction;
mod similarity;
mod sources;
mod window;

use crate::error::{Error, Result};
use crate::op::{Op, Spec};
use crate::shape::Shape;

pub use limits::MAX_ELEMENTS;
use limits::within_limits;

/// The spec of `op` applied to `inputs`. `target` is the spec of the result for operations whose inputs do not determine it
/// (sources, broadcasts, reshapes, slices, scatters, top-k).
///
/// # Errors
/// What does not fit, and results of more than [`MAX_ELEMENTS`] elements.
pub fn infer(op: &Op, inputs: &[&Spec], target: Option<&Spec>) -> Result<Spec> {
    let traits = op.traits();
    let name = traits.name;
    if let Some(target) = target {
        within_limits(name, &target.shape)?;
    }
    if !traits.operands.allow(inputs.len()) {
        return Err(Error::internal(name, format!("{} inputs", inputs.len())));
    }
    let spec = rule(op, &Given { name, inputs, target })?;
    within_limits(name, &spec.shape)?;
    Ok(spec)
}

/// An operation's inputs, as many as it has operands, and its target spec.
struct Given<'a> {
    /// The operation's name.
    name: &'static str,
    inputs: &'a [&'a Spec],
    target: Option<&'a Spec>,
}

impl<'a> Given<'a> {
    /// The target spec.
    fn wanted(&self) -> Result<&'a Spec> {
        self.target
            .ok_or_else(|| Error::internal(self.name, "no target spec"))
    }

    /// The two inputs.
    fn pair(&self) -> [&'a Spec; 2] {
        [self.inputs[0], self.inputs[1]]
    }

    /// A result like the first input.
    fn like_first(&self) -> Result<Spec> {
        Ok(self.inputs[0].clone())
    }

    /// A result of this shape, in the dtype of the first input.
    fn shaped(&self, shape: Shape) -> Result<Spec> {
        Ok(Spec::new(shape, self.inputs[0].dtype))
    }
}

fn rule(op: &Op, given: &Given<'_>) -> Result<Spec> {
    match op {
        Op::Input | Op::Const(_) => given.wanted().cloned(),
        Op::Iota { axis } => sources::iota(given, *axis),
        Op::Random(kind) => sources::random(given, *kind),
        Op::Unary(_) => elementwise::unary(given),
        Op::Binary(binary) => elementwise::binary(given, *binary),
        Op::Where => elementwise::choice(given),
        Op::Cast(dtype) => Ok(Spec::new(given.inputs[0].shape.clone(), *dtype)),
        Op::StopGradient | Op::To(_) => given.like_first(),
        Op::Reduce { axes, kind } => reduction::reduce(given, *kind, axes),
        Op::ArgMax { axis } => reduction::arg_max(given, *axis),
        Op::Broadcast => movement::broadcast(given),
        Op::Reshape => movement::reshape(given),
        Op::Permute(axes) => movement::permute(given, axes),
        Op::Slice { start, step } => movement::slice(given, start, step),
        Op::Pad { low, high, interior } => movement::pad(given, low, high, interior),
        Op::Flip(axes) => movement::flip(given, axes),
        Op::Concat { axis } => movement::concat(given, *axis),
        Op::MatMul { ta, tb } => contraction::matmul(given, *ta, *tb),
        Op::Conv { window, groups } => contraction::conv(given, window, *groups),
        Op::ConvInputGrad {
            window,
            groups,
            input,
        } => contraction::conv_input_grad(given, window, *groups, input),
        Op::ConvWeightGrad {
            window,
            groups,
            kernel,
        } => contraction::conv_weight_grad(given, window, *groups, kernel),
        Op::LocalConv { window } => contraction::local_conv(given, window),
        Op::LocalConvInputGrad { window, input } => contraction::local_conv_input_grad(given, window, input),
        Op::LocalConvWeightGrad { window, kernel } => {
            contraction::local_conv_weight_grad(given, window, kernel)
        }
        Op::WindowSum { window, kernel } => window::sum(given, window, kernel),
        Op::WindowArgMax { window, kernel } => window::arg_max(given, window, kernel),
        Op::WindowMax { window, kernel } => window::max(given, window, kernel),
        Op::WindowSumGrad { input, .. } => window::sum_grad(given, input),
        Op::WindowMaxGrad { input, .. } => window::max_grad(given, input),
        Op::Take { axis } => indexing::take(given, *axis),
        Op::IndexAdd { axis } => indexing::index_add(given, *axis),
        Op::Gather { axis } => indexing::gather(given, *axis),
        Op::ScatterAdd { axis } => indexing::scatter_add(given, *axis),
        Op::ArgSort { axis, .. } => order::arg_sort(given, *axis),
        Op::TopK { axis, .. } => order::top_k(given, *axis),
        Op::CumSum { axis, .. } => order::cumsum(given, *axis),
        Op::UniqueRows => order::unique_rows(given),
        Op::Neighbors { k, .. } => order::neighbors(given, *k),
        Op::CountWithin { .. } => order::count_within(given),
        Op::MedianDistance => order::median_distance(given),
        Op::Cholesky | Op::PositiveInverse => linalg::positive(given),
        Op::TriangularSolve { .. } | Op::Solve => linalg::solve(given),
        Op::Det => linalg::det(given),
        Op::Cofactors | Op::Congruence => linalg::squares(given),
        Op::Eigh => linalg::eigh(given),
        Op::CenteredProducts(products) => similarity::centered_products(given, products),
        Op::CenteredProductsGrad { products, of } => similarity::centered_products_grad(given, products, *of),
        Op::SimilaritySums { products, groups } => similarity::similarity_sums(given, products, groups),
    }
}
