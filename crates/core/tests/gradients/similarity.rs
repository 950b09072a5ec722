//! Samples, compared by similarities.

use hyperglow_core::elementwise::Formula;
use hyperglow_core::op::Op;
use hyperglow_core::similarity::{Products, Similarity};

use crate::run;

#[test]
fn centered_products() {
    let kinds = [
        Similarity::Gaussian { widths: 1 },
        Similarity::Gaussian { widths: 2 },
        Similarity::Laplacian { widths: 1 },
        Similarity::Linear,
        Similarity::Polynomial { degree: 3 },
        Similarity::InverseMultiquadric,
    ];
    // Samples of two sets, then as many scalar parameters as these need.
    for (i, &left) in kinds.iter().enumerate() {
        for hollow in [false, true] {
            let right = kinds[(i + 1) % kinds.len()];
            let products = Products {
                similarities: [left, right].into(),
                hollow,
            };
            let mut shapes: Vec<&[usize]> = vec![&[5, 3], &[5, 2]];
            shapes.resize(products.operands(), &[]);
            run(
                &format!("{left:?} {right:?} {hollow}"),
                &shapes,
                (0.5, 1.5),
                &|b, x| b.add_op(Op::CenteredProducts(products.clone()), x, None),
            );
        }
    }
    // The same samples and width on both sides, which also depend on each other.
    let similarities = [Similarity::Gaussian { widths: 1 }; 3].into();
    let products = Products {
        similarities,
        hollow: false,
    };
    run("one set thrice", &[&[4, 2], &[]], (0.5, 1.5), &|b, x| {
        let square = b.mul(x[0], x[0]);
        let inputs = [x[0], x[0], square, x[1], x[1], x[1]];
        b.add_op(Op::CenteredProducts(products.clone()), &inputs, None)
    });
}

#[test]
fn similarity_sums() {
    let kinds = [
        Similarity::Gaussian { widths: 1 },
        Similarity::Gaussian { widths: 2 },
        Similarity::Laplacian { widths: 1 },
        Similarity::InverseMultiquadric,
    ];
    for (i, &left) in kinds.iter().enumerate() {
        for hollow in [false, true] {
            let right = kinds[(i + 1) % kinds.len()];
            let products = Products {
                similarities: [left, right].into(),
                hollow,
            };
            let groups: [Box<[usize]>; 3] = [[0].into(), [0, 1].into(), [1, 1].into()];
            let op = Op::SimilaritySums {
                products: products.clone(),
                groups: groups.into(),
            };
            let mut shapes: Vec<&[usize]> = vec![&[5, 3], &[5, 2]];
            shapes.resize(products.operands(), &[]);
            run(
                &format!("{left:?} {right:?} {hollow}"),
                &shapes,
                (0.5, 1.5),
                &|b, x| b.add_op(op.clone(), x, None),
            );
        }
    }
}
