//! Indexing: take, indexAdd, gather, scatterAdd. Indices are checked before anything is written.

use hyperglow_core::error::ErrorKind;
use hyperglow_core::op::{Op, Spec};
use hyperglow_core::{DType, Error, Result};

use super::element::{Element, for_dtype};
use super::exec::{Args, Kernel, Word, for_word};

/// An indexed axis: `outer` blocks of `n` slices of `inner` elements, and `count` indices.
#[derive(Clone)]
struct Axis {
    name: &'static str,
    outer: usize,
    n: usize,
    inner: usize,
    count: usize,
    axis: usize,
    index: DType,
    /// The operand that is the index.
    operand: usize,
}

/// The kernel of `Take`, `IndexAdd`, `Gather` and `ScatterAdd`.
pub(crate) fn compile(op: &Op, inputs: &[&Spec], output: &Spec) -> Kernel {
    let (axis, indexed, operand) = match op {
        Op::Take { axis } | Op::Gather { axis } => (*axis, inputs[0], 1),
        Op::IndexAdd { axis } | Op::ScatterAdd { axis } => (*axis, output, 0),
        other => unreachable!("{} does not index", other.name()),
    };
    let dims = indexed.shape.dims();
    let base = Axis {
        name: op.name(),
        outer: dims[..axis].iter().product(),
        n: dims[axis],
        inner: dims[axis + 1..].iter().product(),
        count: inputs[operand].shape.size(),
        axis,
        index: inputs[operand].dtype,
        operand,
    };
    let dtype = output.dtype;
    match op {
        Op::Take { .. } => Box::new(move |args| {
            for_word!(dtype, W => base.take::<W>(args))
        }),
        Op::IndexAdd { .. } => Box::new(move |args| {
            for_dtype!(dtype, T => base.index_add::<T>(args))
        }),
        Op::Gather { .. } | Op::ScatterAdd { .. } => {
            let along = Along::new(base, inputs[operand].shape.dims(), dims);
            let gathers = matches!(op, Op::Gather { .. });
            Box::new(move |args| {
                if gathers {
                    for_word!(dtype, W => along.gather::<W>(args))
                } else {
                    for_dtype!(dtype, T => along.scatter_add::<T>(args))
                }
            })
        }
        other => unreachable!("{} does not index", other.name()),
    }
}

/// The indices, of either integer type.
#[derive(Clone, Copy)]
enum Indices<'a> {
    Narrow(&'a [i32]),
    Wide(&'a [i64]),
}

impl Indices<'_> {
    #[inline]
    fn at(self, i: usize) -> i64 {
        match self {
            Indices::Narrow(x) => i64::from(x[i]),
            Indices::Wide(x) => x[i],
        }
    }
}

impl Axis {
    /// The indices, once they are known to lie within the axis.
    fn indices<'a>(&self, args: &Args<'a>) -> Result<Indices<'a>> {
        let indices = match self.index {
            DType::I64 => Indices::Wide(args.input::<i64>(self.operand)),
            _ => Indices::Narrow(args.input::<i32>(self.operand)),
        };
        let bad = (0..self.count).find(|&i| !(0..self.n as i64).contains(&indices.at(i)));
        bad.map_or(Ok(indices), |at| {
            Err(Error::new(
                ErrorKind::Data,
                self.name,
                format!("index {} at position {at} is outside axis {} of extent {}", indices.at(at), self.axis, self.n),
                format!("indices are 0 to {}", self.n.saturating_sub(1)),
            ))
        })
    }

    fn take<W: Word>(&self, args: &Args<'_>) -> Result<()> {
        let index = self.indices(args)?;
        let (x, y) = (args.input_words::<W>(0), args.output_words::<W>());
        if self.inner == 0 || y.is_empty() {
            return Ok(());
        }
        args.pool().chunks(y, self.inner, |_, slice, y| {
            let (outer, i) = (slice / self.count, slice % self.count);
            let from = (outer * self.n + index.at(i) as usize) * self.inner;
            y.copy_from_slice(&x[from..from + self.inner]);
        });
        Ok(())
    }

    fn index_add<T: Element>(&self, args: &Args<'_>) -> Result<()> {
        let index = self.indices(args)?;
        let (src, y) = (args.input::<T>(1), args.output::<T>());
        y.fill(T::ZERO);
        if self.inner == 0 || src.is_empty() || y.is_empty() {
            return Ok(());
        }
        for (slice, src) in src.chunks_exact(self.inner).enumerate() {
            let (outer, i) = (slice / self.count, slice % self.count);
            let to = (outer * self.n + index.at(i) as usize) * self.inner;
            for (y, s) in y[to..to + self.inner].iter_mut().zip(src) {
                *y = y.plus(*s);
            }
        }
        Ok(())
    }
}

/// An index of equal rank: elements go together off the axis.
struct Along {
    base: Axis,
    /// Extents of the index.
    extents: Vec<usize>,
    /// Strides of the indexed tensor.
    strides: Vec<usize>,
}

impl Along {
    fn new(base: Axis, extents: &[usize], indexed: &[usize]) -> Along {
        let mut strides = vec![1; indexed.len()];
        for i in (1..indexed.len()).rev() {
            strides[i - 1] = strides[i] * indexed[i];
        }
        Along { base, extents: extents.to_vec(), strides }
    }

    /// Calls `visit(position in the index, element of the indexed tensor)`.
    fn each(&self, index: Indices<'_>, mut visit: impl FnMut(usize, usize)) {
        for i in 0..self.base.count {
            let (mut rest, mut element) = (i, 0);
            for axis in (0..self.extents.len()).rev() {
                let at = rest % self.extents[axis];
                rest /= self.extents[axis];
                let at = if axis == self.base.axis { index.at(i) as usize } else { at };
                element += at * self.strides[axis];
            }
            visit(i, element);
        }
    }

    fn gather<W: Word>(&self, args: &Args<'_>) -> Result<()> {
        let index = self.base.indices(args)?;
        let (x, y) = (args.input_words::<W>(0), args.output_words::<W>());
        self.each(index, |i, element| y[i] = x[element]);
        Ok(())
    }

    fn scatter_add<T: Element>(&self, args: &Args<'_>) -> Result<()> {
        let index = self.base.indices(args)?;
        let (src, y) = (args.input::<T>(1), args.output::<T>());
        y.fill(T::ZERO);
        self.each(index, |i, element| y[element] = y[element].plus(src[i]));
        Ok(())
    }
}
