use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::op::{Distribution, Op, Spec};
use hyperglow_core::reference::Value;
use hyperglow_core::{DType, random};

use crate::{apply, apply_to, attempt, expect, f64s, i32s, tensor};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

#[test]
fn sources() {
    let make =
        |op, shape: &[usize], dtype| attempt(op, &[], Some(Spec::new(shape, dtype))).expect("a source");
    expect(&make(Op::constant(2.5), &[2, 2], DType::F32), &[2.5; 4]);
    expect(&make(Op::constant(-1.0), &[], DType::I64), &[-1.0]);
    expect(&make(Op::constant(2.0), &[1], DType::Bool), &[1.0]);
    expect(&make(Op::constant(2.0), &[0], DType::U8), &[]);
    expect(
        &make(Op::Iota { axis: 1 }, &[2, 3], DType::I32),
        &[0.0, 1.0, 2.0, 0.0, 1.0, 2.0],
    );
    expect(
        &make(Op::Iota { axis: 0 }, &[2, 2], DType::F64),
        &[0.0, 0.0, 1.0, 1.0],
    );
}

#[test]
fn random_numbers_are_those_of_the_stream() {
    let key = tensor(DType::U32, &[2], &[7.0, 9.0]);
    let draw =
        |kind, dtype| attempt(Op::Random(kind), &[&key], Some(Spec::new([2, 3], dtype))).expect("numbers");
    let mut bits = [0; 6];
    random::fill_bits([7, 9], 0, &mut bits);
    expect(&draw(Distribution::Bits, DType::U32), &bits.map(f64::from));
    let mut single = [0.0; 6];
    random::fill_uniform_f32([7, 9], 0, &mut single);
    expect(&draw(Distribution::Uniform, DType::F32), &single.map(f64::from));
    random::fill_normal_f32([7, 9], 0, &mut single);
    expect(&draw(Distribution::Normal, DType::F32), &single.map(f64::from));
    let mut double = [0.0; 6];
    random::fill_uniform_f64([7, 9], 0, &mut double);
    expect(&draw(Distribution::Uniform, DType::F64), &double);
    random::fill_normal_f64([7, 9], 0, &mut double);
    expect(&draw(Distribution::Normal, DType::F64), &double);
}

#[test]
fn one_argument() {
    let x = f64s(&[2, 2], &[-1.5, 0.0, 2.5, INF]);
    let on = |op, x: &Value| apply(Op::Unary(op), &[x]);
    expect(&on(UnaryOp::Neg, &x), &[1.5, 0.0, -2.5, -INF]);
    expect(&on(UnaryOp::Round, &x), &[-2.0, 0.0, 2.0, INF]);
    expect(
        &on(UnaryOp::Sign, &f64s(&[3], &[-2.0, NAN, 3.0])),
        &[-1.0, NAN, 1.0],
    );
    expect(
        &on(UnaryOp::Relu, &f64s(&[4], &[-INF, NAN, -1.0, INF])),
        &[0.0, NAN, 0.0, INF],
    );
    // In float32, not rounded afterwards.
    let single = tensor(DType::F32, &[1], &[0.1]);
    expect(&on(UnaryOp::Exp, &single), &[f64::from(0.1f32.exp())]);
    for &op in UnaryOp::ALL {
        expect(&on(op, &f64s(&[0, 3], &[])), &[]);
    }
}

#[test]
fn two_arguments() {
    let on = |op, x: &Value, y: &Value| apply(Op::Binary(op), &[x, y]);
    let (x, y) = (f64s(&[3], &[7.0, -7.0, NAN]), f64s(&[3], &[2.0, 2.0, 1.0]));
    expect(&on(BinaryOp::Sub, &x, &y), &[5.0, -9.0, NAN]);
    expect(&on(BinaryOp::Rem, &x, &y), &[1.0, 1.0, NAN]);
    expect(&on(BinaryOp::Max, &x, &y), &[7.0, 2.0, NAN]);
    expect(&on(BinaryOp::Min, &y, &x), &[2.0, -7.0, NAN]);
    let less = on(BinaryOp::Less, &x, &y);
    assert_eq!(less.spec().dtype, DType::Bool);
    expect(&less, &[0.0, 1.0, 0.0]);
    expect(&on(BinaryOp::NotEqual, &x, &x), &[0.0, 0.0, 1.0]);
    let single = tensor(DType::F32, &[1], &[0.1]);
    expect(
        &on(BinaryOp::Pow, &single, &single),
        &[f64::from(0.1f32.powf(0.1))],
    );
    let on_bool = on(
        BinaryOp::LessEqual,
        &tensor(DType::Bool, &[2], &[0.0, 1.0]),
        &tensor(DType::Bool, &[2], &[1.0, 0.0]),
    );
    expect(&on_bool, &[1.0, 0.0]);
}

#[test]
fn integers_wrap_and_divide_towards_minus_infinity() {
    let on = |op, dtype, x: &[f64], y: &[f64]| {
        apply(
            Op::Binary(op),
            &[&tensor(dtype, &[x.len()], x), &tensor(dtype, &[y.len()], y)],
        )
    };
    let (x, y) = (
        [7.0, -7.0, 7.0, -7.0, 6.0, 7.0],
        [2.0, 2.0, -2.0, -2.0, -2.0, 0.0],
    );
    expect(
        &on(BinaryOp::Div, DType::I32, &x, &y),
        &[3.0, -4.0, -4.0, 3.0, -3.0, 0.0],
    );
    expect(
        &on(BinaryOp::Rem, DType::I32, &x, &y),
        &[1.0, 1.0, -1.0, -1.0, 0.0, 0.0],
    );
    expect(&on(BinaryOp::Add, DType::U8, &[250.0], &[10.0]), &[4.0]);
    expect(&on(BinaryOp::Sub, DType::U32, &[0.0], &[1.0]), &[4_294_967_295.0]);
    expect(
        &on(
            BinaryOp::Mul,
            DType::I32,
            &[65536.0, 65536.0],
            &[65536.0, 32768.0],
        ),
        &[0.0, -2_147_483_648.0],
    );
    expect(
        &on(BinaryOp::Div, DType::I32, &[-2_147_483_648.0], &[-1.0]),
        &[-2_147_483_648.0],
    );
    expect(
        &on(BinaryOp::Pow, DType::I64, &[3.0, 2.0, -1.0], &[4.0, -1.0, -3.0]),
        &[81.0, 0.0, -1.0],
    );
}

#[test]
fn choice() {
    let condition = tensor(DType::Bool, &[3], &[1.0, 0.0, 1.0]);
    let (a, b) = (f64s(&[3], &[1.0, 2.0, NAN]), f64s(&[3], &[4.0, NAN, 6.0]));
    expect(&apply(Op::Where, &[&condition, &a, &b]), &[1.0, NAN, NAN]);
    let (a, b) = (i32s(&[3], &[1.0, 2.0, 3.0]), i32s(&[3], &[4.0, 5.0, 6.0]));
    expect(&apply(Op::Where, &[&condition, &a, &b]), &[1.0, 5.0, 3.0]);
}

#[test]
fn conversions() {
    let x = f64s(&[6], &[2.9, -2.9, 300.0, -1.0, NAN, 1e20]);
    let to = |dtype, x: &Value| apply(Op::Cast(dtype), &[x]);
    expect(
        &to(DType::I32, &x),
        &[2.0, -2.0, 300.0, -1.0, 0.0, 2_147_483_647.0],
    );
    expect(&to(DType::U8, &x), &[2.0, 0.0, 255.0, 0.0, 0.0, 255.0]);
    expect(&to(DType::Bool, &x), &[1.0; 6]);
    expect(&to(DType::F32, &f64s(&[1], &[0.1])), &[f64::from(0.1f32)]);
    let x = i32s(&[3], &[-1.0, 256.0, 0.0]);
    expect(&to(DType::U8, &x), &[255.0, 0.0, 0.0]);
    expect(&to(DType::U32, &x), &[4_294_967_295.0, 256.0, 0.0]);
    expect(&to(DType::Bool, &x), &[1.0, 1.0, 0.0]);
    expect(&to(DType::F32, &x), &[-1.0, 256.0, 0.0]);
    expect(&apply_to(Op::StopGradient, &[&x], &[3]), &[-1.0, 256.0, 0.0]);
}
