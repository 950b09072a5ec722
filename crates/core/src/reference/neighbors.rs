//! Distances between rows, in the arithmetic of their dtype.

use ndarray::ArrayD;

use super::value::{Element, from_fn};
use crate::dtype::DType;
use crate::op::Metric;
use crate::shape::Shape;

/// Points and how far they are apart.
pub(super) struct Rows {
    points: Vec<Vec<f64>>,
    dtype: DType,
    metric: Metric,
}

impl Rows {
    pub(super) fn new(x: ArrayD<f64>, dtype: DType, metric: Metric) -> Rows {
        let points = x.outer_iter().map(|row| row.iter().copied().collect()).collect();
        Rows {
            points,
            dtype,
            metric,
        }
    }

    fn count(&self) -> usize {
        self.points.len()
    }

    /// The nearest number of the dtype. For a sum, difference, product or root of float32 numbers this is the float32
    /// result.
    fn rounded(&self, value: f64) -> f64 {
        if self.dtype == DType::F32 {
            f64::from(value as f32)
        } else {
            value
        }
    }

    /// What distances are ordered by: the distance, or its square for Euclidean ones.
    fn measure(&self, i: usize, j: usize) -> f64 {
        let pairs = self.points[i].iter().zip(&self.points[j]);
        pairs.fold(0.0, |far, (a, b)| {
            let difference = self.rounded(a - b).abs();
            match self.metric {
                Metric::Maximum if far.is_nan() || difference <= far => far,
                Metric::Maximum => difference,
                Metric::Euclidean => self.rounded(far + self.rounded(difference * difference)),
            }
        })
    }

    fn distance(&self, i: usize, j: usize) -> f64 {
        match self.metric {
            Metric::Maximum => self.measure(i, j),
            Metric::Euclidean => self.rounded(self.measure(i, j).sqrt()),
        }
    }
}

/// For each row the `k` nearest others.
pub(super) fn nearest(rows: &Rows, k: usize, to: &Shape) -> ArrayD<i64> {
    let mut out = from_fn(to, |_| 0);
    for i in 0..rows.count() {
        let others = (0..rows.count()).filter(|&j| j != i);
        let mut others: Vec<(f64, usize)> = others.map(|j| (rows.measure(i, j), j)).collect();
        others.sort_by(|a, b| a.0.compare(b.0));
        for (rank, &(_, j)) in others.iter().take(k).enumerate() {
            out[[i, rank]] = j as i64;
        }
    }
    out
}

/// The median distance of all pairs of rows; see [`Op::MedianDistance`](crate::Op::MedianDistance).
pub(super) fn median_distance(rows: &Rows, to: &Shape) -> ArrayD<f64> {
    let n = rows.count();
    let is_finite = rows.points.iter().flatten().all(|x| x.is_finite());
    let mut distances: Vec<f64> = (0..n)
        .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
        .map(|(i, j)| rows.distance(i, j))
        .collect();
    distances.sort_by(f64::total_cmp);
    let middle = |from: usize| distances[from / 2];
    let median = (middle(distances.len() - 1) + middle(distances.len())) / 2.0;
    let apart: Vec<f64> = distances.iter().copied().filter(|&far| far > 0.0).collect();
    from_fn(to, |_| match () {
        () if !is_finite => f64::NAN,
        () if median > 0.0 => median,
        () if apart.is_empty() => 1.0,
        () => apart.iter().sum::<f64>() / apart.len() as f64,
    })
}

/// For each row the number of others within its radius.
pub(super) fn count_within(rows: &Rows, radius: &ArrayD<f64>, closed: bool, to: &Shape) -> ArrayD<i64> {
    from_fn(to, |at| {
        let i = at[0];
        let within = |&j: &usize| {
            let distance = rows.distance(i, j);
            j != i && (distance < radius[[i]] || (closed && distance == radius[[i]]))
        };
        (0..rows.count()).filter(within).count() as i64
    })
}
