//! Building graph: one function per primitive. Every result is a new handle.

use hyperglow_core::compose::{broadcast_pair, broadcast_to, reduce_axes};
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::engine::Engine;
use hyperglow_core::op::{Distribution, Metric, Op, Reduction, Spec, Window};
use hyperglow_core::similarity::{Products, Similarity};
use hyperglow_core::{Error, NodeId, Result};
use napi_derive::napi;

use crate::state::{bound_pending, dtype, engine, ids, shape, sizes, spec};

fn id(number: f64) -> NodeId {
    NodeId::from_number(number)
}

fn add(op: Op, inputs: &[f64], target: Option<Spec>) -> napi::Result<f64> {
    engine(|e| Ok(e.graph.add(op, &ids(inputs), target.as_ref())?.to_number()))
}

/// A primitive whose target has the dtype of its first input.
fn add_shaped(op: Op, inputs: &[f64], extents: &[u32], like: usize) -> napi::Result<f64> {
    engine(|e| {
        let inputs = ids(inputs);
        let dtype = e.graph.dtype(inputs[like])?;
        let target = Spec {
            shape: shape(extents),
            dtype,
        };
        Ok(e.graph.add(op, &inputs, Some(&target))?.to_number())
    })
}

fn unary_op(code: u32) -> Result<UnaryOp> {
    UnaryOp::ALL
        .get(code as usize)
        .copied()
        .ok_or_else(|| Error::internal("unary", format!("no operation {code}")))
}
fn binary_op(code: u32) -> Result<BinaryOp> {
    BinaryOp::ALL
        .get(code as usize)
        .copied()
        .ok_or_else(|| Error::internal("binary", format!("no operation {code}")))
}

/// Names of the elementwise operations; their index is their code.
#[napi(object)]
pub struct OpNames {
    /// One argument.
    pub unary: Vec<String>,
    /// Two arguments.
    pub binary: Vec<String>,
}

/// Names of the elementwise operations, in the order of their codes.
#[napi]
pub fn op_names() -> OpNames {
    OpNames {
        unary: UnaryOp::ALL.iter().map(|o| o.name().to_string()).collect(),
        binary: BinaryOp::ALL.iter().map(|o| o.name().to_string()).collect(),
    }
}

/// Elementwise, one argument.
#[napi]
pub fn unary(code: u32, a: f64) -> napi::Result<f64> {
    engine(|e| {
        bound_pending(e)?;
        Ok(e.graph
            .add(Op::Unary(unary_op(code)?), &[id(a)], None)?
            .to_number())
    })
}

/// Elementwise, two arguments that broadcast.
#[napi]
pub fn binary(code: u32, a: f64, b: f64) -> napi::Result<f64> {
    engine(|e| {
        bound_pending(e)?;
        let op = binary_op(code)?;
        let [x, y] = broadcast_pair(&mut e.graph, op.name(), id(a), id(b))?;
        finish(e, Op::Binary(op), &[x, y])
    })
}

/// Adds a primitive on inputs whose handles are ours to release.
fn finish(e: &mut Engine, op: Op, inputs: &[NodeId]) -> Result<f64> {
    let made = e.graph.add(op, inputs, None);
    for &input in inputs {
        e.graph.release(input)?;
    }
    Ok(made?.to_number())
}

/// Elementwise with a number, which takes the tensor's dtype.
#[napi]
pub fn binary_scalar(code: u32, a: f64, value: f64, scalar_on_left: bool) -> napi::Result<f64> {
    engine(|e| {
        bound_pending(e)?;
        let op = binary_op(code)?;
        let spec = e.graph.spec(id(a))?.clone();
        if !spec.dtype.is_float() && value.fract() != 0.0 {
            return Err(Error::dtype(
                op.name(),
                format!("{value} with a tensor of {}", spec.dtype),
                "cast the tensor to float32 first",
            ));
        }
        let number = e.graph.constant(value, &spec);
        e.graph.retain(id(a))?;
        let inputs = if scalar_on_left {
            [number, id(a)]
        } else {
            [id(a), number]
        };
        finish(e, Op::Binary(op), &inputs)
    })
}

/// `condition ? a : b`; the three broadcast.
#[napi(js_name = "where")]
pub fn select(condition: f64, a: f64, b: f64) -> napi::Result<f64> {
    engine(|e| {
        let [x, y] = broadcast_pair(&mut e.graph, "where", id(a), id(b))?;
        let both = e.graph.shape(x)?.clone();
        let condition_shape = e.graph.shape(id(condition))?.clone();
        let all = hyperglow_core::Shape::broadcast("where", &condition_shape, &both);
        let mut inputs = Vec::new();
        if let Ok(all) = &all {
            for node in [id(condition), x, y] {
                inputs.push(broadcast_to(&mut e.graph, "where", node, all)?);
            }
        }
        e.graph.release(x)?;
        e.graph.release(y)?;
        all?;
        finish(e, Op::Where, &inputs)
    })
}

/// Conversion to another dtype.
#[napi]
pub fn cast(a: f64, code: u32) -> napi::Result<f64> {
    engine(|e| Ok(e.graph.add(Op::Cast(dtype(code)?), &[id(a)], None)?.to_number()))
}

/// A tensor filled with a number.
#[napi]
pub fn constant(value: f64, code: u32, extents: Vec<u32>) -> napi::Result<f64> {
    engine(|e| {
        let spec = spec(&extents, code)?;
        Ok(e.graph.constant(value, &spec).to_number())
    })
}

/// 0, 1, 2, ... along an axis.
#[napi]
pub fn iota(code: u32, extents: Vec<u32>, axis: u32) -> napi::Result<f64> {
    engine(|e| {
        let spec = spec(&extents, code)?;
        Ok(e.graph
            .add(Op::Iota { axis: axis as usize }, &[], Some(&spec))?
            .to_number())
    })
}

/// Random numbers from a key: 0 bits, 1 uniform, 2 normal.
#[napi]
pub fn random(kind: u32, key: f64, code: u32, extents: Vec<u32>) -> napi::Result<f64> {
    engine(|e| {
        let kind = match kind {
            0 => Distribution::Bits,
            1 => Distribution::Uniform,
            _ => Distribution::Normal,
        };
        let spec = spec(&extents, code)?;
        Ok(e.graph
            .add(Op::Random(kind), &[id(key)], Some(&spec))?
            .to_number())
    })
}

/// Reduction over axes: 0 sum, 1 max, 2 min.
#[napi]
pub fn reduce(kind: u32, a: f64, axes: Vec<u32>, keep_dims: bool) -> napi::Result<f64> {
    engine(|e| {
        let kind = match kind {
            0 => Reduction::Sum,
            1 => Reduction::Max,
            _ => Reduction::Min,
        };
        Ok(reduce_axes(&mut e.graph, kind, id(a), &sizes(&axes), keep_dims)?.to_number())
    })
}

/// Index of the first maximum along an axis.
#[napi]
pub fn arg_max(a: f64, axis: u32) -> napi::Result<f64> {
    add(Op::ArgMax { axis: axis as usize }, &[a], None)
}

/// Stretches to a shape under NumPy's rule.
#[napi(js_name = "broadcastTo")]
pub fn broadcast_to_shape(a: f64, extents: Vec<u32>) -> napi::Result<f64> {
    engine(|e| Ok(broadcast_to(&mut e.graph, "broadcastTo", id(a), &shape(&extents))?.to_number()))
}

/// Other extents, same elements.
#[napi]
pub fn reshape(a: f64, extents: Vec<u32>) -> napi::Result<f64> {
    add_shaped(Op::Reshape, &[a], &extents, 0)
}

/// Axes in another order.
#[napi]
pub fn permute(a: f64, axes: Vec<u32>) -> napi::Result<f64> {
    add(Op::Permute(sizes(&axes)), &[a], None)
}

/// `count` elements per axis from `start`, every `step`-th.
#[napi]
pub fn slice(a: f64, start: Vec<u32>, step: Vec<u32>, count: Vec<u32>) -> napi::Result<f64> {
    add_shaped(
        Op::Slice {
            start: sizes(&start),
            step: sizes(&step),
        },
        &[a],
        &count,
        0,
    )
}

/// Zeros around and between the elements.
#[napi]
pub fn pad(a: f64, low: Vec<u32>, high: Vec<u32>, interior: Vec<u32>) -> napi::Result<f64> {
    add(
        Op::Pad {
            low: sizes(&low),
            high: sizes(&high),
            interior: sizes(&interior),
        },
        &[a],
        None,
    )
}

/// Reversal along axes.
#[napi]
pub fn flip(a: f64, axes: Vec<u32>) -> napi::Result<f64> {
    add(Op::Flip(sizes(&axes)), &[a], None)
}

/// One after the other along an axis.
#[napi]
pub fn concat(parts: Vec<f64>, axis: u32) -> napi::Result<f64> {
    add(Op::Concat { axis: axis as usize }, &parts, None)
}

/// Matrix product; a flag means that operand is stored transposed.
#[napi]
pub fn matmul(a: f64, b: f64, ta: bool, tb: bool) -> napi::Result<f64> {
    engine(|e| {
        bound_pending(e)?;
        Ok(e.graph
            .add(Op::MatMul { ta, tb }, &[id(a), id(b)], None)?
            .to_number())
    })
}

fn window(stride: &[u32], pad_low: &[u32], pad_high: &[u32], dilation: &[u32]) -> Result<Window> {
    let lengths = [pad_low.len(), pad_high.len(), dilation.len()];
    if lengths.iter().any(|&n| n != stride.len()) {
        return Err(Error::internal("window", "attributes of different lengths"));
    }
    Ok(Window {
        stride: sizes(stride),
        pad_low: sizes(pad_low),
        pad_high: sizes(pad_high),
        dilation: sizes(dilation),
    })
}

/// Convolution (cross-correlation), n-dimensional.
#[napi]
pub fn conv(
    x: f64,
    w: f64,
    stride: Vec<u32>,
    pad_low: Vec<u32>,
    pad_high: Vec<u32>,
    dilation: Vec<u32>,
    groups: u32,
) -> napi::Result<f64> {
    engine(|e| {
        let op = Op::Conv {
            window: window(&stride, &pad_low, &pad_high, &dilation)?,
            groups: groups as usize,
        };
        Ok(e.graph.add(op, &[id(x), id(w)], None)?.to_number())
    })
}

/// The adjoint of convolution in x: transposed convolution.
#[napi]
#[allow(
    clippy::too_many_arguments,
    reason = "positional numbers are the cheapest way across the boundary"
)]
pub fn conv_input_grad(
    dy: f64,
    w: f64,
    stride: Vec<u32>,
    pad_low: Vec<u32>,
    pad_high: Vec<u32>,
    dilation: Vec<u32>,
    groups: u32,
    input: Vec<u32>,
) -> napi::Result<f64> {
    engine(|e| {
        let window = window(&stride, &pad_low, &pad_high, &dilation)?;
        let op = Op::ConvInputGrad {
            window,
            groups: groups as usize,
            input: sizes(&input),
        };
        Ok(e.graph.add(op, &[id(dy), id(w)], None)?.to_number())
    })
}

/// The adjoint of convolution in w.
#[napi]
#[allow(
    clippy::too_many_arguments,
    reason = "positional numbers are the cheapest way across the boundary"
)]
pub fn conv_weight_grad(
    x: f64,
    dy: f64,
    stride: Vec<u32>,
    pad_low: Vec<u32>,
    pad_high: Vec<u32>,
    dilation: Vec<u32>,
    groups: u32,
    kernel: Vec<u32>,
) -> napi::Result<f64> {
    engine(|e| {
        let window = window(&stride, &pad_low, &pad_high, &dilation)?;
        let op = Op::ConvWeightGrad {
            window,
            groups: groups as usize,
            kernel: sizes(&kernel),
        };
        Ok(e.graph.add(op, &[id(x), id(dy)], None)?.to_number())
    })
}

/// Sum over windows.
#[napi]
pub fn window_sum(
    x: f64,
    stride: Vec<u32>,
    pad_low: Vec<u32>,
    pad_high: Vec<u32>,
    dilation: Vec<u32>,
    kernel: Vec<u32>,
) -> napi::Result<f64> {
    engine(|e| {
        let op = Op::WindowSum {
            window: window(&stride, &pad_low, &pad_high, &dilation)?,
            kernel: sizes(&kernel),
        };
        Ok(e.graph.add(op, &[id(x)], None)?.to_number())
    })
}

/// Flat spatial index of each window's first maximum.
#[napi]
pub fn window_arg_max(
    x: f64,
    stride: Vec<u32>,
    pad_low: Vec<u32>,
    pad_high: Vec<u32>,
    dilation: Vec<u32>,
    kernel: Vec<u32>,
) -> napi::Result<f64> {
    engine(|e| {
        let op = Op::WindowArgMax {
            window: window(&stride, &pad_low, &pad_high, &dilation)?,
            kernel: sizes(&kernel),
        };
        Ok(e.graph.add(op, &[id(x)], None)?.to_number())
    })
}

/// The maximum of each window.
#[napi]
pub fn window_max(
    x: f64,
    stride: Vec<u32>,
    pad_low: Vec<u32>,
    pad_high: Vec<u32>,
    dilation: Vec<u32>,
    kernel: Vec<u32>,
) -> napi::Result<f64> {
    engine(|e| {
        let op = Op::WindowMax {
            window: window(&stride, &pad_low, &pad_high, &dilation)?,
            kernel: sizes(&kernel),
        };
        Ok(e.graph.add(op, &[id(x)], None)?.to_number())
    })
}

/// Slices chosen by a one-dimensional index.
#[napi]
pub fn take(x: f64, index: f64, axis: u32) -> napi::Result<f64> {
    add(Op::Take { axis: axis as usize }, &[x, index], None)
}

/// Zeros plus slices at an index.
#[napi]
pub fn index_add(index: f64, source: f64, axis: u32, extents: Vec<u32>) -> napi::Result<f64> {
    add_shaped(
        Op::IndexAdd { axis: axis as usize },
        &[index, source],
        &extents,
        1,
    )
}

/// Elements chosen along an axis by an index of equal rank.
#[napi]
pub fn gather(x: f64, index: f64, axis: u32) -> napi::Result<f64> {
    add(Op::Gather { axis: axis as usize }, &[x, index], None)
}

/// Zeros plus elements at an index of equal rank.
#[napi]
pub fn scatter_add(index: f64, source: f64, axis: u32, extents: Vec<u32>) -> napi::Result<f64> {
    add_shaped(
        Op::ScatterAdd { axis: axis as usize },
        &[index, source],
        &extents,
        1,
    )
}

/// Stable order along an axis.
#[napi]
pub fn arg_sort(x: f64, axis: u32, descending: bool) -> napi::Result<f64> {
    add(
        Op::ArgSort {
            axis: axis as usize,
            descending,
        },
        &[x],
        None,
    )
}

/// Indices of the k largest or smallest along an axis.
#[napi]
pub fn top_k(x: f64, k: u32, axis: u32, largest: bool) -> napi::Result<f64> {
    engine(|e| {
        let axis = axis as usize;
        let from = e.graph.spec(id(x))?.clone();
        if axis >= from.shape.rank() {
            return Err(Error::shape(
                "topK",
                format!("axis {axis} of {}", from.shape),
                "axes count from 0",
            ));
        }
        let target = Spec {
            shape: from.shape.with(axis, k as usize),
            dtype: from.dtype,
        };
        Ok(e.graph
            .add(Op::TopK { axis, largest }, &[id(x)], Some(&target))?
            .to_number())
    })
}

/// Running sum along an axis.
#[napi]
pub fn cumsum(x: f64, axis: u32, reverse: bool) -> napi::Result<f64> {
    add(
        Op::CumSum {
            axis: axis as usize,
            reverse,
        },
        &[x],
        None,
    )
}

/// Equal rows get equal numbers.
#[napi]
pub fn unique_rows(x: f64) -> napi::Result<f64> {
    add(Op::UniqueRows, &[x], None)
}

fn metric(euclidean: bool) -> Metric {
    if euclidean {
        Metric::Euclidean
    } else {
        Metric::Maximum
    }
}

/// The k nearest other rows of each row, by the Euclidean distance or the largest difference.
#[napi]
pub fn neighbors(x: f64, k: u32, euclidean: bool) -> napi::Result<f64> {
    let (k, metric) = (k as usize, metric(euclidean));
    add(Op::Neighbors { k, metric }, &[x], None)
}

/// The number of other rows within the radius of each row.
#[napi]
pub fn count_within(x: f64, radius: f64, euclidean: bool, closed: bool) -> napi::Result<f64> {
    let metric = metric(euclidean);
    add(Op::CountWithin { metric, closed }, &[x, radius], None)
}

/// Lower Cholesky factor.
#[napi]
pub fn cholesky(a: f64) -> napi::Result<f64> {
    add(Op::Cholesky, &[a], None)
}

/// Solves a triangular system.
#[napi]
pub fn triangular_solve(a: f64, b: f64, lower: bool, transpose: bool) -> napi::Result<f64> {
    add(Op::TriangularSolve { lower, transpose }, &[a, b], None)
}

/// Solves a linear system.
#[napi]
pub fn solve(a: f64, b: f64) -> napi::Result<f64> {
    add(Op::Solve, &[a, b], None)
}

/// Determinants.
#[napi]
pub fn det(a: f64) -> napi::Result<f64> {
    add(Op::Det, &[a], None)
}

/// Eigenvalues (row 0) and eigenvectors (columns below) of symmetric matrices.
#[napi]
pub fn eigh(a: f64) -> napi::Result<f64> {
    add(Op::Eigh, &[a], None)
}

/// Inner products of centred similarity matrices: float64 (sets, sets). `kinds` holds a code per set (its place among
/// gaussian, laplacian, linear, polynomial, imq, equal), `counts` a number that goes with it: of widths, or the degree.
#[napi]
pub fn centered_products(
    samples: Vec<f64>,
    parameters: Vec<f64>,
    kinds: Vec<u32>,
    counts: Vec<u32>,
    hollow: bool,
) -> napi::Result<f64> {
    engine(|e| {
        let similarity = |(&kind, &count): (&u32, &u32)| {
            let widths = count as usize;
            Ok(match kind {
                0 => Similarity::Gaussian { widths },
                1 => Similarity::Laplacian { widths },
                2 => Similarity::Linear,
                3 => Similarity::Polynomial { degree: count },
                4 => Similarity::InverseMultiquadric,
                5 => Similarity::Equal,
                _ => {
                    return Err(Error::internal(
                        "centeredProducts",
                        format!("no similarity {kind}"),
                    ));
                }
            })
        };
        let similarities = kinds.iter().zip(&counts).map(similarity).collect::<Result<_>>()?;
        let op = Op::CenteredProducts(Products { similarities, hollow });
        let inputs = ids(&[samples, parameters].concat());
        Ok(e.graph.add(op, &inputs, None)?.to_number())
    })
}

/// The value without its history.
#[napi]
pub fn stop_gradient(a: f64) -> napi::Result<f64> {
    add(Op::StopGradient, &[a], None)
}
