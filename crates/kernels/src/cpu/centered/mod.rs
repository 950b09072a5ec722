//! Inner products of centered similarity matrices that are never stored, and their gradients in the samples.
//!
//! Only tiles on and above the diagonal are computed: inner products by the packed matrix product, then similarities minus
//! a constant that centering removes (similarities near 1 keep their digits), then sums in float64.
//!
//! - [`geometry`] chooses algorithms and the layout of scratch.
//! - [`samples`] prepares sets of samples, [`shift`] centers them, [`few_samples`] prepares few samples.
//! - [`gram`] computes inner products, [`differences`] distances of samples of few numbers.
//! - [`rows`] has the loops over a tile, [`sums`] sums tiles.
//! - [`gradient`] computes the gradient in the samples, [`signs`] for the absolute similarity.
//! - [`row_sums`] sums the rows of products of the matrices themselves.
//!
//! With row sums r and sum R of a set's matrix, alpha and beta as in
//! [`Products::centering`](hyperglow_core::similarity::Products::centering), the inner product of two centered matrices
//! is sum K_ij L_ij - 2 alpha sum r_i s_i + beta R S.

mod band;
mod differences;
mod few_samples;
mod geometry;
mod gradient;
mod gram;
mod median;
mod ranks;
mod row_sums;
mod rows;
mod samples;
mod shift;
mod sign_kernels;
mod signs;
mod sums;
mod tile_pass;

use hyperglow_core::op::Spec;
use hyperglow_core::similarity::Products;

use super::exec::{Chosen, Env};
use geometry::{Geometry, Purpose};
use rows::{Real, own_value};
use samples::{Samples, prepare, prepared_bytes};

pub(crate) use gradient::grad;
pub(crate) use median::median_distance;
pub(crate) use row_sums::row_sums;

/// The kernel of [`Op::CenteredProducts`](hyperglow_core::Op::CenteredProducts).
pub(crate) fn products<T: Real>(products: &Products, inputs: &[&Spec], env: &Env) -> Chosen {
    let g = Geometry::new::<T>(products, inputs, env.level, Purpose::Value);
    let sets = g.sets();
    let (level, threads) = (env.level, env.pool.threads());
    let pairs = sets * (sets + 1) / 2;
    Chosen {
        scratch: prepared_bytes::<T>(&g, level, threads) + sums::scratch::<T>(&g, pairs, threads, level),
        serial: false,
        kernel: Box::new(move |args| {
            let out = args.output::<f64>();
            let prepared = prepare::<T>(&g, args, |_| true);
            let sums = sums::sums(args, &prepared, pairs, |_| true);
            let (alpha, beta) = g.products.centering(g.m);
            let rows = |a: usize| &sums.rows[a * g.m..(a + 1) * g.m];
            let total = |a: usize| rows(a).iter().sum::<f64>();
            let pairs = (0..sets).flat_map(|a| (a..sets).map(move |b| (a, b)));
            for ((a, b), &above) in pairs.zip(&*sums.products) {
                let (one, other) = (prepared.set(a), prepared.set(b));
                let own = |set: &Samples<'_, T>, i: usize| {
                    own_value(set.similarity, set.factors, set.norms[i]).to_f64()
                };
                let diagonal: f64 = if g.products.hollow {
                    0.0
                } else {
                    (0..g.m).map(|i| own(&one, i) * own(&other, i)).sum()
                };
                let mixed: f64 = rows(a).iter().zip(rows(b)).map(|(r, s)| r * s).sum();
                let product = 2.0 * above + diagonal - 2.0 * alpha * mixed + beta * total(a) * total(b);
                out[a * sets + b] = product;
                out[b * sets + a] = product;
            }
            Ok(())
        }),
    }
}
