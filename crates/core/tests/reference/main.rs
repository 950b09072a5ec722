//! The reference interpreter on cases computed by hand, and on identities that hold between primitives.

mod adjoints;
mod contraction;
mod elementwise;
mod indexing;
mod linalg;
mod movement;
mod neighbors;
mod reduction;
mod sorting;
mod value;

use hyperglow_core::infer::infer;
use hyperglow_core::op::{Op, Spec, Window};
use hyperglow_core::reference::{Value, evaluate};
use hyperglow_core::{DType, Error, Result};
use ndarray::{ArrayD, IxDyn};

/// A float64 tensor.
fn f64s(shape: &[usize], data: &[f64]) -> Value {
    Value::F64(ArrayD::from_shape_vec(IxDyn(shape), data.to_vec()).expect("as many numbers as the shape has"))
}

/// A tensor of any dtype, converted from float64.
fn tensor(dtype: DType, shape: &[usize], data: &[f64]) -> Value {
    let x = f64s(shape, data);
    evaluate(&Op::Cast(dtype), &[&x], &Spec::new(shape, dtype)).expect("a cast")
}

fn i32s(shape: &[usize], data: &[f64]) -> Value {
    tensor(DType::I32, shape, data)
}

/// 0, 1, 2, ...
fn counting(shape: &[usize]) -> Value {
    f64s(
        shape,
        &(0..shape.iter().product())
            .map(|i: usize| i as f64)
            .collect::<Vec<_>>(),
    )
}

/// Numbers without symmetry, between -1 and 1, different for each seed.
fn scattered(shape: &[usize], seed: u32) -> Value {
    let number = |i: usize| (f64::from(seed) * 1.3 + (i * i) as f64 * 0.73).sin();
    f64s(
        shape,
        &(0..shape.iter().product()).map(number).collect::<Vec<_>>(),
    )
}

/// The elements, row-major.
fn numbers(x: &Value) -> Vec<f64> {
    match evaluate(
        &Op::Cast(DType::F64),
        &[x],
        &Spec {
            dtype: DType::F64,
            ..x.spec()
        },
    ) {
        Ok(Value::F64(a)) => a.iter().copied().collect(),
        other => panic!("a cast to float64 gave {other:?}"),
    }
}

/// Infers and evaluates; what comes out has the spec inferred.
fn attempt(op: Op, inputs: &[&Value], target: Option<Spec>) -> Result<Value> {
    let specs: Vec<Spec> = inputs.iter().map(|x| x.spec()).collect();
    let spec = infer(&op, &specs.iter().collect::<Vec<_>>(), target.as_ref())?;
    let value = evaluate(&op, inputs, &spec)?;
    assert_eq!(value.spec(), spec, "{}", op.name());
    Ok(value)
}

fn apply(op: Op, inputs: &[&Value]) -> Value {
    attempt(op, inputs, None).expect("a value")
}

/// For operations whose shape is not determined by their inputs; the dtype is the last input's.
fn apply_to(op: Op, inputs: &[&Value], shape: &[usize]) -> Value {
    let dtype = inputs.last().map_or(DType::F64, |x| x.spec().dtype);
    attempt(op, inputs, Some(Spec::new(shape, dtype))).expect("a value")
}

fn refusal(op: Op, inputs: &[&Value]) -> Error {
    attempt(op, inputs, None).expect_err("a refusal")
}

/// Asserts the elements exactly; NaN equals NaN.
#[track_caller]
fn expect(x: &Value, expected: &[f64]) {
    let given = numbers(x);
    let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
    assert!(
        given.len() == expected.len() && given.iter().zip(expected).all(same),
        "{given:?} is not {expected:?}"
    );
}

/// Asserts the elements within 1e-12 of the largest.
#[track_caller]
fn expect_near(x: &Value, expected: &[f64]) {
    let given = numbers(x);
    let scale = expected.iter().fold(1.0f64, |m, e| m.max(e.abs()));
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * scale;
    assert!(
        given.len() == expected.len() && given.iter().zip(expected).all(near),
        "{given:?} is not {expected:?}"
    );
}

/// The sum of products of corresponding elements.
fn inner(x: &Value, y: &Value) -> f64 {
    assert_eq!(x.spec(), y.spec());
    numbers(x).iter().zip(numbers(y)).map(|(a, b)| a * b).sum()
}

fn window(stride: &[usize], pad_low: &[usize], pad_high: &[usize], dilation: &[usize]) -> Window {
    Window {
        stride: stride.into(),
        pad_low: pad_low.into(),
        pad_high: pad_high.into(),
        dilation: dilation.into(),
    }
}
