use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::reference::{Value, evaluate, run};

use crate::{expect, f64s, tensor};

#[test]
fn bytes_go_in_and_out() {
    for dtype in DType::ALL {
        for shape in [&[2, 3][..], &[], &[0, 4]] {
            let n: usize = shape.iter().product();
            let x = tensor(dtype, shape, &(0..n).map(|i| (i % 2) as f64).collect::<Vec<_>>());
            let bytes = x.to_bytes();
            assert_eq!(bytes.len(), n * dtype.size());
            assert_eq!(Value::from_bytes(&Spec::new(shape, dtype), &bytes), x);
        }
    }
    let x = Value::from_bytes(&Spec::new([2], DType::Bool), &[0, 7]);
    assert_eq!(x.to_bytes(), [0, 1]);
}

#[test]
fn nodes_run_in_order() {
    let spec = Spec::new([2], DType::F64);
    let nodes = [
        (Op::Input, vec![], spec.clone()),
        (Op::constant(3.0), vec![], spec.clone()),
        (Op::Binary(BinaryOp::Mul), vec![0, 1], spec.clone()),
        (Op::Unary(UnaryOp::Neg), vec![2], spec.clone()),
    ];
    let values = run(&nodes, &[(0, f64s(&[2], &[1.0, 2.0]))]).expect("values");
    expect(&values[3], &[-3.0, -6.0]);
    assert_eq!(run(&nodes, &[]).expect_err("no input").kind, ErrorKind::Argument);
    assert_eq!(
        evaluate(&Op::Input, &[], &spec).expect_err("no value").kind,
        ErrorKind::Argument
    );
}
