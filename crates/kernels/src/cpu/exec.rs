//! Kernels and their operands.

use std::cell::Cell;
use std::sync::Arc;

use hyperglow_core::plan::SlotId;
use hyperglow_core::{DType, Result};

use super::blocks::ALIGN_BYTES;
use super::element::Element;
use super::level::Level;
use super::pool::{Pool, WorkerSlices};
use super::storage::RawBytes;

/// Threads and instructions, shared by all programs of a backend.
#[derive(Clone)]
pub(crate) struct Env {
    pub pool: Arc<Pool>,
    pub level: Level,
}

/// A primitive prepared for fixed shapes.
pub(crate) type Kernel = Box<Primitive>;

/// The function that computes a primitive.
pub(crate) type Primitive = dyn Fn(&Args<'_>) -> Result<()> + Send + Sync;

/// A kernel and what it needs.
pub(crate) struct Chosen {
    pub kernel: Kernel,
    /// Bytes of scratch.
    pub scratch: usize,
    /// Whether one thread does all the work, so that independent steps of this kind run in parallel.
    pub serial: bool,
}

impl From<Kernel> for Chosen {
    /// A kernel that divides its work among the threads and has no scratch.
    fn from(kernel: Kernel) -> Chosen {
        Chosen {
            kernel,
            scratch: 0,
            serial: false,
        }
    }
}

/// An input of a primitive: the first `len` elements of a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    pub slot: SlotId,
    pub dtype: DType,
    pub len: usize,
}

/// The operands of one run of a [`Kernel`].
///
/// The executable checks (when it is prepared, and at the start of the run) that inputs, output and scratch do not
/// overlap, and no other task accesses output and scratch during the run. So slices of them are sound as long as output
/// and scratch are handed out once, which `Args` guarantees.
pub(crate) struct Args<'a> {
    env: &'a Env,
    inputs: Inputs<'a>,
    output: Cell<Option<(RawBytes, DType)>>,
    scratch: Cell<RawBytes>,
}

/// The inputs of one run.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    slots: &'a [RawBytes],
    inputs: &'a [Operand],
}

impl<'a> Inputs<'a> {
    /// The elements of input `i`.
    pub fn input<T: Element>(&self, i: usize) -> &'a [T] {
        let Operand { slot, dtype, len } = self.inputs[i];
        assert!(T::holds(dtype), "input {i} is {dtype}");
        let raw = self.slots[slot];
        assert!(len * size_of::<T>() <= raw.len);
        // SAFETY: see `Args::new`, the only constructor; any bits are a T, and the address is aligned.
        unsafe { std::slice::from_raw_parts(raw.start.as_ptr().cast(), len) }
    }
}

impl<'a> Args<'a> {
    /// # Safety
    /// For `'a`, the inputs' slots must be readable and not written; output and scratch must be
    /// writable, overlap neither each other nor the inputs, and be used by no other task. Addresses are
    /// aligned for the elements, that of scratch to 64 bytes.
    pub unsafe fn new(
        env: &'a Env,
        slots: &'a [RawBytes],
        inputs: &'a [Operand],
        output: (RawBytes, DType),
        scratch: RawBytes,
    ) -> Args<'a> {
        Args {
            env,
            inputs: Inputs { slots, inputs },
            output: Cell::new(Some(output)),
            scratch: Cell::new(scratch),
        }
    }

    pub fn env(&self) -> &'a Env {
        self.env
    }

    pub fn pool(&self) -> &'a Pool {
        &self.env.pool
    }

    pub fn level(&self) -> Level {
        self.env.level
    }

    /// Number of elements of input `i`.
    pub fn input_len(&self, i: usize) -> usize {
        self.inputs.inputs[i].len
    }

    /// The inputs, for tasks on other threads.
    pub fn inputs(&self) -> Inputs<'a> {
        self.inputs
    }

    /// The elements of input `i`.
    pub fn input<T: Element>(&self, i: usize) -> &'a [T] {
        self.inputs.input(i)
    }

    /// Input `i` as elements of a size, for kernels that only move elements.
    pub fn input_words<T: Word>(&self, i: usize) -> &'a [T] {
        let Operand { slot, dtype, len } = self.inputs.inputs[i];
        assert_eq!(dtype.size(), size_of::<T>());
        let raw = self.inputs.slots[slot];
        assert!(len * size_of::<T>() <= raw.len);
        // SAFETY: as in `input`.
        unsafe { std::slice::from_raw_parts(raw.start.as_ptr().cast(), len) }
    }

    /// The output's elements, with arbitrary values. Can be called once.
    pub fn output<T: Element>(&self) -> &'a mut [T] {
        let (raw, dtype) = self.output.take().expect("the output is taken once");
        assert!(T::holds(dtype), "the output is {dtype}");
        // SAFETY: see `new`, and handed out once; any bits are a T, and the address is aligned.
        unsafe { std::slice::from_raw_parts_mut(raw.start.as_ptr().cast(), raw.len / size_of::<T>()) }
    }

    /// The output as elements of a size. Can be called once.
    pub fn output_words<T: Word>(&self) -> &'a mut [T] {
        let (raw, dtype) = self.output.take().expect("the output is taken once");
        assert_eq!(dtype.size(), size_of::<T>());
        // SAFETY: as in `output`.
        unsafe { std::slice::from_raw_parts_mut(raw.start.as_ptr().cast(), raw.len / size_of::<T>()) }
    }

    /// Work space of `len` elements for each worker, from scratch.
    pub fn worker_scratch<T: Plain>(&self, len: usize) -> WorkerSlices<'a, T> {
        WorkerSlices::new(self.scratch(len * self.pool().threads()), len)
    }

    /// The next `count` elements of scratch, aligned to a cache line, with arbitrary values.
    pub fn scratch<T: Plain>(&self, count: usize) -> &'a mut [T] {
        let raw = self.scratch.get();
        let bytes = scratch_bytes::<T>(count);
        assert!(
            bytes <= raw.len,
            "{bytes} bytes of scratch wanted, {} left",
            raw.len
        );
        // SAFETY: `bytes` is within the remaining scratch.
        let rest = unsafe { raw.start.add(bytes) };
        self.scratch.set(RawBytes {
            start: rest,
            len: raw.len - bytes,
        });
        // SAFETY: see `new`, and the remaining scratch begins after these bytes; any bits are a T.
        unsafe { std::slice::from_raw_parts_mut(raw.start.as_ptr().cast(), count) }
    }
}

/// Bytes that [`Args::scratch`] takes for `count` elements.
pub(crate) const fn scratch_bytes<T>(count: usize) -> usize {
    (count * size_of::<T>()).next_multiple_of(ALIGN_BYTES)
}

/// Types of which any bits are a value, aligned to at most 64 bytes.
///
/// # Safety
/// Every bit pattern must be a valid value.
pub(crate) unsafe trait Plain: Copy + Send + Sync + 'static {}
macro_rules! plain {
    ($($t:ty)*) => {$(
        // SAFETY: a number.
        unsafe impl Plain for $t {}
    )*};
}
plain!(f32 f64 i32 i64 u8 u32 u64 u128 usize [f64; 2]);

/// The bits of an element, as an integer of its size.
pub(crate) trait Word: Plain + Default + PartialEq {}
impl Word for u8 {}
impl Word for u32 {}
impl Word for u64 {}

/// `for_word!(dtype, T => expression)`: the expression with `T` the [`Word`] of the dtype's size.
macro_rules! for_word {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype.size() {
            1 => {
                type $t = u8;
                $body
            }
            4 => {
                type $t = u32;
                $body
            }
            _ => {
                type $t = u64;
                $body
            }
        }
    };
}
pub(crate) use for_word;
