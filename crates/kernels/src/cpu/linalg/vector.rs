//! Loops over vectors of doubles that the factorisations are made of.

use crate::cpu::level::versions;

versions! {
    /// The scalar product, in eight partial sums.
    pub(super) fn dot(x: &[f64], y: &[f64]) -> f64 {
        let mut sums = [0.0_f64; 16];
        let (mut xs, mut ys) = (x.chunks_exact(16), y[..x.len()].chunks_exact(16));
        for (x, y) in (&mut xs).zip(&mut ys) {
            for i in 0..16 {
                sums[i] = if FMA { x[i].mul_add(y[i], sums[i]) } else { x[i] * y[i] + sums[i] };
            }
        }
        let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| x * y).sum();
        sums.iter().sum::<f64>() + rest
    }
}

versions! {
    /// `y += factor * x`.
    pub(super) fn add_scaled(y: &mut [f64], factor: f64, x: &[f64]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = if FMA { factor.mul_add(x, *y) } else { factor * x + *y };
        }
    }
}

versions! {
    /// `z += a * x + b * y`.
    pub(super) fn add_two_scaled(z: &mut [f64], a: f64, x: &[f64], b: f64, y: &[f64]) {
        for ((z, &x), &y) in z.iter_mut().zip(x).zip(y) {
            *z = if FMA { a.mul_add(x, b.mul_add(y, *z)) } else { a * x + (b * y + *z) };
        }
    }
}

versions! {
    /// `(x, y) <- (cos x - sin y, sin x + cos y)`.
    pub(super) fn rotate(x: &mut [f64], y: &mut [f64], cos: f64, sin: f64) {
        for (x, y) in x.iter_mut().zip(y) {
            (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
        }
    }
}
