//! Shape and dtype of every node, computed while the graph is built, so that a mistake is reported on
//! the user's own line. One exhaustive match.

mod checks;
mod limits;

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{Distribution, Op, Reduction, Spec};
use crate::shape::Shape;

use checks::{
    adjoint_output, along, axis_within, centered_products, concat, conv_operands, floats, index_dtype,
    local_adjoint, local_conv, matmul, no_window_in_padding, not_bool, rows, same_dtype, same_shape,
    similarity_sums, spatial_axes, spatial_rank, square, window_outputs,
};
pub use limits::MAX_ELEMENTS;
use limits::{indexable, within_limits};

/// The spec of `op` applied to `inputs`. `target` is the wanted spec for operations whose result is
/// not determined by their inputs (sources, broadcasts, reshapes, slices, scatters, top-k).
///
/// # Errors
/// What does not fit, and results of more than [`MAX_ELEMENTS`] elements.
pub fn infer(op: &Op, inputs: &[&Spec], target: Option<&Spec>) -> Result<Spec> {
    let name = op.name();
    if let Some(target) = target {
        within_limits(name, &target.shape)?;
    }
    let spec = inferred(op, name, inputs, target)?;
    within_limits(name, &spec.shape)?;
    Ok(spec)
}

fn inferred(op: &Op, name: &'static str, inputs: &[&Spec], target: Option<&Spec>) -> Result<Spec> {
    let count = arity(op);
    if count.is_some_and(|n| n != inputs.len()) || (count.is_none() && inputs.is_empty()) {
        return Err(Error::internal(name, format!("{} inputs", inputs.len())));
    }
    let wanted = || target.ok_or_else(|| Error::internal(name, "no target spec"));
    let spec = |shape: Shape, dtype: DType| Ok(Spec { shape, dtype });
    let x = inputs.first().copied();
    match op {
        Op::Input | Op::Const(_) => wanted().cloned(),
        Op::Iota { axis } => {
            axis_within(name, *axis, wanted()?.shape.rank())?;
            wanted().cloned()
        }
        Op::Random(kind) => {
            let key = inputs[0];
            if key.dtype != DType::U32 || key.shape.dims() != [2] {
                return Err(Error::argument(
                    name,
                    format!("a key is uint32 (2), given {} {}", key.dtype, key.shape),
                    "make keys with key(seed), splitKey or foldIn",
                ));
            }
            let wanted = wanted()?;
            match kind {
                Distribution::Bits => spec(wanted.shape.clone(), DType::U32),
                Distribution::Uniform | Distribution::Normal => {
                    floats(name, wanted)?;
                    Ok(wanted.clone())
                }
            }
        }
        Op::Unary(_) => floats(name, inputs[0]).map(|()| inputs[0].clone()),
        Op::Binary(binary) => {
            let (a, b) = (inputs[0], inputs[1]);
            same_dtype(name, a, b)?;
            same_shape(name, a, b)?;
            if binary.is_of_floats() {
                floats(name, a)?;
            }
            if binary.is_compare() {
                spec(a.shape.clone(), DType::Bool)
            } else if a.dtype == DType::Bool {
                Err(Error::dtype(
                    name,
                    "given bool",
                    "cast it, or use logicalAnd, logicalOr, where",
                ))
            } else {
                Ok(a.clone())
            }
        }
        Op::Where => {
            if inputs[0].dtype != DType::Bool {
                return Err(Error::dtype(
                    name,
                    format!("the condition is {}, expected bool", inputs[0].dtype),
                    "compare it with something, for instance x.notEqual(0)",
                ));
            }
            same_dtype(name, inputs[1], inputs[2])?;
            same_shape(name, inputs[0], inputs[1])?;
            same_shape(name, inputs[1], inputs[2])?;
            Ok(inputs[1].clone())
        }
        Op::Cast(dtype) => spec(inputs[0].shape.clone(), *dtype),
        Op::StopGradient | Op::To(_) => Ok(inputs[0].clone()),
        Op::Reduce { axes, kind } => {
            let x = inputs[0];
            for &axis in axes.iter() {
                axis_within(name, axis, x.shape.rank())?;
                if x.shape[axis] == 0 && *kind != Reduction::Sum {
                    return Err(Error::shape(
                        name,
                        format!(
                            "axis {axis} of {} is empty and an extremum of nothing has no value",
                            x.shape
                        ),
                        "reduce a non-empty axis",
                    ));
                }
            }
            let dtype = match kind {
                Reduction::Sum if !x.dtype.is_float() => DType::I64,
                Reduction::Sum => x.dtype,
                Reduction::Max | Reduction::Min => {
                    not_bool(name, x)?;
                    x.dtype
                }
            };
            spec(x.shape.reduced(axes, false), dtype)
        }
        Op::ArgMax { axis } => {
            axis_within(name, *axis, inputs[0].shape.rank())?;
            if inputs[0].shape[*axis] == 0 {
                return Err(Error::shape(
                    name,
                    format!("axis {axis} of {} is empty", inputs[0].shape),
                    "",
                ));
            }
            indexable(name, inputs[0].shape[*axis])?;
            spec(inputs[0].shape.reduced(&[*axis], false), DType::I32)
        }
        Op::Broadcast => {
            let (from, to) = (&inputs[0].shape, &wanted()?.shape);
            let fits = from.rank() == to.rank()
                && from.dims().iter().zip(to.dims()).all(|(&a, &b)| a == b || a == 1);
            if !fits {
                return Err(Error::shape(
                    name,
                    format!("{from} does not stretch to {to}"),
                    "extents must be equal or 1, counting axes from the right",
                ));
            }
            spec(to.clone(), inputs[0].dtype)
        }
        Op::Reshape => {
            let (from, to) = (&inputs[0].shape, &wanted()?.shape);
            if from.size() != to.size() {
                return Err(Error::shape(
                    name,
                    format!("{from} has {} elements, {to} has {}", from.size(), to.size()),
                    "choose extents with the same product; one of them may be -1",
                ));
            }
            spec(to.clone(), inputs[0].dtype)
        }
        Op::Permute(axes) => {
            let shape = &inputs[0].shape;
            let mut seen = vec![false; shape.rank()];
            for &axis in axes.iter() {
                axis_within(name, axis, shape.rank())?;
                seen[axis] = true;
            }
            if axes.len() != shape.rank() || seen.contains(&false) {
                return Err(Error::shape(
                    name,
                    format!("{axes:?} is not an order of the {} axes of {shape}", shape.rank()),
                    "name every axis once",
                ));
            }
            spec(axes.iter().map(|&a| shape[a]).collect(), inputs[0].dtype)
        }
        Op::Slice { start, step } => {
            let (from, to) = (&inputs[0].shape, &wanted()?.shape);
            let fits = to.rank() == from.rank()
                && (0..from.rank()).all(|i| to[i] == 0 || last_of(start[i], to[i], step[i]) < from[i]);
            if !fits || step.contains(&0) {
                return Err(Error::shape(
                    name,
                    format!("{to} elements from {start:?} in steps of {step:?} do not lie in {from}"),
                    "keep start + (count - 1) * step below each extent",
                ));
            }
            spec(to.clone(), inputs[0].dtype)
        }
        Op::Pad { low, high, interior } => {
            let shape = &inputs[0].shape;
            if [low, high, interior].iter().any(|v| v.len() != shape.rank()) {
                return Err(Error::shape(
                    name,
                    format!("{} widths for {shape}", low.len()),
                    "give one pair of widths per axis",
                ));
            }
            let dims = (0..shape.rank()).map(|i| {
                let between = interior[i].saturating_mul(shape[i].saturating_sub(1));
                let around = low[i].saturating_add(high[i]);
                shape[i].saturating_add(between).saturating_add(around)
            });
            spec(dims.collect(), inputs[0].dtype)
        }
        Op::Flip(axes) => {
            for &axis in axes.iter() {
                axis_within(name, axis, inputs[0].shape.rank())?;
            }
            Ok(inputs[0].clone())
        }
        Op::Concat { axis } => concat(name, *axis, inputs),
        Op::MatMul { ta, tb } => matmul(name, *ta, *tb, inputs[0], inputs[1]),
        Op::Conv { window, groups } => {
            let (x, w) = (inputs[0], inputs[1]);
            conv_operands(name, window, *groups, x, w)?;
            let mut dims = vec![x.shape[0], w.shape[0]];
            dims.extend(window_outputs(name, window, x, &w.shape.dims()[2..])?);
            spec(dims.into(), x.dtype)
        }
        Op::ConvInputGrad {
            window,
            groups,
            input,
        } => {
            let (dy, w) = (inputs[0], inputs[1]);
            spatial_axes(name, window, &[dy, w])?;
            let mut dims = vec![dy.shape[0], w.shape[1].saturating_mul(*groups)];
            dims.extend(input.iter());
            let x = Spec::new(dims, dy.dtype);
            adjoint_output(name, window, *groups, &x, w, dy)?;
            Ok(x)
        }
        Op::ConvWeightGrad {
            window,
            groups,
            kernel,
        } => {
            let (x, dy) = (inputs[0], inputs[1]);
            spatial_axes(name, window, &[x, dy])?;
            let mut dims = vec![dy.shape[1], x.shape[1] / (*groups).max(1)];
            dims.extend(kernel.iter());
            let w = Spec::new(dims, dy.dtype);
            adjoint_output(name, window, *groups, x, &w, dy)?;
            Ok(w)
        }
        Op::LocalConv { window } => {
            let (x, w) = (inputs[0], inputs[1]);
            local_conv(name, window, x, w)
        }
        Op::LocalConvInputGrad { window, input } => {
            let (dy, w) = (inputs[0], inputs[1]);
            let mut dims = vec![dy.shape[0], w.shape.dims().get(1).copied().unwrap_or(0)];
            dims.extend(input.iter());
            let x = Spec::new(dims, dy.dtype);
            local_adjoint(name, window, &x, w, dy)?;
            Ok(x)
        }
        Op::LocalConvWeightGrad { window, kernel } => {
            let (x, dy) = (inputs[0], inputs[1]);
            let mut dims = vec![dy.shape[1], x.shape[1]];
            dims.extend(kernel.iter());
            dims.extend(&dy.shape.dims()[2..]);
            let w = Spec::new(dims, dy.dtype);
            local_adjoint(name, window, x, &w, dy)?;
            Ok(w)
        }
        Op::WindowSum { window, kernel }
        | Op::WindowArgMax { window, kernel }
        | Op::WindowMax { window, kernel } => {
            let x = inputs[0];
            not_bool(name, x)?;
            if x.shape.rank() != window.rank() + 2 {
                return Err(spatial_rank(name, window, x));
            }
            let mut dims = x.shape.dims()[..2].to_vec();
            let outputs = window_outputs(name, window, x, kernel)?;
            let is_sum = matches!(op, Op::WindowSum { .. });
            if !is_sum {
                no_window_in_padding(name, window, x, kernel, &outputs)?;
            }
            dims.extend(outputs);
            let is_place = matches!(op, Op::WindowArgMax { .. });
            if is_place {
                indexable(name, x.shape.dims()[2..].iter().product())?;
            }
            let dtype = if is_place { DType::I32 } else { x.dtype };
            spec(dims.into(), dtype)
        }
        Op::WindowSumGrad { input, .. } => {
            let mut dims = inputs[0].shape.dims()[..2].to_vec();
            dims.extend(input.iter());
            spec(dims.into(), inputs[0].dtype)
        }
        Op::WindowMaxGrad { input, .. } => {
            let (index, dy) = (inputs[0], inputs[1]);
            if index.dtype != DType::I32 || index.shape != dy.shape {
                return Err(Error::shape(
                    name,
                    format!(
                        "the index is {} {}, expected int32 {}",
                        index.dtype, index.shape, dy.shape
                    ),
                    "give what windowArgMax gives for the same windows",
                ));
            }
            let mut dims = dy.shape.dims()[..2].to_vec();
            dims.extend(input.iter());
            spec(dims.into(), dy.dtype)
        }
        Op::Take { axis } => {
            let (x, index) = (inputs[0], inputs[1]);
            axis_within(name, *axis, x.shape.rank())?;
            index_dtype(name, index)?;
            if index.shape.rank() != 1 {
                return Err(Error::shape(
                    name,
                    format!("the index is {}, expected one axis", index.shape),
                    "flatten it, or use takeAlong",
                ));
            }
            spec(x.shape.with(*axis, index.shape[0]), x.dtype)
        }
        Op::IndexAdd { axis } => {
            let (index, src, to) = (inputs[0], inputs[1], wanted()?);
            axis_within(name, *axis, to.shape.rank())?;
            index_dtype(name, index)?;
            if src.shape.rank() != to.shape.rank() || src.shape != to.shape.with(*axis, index.shape.size()) {
                return Err(Error::shape(
                    name,
                    format!(
                        "source {} for {} indices on axis {axis} of {}",
                        src.shape,
                        index.shape.size(),
                        to.shape
                    ),
                    "the source has one slice per index and the target's extents elsewhere",
                ));
            }
            not_bool(name, src)?;
            spec(to.shape.clone(), src.dtype)
        }
        Op::Gather { axis } => {
            let (x, index) = (inputs[0], inputs[1]);
            along(name, *axis, &x.shape, index)?;
            spec(index.shape.clone(), x.dtype)
        }
        Op::ScatterAdd { axis } => {
            let (index, src, to) = (inputs[0], inputs[1], wanted()?);
            along(name, *axis, &to.shape, index)?;
            not_bool(name, src)?;
            if src.shape != index.shape {
                return Err(Error::shape(
                    name,
                    format!("source {} and index {} differ", src.shape, index.shape),
                    "give one value per index",
                ));
            }
            spec(to.shape.clone(), src.dtype)
        }
        Op::ArgSort { axis, .. } => {
            axis_within(name, *axis, inputs[0].shape.rank())?;
            indexable(name, inputs[0].shape[*axis])?;
            spec(inputs[0].shape.clone(), DType::I32)
        }
        Op::TopK { axis, .. } => {
            let (x, to) = (inputs[0], wanted()?);
            axis_within(name, *axis, x.shape.rank())?;
            let k = to.shape[*axis];
            if k > x.shape[*axis] {
                return Err(Error::argument(
                    name,
                    format!("k is {k}, axis {axis} has {}", x.shape[*axis]),
                    "choose k within the extent",
                ));
            }
            indexable(name, x.shape[*axis])?;
            spec(x.shape.with(*axis, k), DType::I32)
        }
        Op::CumSum { axis, .. } => {
            axis_within(name, *axis, inputs[0].shape.rank())?;
            not_bool(name, inputs[0])?;
            Ok(inputs[0].clone())
        }
        Op::Neighbors { k, .. } => {
            let n = rows(name, inputs[0])?.0;
            if *k == 0 || *k >= n {
                return Err(Error::argument(
                    name,
                    format!(
                        "k is {k} and there are {n} rows, so each has {} others",
                        n.saturating_sub(1)
                    ),
                    "choose k from 1 to the number of rows less one, or give more rows",
                ));
            }
            indexable(name, n)?;
            spec([n, *k].into(), DType::I32)
        }
        Op::CountWithin { .. } => {
            let (x, radius) = (inputs[0], inputs[1]);
            let n = rows(name, x)?.0;
            indexable(name, n)?;
            same_dtype(name, x, radius)?;
            if radius.shape.dims() != [n] {
                return Err(Error::shape(
                    name,
                    format!("radius is {}, expected one per row: ({n})", radius.shape),
                    "give a vector of radii; broadcast a number to it",
                ));
            }
            spec([n].into(), DType::I32)
        }
        Op::UniqueRows => match x {
            Some(x) if x.shape.rank() == 2 => {
                indexable(name, x.shape[0])?;
                spec([x.shape[0]].into(), DType::I32)
            }
            _ => Err(Error::shape(
                name,
                format!("expected rows (n, d), given {}", inputs[0].shape),
                "reshape to two axes",
            )),
        },
        Op::Cholesky => square(name, inputs[0]).map(|()| inputs[0].clone()),
        Op::Det => {
            square(name, inputs[0])?;
            let shape = &inputs[0].shape;
            spec(shape.dims()[..shape.rank() - 2].into(), inputs[0].dtype)
        }
        Op::Cofactors => {
            square(name, inputs[0])?;
            for h in inputs {
                same_dtype(name, inputs[0], h)?;
                same_shape(name, inputs[0], h)?;
            }
            Ok(inputs[0].clone())
        }
        Op::Eigh => {
            square(name, inputs[0])?;
            let axis = inputs[0].shape.rank() - 2;
            spec(
                inputs[0].shape.with(axis, inputs[0].shape[axis] + 1),
                inputs[0].dtype,
            )
        }
        Op::CenteredProducts(products) => {
            centered_products(name, products, inputs)?;
            spec([products.sets(); 2].into(), DType::F64)
        }
        Op::CenteredProductsGrad { products, of } => {
            let (cotangent, forward) = inputs.split_last().expect("arity was checked");
            centered_products(name, products, forward)?;
            if cotangent.dtype != DType::F64 || cotangent.shape.dims() != [products.sets(); 2] {
                return Err(Error::internal(
                    name,
                    format!("a cotangent {} {}", cotangent.dtype, cotangent.shape),
                ));
            }
            Ok(forward[*of].clone())
        }
        Op::SimilaritySums { products, groups } => {
            similarity_sums(name, products, groups, inputs)?;
            spec([groups.len(), inputs[0].shape[0]].into(), DType::F64)
        }
        Op::TriangularSolve { .. } | Op::Solve => {
            let (a, b) = (inputs[0], inputs[1]);
            square(name, a)?;
            same_dtype(name, a, b)?;
            let r = a.shape.rank();
            if b.shape.rank() != r || a.shape.dims()[..r - 1] != b.shape.dims()[..r - 1] {
                return Err(Error::shape(
                    name,
                    format!("matrix {} and right-hand side {} do not fit", a.shape, b.shape),
                    "the right-hand side is (.., n, m) with the matrix's batch axes and n",
                ));
            }
            Ok(b.clone())
        }
    }
}

/// The place of the last of `count` elements from `start`.
fn last_of(start: usize, count: usize, step: usize) -> usize {
    (count - 1).saturating_mul(step).saturating_add(start)
}

/// The number of inputs; `None` for any number above zero.
fn arity(op: &Op) -> Option<usize> {
    match op {
        Op::Input | Op::Const(_) | Op::Iota { .. } => Some(0),
        Op::Concat { .. } | Op::Cofactors => None,
        Op::CenteredProducts(products) => Some(products.operands()),
        Op::CenteredProductsGrad { products, .. } => Some(products.operands() + 1),
        Op::SimilaritySums { products, .. } => Some(products.operands()),
        Op::Where => Some(3),
        Op::Binary(_)
        | Op::MatMul { .. }
        | Op::Conv { .. }
        | Op::ConvInputGrad { .. }
        | Op::ConvWeightGrad { .. }
        | Op::LocalConv { .. }
        | Op::LocalConvInputGrad { .. }
        | Op::LocalConvWeightGrad { .. }
        | Op::Take { .. }
        | Op::IndexAdd { .. }
        | Op::Gather { .. }
        | Op::ScatterAdd { .. }
        | Op::WindowMaxGrad { .. }
        | Op::CountWithin { .. }
        | Op::TriangularSolve { .. }
        | Op::Solve => Some(2),
        Op::Random(_)
        | Op::Unary(_)
        | Op::Cast(_)
        | Op::Reduce { .. }
        | Op::ArgMax { .. }
        | Op::Broadcast
        | Op::Reshape
        | Op::Permute(_)
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Flip(_)
        | Op::WindowSum { .. }
        | Op::WindowSumGrad { .. }
        | Op::WindowArgMax { .. }
        | Op::WindowMax { .. }
        | Op::ArgSort { .. }
        | Op::TopK { .. }
        | Op::CumSum { .. }
        | Op::UniqueRows
        | Op::Neighbors { .. }
        | Op::Cholesky
        | Op::Det
        | Op::Eigh
        | Op::StopGradient
        | Op::To(_) => Some(1),
    }
}
