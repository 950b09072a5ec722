//! Traits of primitives: one row per primitive, which the compiler demands. Passes that treat all operations of a kind alike
//! read the row, so that no pass keeps its own list.

use crate::elementwise::{BinaryOp, UnaryOp};
use crate::op::{Distribution, Op, Reduction};

use Family::{
    Convolution, Indexing, LinearAlgebra, Movement, Order, Points, Product, Similarity, Source, Window,
};

/// What holds for an operation, whatever it is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits<'a> {
    /// As in messages and printed plans.
    pub name: &'static str,
    /// How many inputs it takes.
    pub operands: Operands,
    /// Its family.
    pub family: Family,
    /// Its form in a plan.
    pub form: Form<'a>,
    /// Whether it propagates cotangents. If not, its derivative is zero everywhere.
    pub differentiable: bool,
    /// Whether it may refuse its elements at run time.
    pub can_fail: bool,
}

/// A number of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// Exactly this number.
    Exactly(usize),
    /// At least one.
    Some,
}

impl Operands {
    /// Whether `count` inputs are allowed.
    pub fn allow(self, count: usize) -> bool {
        match self {
            Operands::Exactly(n) => count == n,
            Operands::Some => count > 0,
        }
    }
}

/// Families of operations: inference, reference and tests have a file for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Without operands, or with only a random key.
    Source,
    /// Element by element.
    Elementwise,
    /// The same elements at other positions.
    Movement,
    /// Along axes that disappear.
    Reduction,
    /// Sums of products over an axis of both operands.
    Product,
    /// Convolutions and their adjoints.
    Convolution,
    /// Sums and maxima over windows within each plane of (N, C, spatial..): planes do not depend on each other.
    Window,
    /// Elements by their positions.
    Indexing,
    /// Order and running sums along an axis.
    Order,
    /// Rows as points.
    Points,
    /// Matrices on the last two axes.
    LinearAlgebra,
    /// Similarities of samples.
    Similarity,
}

/// The form of an operation in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// A value from outside.
    Input,
    /// A number, as f64 bits: an immediate of clusters.
    Constant(u64),
    /// A strided view of its operand.
    View(ViewOp<'a>),
    /// An instruction of a cluster.
    Elementwise(ElementwiseOp),
    /// A step with a kernel of its own.
    Step,
}

/// How a view reads its operand. Extents are those of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewOp<'a> {
    /// Extents 1 repeat.
    Broadcast,
    /// Row-major, in other extents.
    Reshape,
    /// Axis i is axis `axes[i]` of the operand.
    Permute(&'a [usize]),
    /// Every `step`-th element from `start`.
    Slice {
        /// First element, per axis.
        start: &'a [usize],
        /// Distance, per axis.
        step: &'a [usize],
    },
    /// Axes reversed.
    Flip(&'a [usize]),
}

/// An elementwise operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementwiseOp {
    /// An operation of one argument.
    Unary(UnaryOp),
    /// An operation of two.
    Binary(BinaryOp),
    /// `condition ? a : b`.
    Where,
    /// Conversion to the dtype of the result.
    Cast,
}

impl Traits<'_> {
    /// With at least one input.
    const fn of_some(self) -> Self {
        Traits {
            operands: Operands::Some,
            ..self
        }
    }

    const fn may_refuse(self) -> Self {
        Traits {
            can_fail: true,
            ..self
        }
    }
}

const fn row<'a>(name: &'static str, operands: usize, family: Family, form: Form<'a>) -> Traits<'a> {
    Traits {
        name,
        operands: Operands::Exactly(operands),
        family,
        form,
        differentiable: true,
        can_fail: false,
    }
}

const fn elementwise(name: &'static str, operands: usize, each: ElementwiseOp) -> Traits<'static> {
    row(name, operands, Family::Elementwise, Form::Elementwise(each))
}

const fn view<'a>(name: &'static str, how: ViewOp<'a>) -> Traits<'a> {
    row(name, 1, Family::Movement, Form::View(how))
}

const fn step(name: &'static str, operands: usize, family: Family) -> Traits<'static> {
    row(name, operands, family, Form::Step)
}

/// The rows, and patterns for matches in other modules.
macro_rules! primitives {
    (
        in clusters, with a derivative { $($a:ident $({ $($af:tt)* })? $(($at:tt))? => $arow:expr;)* }
        in clusters, without { $($b:ident $({ $($bf:tt)* })? $(($bt:tt))? => $brow:expr;)* }
        steps, with a derivative { $($c:ident $({ $($cf:tt)* })? $(($ct:tt))? => $crow:expr;)* }
        steps, without { $($d:ident $({ $($df:tt)* })? $(($dt:tt))? => $drow:expr;)* }
    ) => {
        impl Op {
            /// What holds for it, whatever it is applied to.
            pub fn traits(&self) -> Traits<'_> {
                match self {
                    $(Op::$a $({ $($af)* })? $(($at))? => Traits { differentiable: true, ..$arow },)*
                    $(Op::$b $({ $($bf)* })? $(($bt))? => Traits { differentiable: false, ..$brow },)*
                    $(Op::$c $({ $($cf)* })? $(($ct))? => Traits { differentiable: true, ..$crow },)*
                    $(Op::$d $({ $($df)* })? $(($dt))? => Traits { differentiable: false, ..$drow },)*
                }
            }
        }

        /// The pattern of operations whose derivative is zero everywhere.
        macro_rules! without_derivative {
            () => { $(Op::$b { .. })|* | $(Op::$d { .. })|* };
        }

        /// The pattern of operations that are no step of a plan, so that no device has kernels for them.
        #[macro_export]
        macro_rules! in_clusters {
            () => { $($crate::op::Op::$a { .. })|* | $($crate::op::Op::$b { .. })|* };
        }
    };
}

primitives! {
    in clusters, with a derivative {
        Unary(op) => elementwise(op.name(), 1, ElementwiseOp::Unary(*op));
        Binary(op) => elementwise(op.name(), 2, ElementwiseOp::Binary(*op));
        Where => elementwise("where", 3, ElementwiseOp::Where);
        Cast(_) => elementwise("cast", 1, ElementwiseOp::Cast);
        Broadcast => view("broadcastTo", ViewOp::Broadcast);
        Reshape => view("reshape", ViewOp::Reshape);
        Permute(axes) => view("permute", ViewOp::Permute(axes));
        Slice { start, step } => view("slice", ViewOp::Slice { start, step });
        Flip(axes) => view("flip", ViewOp::Flip(axes));
    }
    in clusters, without {
        Input => row("input", 0, Source, Form::Input);
        Const(bits) => row("const", 0, Source, Form::Constant(*bits));
        StopGradient => elementwise("stopGradient", 1, ElementwiseOp::Cast);
    }
    steps, with a derivative {
        Reduce { kind, .. } => step(name_of_reduction(*kind), 1, Family::Reduction);
        Pad { .. } => step("pad", 1, Movement);
        To(_) => step("to", 1, Movement);
        Concat { .. } => step("concat", 1, Movement).of_some();
        MatMul { .. } => step("matmul", 2, Product);
        Conv { .. } => step("conv", 2, Convolution);
        ConvInputGrad { .. } => step("convTranspose", 2, Convolution);
        ConvWeightGrad { .. } => step("convWeightGrad", 2, Convolution);
        LocalConv { .. } => step("localConv", 2, Convolution);
        LocalConvInputGrad { .. } => step("localConvInputGrad", 2, Convolution);
        LocalConvWeightGrad { .. } => step("localConvWeightGrad", 2, Convolution);
        WindowSum { .. } => step("windowSum", 1, Window);
        WindowSumGrad { .. } => step("windowSumGrad", 1, Window);
        WindowMax { .. } => step("windowMax", 1, Window);
        WindowMaxGrad { .. } => step("windowMaxGrad", 2, Window);
        Take { .. } => step("take", 2, Indexing).may_refuse();
        IndexAdd { .. } => step("indexAdd", 2, Indexing).may_refuse();
        Gather { .. } => step("takeAlong", 2, Indexing).may_refuse();
        ScatterAdd { .. } => step("scatterAdd", 2, Indexing).may_refuse();
        CumSum { .. } => step("cumsum", 1, Order);
        Cholesky => step("cholesky", 1, LinearAlgebra).may_refuse();
        TriangularSolve { .. } => step("triangularSolve", 2, LinearAlgebra).may_refuse();
        Solve => step("solve", 2, LinearAlgebra).may_refuse();
        PositiveInverse => step("positiveInverse", 1, LinearAlgebra).may_refuse();
        Congruence => step("congruence", 2, LinearAlgebra);
        Det => step("det", 1, LinearAlgebra);
        Cofactors => step("cofactors", 1, LinearAlgebra).of_some();
        Eigh => step("eigh", 1, LinearAlgebra).may_refuse();
        CenteredProducts(products) => step("centeredProducts", products.operands(), Similarity);
        CenteredProductsGrad { products, .. } => step("centeredProductsGrad", products.operands() + 1, Similarity);
        SimilaritySums { products, .. } => step("similaritySums", products.operands(), Similarity);
    }
    steps, without {
        Iota { .. } => step("iota", 0, Source);
        Random(kind) => step(name_of_numbers(*kind), 1, Source);
        ArgMax { .. } => step("argMax", 1, Family::Reduction);
        WindowArgMax { .. } => step("windowArgMax", 1, Window);
        ArgSort { .. } => step("argSort", 1, Order);
        TopK { .. } => step("topK", 1, Order);
        UniqueRows => step("uniqueRows", 1, Points);
        Neighbors { .. } => step("neighbors", 1, Points);
        CountWithin { .. } => step("countWithin", 2, Points);
        MedianDistance => step("medianDistance", 1, Points);
    }
}

impl Op {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.traits().name
    }

    /// True for operations that are computed element by element from operands of the node's own shape.
    pub fn is_elementwise(&self) -> bool {
        matches!(self.traits().form, Form::Elementwise(_))
    }

    /// True for operations that can refuse when they run.
    pub fn can_fail(&self) -> bool {
        self.traits().can_fail
    }
}

const fn name_of_numbers(kind: Distribution) -> &'static str {
    match kind {
        Distribution::Bits => "randomBits",
        Distribution::Uniform => "uniform",
        Distribution::Normal => "normal",
    }
}

const fn name_of_reduction(kind: Reduction) -> &'static str {
    match kind {
        Reduction::Sum => "sum",
        Reduction::Max => "max",
        Reduction::Min => "min",
    }
}
