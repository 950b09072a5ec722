//! Fused operations: their fallbacks, made of primitives.

use crate::compose::Build;
use crate::dtype::DType;
use crate::elementwise::{BinaryOp, Formula, UnaryOp};
use crate::graph::NodeId;
use crate::op::{Op, Reduction};
use crate::similarity::{Products, Similarity};

/// The fallback of [`Op::CenteredProducts`], computed in float64.
pub(crate) fn centered_products(b: &mut Build<'_>, products: &Products, operands: &[NodeId]) -> NodeId {
    let operands: Vec<NodeId> = operands.iter().map(|&x| b.cast(x, DType::F64)).collect();
    let sets = products.sets();
    let centered: Vec<NodeId> = (0..sets)
        .map(|a| {
            let k = similarities(
                b,
                products.similarities[a],
                operands[a],
                &operands[products.parameters(a)],
                Origin::SelfSimilarity,
            );
            center(b, products, k)
        })
        .collect();
    let one = [1, 1];
    let mut rows: Vec<NodeId> = Vec::new();
    for &left in &centered {
        let entries: Vec<NodeId> = centered
            .iter()
            .map(|&right| {
                let product = b.mul(left, right);
                let sum = b.sum_keep(product, &[0, 1]);
                b.reshape(sum, one.into())
            })
            .collect();
        rows.push(b.add_op(Op::Concat { axis: 1 }, &entries, None));
    }
    b.add_op(Op::Concat { axis: 0 }, &rows, None)
}

/// The fallback of [`Op::SimilaritySums`], computed in float64.
pub(crate) fn similarity_sums(
    b: &mut Build<'_>,
    products: &Products,
    groups: &[Box<[usize]>],
    operands: &[NodeId],
) -> NodeId {
    let operands: Vec<NodeId> = operands.iter().map(|&x| b.cast(x, DType::F64)).collect();
    let matrices: Vec<NodeId> = (0..products.sets())
        .map(|a| {
            let (similarity, parameters) = (products.similarities[a], &operands[products.parameters(a)]);
            similarities(b, similarity, operands[a], parameters, Origin::Zero)
        })
        .collect();
    let sums: Vec<NodeId> = groups
        .iter()
        .map(|group| {
            let product = group[1..]
                .iter()
                .fold(matrices[group[0]], |product, &a| b.mul(product, matrices[a]));
            let product = if products.hollow {
                off_diagonal(b, product)
            } else {
                product
            };
            let sum = b.sum_keep(product, &[1]);
            b.transpose(sum)
        })
        .collect();
    b.add_op(Op::Concat { axis: 0 }, &sums, None)
}

/// Centered as [`Products::centering`] says.
fn center(b: &mut Build<'_>, products: &Products, k: NodeId) -> NodeId {
    let shape = b.shape(k);
    let (alpha, beta) = products.centering(shape[0]);
    let k = if products.hollow { off_diagonal(b, k) } else { k };
    let sums = b.sum_keep(k, &[1]);
    let all = b.sum_keep(sums, &[0]);
    let all = b.mul_scalar(all, beta);
    let rows = b.mul_scalar(sums, alpha);
    let columns = b.transpose(rows);
    let [rows, columns, all] = [rows, columns, all].map(|part| b.broadcast(part, shape.clone()));
    let k = b.sub(k, rows);
    let k = b.sub(k, columns);
    let k = b.add(k, all);
    if products.hollow { off_diagonal(b, k) } else { k }
}

/// `k` with 0 on its diagonal.
fn off_diagonal(b: &mut Build<'_>, k: NodeId) -> NodeId {
    let distance = b.diagonal_distance(k);
    let zero = b.scalar_like(0.0, k);
    let on = b.binary(BinaryOp::Equal, distance, zero);
    b.select(on, zero, k)
}

/// The origin of similarities.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// 0.
    Zero,
    /// The similarity of a sample to itself, which keeps the digits of a wide similarity; centering removes the constant.
    SelfSimilarity,
}

/// The similarities (m, m) of the rows of x (m, d). Those that are no functions of differences are never shifted.
fn similarities(
    b: &mut Build<'_>,
    similarity: Similarity,
    x: NodeId,
    parameters: &[NodeId],
    origin: Origin,
) -> NodeId {
    let exponential = match origin {
        Origin::Zero => UnaryOp::Exp,
        Origin::SelfSimilarity => UnaryOp::Expm1,
    };
    match similarity {
        Similarity::Gaussian { .. } => {
            let q = squared_distances(b, x);
            average(b, parameters, exponential, |b, sigma| {
                let square = b.mul(sigma, sigma);
                let exponent = with_broadcast(b, square, q, |b, square| b.div(q, square));
                b.mul_scalar(exponent, -0.5)
            })
        }
        Similarity::Laplacian { .. } => {
            let q = absolute_distances(b, x);
            average(b, parameters, exponential, |b, sigma| {
                let exponent = with_broadcast(b, sigma, q, |b, sigma| b.div(q, sigma));
                b.neg(exponent)
            })
        }
        Similarity::Linear => {
            let x = minus_mean(b, x);
            b.matmul(x, x, false, true)
        }
        Similarity::Polynomial { degree } => {
            let products = b.matmul(x, x, false, true);
            let scaled = with_broadcast(b, parameters[0], products, |b, gamma| b.mul(products, gamma));
            let base = with_broadcast(b, parameters[1], scaled, |b, offset| b.add(scaled, offset));
            (1..degree).fold(base, |power, _| b.mul(power, base))
        }
        Similarity::InverseMultiquadric => {
            // 1 / s - 1 / c = -q / (c s (c + s)), s = sqrt(c^2 + q)
            let q = squared_distances(b, x);
            let shape = b.shape(q);
            let c = b.unreduce(parameters[0], &[0, 1], &shape);
            let square = b.mul(c, c);
            let sum = b.add(square, q);
            if origin == Origin::Zero {
                return b.unary(UnaryOp::Rsqrt, sum);
            }
            let s = b.unary(UnaryOp::Sqrt, sum);
            let both = b.add(c, s);
            let product = b.mul(c, s);
            let product = b.mul(product, both);
            let ratio = b.div(q, product);
            b.neg(ratio)
        }
        Similarity::Equal => {
            let m = b.shape(x)[0];
            let rows = b.broadcast(x, [m, m].into());
            let columns = b.transpose(rows);
            let equal = b.binary(BinaryOp::Equal, rows, columns);
            b.cast(equal, DType::F64)
        }
    }
}

/// `f(scalar)` with the scalar stretched to the shape of `like`.
fn with_broadcast(
    b: &mut Build<'_>,
    scalar: NodeId,
    like: NodeId,
    f: impl FnOnce(&mut Build<'_>, NodeId) -> NodeId,
) -> NodeId {
    let shape = b.shape(like);
    let all = b.unreduce(scalar, &[0, 1], &shape);
    f(b, all)
}

/// The mean over the widths of `e^exponent`, or of `e^exponent - 1`.
fn average(
    b: &mut Build<'_>,
    widths: &[NodeId],
    exponential: UnaryOp,
    mut exponent: impl FnMut(&mut Build<'_>, NodeId) -> NodeId,
) -> NodeId {
    let each: Vec<NodeId> = widths
        .iter()
        .map(|&sigma| {
            let exponent = exponent(b, sigma);
            b.unary(exponential, exponent)
        })
        .collect();
    let sum = each[1..].iter().fold(each[0], |sum, &next| b.add(sum, next));
    b.mul_scalar(sum, 1.0 / widths.len() as f64)
}

/// The rows minus their mean, a constant of differentiation: no value computed from the result depends on the mean.
fn minus_mean(b: &mut Build<'_>, x: NodeId) -> NodeId {
    let shape = b.shape(x);
    let sum = b.sum_keep(x, &[0]);
    let mean = b.mul_scalar(sum, 1.0 / shape[0] as f64);
    let mean = b.add_op(Op::StopGradient, &[mean], None);
    let mean = b.broadcast(mean, shape);
    b.sub(x, mean)
}

/// `|x_i - x_j|^2`, never negative, exactly 0 on the diagonal.
fn squared_distances(b: &mut Build<'_>, x: NodeId) -> NodeId {
    let x = minus_mean(b, x);
    let m = b.shape(x)[0];
    let squares = b.mul(x, x);
    let norms = b.sum_keep(squares, &[1]);
    let rows = b.broadcast(norms, [m, m].into());
    let columns = b.transpose(rows);
    let both = b.add(rows, columns);
    let products = b.matmul(x, x, false, true);
    let twice = b.mul_scalar(products, 2.0);
    let raw = b.sub(both, twice);
    // The clamp repairs rounding; derivatives are those of the formula.
    let zero = b.scalar_like(0.0, raw);
    let above = b.binary(BinaryOp::Max, raw, zero);
    let repair = b.sub(above, raw);
    let repair = b.add_op(Op::StopGradient, &[repair], None);
    let clamped = b.add(raw, repair);
    off_diagonal(b, clamped)
}

/// `|x_i - x_j|_1`
fn absolute_distances(b: &mut Build<'_>, x: NodeId) -> NodeId {
    let shape = b.shape(x);
    let (m, d) = (shape[0], shape[1]);
    let rows = b.reshape(x, [m, 1, d].into());
    let rows = b.broadcast(rows, [m, m, d].into());
    let columns = b.permute(rows, &[1, 0, 2]);
    let difference = b.sub(rows, columns);
    let absolute = b.unary(UnaryOp::Abs, difference);
    b.add_op(
        Op::Reduce {
            kind: Reduction::Sum,
            axes: [2].into(),
        },
        &[absolute],
        None,
    )
}
