//! What operations require of their inputs, with messages that say what was given and how to mend it.

use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{Spec, Window};
use crate::shape::Shape;
use crate::similarity::{Products, Similarity};

use super::limits::within_limits;

pub(super) fn concat(name: &str, axis: usize, inputs: &[&Spec]) -> Result<Spec> {
    let first = inputs[0];
    axis_within(name, axis, first.shape.rank())?;
    let mut total = 0;
    for x in inputs {
        same_dtype(name, first, x)?;
        if x.shape.rank() != first.shape.rank() || x.shape.with(axis, 1) != first.shape.with(axis, 1) {
            return Err(Error::shape(
                name,
                format!(
                    "{} and {} differ on another axis than {axis}",
                    first.shape, x.shape
                ),
                "all extents but the joined one must be equal",
            ));
        }
        total += x.shape[axis];
    }
    Ok(Spec {
        shape: first.shape.with(axis, total),
        dtype: first.dtype,
    })
}

pub(super) fn matmul(name: &str, ta: bool, tb: bool, a: &Spec, b: &Spec) -> Result<Spec> {
    same_dtype(name, a, b)?;
    floats(name, a)?;
    let r = a.shape.rank();
    if r < 2 || b.shape.rank() != r || a.shape.dims()[..r - 2] != b.shape.dims()[..r - 2] {
        return Err(Error::shape(
            name,
            format!("batch axes of {} and {} differ", a.shape, b.shape),
            "operands are (.., m, k) and (.., k, n) with equal batch axes",
        ));
    }
    let (m, ka) = if ta {
        (a.shape[r - 1], a.shape[r - 2])
    } else {
        (a.shape[r - 2], a.shape[r - 1])
    };
    let (kb, n) = if tb {
        (b.shape[r - 1], b.shape[r - 2])
    } else {
        (b.shape[r - 2], b.shape[r - 1])
    };
    if ka != kb {
        let flag = |t: bool| if t { " transposed" } else { "" };
        return Err(Error::shape(
            name,
            format!(
                "inner sizes differ: {}{} x {}{}; {ka} is not {kb}",
                a.shape,
                flag(ta),
                b.shape,
                flag(tb)
            ),
            "make the last extent of the left equal the first of the right, or transpose one",
        ));
    }
    let mut dims = a.shape.dims()[..r - 2].to_vec();
    dims.extend([m, n]);
    Ok(Spec {
        shape: dims.into(),
        dtype: a.dtype,
    })
}

pub(super) fn conv_operands(name: &str, window: &Window, groups: usize, x: &Spec, w: &Spec) -> Result<()> {
    same_dtype(name, x, w)?;
    floats(name, x)?;
    spatial_axes(name, window, &[x, w])?;
    if groups == 0 || x.shape[1] != w.shape[1].saturating_mul(groups) || !w.shape[0].is_multiple_of(groups) {
        return Err(Error::shape(
            name,
            format!("{} channels in, kernel {}, {groups} groups", x.shape[1], w.shape),
            "the kernel is (out, in / groups, ..) and groups divides both channel counts",
        ));
    }
    padded_within_limits(name, window, x, w.shape[0])
}

/// Checks that `dy` is what convolving `x` with `w` gives.
pub(super) fn adjoint_output(
    name: &str,
    window: &Window,
    groups: usize,
    x: &Spec,
    w: &Spec,
    dy: &Spec,
) -> Result<()> {
    conv_operands(name, window, groups, x, w)?;
    same_dtype(name, dy, x)?;
    let mut dims = vec![x.shape[0], w.shape[0]];
    dims.extend(window_outputs(name, window, x, &w.shape.dims()[2..])?);
    if dy.shape.dims() != dims {
        let expected = Shape::from(dims);
        return Err(Error::shape(
            name,
            format!("given {}, expected {expected}", dy.shape),
            "check stride, padding and channels",
        ));
    }
    Ok(())
}

/// What the local convolution of `x` with `w` gives.
pub(super) fn local_conv(name: &str, window: &Window, x: &Spec, w: &Spec) -> Result<Spec> {
    same_dtype(name, x, w)?;
    floats(name, x)?;
    let rank = window.rank();
    if x.shape.rank() != rank + 2 {
        return Err(spatial_rank(name, window, x));
    }
    let mistake = || {
        Error::shape(
            name,
            format!("an input {} and a kernel {}", x.shape, w.shape),
            "the kernel is (out, in, kernel extents.., output extents..)",
        )
    };
    if w.shape.rank() != 2 * rank + 2 || w.shape[1] != x.shape[1] {
        return Err(mistake());
    }
    let (kernel, places) = w.shape.dims()[2..].split_at(rank);
    let outputs = window_outputs(name, window, x, kernel)?;
    if outputs != places {
        return Err(mistake());
    }
    let dims = [&[x.shape[0], w.shape[0]], places].concat();
    Ok(Spec::new(dims, x.dtype))
}

/// Checks that `dy` is what the local convolution of `x` with `w` gives.
pub(super) fn local_adjoint(name: &str, window: &Window, x: &Spec, w: &Spec, dy: &Spec) -> Result<()> {
    let expected = local_conv(name, window, x, w)?;
    same_dtype(name, dy, x)?;
    if dy.shape != expected.shape {
        return Err(Error::shape(
            name,
            format!("given {}, expected {}", dy.shape, expected.shape),
            "check stride, padding and channels",
        ));
    }
    Ok(())
}

pub(super) fn window_outputs(name: &str, window: &Window, x: &Spec, kernel: &[usize]) -> Result<Vec<usize>> {
    if window.stride.contains(&0) || window.dilation.contains(&0) || kernel.len() != window.rank() {
        return Err(Error::argument(
            name,
            "stride, dilation and kernel extents are at least 1",
            "one number per spatial axis",
        ));
    }
    padded_within_limits(name, window, x, x.shape[1])?;
    (0..window.rank())
        .map(|i| {
            let n = window.output(i, x.shape[2 + i], kernel[i]);
            if n == 0 {
                return Err(Error::shape(
                    name,
                    format!(
                        "on spatial axis {i} an input of {} padded by {} + {} is smaller than a kernel of {} dilated by {}",
                        x.shape[2 + i], window.pad_low[i], window.pad_high[i], kernel[i], window.dilation[i]
                    ),
                    "use a smaller kernel or more padding",
                ));
            }
            Ok(n)
        })
        .collect()
}

/// Devices may write a sample's channels with their padding around them.
fn padded_within_limits(name: &str, window: &Window, x: &Spec, channels: usize) -> Result<()> {
    let padded = |i| window.padded(i, x.shape[2 + i]);
    let shape: Shape = std::iter::once(channels)
        .chain((0..window.rank()).map(padded))
        .collect();
    within_limits(name, &shape).map_err(|_| {
        Error::shape(
            name,
            format!(
                "{} padded by {:?} before and {:?} behind has more than 2^40 elements",
                x.shape, window.pad_low, window.pad_high
            ),
            "use less padding",
        )
    })
}

/// A maximum needs an element: each window has a tap inside the input, on every axis.
pub(super) fn no_window_in_padding(
    name: &str,
    window: &Window,
    x: &Spec,
    kernel: &[usize],
    outputs: &[usize],
) -> Result<()> {
    for a in 0..window.rank() {
        let input = window.pad_low[a]..window.pad_low[a] + x.shape[2 + a];
        let touches =
            |o| (0..kernel[a]).any(|tap| input.contains(&(o * window.stride[a] + tap * window.dilation[a])));
        // The windows between these begin inside the input.
        let before = 0..outputs[a].min(input.start.div_ceil(window.stride[a]));
        let behind = input.end.div_ceil(window.stride[a])..outputs[a];
        if let Some(o) = before.chain(behind).find(|&o| !touches(o)) {
            return Err(Error::shape(
                name,
                format!(
                    "on spatial axis {a} window {o} lies in the padding alone, and a maximum of nothing has no place"
                ),
                "use less padding, or a dilation below the input's extent",
            ));
        }
    }
    Ok(())
}

/// Batch, channels and the window's spatial axes, of each.
pub(super) fn spatial_axes(name: &str, window: &Window, operands: &[&Spec]) -> Result<()> {
    match operands.iter().find(|x| x.shape.rank() != window.rank() + 2) {
        Some(x) => Err(spatial_rank(name, window, x)),
        None => Ok(()),
    }
}

pub(super) fn spatial_rank(name: &str, window: &Window, x: &Spec) -> Error {
    Error::shape(
        name,
        format!(
            "given {}, expected (batch, channels, {} spatial axes)",
            x.shape,
            window.rank()
        ),
        "reshape the input",
    )
}

pub(super) fn along(name: &str, axis: usize, shape: &Shape, index: &Spec) -> Result<()> {
    axis_within(name, axis, shape.rank())?;
    index_dtype(name, index)?;
    let fits = index.shape.rank() == shape.rank()
        && (0..shape.rank()).all(|i| i == axis || index.shape[i] <= shape[i]);
    if fits {
        Ok(())
    } else {
        Err(Error::shape(
            name,
            format!("index {} does not go along axis {axis} of {shape}", index.shape),
            "the index has as many axes, and elsewhere no larger extents",
        ))
    }
}

pub(super) fn axis_within(name: &str, axis: usize, rank: usize) -> Result<()> {
    if axis < rank {
        return Ok(());
    }
    Err(Error::shape(
        name,
        format!("axis {axis} of a tensor with {rank} axes"),
        "axes count from 0",
    ))
}

pub(super) fn square(name: &str, x: &Spec) -> Result<()> {
    floats(name, x)?;
    let r = x.shape.rank();
    if r >= 2 && x.shape[r - 1] == x.shape[r - 2] {
        return Ok(());
    }
    Err(Error::shape(
        name,
        format!("given {}, expected square matrices (.., n, n)", x.shape),
        "",
    ))
}

/// The extents of points (n, d).
pub(super) fn rows(name: &str, x: &Spec) -> Result<(usize, usize)> {
    floats(name, x)?;
    match *x.shape.dims() {
        [n, d] => Ok((n, d)),
        _ => Err(Error::shape(
            name,
            format!("expected rows (n, d), given {}", x.shape),
            "reshape to two axes",
        )),
    }
}

pub(super) fn floats(name: &str, x: &Spec) -> Result<()> {
    if x.dtype.is_float() {
        return Ok(());
    }
    Err(Error::dtype(
        name,
        format!("given {}, expected float32 or float64", x.dtype),
        "cast first: x.cast('float32')",
    ))
}

pub(super) fn not_bool(name: &str, x: &Spec) -> Result<()> {
    if x.dtype != DType::Bool {
        return Ok(());
    }
    Err(Error::dtype(
        name,
        "given bool, expected numbers",
        "cast first: x.cast('int32')",
    ))
}

pub(super) fn index_dtype(name: &str, x: &Spec) -> Result<()> {
    if matches!(x.dtype, DType::I32 | DType::I64) {
        return Ok(());
    }
    Err(Error::dtype(
        name,
        format!("the index is {}, expected int32 or int64", x.dtype),
        "cast it: index.cast('int32')",
    ))
}

pub(super) fn same_dtype(name: &str, a: &Spec, b: &Spec) -> Result<()> {
    if a.dtype == b.dtype {
        return Ok(());
    }
    Err(Error::dtype(
        name,
        format!("given {} and {}", a.dtype, b.dtype),
        "cast one of them: x.cast(y.dtype)",
    ))
}

pub(super) fn same_shape(name: &str, a: &Spec, b: &Spec) -> Result<()> {
    if a.shape == b.shape {
        return Ok(());
    }
    Err(Error::shape(
        name,
        format!("given {} and {}", a.shape, b.shape),
        "broadcast one of them",
    ))
}

/// Samples (m, d) of one float dtype and their scalar parameters, for centred products.
pub(super) fn centered_products(name: &str, products: &Products, inputs: &[&Spec]) -> Result<()> {
    compared_samples(name, products, inputs)?;
    let least = if products.hollow { 3 } else { 1 };
    let given = inputs[0].shape[0];
    if given < least {
        return Err(Error::shape(
            name,
            format!("{given} samples, and the centring needs {least}"),
            "use larger batches, or drop the last one",
        ));
    }
    Ok(())
}

pub(super) fn similarity_sums(
    name: &str,
    products: &Products,
    groups: &[Box<[usize]>],
    inputs: &[&Spec],
) -> Result<()> {
    compared_samples(name, products, inputs)?;
    if let Some(similarity) = products.similarities.iter().find(|s| !s.is_of_differences()) {
        return Err(Error::argument(
            name,
            format!("{similarity:?} depends on where samples lie"),
            "use a similarity of differences: gaussian, laplacian, imq or equal",
        ));
    }
    let fits = |group: &[usize]| !group.is_empty() && group.iter().all(|&a| a < products.sets());
    if groups.is_empty() || !groups.iter().all(|group| fits(group)) {
        return Err(Error::argument(
            name,
            format!("groups are {groups:?} of {} sets", products.sets()),
            "give at least one group, and in each at least one set by its number",
        ));
    }
    Ok(())
}

/// Samples of the same draws, and their similarities' parameters.
fn compared_samples(name: &str, products: &Products, inputs: &[&Spec]) -> Result<()> {
    let (samples, parameters) = inputs.split_at(products.sets());
    let first = samples[0];
    for (x, similarity) in samples.iter().zip(&products.similarities) {
        floats(name, x)?;
        same_dtype(name, first, x)?;
        if x.shape.rank() != 2 || x.shape[0] != first.shape.dims()[0] {
            return Err(Error::shape(
                name,
                format!("samples {} beside {}", x.shape, first.shape),
                "give every set as rows (m, d), of the same m draws",
            ));
        }
        if *similarity == Similarity::Equal && x.shape[1] != 1 {
            return Err(Error::shape(
                name,
                format!("{} for the similarity of equal numbers", x.shape),
                "number equal rows first with uniqueRows, as (m, 1)",
            ));
        }
    }
    for parameter in parameters {
        same_dtype(name, first, parameter)?;
        if parameter.shape.rank() != 0 {
            return Err(Error::shape(
                name,
                format!("a parameter is {}, expected a scalar", parameter.shape),
                "give one number per parameter",
            ));
        }
    }
    Ok(())
}
