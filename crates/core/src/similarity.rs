//! Similarities of two samples (positive definite kernels) that fused operations know by name.

/// A similarity k(a, b) of two rows of numbers. Its parameters are scalar operands, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Similarity {
    /// `exp(-|a - b|^2 / (2 sigma^2))`, averaged over the widths sigma.
    Gaussian {
        /// Number of widths, at least 1: the parameters.
        widths: usize,
    },
    /// `exp(-|a - b|_1 / sigma)`, averaged over the widths sigma; its derivative at equal entries is 0.
    Laplacian {
        /// Number of widths, at least 1: the parameters.
        widths: usize,
    },
    /// `a . b`
    Linear,
    /// `(gamma a . b + offset)^degree`; the parameters are gamma and offset.
    Polynomial {
        /// At least 1.
        degree: u32,
    },
    /// `1 / sqrt(c^2 + |a - b|^2)`; the parameter is c.
    InverseMultiquadric,
    /// 1 if a equals b, else 0, for rows of one number; its derivative is 0.
    Equal,
}

impl Similarity {
    /// The number of parameters.
    pub fn parameters(self) -> usize {
        match self {
            Similarity::Gaussian { widths } | Similarity::Laplacian { widths } => widths,
            Similarity::Polynomial { .. } => 2,
            Similarity::InverseMultiquadric => 1,
            Similarity::Linear | Similarity::Equal => 0,
        }
    }

    /// Whether it depends on the difference of two samples alone, so that it does not matter where they lie.
    pub fn is_of_differences(self) -> bool {
        !matches!(self, Similarity::Linear | Similarity::Polynomial { .. })
    }
}

/// What [`Op::CenteredProducts`](crate::Op::CenteredProducts) is made of: a similarity per set of samples, and how
/// their matrices are centered. [`Op::SimilaritySums`](crate::Op::SimilaritySums) takes the same operands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Products {
    /// One per set of samples, at least one.
    pub similarities: Box<[Similarity]>,
    /// The diagonals take no part: no sample is compared with itself.
    pub hollow: bool,
}

impl Products {
    /// Number of sets of samples.
    pub fn sets(&self) -> usize {
        self.similarities.len()
    }
    /// Number of operands of the forward operation: samples, then all parameters.
    pub fn operands(&self) -> usize {
        self.sets() + self.similarities.iter().map(|s| s.parameters()).sum::<usize>()
    }
    /// Where among the operands the parameters of set `a` are.
    pub fn parameters(&self, a: usize) -> std::ops::Range<usize> {
        let before: usize = self.similarities[..a].iter().map(|s| s.parameters()).sum();
        let start = self.sets() + before;
        start..start + self.similarities[a].parameters()
    }
    /// The factors (alpha, beta) of centering matrices of n rows: `K_ij - alpha (r_i + r_j) + beta R`, of row sums r and
    /// sum R.
    pub fn centering(&self, n: usize) -> (f64, f64) {
        let n = n as f64;
        if self.hollow {
            (1.0 / (n - 2.0), 1.0 / ((n - 1.0) * (n - 2.0)))
        } else {
            (1.0 / n, 1.0 / (n * n))
        }
    }
}
