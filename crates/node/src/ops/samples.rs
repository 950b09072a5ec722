//! Neighbors and similarities of samples.

use hyperglow_core::op::{Metric, Op};
use hyperglow_core::similarity::{Products, Similarity};
use hyperglow_core::{Error, Result};
use napi_derive::napi;

use super::add;
use crate::state::{engine, ids};

fn metric(euclidean: bool) -> Metric {
    if euclidean {
        Metric::Euclidean
    } else {
        Metric::Maximum
    }
}

/// The k nearest other rows of each row, by the Euclidean distance or the largest difference.
#[napi]
pub fn neighbors(x: f64, k: f64, euclidean: bool) -> napi::Result<f64> {
    let (k, metric) = (k as usize, metric(euclidean));
    add(Op::Neighbors { k, metric }, &[x], None)
}

/// The number of other rows within the radius of each row.
#[napi]
pub fn count_within(x: f64, radius: f64, euclidean: bool, closed: bool) -> napi::Result<f64> {
    let metric = metric(euclidean);
    add(Op::CountWithin { metric, closed }, &[x, radius], None)
}

/// The median Euclidean distance of all pairs of rows.
#[napi]
pub fn median_distance(x: f64) -> napi::Result<f64> {
    add(Op::MedianDistance, &[x], None)
}

/// Inner products of centered similarity matrices: float64 (sets, sets). `kinds` holds a code per set (the index in
/// gaussian, laplacian, linear, polynomial, imq, equal), `counts` its number of widths, or its degree.
#[napi]
pub fn centered_products(
    samples: Vec<f64>,
    parameters: Vec<f64>,
    kinds: Vec<u32>,
    counts: Vec<u32>,
    hollow: bool,
) -> napi::Result<f64> {
    engine(|e| {
        let similarities = similarities("centeredProducts", &kinds, &counts)?;
        let op = Op::CenteredProducts(Products { similarities, hollow });
        let inputs = ids(&[samples, parameters].concat());
        Ok(e.graph.add(op, &inputs, None)?.to_number())
    })
}

/// Row sums of products of similarity matrices, (groups, m), from the samples of each set, their parameters, kinds and
/// counts, and the sets of each group.
#[napi]
pub fn similarity_sums(
    samples: Vec<f64>,
    parameters: Vec<f64>,
    kinds: Vec<u32>,
    counts: Vec<u32>,
    groups: Vec<Vec<u32>>,
    hollow: bool,
) -> napi::Result<f64> {
    engine(|e| {
        let similarities = similarities("similaritySums", &kinds, &counts)?;
        let group = |sets: &Vec<u32>| sets.iter().map(|&a| a as usize).collect();
        let op = Op::SimilaritySums {
            products: Products { similarities, hollow },
            groups: groups.iter().map(group).collect(),
        };
        let inputs = ids(&[samples, parameters].concat());
        Ok(e.graph.add(op, &inputs, None)?.to_number())
    })
}

/// The similarities of the kinds, each with its count.
fn similarities(op: &str, kinds: &[u32], counts: &[u32]) -> Result<Box<[Similarity]>> {
    let similarity = |(&kind, &count): (&u32, &u32)| {
        let widths = count as usize;
        Ok(match kind {
            0 => Similarity::Gaussian { widths },
            1 => Similarity::Laplacian { widths },
            2 => Similarity::Linear,
            3 => Similarity::Polynomial { degree: count },
            4 => Similarity::InverseMultiquadric,
            5 => Similarity::Equal,
            _ => return Err(Error::internal(op, format!("no similarity {kind}"))),
        })
    };
    kinds.iter().zip(counts).map(similarity).collect()
}
