//! What gets no gradient passes none on, and keeps the derivative of that.

use hyperglow_core::NodeId;
use hyperglow_core::compose::Build;
use hyperglow_core::elementwise::{BinaryOp, Formula, UnaryOp};

use crate::{Function, at_numbers};

#[test]
fn a_branch_not_taken_has_no_derivative_of_any_order() {
    type Branch = fn(&mut Build<'_>, NodeId) -> NodeId;
    let with = |number: f64, op: BinaryOp| {
        move |b: &mut Build<'_>, x: NodeId| {
            let c = b.scalar_like(number, x);
            b.binary(op, c, x)
        }
    };
    let over = with(1.0, BinaryOp::Div);
    let remainder = with(1.0, BinaryOp::Rem);
    let power = with(0.5, BinaryOp::Pow);
    let branches: [(&str, Branch); 4] = [
        ("x^0.5", |b, x| {
            let half = b.scalar_like(0.5, x);
            b.binary(BinaryOp::Pow, x, half)
        }),
        ("x^x", |b, x| b.binary(BinaryOp::Pow, x, x)),
        ("x / x", |b, x| b.div(x, x)),
        ("sqrt(x)^3 / ln(x)", |b, x| {
            let root = b.unary(UnaryOp::Sqrt, x);
            let log = b.unary(UnaryOp::Log, x);
            let square = b.mul(root, root);
            let cube = b.mul(square, root);
            b.div(cube, log)
        }),
    ];
    let bad = [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300];
    let check = |name: &str, branch: Function<'_>| {
        let masked = |b: &mut Build<'_>, x: &[NodeId]| {
            let value = branch(b, x);
            let half = b.scalar_like(0.5, x[0]);
            let one = b.scalar_like(1.0, x[0]);
            let above = b.binary(BinaryOp::Less, half, x[0]);
            let below = b.binary(BinaryOp::Less, x[0], one);
            let zero = b.scalar_like(0.0, x[0]);
            let square = b.mul(x[0], x[0]);
            let some = b.select(below, value, zero);
            // Products after the selection, so that the second derivative meets the branch again.
            let some = b.mul(some, some);
            let chosen = b.select(above, some, zero);
            let finite = b.binary(BinaryOp::Equal, square, square);
            let kept = b.select(finite, chosen, zero);
            b.unary(UnaryOp::Expm1, kept)
        };
        for derivative in at_numbers(&bad, &masked) {
            assert_eq!(derivative, [0.0; 6], "{name}");
        }
    };
    for &op in UnaryOp::ALL {
        check(op.name(), &|b, x| b.unary(op, x[0]));
    }
    for (name, branch) in branches {
        check(name, &|b, x| branch(b, x[0]));
    }
    check("1 / x", &|b, x| over(b, x[0]));
    check("1 rem x", &|b, x| remainder(b, x[0]));
    check("0.5^x", &|b, x| power(b, x[0]));
}

#[test]
fn a_gradient_of_zero_keeps_its_own_derivative() {
    // (e^x - 1)^2 / 2 at 0: the cotangent of e^x is 0 there, and the second derivative 1.
    let [first, second] = at_numbers(&[0.0], &|b, x| {
        let e = b.unary(UnaryOp::Exp, x[0]);
        let off = b.add_scalar(e, -1.0);
        let square = b.mul(off, off);
        b.mul_scalar(square, 0.5)
    });
    assert_eq!((first, second), (vec![0.0], vec![1.0]));
    // 1 / (1 + (x - 2)^2) at 2, where the cotangent of the square is not 0 but that of x - 2 is: -2.
    let [first, second] = at_numbers(&[2.0], &|b, x| {
        let off = b.add_scalar(x[0], -2.0);
        let square = b.mul(off, off);
        let below = b.add_scalar(square, 1.0);
        b.unary(UnaryOp::Recip, below)
    });
    assert_eq!((first, second), (vec![0.0], vec![-2.0]));
}

#[test]
fn the_slope_of_a_power_of_nan_is_nan() {
    let [first, second] = at_numbers(&[1.0, 1.0], &|b, x| {
        let undefined = b.scalar_like(f64::NAN, x[0]);
        b.binary(BinaryOp::Pow, undefined, x[0])
    });
    assert!(
        first.iter().chain(&second).all(|slope| slope.is_nan()),
        "{first:?} {second:?}"
    );
}
