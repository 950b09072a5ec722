//! Element by element.

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, Formula, UnaryOp};
use hyperglow_core::op::Op;

use crate::{at_numbers, run};

#[test]
fn unary_operations() {
    for &op in UnaryOp::ALL {
        run(op.name(), &[&[2, 3]], op.domain(), &move |b, x| b.unary(op, x[0]));
    }
}

#[test]
fn binary_operations() {
    for &op in BinaryOp::ALL {
        if op.is_compare() || op == BinaryOp::Polygamma {
            continue;
        }
        run(op.name(), &[&[2, 3], &[2, 3]], op.domain(), &move |b, x| {
            b.binary(op, x[0], x[1])
        });
    }
    for order in 0..3 {
        run("polygamma", &[&[3]], (1.0, 3.0), &move |b, x| {
            b.polygamma(f64::from(order), x[0])
        });
    }
    for exponent in [0.0, 1.0, 2.0, 3.0, 0.5, -1.5] {
        run(
            "pow with a constant exponent",
            &[&[4]],
            (0.25, 3.0),
            &move |b, x| {
                let e = b.scalar_like(exponent, x[0]);
                b.binary(BinaryOp::Pow, x[0], e)
            },
        );
    }
}

#[test]
fn selection_and_conversion() {
    run("where", &[&[6], &[6]], (-2.0, 2.0), &|b, x| {
        let on = b.binary(BinaryOp::Less, x[0], x[1]);
        let p = b.mul(x[0], x[0]);
        b.select(on, p, x[1])
    });
    run("stopGradient", &[&[4]], (-2.0, 2.0), &|b, x| {
        let fixed = b.add_op(Op::Cast(DType::F64), &[x[0]], None);
        b.mul(fixed, x[0])
    });
}

#[test]
fn ties_share_the_gradient() {
    for op in [BinaryOp::Max, BinaryOp::Min] {
        // x^2 / 2 and x are both 2 at 2, with slopes 2 and 1.
        let [first, _] = at_numbers(&[2.0], &|b, x| {
            let square = b.mul(x[0], x[0]);
            let half = b.mul_scalar(square, 0.5);
            b.binary(op, half, x[0])
        });
        assert_eq!(first, [1.5]);
    }
}
