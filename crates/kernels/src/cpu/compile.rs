//! From a primitive with its shapes to a kernel: one exhaustive match.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use hyperglow_core::device::{Kernel, Needs};
use hyperglow_core::op::{Distribution, Op, Spec};
use hyperglow_core::plan::{Step, StepKind};
use hyperglow_core::{DType, Error, Result, in_clusters};

use super::conv::Convolution;
use super::element::{for_dtype, for_float};
use super::exec::{Args, Chosen, Env, Kernel as Run, Primitive};
use super::gemm::Product;
use super::{
    centered, conv, gemm, index, linalg, movement, neighbors, random, reduce, scan, sort, unique, window,
};

/// A primitive with its shapes, as this backend computes it.
#[derive(Clone)]
pub(crate) struct CpuKernel {
    run: Arc<Primitive>,
    needs: Needs,
    handover: Handover,
}

/// A kernel that can run the cluster after it as its epilogue.
#[derive(Clone)]
pub(crate) enum Handover {
    /// No epilogue.
    None,
    Product(Box<Product>),
    Convolution(Arc<Convolution<f32>>),
    Convolution64(Arc<Convolution<f64>>),
}

impl CpuKernel {
    /// The kernel of `op` for these shapes.
    ///
    /// # Errors
    /// Shapes that no kernel takes.
    pub fn new(op: &Op, inputs: &[&Spec], output: &Spec, env: &Env) -> Result<CpuKernel> {
        let handover = handover(op, inputs, output, env)?;
        let chosen = choose(op, inputs, output, &handover, env)?;
        let needs = Needs {
            scratch: chosen.scratch,
            serial: chosen.serial,
            epilogue: !matches!(handover, Handover::None),
        };
        Ok(CpuKernel {
            run: chosen.kernel.into(),
            needs,
            handover,
        })
    }

    /// The kernel of a step.
    pub fn of(step: &Step) -> Result<&CpuKernel> {
        let StepKind::Op { op, kernel, .. } = &step.kind else {
            return Err(Error::internal("prepare", "a cluster where a primitive was"));
        };
        let chosen = kernel.as_any().downcast_ref();
        chosen.ok_or_else(|| Error::internal(op.name(), "its kernel was chosen by another device"))
    }

    /// Runs it.
    pub fn run(&self, args: &Args<'_>) -> Result<()> {
        (self.run)(args)
    }

    pub fn handover(&self) -> &Handover {
        &self.handover
    }

    /// The algorithm, in words; empty for operations with only one.
    pub fn describe(&self, output: &Spec, env: &Env) -> String {
        match &self.handover {
            Handover::Product(product) => {
                let algorithm = for_float!(output.dtype, T => product.algorithm_name::<T>(env.level));
                format!("gemm: {algorithm}")
            }
            Handover::None | Handover::Convolution(_) | Handover::Convolution64(_) => String::new(),
        }
    }
}

impl fmt::Debug for CpuKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpuKernel")
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

impl Kernel for CpuKernel {
    fn needs(&self) -> Needs {
        self.needs
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The kernel of an operation without epilogue and scratch, for some rows of a group.
pub(crate) fn without_scratch(op: &Op, inputs: &[&Spec], output: &Spec, env: &Env) -> Result<Run> {
    let chosen = choose(op, inputs, output, &Handover::None, env)?;
    if chosen.scratch > 0 {
        return Err(Error::internal(
            op.name(),
            "takes scratch, which a row group has not",
        ));
    }
    Ok(chosen.kernel)
}

/// The kernel of a product or a convolution, which computes its result block by block.
fn handover(op: &Op, inputs: &[&Spec], output: &Spec, env: &Env) -> Result<Handover> {
    let float32 = output.dtype == DType::F32;
    Ok(match op {
        Op::MatMul { ta, tb } => {
            let threads = env.pool.threads();
            Handover::Product(Box::new(gemm::product_of(
                inputs[0], inputs[1], *ta, *tb, threads,
            )))
        }
        Op::Conv { window, groups } => {
            let shape = conv::ConvShape::new(op, window, *groups, inputs[0], inputs[1], output)?;
            if float32 {
                Handover::Convolution(Arc::new(conv::forward(&shape, env)))
            } else {
                Handover::Convolution64(Arc::new(conv::forward(&shape, env)))
            }
        }
        Op::ConvInputGrad { window, groups, .. } => {
            let shape = conv::ConvShape::new(op, window, *groups, output, inputs[1], inputs[0])?;
            if float32 {
                Handover::Convolution(Arc::new(conv::input_grad(&shape, env)))
            } else {
                Handover::Convolution64(Arc::new(conv::input_grad(&shape, env)))
            }
        }
        _ => Handover::None,
    })
}

/// The kernel of `op` for the given shapes, and its scratch.
fn choose(op: &Op, inputs: &[&Spec], output: &Spec, handover: &Handover, env: &Env) -> Result<Chosen> {
    let x = inputs.first().copied().unwrap_or(output);
    let threads = env.pool.threads();
    let kernel: Run = match op {
        Op::Iota { axis } => for_dtype!(output.dtype, T => movement::iota::<T>(&output.shape, *axis)),
        Op::Pad { low, interior, .. } => movement::pad(x, output, low, interior),
        Op::Concat { axis } => movement::concat(inputs, *axis),
        Op::Random(Distribution::Bits) => random::bits(),
        Op::Random(Distribution::Uniform) => random::uniform(output.dtype),
        Op::Random(Distribution::Normal) => random::normal(output.dtype),
        Op::Reduce { kind, axes } => return Ok(reduce::compile(*kind, axes, x)),
        Op::ArgMax { axis } => for_dtype!(x.dtype, T => reduce::argmax::<T>(&x.shape, *axis)),
        Op::MatMul { .. } | Op::Conv { .. } | Op::ConvInputGrad { .. } => {
            return match handover {
                Handover::Product(product) => Ok(for_float!(x.dtype, T => gemm::matmul::<T>(**product, env))),
                Handover::Convolution(convolution) => Ok(convolution.alone()),
                Handover::Convolution64(convolution) => Ok(convolution.alone()),
                Handover::None => Err(Error::internal(op.name(), "nothing computes it")),
            };
        }
        Op::ConvWeightGrad { window, groups, .. } => {
            let shape = conv::ConvShape::new(op, window, *groups, x, output, inputs[1])?;
            return Ok(for_float!(x.dtype, T => conv::weight_grad::<T>(shape, env)));
        }
        Op::LocalConv { window } => {
            let shape = conv::ConvShape::local(op, window, x, inputs[1], output)?;
            return Ok(for_float!(x.dtype, T => conv::local::forward::<T>(shape, env)));
        }
        Op::LocalConvInputGrad { window, .. } => {
            let shape = conv::ConvShape::local(op, window, output, inputs[1], x)?;
            return Ok(for_float!(x.dtype, T => conv::local::input_grad::<T>(shape, env)));
        }
        Op::LocalConvWeightGrad { window, .. } => {
            let shape = conv::ConvShape::local(op, window, x, output, inputs[1])?;
            return Ok(for_float!(x.dtype, T => conv::local::weight_grad::<T>(shape, env)));
        }
        Op::WindowSum { window, kernel } => {
            for_dtype!(x.dtype, T => window::sum::<T>(window::Windows::new(op, window, kernel, x, output)?))
        }
        Op::WindowSumGrad { window, kernel, .. } => {
            for_dtype!(x.dtype, T => window::sum_grad::<T>(window::Windows::new(op, window, kernel, output, x)?))
        }
        Op::WindowArgMax { window, kernel } => {
            for_dtype!(x.dtype, T => window::argmax::<T>(window::Windows::new(op, window, kernel, x, output)?))
        }
        Op::WindowMax { window, kernel } => {
            for_dtype!(x.dtype, T => window::max::<T>(window::Windows::new(op, window, kernel, x, output)?))
        }
        Op::WindowMaxGrad { window, kernel, .. } => {
            for_dtype!(output.dtype, T => window::max_grad::<T>(window::Windows::new(op, window, kernel, output, x)?))
        }
        Op::Take { axis } => index::take(&x.shape, *axis, x.dtype, inputs[1].dtype),
        Op::IndexAdd { axis } => {
            return Ok(index::index_add(
                &output.shape,
                x.shape.size(),
                *axis,
                output.dtype,
                x.dtype,
            ));
        }
        Op::Gather { axis } => index::gather(&x.shape, &output.shape, *axis, x.dtype, inputs[1].dtype),
        Op::ScatterAdd { axis } => {
            return Ok(index::scatter_add(
                &output.shape,
                &x.shape,
                *axis,
                output.dtype,
                x.dtype,
            ));
        }
        Op::ArgSort { axis, descending } => return Ok(sort::argsort(x, *axis, *descending, threads)),
        Op::TopK { axis, largest } => {
            return Ok(sort::top_k(x, *axis, output.shape[*axis], *largest, threads));
        }
        Op::CumSum { axis, reverse } => return Ok(scan::cumsum(&x.shape, *axis, x.dtype, *reverse)),
        Op::UniqueRows => return Ok(for_dtype!(x.dtype, T => unique::rows::<T>(&x.shape))),
        Op::Neighbors { k, metric } => {
            return Ok(for_float!(x.dtype, T => neighbors::nearest::<T>(&x.shape, *k, *metric, threads)));
        }
        Op::CountWithin { metric, closed } => {
            return Ok(
                for_float!(x.dtype, T => neighbors::count_within::<T>(&x.shape, *metric, *closed, threads)),
            );
        }
        Op::MedianDistance => {
            return Ok(for_float!(x.dtype, T => centered::median_distance::<T>(x, env)));
        }
        Op::Cholesky => return Ok(for_float!(x.dtype, T => linalg::cholesky::<T>(&x.shape, env))),
        Op::TriangularSolve { lower, transpose } => {
            return Ok(
                for_float!(x.dtype, T => linalg::triangular_solve::<T>(&output.shape, env, *lower, *transpose)),
            );
        }
        Op::PositiveInverse => {
            return Ok(for_float!(x.dtype, T => linalg::positive_inverse::<T>(&x.shape, env)));
        }
        Op::Congruence => return Ok(for_float!(x.dtype, T => linalg::congruence::<T>(&x.shape, env))),
        Op::Solve => return Ok(for_float!(x.dtype, T => linalg::solve::<T>(&output.shape, threads))),
        Op::Det => return Ok(for_float!(x.dtype, T => linalg::det::<T>(&x.shape, threads))),
        Op::Cofactors => {
            let directions = inputs.len() - 1;
            return Ok(for_float!(x.dtype, T => linalg::cofactors::<T>(&x.shape, directions, threads)));
        }
        Op::Eigh => return Ok(for_float!(x.dtype, T => linalg::eigh::<T>(&x.shape, threads))),
        Op::CenteredProducts(products) => {
            return Ok(for_float!(x.dtype, T => centered::products::<T>(products, inputs, env)));
        }
        Op::CenteredProductsGrad { products, of } => {
            return Ok(for_float!(x.dtype, T => centered::grad::<T>(products, *of, inputs, env)));
        }
        Op::SimilaritySums { products, groups } => {
            return Ok(for_float!(x.dtype, T => centered::row_sums::<T>(products, groups, inputs, env)));
        }
        in_clusters!() => return Err(Error::internal(op.name(), "belongs into a cluster")),
        Op::To(_) => return Err(Error::internal(op.name(), "parts programs")),
    };
    Ok(kernel.into())
}
