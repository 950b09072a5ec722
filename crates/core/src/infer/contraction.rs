//! Products of matrices, convolutions and their adjoints.

use super::Given;
use super::checks::{floats, padded_within_limits, same_dtype, spatial_axes, spatial_rank, window_outputs};
use crate::error::{Error, Result};
use crate::op::{Spec, Window};
use crate::shape::Shape;

pub(super) fn matmul(given: &Given<'_>, ta: bool, tb: bool) -> Result<Spec> {
    let (name, [a, b]) = (given.name, given.pair());
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
    given.shaped(dims.into())
}

pub(super) fn conv(given: &Given<'_>, window: &Window, groups: usize) -> Result<Spec> {
    let [x, w] = given.pair();
    conv_operands(given.name, window, groups, x, w)?;
    let mut dims = vec![x.shape[0], w.shape[0]];
    dims.extend(window_outputs(given.name, window, x, &w.shape.dims()[2..])?);
    given.shaped(dims.into())
}

pub(super) fn conv_input_grad(
    given: &Given<'_>,
    window: &Window,
    groups: usize,
    input: &[usize],
) -> Result<Spec> {
    let [dy, w] = given.pair();
    spatial_axes(given.name, window, &[dy, w])?;
    let mut dims = vec![dy.shape[0], w.shape[1].saturating_mul(groups)];
    dims.extend(input);
    let x = Spec::new(dims, dy.dtype);
    adjoint_output(given.name, window, groups, &x, w, dy)?;
    Ok(x)
}

pub(super) fn conv_weight_grad(
    given: &Given<'_>,
    window: &Window,
    groups: usize,
    kernel: &[usize],
) -> Result<Spec> {
    let [x, dy] = given.pair();
    spatial_axes(given.name, window, &[x, dy])?;
    let mut dims = vec![dy.shape[1], x.shape[1] / groups.max(1)];
    dims.extend(kernel);
    let w = Spec::new(dims, dy.dtype);
    adjoint_output(given.name, window, groups, x, &w, dy)?;
    Ok(w)
}

pub(super) fn local_conv(given: &Given<'_>, window: &Window) -> Result<Spec> {
    let [x, w] = given.pair();
    local_output(given.name, window, x, w)
}

pub(super) fn local_conv_input_grad(given: &Given<'_>, window: &Window, input: &[usize]) -> Result<Spec> {
    let [dy, w] = given.pair();
    let mut dims = vec![dy.shape[0], w.shape.dims().get(1).copied().unwrap_or(0)];
    dims.extend(input);
    let x = Spec::new(dims, dy.dtype);
    local_adjoint(given.name, window, &x, w, dy)?;
    Ok(x)
}

pub(super) fn local_conv_weight_grad(given: &Given<'_>, window: &Window, kernel: &[usize]) -> Result<Spec> {
    let [x, dy] = given.pair();
    let mut dims = vec![dy.shape[1], x.shape[1]];
    dims.extend(kernel);
    dims.extend(&dy.shape.dims()[2..]);
    let w = Spec::new(dims, dy.dtype);
    local_adjoint(given.name, window, x, &w, dy)?;
    Ok(w)
}

fn conv_operands(name: &str, window: &Window, groups: usize, x: &Spec, w: &Spec) -> Result<()> {
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
fn adjoint_output(name: &str, window: &Window, groups: usize, x: &Spec, w: &Spec, dy: &Spec) -> Result<()> {
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
fn local_output(name: &str, window: &Window, x: &Spec, w: &Spec) -> Result<Spec> {
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
    let (kernel, positions) = w.shape.dims()[2..].split_at(rank);
    let outputs = window_outputs(name, window, x, kernel)?;
    if outputs != positions {
        return Err(mistake());
    }
    let dims = [&[x.shape[0], w.shape[0]], positions].concat();
    Ok(Spec::new(dims, x.dtype))
}

/// Checks that `dy` is what the local convolution of `x` with `w` gives.
fn local_adjoint(name: &str, window: &Window, x: &Spec, w: &Spec, dy: &Spec) -> Result<()> {
    let expected = local_output(name, window, x, w)?;
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
