//! The primitives: data only, with `Hash + Eq` for the keys of plans. [`crate::traits`] has a row for each; its meaning is an
//! exhaustive match in [`crate::infer`] and in [`crate::reference`].

use crate::dtype::DType;
use crate::elementwise::{BinaryOp, UnaryOp};
use crate::placement::DeviceId;
use crate::shape::Shape;
use crate::similarity::Products;

/// The arithmetic of an n-dimensional convolution or window, per spatial axis.
///
/// Output extent: `floor((in + pad_low + pad_high - dilation (k - 1) - 1) / stride) + 1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Distance between windows.
    pub stride: Box<[usize]>,
    /// Zeros (or, for maxima, -infinity) before the first element.
    pub pad_low: Box<[usize]>,
    /// The same after the last one.
    pub pad_high: Box<[usize]>,
    /// Distance between the taps of the kernel.
    pub dilation: Box<[usize]>,
}

impl Window {
    /// The spatial rank.
    pub fn rank(&self) -> usize {
        self.stride.len()
    }
    /// The extent of an input on `axis` with its padding.
    pub fn padded(&self, axis: usize, input: usize) -> usize {
        input
            .saturating_add(self.pad_low[axis])
            .saturating_add(self.pad_high[axis])
    }
    /// The output extent on `axis` for an input extent and a kernel extent; 0 when nothing fits.
    pub fn output(&self, axis: usize, input: usize, kernel: usize) -> usize {
        let reach = self.dilation[axis]
            .saturating_mul(kernel.saturating_sub(1))
            .saturating_add(1);
        let padded = self.padded(axis, input);
        if kernel == 0 || padded < reach {
            0
        } else {
            (padded - reach) / self.stride[axis] + 1
        }
    }
}

/// How a reduction combines elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Sum; floats accumulate in pairs of blocks so that 1e6 terms keep 1e-6 relative accuracy. Integers and truth values
    /// are summed in int64, which is the result's dtype; a sum beyond its range wraps.
    Sum,
    /// Maximum; NaN wins.
    Max,
    /// Minimum; NaN wins.
    Min,
}

/// Which numbers a random node draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distribution {
    /// 32 random bits, as uint32.
    Bits,
    /// Uniform on [0, 1).
    Uniform,
    /// Standard normal (Box-Muller).
    Normal,
}

/// The distance of two rows, in the dtype of the rows: each difference, square and partial sum is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// The largest absolute difference of a coordinate.
    Maximum,
    /// The root of the sum of squared differences, added from the first coordinate on.
    Euclidean,
}

/// A primitive operation with its attributes. Inputs are the node's edges.
///
/// Shapes in the comments are row-major, batch first, channels first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A value given from outside: data, a Variable's version, an argument of a compiled function.
    Input,
    /// The number whose f64 bits are given, as a scalar.
    Const(u64),
    /// 0, 1, 2, ... along `axis`, constant along the others.
    Iota {
        /// The axis along which it counts.
        axis: usize,
    },
    /// Philox random numbers: input keys uint32 (.., 2), the leading axes those of the result, one key for each of its parts; element i
    /// of a part depends on the key and i alone.
    Random(Distribution),
    /// Elementwise, one argument.
    Unary(UnaryOp),
    /// Elementwise, two arguments of equal shape and dtype.
    Binary(BinaryOp),
    /// `(condition bool, a, b)`: a where true, else b.
    Where,
    /// Conversion; floats to integers truncate and saturate (NaN gives 0), integers wrap, anything nonzero is true.
    Cast(DType),
    /// Reduction over `axes`, which disappear.
    Reduce {
        /// How.
        kind: Reduction,
        /// Sorted, distinct.
        axes: Box<[usize]>,
    },
    /// Index (int32) of the first maximum along `axis`, which disappears; NaN is the largest.
    ArgMax {
        /// The axis searched.
        axis: usize,
    },
    /// Stretch to the node's shape: equal rank, extents 1 repeat.
    Broadcast,
    /// Same elements, other extents.
    Reshape,
    /// Output axis i is input axis `axes[i]`.
    Permute(Box<[usize]>),
    /// Every `step`-th element from `start`; extents are the node's shape.
    Slice {
        /// First element, per axis.
        start: Box<[usize]>,
        /// Distance, per axis, at least 1.
        step: Box<[usize]>,
    },
    /// Zeros around and `interior` zeros between the elements: the adjoint of `Slice`.
    Pad {
        /// Zeros before, per axis.
        low: Box<[usize]>,
        /// Zeros after, per axis.
        high: Box<[usize]>,
        /// Zeros between neighbors, per axis.
        interior: Box<[usize]>,
    },
    /// Reversal along `axes`.
    Flip(Box<[usize]>),
    /// Inputs one after the other along `axis`.
    Concat {
        /// The axis that grows.
        axis: usize,
    },
    /// `(.., m, k) x (.., k, n) -> (.., m, n)` with equal batch axes; a flag means that operand is
    /// stored transposed.
    MatMul {
        /// a is (.., k, m).
        ta: bool,
        /// b is (.., n, k).
        tb: bool,
    },
    /// Cross-correlation: x (N, C, in..) with w (O, C/groups, k..) -> (N, O, out..).
    Conv {
        /// Stride, padding, dilation.
        window: Window,
        /// Channel groups.
        groups: usize,
    },
    /// The adjoint of `Conv` in x, which is also transposed convolution:
    /// dy (N, O, out..), w -> (N, C, `input`..).
    ConvInputGrad {
        /// Stride, padding, dilation of the forward convolution.
        window: Window,
        /// Channel groups.
        groups: usize,
        /// Spatial extents of x.
        input: Box<[usize]>,
    },
    /// The adjoint of `Conv` in w: x (N, C, in..), dy (N, O, out..) -> (O, C/groups, `kernel`..).
    ConvWeightGrad {
        /// Stride, padding, dilation of the forward convolution.
        window: Window,
        /// Channel groups.
        groups: usize,
        /// Spatial extents of w.
        kernel: Box<[usize]>,
    },
    /// Local convolution, with a kernel for each output position (a locally connected layer):
    /// x (N, C, in..) with w (O, C, k.., out..) -> (N, O, out..). It is the sum of x[n, c, in] w[o, c, tap, out] over
    /// channels and taps.
    LocalConv {
        /// Stride, padding, dilation.
        window: Window,
    },
    /// The adjoint of `LocalConv` in x: dy (N, O, out..), w -> (N, C, `input`..).
    LocalConvInputGrad {
        /// Stride, padding, dilation of the forward convolution.
        window: Window,
        /// Spatial extents of x.
        input: Box<[usize]>,
    },
    /// The adjoint of `LocalConv` in w: x (N, C, in..), dy (N, O, out..) -> (O, C, `kernel`.., out..).
    LocalConvWeightGrad {
        /// Stride, padding, dilation of the forward convolution.
        window: Window,
        /// Spatial extents of a position's kernel.
        kernel: Box<[usize]>,
    },
    /// Sum over windows of the last axes: (N, C, in..) -> (N, C, out..).
    WindowSum {
        /// Stride, padding, dilation.
        window: Window,
        /// Window extents.
        kernel: Box<[usize]>,
    },
    /// The adjoint of `WindowSum`: (N, C, out..) -> (N, C, `input`..).
    WindowSumGrad {
        /// Stride, padding, dilation.
        window: Window,
        /// Window extents.
        kernel: Box<[usize]>,
        /// Spatial extents of the sum's input.
        input: Box<[usize]>,
    },
    /// Flat spatial index (int32) of the first maximum of each window: (N, C, in..) -> (N, C, out..).
    /// NaN is the largest; padding is never chosen.
    WindowArgMax {
        /// Stride, padding, dilation.
        window: Window,
        /// Window extents.
        kernel: Box<[usize]>,
    },
    /// The maximum of each window, the element that `WindowArgMax` points to: (N, C, in..) -> (N, C, out..).
    WindowMax {
        /// Stride, padding, dilation.
        window: Window,
        /// Window extents.
        kernel: Box<[usize]>,
    },
    /// The adjoint of `WindowMax`: `(index, dy)`, both (N, C, out..), the index from `WindowArgMax` of the same windows, ->
    /// (N, C, `input`..): zeros plus dy at the position of each window's maximum.
    WindowMaxGrad {
        /// Stride, padding, dilation.
        window: Window,
        /// Window extents.
        kernel: Box<[usize]>,
        /// Spatial extents of the maximum's input.
        input: Box<[usize]>,
    },
    /// `(x, index)`: x[.., index[i], ..] for a one-dimensional integer index along `axis`.
    Take {
        /// The axis indexed.
        axis: usize,
    },
    /// `(index, src)`: zeros of the node's shape plus src's slices at `index` along `axis`: the adjoint of `Take`.
    IndexAdd {
        /// The axis indexed.
        axis: usize,
    },
    /// `(x, index)` of equal rank: `out[i, j] = x[index[i, j], j]` for axis 0.
    Gather {
        /// The axis indexed.
        axis: usize,
    },
    /// `(index, src)`: zeros of the node's shape plus src at index: the adjoint of `Gather`.
    ScatterAdd {
        /// The axis indexed.
        axis: usize,
    },
    /// Stable order (int32) along `axis`; NaN last (first when descending).
    ArgSort {
        /// The axis sorted.
        axis: usize,
        /// Largest first.
        descending: bool,
    },
    /// Indices (int32) of the k largest (or smallest), in order, along `axis`; k is the node's extent there.
    /// These are the first k of `ArgSort`: of equals the first, NaN as the largest.
    TopK {
        /// The axis searched.
        axis: usize,
        /// Largest, else smallest.
        largest: bool,
    },
    /// Running sum along `axis`, from the end when `reverse`.
    CumSum {
        /// The axis.
        axis: usize,
        /// From the end.
        reverse: bool,
    },
    /// x (n, d) -> int32 (n): equal rows get equal numbers, 0, 1, 2 ... by first appearance. NaN equals NaN.
    UniqueRows,
    /// x (n, d) -> int32 (n, `k`): for each row the `k` nearest other rows, nearest first; of equally near ones the
    /// first. A distance that is NaN is the largest.
    Neighbors {
        /// How many, below n.
        k: usize,
        /// The distance.
        metric: Metric,
    },
    /// `(x (n, d), radius (n))` -> int32 (n): the number of other rows nearer than the radius of each row. A distance
    /// that is NaN is never within.
    CountWithin {
        /// The distance.
        metric: Metric,
        /// A distance equal to the radius is within, too.
        closed: bool,
    },
    /// x (n, d) -> (): the median of the Euclidean distances of all pairs of rows, the mean of the middle two where their
    /// number is even; where it is 0, the mean of the distances that are not, and 1 where there is none. NaN where an
    /// element is not finite. Distances are never stored all at once.
    MedianDistance,
    /// Lower Cholesky factor of (.., n, n); reads the lower triangle.
    Cholesky,
    /// `(a, b)`: solves op(a) x = b for triangular a (.., n, n), b (.., n, m).
    TriangularSolve {
        /// a's lower triangle is used, else its upper one.
        lower: bool,
        /// op is transposition.
        transpose: bool,
    },
    /// `(a, b)`: solves a x = b by LU with partial pivoting.
    Solve,
    /// Inverse of symmetric positive definite (.., n, n), by Cholesky; reads the lower triangle.
    PositiveInverse,
    /// `(a, s)`, both (.., n, n): a s a, where a and s are symmetric. The result is exactly symmetric.
    Congruence,
    /// Determinant of (.., n, n).
    Det,
    /// `(a, h_1, .., h_k)`, all (.., n, n): the coefficient of t_1 .. t_k of the cofactors of a + t_1 h_1 + .. + t_k h_k. Without
    /// directions: the cofactors, which are the derivative of the determinant, singular or not; with them: its higher ones.
    Cofactors,
    /// Eigen-decomposition of symmetric (.., n, n): (.., n + 1, n), row 0 the eigenvalues ascending, below the
    /// eigenvectors as columns, the largest component of each (the first on ties) positive. Reads the lower triangle.
    Eigh,
    /// `(samples (m, d_a) per set, parameters)` -> float64 (sets, sets): inner products, entry by entry, of the sets'
    /// similarity matrices K (m, m) after centering: `H K H` with H = I - 1/m, so that (a, b) is tr(K_a H K_b H); hollow:
    /// U-centered, with diagonals of 0 (Szekely and Rizzo 2014, eq. 2.7). The matrices are never stored. Fused: its
    /// derivatives go through [`crate::fast`].
    CenteredProducts(Products),
    /// The adjoint of `CenteredProducts` in the samples of set `of`: its operands, then a cotangent (sets, sets).
    CenteredProductsGrad {
        /// As of the forward operation.
        products: Products,
        /// The set.
        of: usize,
    },
    /// `(samples (m, d_a) per set, parameters)` -> float64 (groups, m): for each group of sets, the sums of the rows of the
    /// entrywise product of their similarity matrices (m, m); hollow: without the diagonal. Such sums are kernel densities
    /// at the samples. The similarities are of differences. The matrices are never stored. Fused, as above.
    SimilaritySums {
        /// Of each set, its similarity.
        products: Products,
        /// The sets of each group.
        groups: Box<[Box<[usize]>]>,
    },
    /// The value without its history.
    StopGradient,
    /// A copy on another device. It is a boundary between programs and a step of none.
    To(DeviceId),
}

impl Op {
    /// The number of a constant.
    pub fn constant(value: f64) -> Op {
        Op::Const(value.to_bits())
    }
}

/// Shape and dtype of a node: what inference knows before anything runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Extents.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
}

impl Spec {
    /// A spec from its parts.
    pub fn new(shape: impl Into<Shape>, dtype: DType) -> Spec {
        Spec {
            shape: shape.into(),
            dtype,
        }
    }
    /// Bytes of the whole tensor.
    pub fn bytes(&self) -> usize {
        self.shape.size() * self.dtype.size()
    }
}
