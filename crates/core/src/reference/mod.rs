//! The executable definition of every primitive: slow, obvious, and what all backends are tested against.
//!
//! Arithmetic is done in float64 for floats and in int64, wrapping, for all else, and rounded or wrapped to
//! the dtype at the end; only elementwise operations on float32 are computed in float32.

mod backend;
mod contraction;
mod elementwise;
mod indexing;
mod linalg;
mod movement;
mod neighbors;
mod reduction;
pub mod refusal;
mod similarity;
mod sorting;
mod value;
mod window;

pub use backend::ReferenceBackend;
pub use value::Value;

use ndarray::ArrayD;

use crate::error::{Error, Result};
use crate::op::{Metric, Op, Spec, Window};
use crate::shape::Shape;
use value::{Wide, on_wide};

/// The value of `op`, whose inferred spec is `spec`, on `inputs`.
///
/// Inputs are those that [`crate::infer`] accepts; others panic. Refuses what only the data tell: an index
/// out of range, a matrix that is singular or not positive definite. [`Op::Input`] has no value of its own.
pub fn evaluate(op: &Op, inputs: &[&Value], spec: &Spec) -> Result<Value> {
    let to = &spec.shape;
    let name = op.name();
    let wide = |i: usize| inputs[i].widened();
    let positions = |i: usize, axis: usize, shape: &[usize]| {
        indexing::positions(name, &int(name, inputs[i]), axis, shape)
    };
    let wide_result = match op {
        Op::Input => {
            return Err(Error::argument(
                name,
                format!("no value for {} {to}", spec.dtype),
                "give one per input",
            ));
        }
        Op::Const(bits) => return Ok(elementwise::constant(f64::from_bits(*bits), spec)),
        Op::Iota { axis } => return Ok(elementwise::iota(*axis, spec)),
        Op::Random(kind) => return elementwise::random(*kind, inputs[0], spec),
        Op::Unary(op) => return elementwise::unary(*op, inputs[0]),
        Op::Binary(op) => return Ok(elementwise::binary(*op, inputs[0], inputs[1], spec)),
        Op::Where => return Ok(elementwise::choose(inputs[0], inputs[1], inputs[2], spec)),
        Op::Cast(dtype) => return Ok(elementwise::cast(inputs[0], *dtype)),
        Op::StopGradient | Op::To(_) => return Ok(inputs[0].clone()),
        Op::Reduce { kind, axes } => on_wide!(wide(0), x => reduction::reduce(&x, *kind, axes, to)),
        Op::ArgMax { axis } => Wide::Int(match wide(0) {
            Wide::Float(x) => reduction::arg_max(&x, *axis, to),
            Wide::Int(x) => reduction::arg_max(&x, *axis, to),
        }),
        Op::CumSum { axis, reverse } => on_wide!(wide(0), x => reduction::cumsum(&x, *axis, *reverse, to)),
        Op::Broadcast => on_wide!(wide(0), x => movement::broadcast(&x, to)),
        Op::Reshape => on_wide!(wide(0), x => movement::reshape(&x, to)),
        Op::Permute(axes) => on_wide!(wide(0), x => movement::permute(&x, axes, to)),
        Op::Slice { start, step } => on_wide!(wide(0), x => movement::slice(&x, start, step, to)),
        Op::Pad {
            low,
            high: _,
            interior,
        } => on_wide!(wide(0), x => movement::pad(&x, low, interior, to)),
        Op::Flip(axes) => on_wide!(wide(0), x => movement::flip(&x, axes, to)),
        Op::Concat { axis } => match wide(0) {
            Wide::Float(_) => Wide::Float(movement::concat(&all(inputs, |x| float(name, x)), *axis, to)),
            Wide::Int(_) => Wide::Int(movement::concat(&all(inputs, |x| int(name, x)), *axis, to)),
        },
        Op::MatMul { ta, tb } => Wide::Float(contraction::matmul(
            &float(name, inputs[0]),
            &float(name, inputs[1]),
            *ta,
            *tb,
            to,
        )),
        Op::Conv { window, groups } => convolved(name, contraction::conv, inputs, (window, *groups), to),
        Op::ConvInputGrad { window, groups, .. } => {
            convolved(name, contraction::conv_input_grad, inputs, (window, *groups), to)
        }
        Op::ConvWeightGrad { window, groups, .. } => {
            convolved(name, contraction::conv_weight_grad, inputs, (window, *groups), to)
        }
        Op::LocalConv { window } => convolved(name, contraction::conv, inputs, (window, 1), to),
        Op::LocalConvInputGrad { window, .. } => {
            convolved(name, contraction::conv_input_grad, inputs, (window, 1), to)
        }
        Op::LocalConvWeightGrad { window, .. } => {
            convolved(name, contraction::conv_weight_grad, inputs, (window, 1), to)
        }
        Op::WindowSum { window, kernel } => on_wide!(wide(0), x => window::sum(&x, window, kernel, to)),
        Op::WindowSumGrad {
            window,
            kernel,
            input: _,
        } => {
            on_wide!(wide(0), dy => window::sum_grad(&dy, window, kernel, to))
        }
        Op::WindowArgMax { window, kernel } => Wide::Int(match wide(0) {
            Wide::Float(x) => window::arg_max(&x, window, kernel, to),
            Wide::Int(x) => window::arg_max(&x, window, kernel, to),
        }),
        Op::WindowMax { window, kernel } => on_wide!(wide(0), x => window::max(&x, window, kernel, to)),
        Op::WindowMaxGrad { input, .. } => {
            let Wide::Int(index) = wide(0) else {
                return Err(Error::internal(name, "the index is no integer"));
            };
            on_wide!(wide(1), dy => window::max_grad(&index, &dy, input, to))
        }
        Op::Take { axis } => {
            let position = positions(1, *axis, inputs[0].spec().shape.dims())?;
            on_wide!(wide(0), x => indexing::take(&x, &position, *axis, to))
        }
        Op::IndexAdd { axis } => {
            let position = positions(0, *axis, to.dims())?;
            on_wide!(wide(1), src => indexing::index_add(&src, &position, *axis, to))
        }
        Op::Gather { axis } => {
            let position = positions(1, *axis, inputs[0].spec().shape.dims())?;
            on_wide!(wide(0), x => indexing::gather(&x, &position, *axis, to))
        }
        Op::ScatterAdd { axis } => {
            let position = positions(0, *axis, to.dims())?;
            on_wide!(wide(1), src => indexing::scatter_add(&src, &position, *axis, to))
        }
        Op::ArgSort {
            axis,
            descending: first,
        }
        | Op::TopK { axis, largest: first } => Wide::Int(match wide(0) {
            Wide::Float(x) => sorting::order(&x, *axis, *first, to),
            Wide::Int(x) => sorting::order(&x, *axis, *first, to),
        }),
        Op::UniqueRows => Wide::Int(match wide(0) {
            Wide::Float(x) => sorting::unique_rows(&x, to),
            Wide::Int(x) => sorting::unique_rows(&x, to),
        }),
        Op::Neighbors { k, metric } => {
            let rows = neighbors::Rows::new(float(name, inputs[0]), inputs[0].spec().dtype, *metric);
            Wide::Int(neighbors::nearest(&rows, *k, to))
        }
        Op::CountWithin { metric, closed } => {
            let rows = neighbors::Rows::new(float(name, inputs[0]), inputs[0].spec().dtype, *metric);
            Wide::Int(neighbors::count_within(
                &rows,
                &float(name, inputs[1]),
                *closed,
                to,
            ))
        }
        Op::MedianDistance => {
            let rows =
                neighbors::Rows::new(float(name, inputs[0]), inputs[0].spec().dtype, Metric::Euclidean);
            Wide::Float(neighbors::median_distance(&rows, to))
        }
        Op::Cholesky => Wide::Float(linalg::batched(&[&float(name, inputs[0])], to, |m, at| {
            linalg::cholesky(&m[0], at)
        })?),
        Op::TriangularSolve { lower, transpose } => {
            let (a, b) = (float(name, inputs[0]), float(name, inputs[1]));
            let each = |m: &[_], at| linalg::triangular_solve(&m[0], &m[1], *lower, *transpose, at);
            Wide::Float(linalg::batched(&[&a, &b], to, each)?)
        }
        Op::Solve => {
            let (a, b) = (float(name, inputs[0]), float(name, inputs[1]));
            Wide::Float(linalg::batched(&[&a, &b], to, |m, at| {
                linalg::solve(&m[0], &m[1], at)
            })?)
        }
        Op::PositiveInverse => Wide::Float(linalg::batched(&[&float(name, inputs[0])], to, |m, at| {
            linalg::positive_inverse(&m[0], at)
        })?),
        Op::Congruence => {
            let (a, s) = (float(name, inputs[0]), float(name, inputs[1]));
            Wide::Float(linalg::batched(&[&a, &s], to, |m, _| {
                Ok(m[0].dot(&m[1]).dot(&m[0]))
            })?)
        }
        Op::Det => Wide::Float(linalg::batched(&[&float(name, inputs[0])], to, |m, _| {
            Ok(linalg::det(&m[0]))
        })?),
        Op::Cofactors => {
            let operands = all(inputs, |x| float(name, x));
            let operands: Vec<&ArrayD<f64>> = operands.iter().collect();
            Wide::Float(linalg::batched(&operands, to, |m, _| Ok(linalg::cofactors(m)))?)
        }
        Op::Eigh => Wide::Float(linalg::batched(&[&float(name, inputs[0])], to, |m, at| {
            linalg::eigh(&m[0], at)
        })?),
        Op::CenteredProducts(products) => {
            Wide::Float(similarity::products(products, &all(inputs, |x| float(name, x))))
        }
        Op::CenteredProductsGrad { products, of } => Wide::Float(similarity::samples_grad(
            products,
            *of,
            &all(inputs, |x| float(name, x)),
        )),
        Op::SimilaritySums { products, groups } => Wide::Float(similarity::sums(
            products,
            groups,
            &all(inputs, |x| float(name, x)),
        )),
    };
    Ok(Value::narrowed(&wide_result, spec.dtype))
}

/// The values of nodes in topological order, each an operation, the positions of its inputs, all smaller
/// than its own, and its spec. `given` holds values by position, at least those of every [`Op::Input`].
pub fn run(nodes: &[(Op, Vec<usize>, Spec)], given: &[(usize, Value)]) -> Result<Vec<Value>> {
    let mut done: Vec<Value> = Vec::with_capacity(nodes.len());
    for (position, (op, inputs, spec)) in nodes.iter().enumerate() {
        let value = match given.iter().find(|(at, _)| *at == position) {
            Some((_, value)) => value.clone(),
            None => evaluate(op, &inputs.iter().map(|&i| &done[i]).collect::<Vec<_>>(), spec)?,
        };
        done.push(value);
    }
    Ok(done)
}

fn all<T>(inputs: &[&Value], widen: impl Fn(&Value) -> ArrayD<T>) -> Vec<ArrayD<T>> {
    inputs.iter().map(|x| widen(x)).collect()
}

/// The elements of a tensor that inference knows to be of floats.
fn float(op: &str, x: &Value) -> ArrayD<f64> {
    match x.widened() {
        Wide::Float(a) => a,
        Wide::Int(_) => panic!("{op} of {}, which inference does not let pass", x.spec().dtype),
    }
}

/// A convolution or one of its adjoints.
fn convolved(
    name: &str,
    derivative: contraction::Derivative,
    inputs: &[&Value],
    (window, groups): (&Window, usize),
    to: &Shape,
) -> Wide {
    let (p, q) = (float(name, inputs[0]), float(name, inputs[1]));
    Wide::Float(derivative(&p, &q, window, groups, to))
}

/// The elements of a tensor that inference knows to be of integers.
fn int(op: &str, x: &Value) -> ArrayD<i64> {
    match x.widened() {
        Wide::Int(a) => a,
        Wide::Float(_) => panic!("{op} by {}, which inference does not let pass", x.spec().dtype),
    }
}
