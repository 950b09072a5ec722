//! Inner products of centered similarity matrices and their derivatives in the samples, and sums of rows of similarities, in
//! float64 by the definitions.

use ndarray::{Array2, ArrayD, Ix2};

use crate::similarity::{Products, Similarity};

/// (sets, sets) of `operands`: samples, then scalar parameters.
pub(super) fn products(products: &Products, operands: &[ArrayD<f64>]) -> ArrayD<f64> {
    let centered: Vec<Array2<f64>> = (0..products.sets())
        .map(|a| center(products, matrix(products, operands, a)))
        .collect();
    Array2::from_shape_fn((products.sets(), products.sets()), |(a, b)| {
        (&centered[a] * &centered[b]).sum()
    })
    .into_dyn()
}

/// The cotangent of the samples of set `of`, given that of the products: each similarity weighs what the others, centered,
/// weigh it with, and k(x_i, x_j) and k(x_j, x_i) both depend on x_i.
pub(super) fn samples_grad(products: &Products, of: usize, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
    let (cotangent, operands) = inputs.split_last().expect("the cotangent comes last");
    let x = samples(operands, of);
    let (m, d) = x.dim();
    let mut weights = Array2::<f64>::zeros((m, m));
    for b in 0..products.sets() {
        let factor = cotangent[[of, b]] + cotangent[[b, of]];
        if factor != 0.0 {
            weights = weights + center(products, matrix(products, operands, b)) * factor;
        }
    }
    let parameters = scalars(products, operands, of);
    let mut dx = Array2::zeros((m, d));
    for i in 0..m {
        for j in 0..m {
            let (a, b) = (x.row(i).to_vec(), x.row(j).to_vec());
            let slope = slope(products.similarities[of], &parameters, &a, &b);
            for (k, slope) in slope.into_iter().enumerate() {
                dx[[i, k]] += 2.0 * weights[[i, j]] * slope;
            }
        }
    }
    dx.into_dyn()
}

/// (groups, m) of sums of rows of products of similarity matrices.
pub(super) fn sums(products: &Products, groups: &[Box<[usize]>], operands: &[ArrayD<f64>]) -> ArrayD<f64> {
    let matrices: Vec<Array2<f64>> = (0..products.sets())
        .map(|a| {
            let constant = match products.similarities[a] {
                Similarity::Gaussian { .. } | Similarity::Laplacian { .. } => 1.0,
                Similarity::Linear
                | Similarity::Polynomial { .. }
                | Similarity::InverseMultiquadric
                | Similarity::Equal => 0.0,
            };
            matrix(products, operands, a) + constant
        })
        .collect();
    let m = matrices[0].nrows();
    Array2::from_shape_fn((groups.len(), m), |(group, i)| {
        let product = |j: usize| {
            groups[group]
                .iter()
                .map(|&a| matrices[a][[i, j]])
                .product::<f64>()
        };
        (0..m).filter(|&j| j != i || !products.hollow).map(product).sum()
    })
    .into_dyn()
}

fn samples(operands: &[ArrayD<f64>], a: usize) -> Array2<f64> {
    operands[a].clone().into_dimensionality::<Ix2>().expect("rows")
}

fn scalars(products: &Products, operands: &[ArrayD<f64>], a: usize) -> Vec<f64> {
    operands[products.parameters(a)].iter().map(|p| p.sum()).collect()
}

fn matrix(products: &Products, operands: &[ArrayD<f64>], a: usize) -> Array2<f64> {
    let (x, parameters) = (samples(operands, a), scalars(products, operands, a));
    let m = x.nrows();
    Array2::from_shape_fn((m, m), |(i, j)| {
        let (a_row, b_row) = (x.row(i).to_vec(), x.row(j).to_vec());
        similarity(products.similarities[a], &parameters, &a_row, &b_row)
    })
}

/// Minus the means of rows and columns, plus the mean of all; hollow: as U-centering says.
fn center(products: &Products, mut k: Array2<f64>) -> Array2<f64> {
    let (alpha, beta) = products.centering(k.nrows());
    let hollow = |k: &mut Array2<f64>| {
        if products.hollow {
            k.diag_mut().fill(0.0);
        }
    };
    hollow(&mut k);
    let sums: Vec<f64> = k.rows().into_iter().map(|row| row.sum()).collect();
    let all: f64 = sums.iter().sum();
    for ((i, j), entry) in k.indexed_iter_mut() {
        *entry += beta * all - alpha * (sums[i] + sums[j]);
    }
    hollow(&mut k);
    k
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn absolute_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// k(a, b), minus 1 where the samples' distance decides and k is largest at 0: centering removes it, and a wide
/// similarity keeps its digits.
fn similarity(similarity: Similarity, parameters: &[f64], a: &[f64], b: &[f64]) -> f64 {
    let mean =
        |f: &dyn Fn(f64) -> f64| parameters.iter().map(|&p| f(p)).sum::<f64>() / parameters.len() as f64;
    match similarity {
        Similarity::Gaussian { .. } => {
            let q = squared_distance(a, b);
            mean(&|sigma| (-q / (2.0 * sigma * sigma)).exp_m1())
        }
        Similarity::Laplacian { .. } => {
            let q = absolute_distance(a, b);
            mean(&|sigma| (-q / sigma).exp_m1())
        }
        Similarity::Linear => dot(a, b),
        Similarity::Polynomial { degree } => (parameters[0] * dot(a, b) + parameters[1]).powi(degree as i32),
        Similarity::InverseMultiquadric => (parameters[0].powi(2) + squared_distance(a, b)).powf(-0.5),
        Similarity::Equal => f64::from(u8::from(a == b)),
    }
}

/// dk(a, b) / da.
fn slope(similarity: Similarity, parameters: &[f64], a: &[f64], b: &[f64]) -> Vec<f64> {
    let mean =
        |f: &dyn Fn(f64) -> f64| parameters.iter().map(|&p| f(p)).sum::<f64>() / parameters.len() as f64;
    let along = |factor: f64| a.iter().zip(b).map(|(a, b)| factor * (a - b)).collect();
    match similarity {
        Similarity::Gaussian { .. } => {
            let q = squared_distance(a, b);
            along(mean(&|sigma| {
                -(-q / (2.0 * sigma * sigma)).exp() / (sigma * sigma)
            }))
        }
        Similarity::Laplacian { .. } => {
            let q = absolute_distance(a, b);
            let factor = mean(&|sigma| -(-q / sigma).exp() / sigma);
            let sign = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
            a.iter().zip(b).map(|(a, b)| factor * sign(a - b)).collect()
        }
        Similarity::Linear => b.to_vec(),
        Similarity::Polynomial { degree } => {
            let (gamma, base) = (parameters[0], parameters[0] * dot(a, b) + parameters[1]);
            let factor = f64::from(degree) * base.powi(degree as i32 - 1) * gamma;
            b.iter().map(|b| factor * b).collect()
        }
        Similarity::InverseMultiquadric => {
            along(-(parameters[0].powi(2) + squared_distance(a, b)).powf(-1.5))
        }
        Similarity::Equal => vec![0.0; a.len()],
    }
}
