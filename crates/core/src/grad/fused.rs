//! Derivatives of fused operations: by another fused operation if there is one, else through the fallback.

use super::partials;
use crate::compose::Build;
use crate::elementwise::Formula;
use crate::fast;
use crate::graph::NodeId;
use crate::op::Op;
use crate::similarity::{Products, Similarity};

/// Cotangents of the operands of [`Op::CenteredProducts`]: of samples by the fused operation, of parameters through the
/// fallback.
pub(super) fn centered_products(
    b: &mut Build<'_>,
    products: &Products,
    operands: &[NodeId],
    dy: NodeId,
    wanted: &dyn Fn(usize) -> bool,
) -> Vec<Option<NodeId>> {
    let sets = products.sets();
    let mut all = vec![None; operands.len()];
    if (sets..operands.len()).any(wanted) {
        let y = fast::centered_products(b, products, operands);
        all = partials(b, y, dy, operands);
    }
    for (of, d) in all.iter_mut().enumerate().take(sets) {
        *d = None;
        if wanted(of) && products.similarities[of] != Similarity::Equal {
            let products = products.clone();
            let inputs = [operands, &[dy]].concat();
            *d = Some(b.add_op(Op::CenteredProductsGrad { products, of }, &inputs, None));
        }
    }
    all
}

/// The fallback of [`Op::CenteredProductsGrad`]; `None` where the samples have no gradient.
pub(crate) fn centered_products_gradient(
    b: &mut Build<'_>,
    products: &Products,
    of: usize,
    inputs: &[NodeId],
) -> Option<NodeId> {
    let (&cotangent, operands) = inputs.split_last().expect("the cotangent comes last");
    // A node that occurs twice among the samples has one cotangent for both: here each occurrence needs its own.
    let mut own = operands.to_vec();
    let zero = b.scalar_like(0.0, own[of]);
    own[of] = b.add(own[of], zero);
    let y = fast::centered_products(b, products, &own);
    partials(b, y, cotangent, &own).swap_remove(of)
}

/// Cotangents of the operands of [`Op::CenteredProductsGrad`], through the fallback.
pub(super) fn centered_products_grad(
    b: &mut Build<'_>,
    products: &Products,
    of: usize,
    inputs: &[NodeId],
    dy: NodeId,
) -> Vec<Option<NodeId>> {
    match centered_products_gradient(b, products, of, inputs) {
        Some(gradient) => partials(b, gradient, dy, inputs),
        None => vec![None; inputs.len()],
    }
}

/// Cotangents of the operands of [`Op::SimilaritySums`], through the fallback.
pub(super) fn similarity_sums(
    b: &mut Build<'_>,
    products: &Products,
    groups: &[Box<[usize]>],
    inputs: &[NodeId],
    dy: NodeId,
) -> Vec<Option<NodeId>> {
    let y = fast::similarity_sums(b, products, groups, inputs);
    partials(b, y, dy, inputs)
}
