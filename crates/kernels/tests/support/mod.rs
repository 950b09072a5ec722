//! Programs made by hand, random tensors, and comparison with the reference interpreter.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod convolutions;
#[path = "devices.rs"]
pub mod list;

use std::sync::Arc;

use hyperglow_core::backend::Backend;
use hyperglow_core::infer::infer;
use hyperglow_core::op::{Op, Spec, Window};
use hyperglow_core::plan::{Cluster, Location, Program, Slot, SlotId, Step, StepKind};
use hyperglow_core::reference::{Value, evaluate};
use hyperglow_core::storage::Buffer;
use hyperglow_core::{DType, Error, Result};

pub use list::{Tested, devices};

/// Numbers for tests: a linear congruential generator.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678);
        dice.below(2);
        dice
    }
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n.max(1) as u64) as usize
    }
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
    /// Uniform on [-4, 4).
    pub fn number(&mut self) -> f64 {
        self.below(1 << 24) as f64 / f64::from(1 << 21) - 4.0
    }
    /// `rank` extents up to `most`, now and then 0.
    pub fn shape(&mut self, rank: usize, most: usize) -> Vec<usize> {
        (0..rank)
            .map(|_| {
                if self.below(40) == 0 {
                    0
                } else {
                    self.between(1, most)
                }
            })
            .collect()
    }
    /// A tensor of numbers within +-4, whole ones for integers.
    pub fn tensor(&mut self, shape: impl AsRef<[usize]>, dtype: DType) -> Value {
        self.tensor_of(shape, dtype, |dice| dice.number())
    }
    /// A tensor of given numbers.
    pub fn tensor_of(
        &mut self,
        shape: impl AsRef<[usize]>,
        dtype: DType,
        mut number: impl FnMut(&mut Dice) -> f64,
    ) -> Value {
        let spec = Spec::new(shape.as_ref(), dtype);
        let bytes: Vec<u8> = (0..spec.shape.size())
            .flat_map(|_| bytes_of(number(self), dtype))
            .collect();
        Value::from_bytes(&spec, &bytes)
    }
    /// A tensor with many equal elements, some NaN, some infinite, some -0.
    pub fn awkward(&mut self, shape: impl AsRef<[usize]>, dtype: DType) -> Value {
        self.tensor_of(shape, dtype, |dice| match dice.below(12) {
            0 if dtype.is_float() => f64::NAN,
            1 if dtype.is_float() => f64::INFINITY,
            2 if dtype.is_float() => f64::NEG_INFINITY,
            3 => -0.0,
            4 => 0.0,
            n => n as f64 - 8.0,
        })
    }
    /// Indices below `extent`.
    pub fn indices(&mut self, shape: impl AsRef<[usize]>, extent: usize) -> Value {
        let dtype = self.pick(&[DType::I32, DType::I64]);
        self.tensor_of(shape, dtype, |dice| dice.below(extent) as f64)
    }
}

/// The bytes of a number of a dtype.
pub fn bytes_of(x: f64, dtype: DType) -> Vec<u8> {
    match dtype {
        DType::F32 => (x as f32).to_ne_bytes().to_vec(),
        DType::F64 => x.to_ne_bytes().to_vec(),
        DType::I32 => (x as i32).to_ne_bytes().to_vec(),
        DType::I64 => (x as i64).to_ne_bytes().to_vec(),
        DType::U8 => vec![x as i64 as u8],
        DType::Bool => vec![u8::from(x > 0.0)],
        DType::U32 => (x as i64 as u32).to_ne_bytes().to_vec(),
    }
}

/// The elements as doubles.
pub fn numbers(x: &Value) -> Vec<f64> {
    match x {
        Value::F32(a) => a.iter().map(|&x| f64::from(x)).collect(),
        Value::F64(a) => a.iter().copied().collect(),
        Value::I32(a) => a.iter().map(|&x| f64::from(x)).collect(),
        Value::I64(a) => a.iter().map(|&x| x as f64).collect(),
        Value::U8(a) => a.iter().map(|&x| f64::from(x)).collect(),
        Value::Bool(a) => a.iter().map(|&x| f64::from(u8::from(x))).collect(),
        Value::U32(a) => a.iter().map(|&x| f64::from(x)).collect(),
    }
}

/// A program under construction.
#[derive(Default)]
pub struct Draft {
    pub slots: Vec<Slot>,
    pub steps: Vec<Step>,
    pub inputs: Vec<SlotId>,
    pub outputs: Vec<SlotId>,
    pub donations: Vec<Option<usize>>,
    pub arena: usize,
}

impl Draft {
    fn slot(&mut self, spec: Spec, location: Location) -> SlotId {
        self.slots.push(Slot { spec, location });
        self.slots.len() - 1
    }
    pub fn input(&mut self, spec: Spec) -> SlotId {
        let slot = self.slot(spec, Location::Input(self.inputs.len()));
        self.inputs.push(slot);
        slot
    }
    pub fn output(&mut self, spec: Spec) -> SlotId {
        let slot = self.slot(spec, Location::Output(self.outputs.len()));
        self.outputs.push(slot);
        self.donations.push(None);
        slot
    }
    /// A slot in the arena that shares its bytes with no other.
    pub fn inner(&mut self, spec: Spec) -> SlotId {
        let bytes = spec.bytes();
        let at = self.take(bytes);
        self.slot(spec, Location::Arena(at))
    }
    fn take(&mut self, bytes: usize) -> usize {
        let at = self.arena;
        self.arena += bytes.next_multiple_of(64);
        at
    }
    /// A step of a primitive.
    pub fn op(&mut self, backend: &dyn Backend, op: Op, inputs: &[SlotId], output: SlotId) {
        let specs: Vec<Spec> = inputs.iter().map(|&s| self.slots[s].spec.clone()).collect();
        let kernel = backend.kernel(&op, &specs.iter().collect::<Vec<_>>(), &self.slots[output].spec);
        let kernel = kernel.unwrap().expect("the device has one");
        let bytes = kernel.needs().scratch;
        let scratch = (self.take(bytes), bytes);
        let inputs = inputs.iter().copied().zip(specs).collect();
        self.steps.push(Step {
            kind: StepKind::Op {
                op,
                inputs,
                output,
                kernel,
                scratch,
            },
            scope: "test".into(),
        });
    }
    pub fn cluster(&mut self, cluster: Cluster) {
        self.steps.push(Step {
            kind: StepKind::Cluster(cluster),
            scope: "test".into(),
        });
    }
    pub fn finish(self) -> Arc<Program> {
        Arc::new(Program {
            slots: self.slots,
            steps: self.steps,
            inputs: self.inputs,
            outputs: self.outputs,
            donations: self.donations,
            groups: Vec::new(),
            independent: Vec::new(),
            arena_bytes: self.arena,
            can_fail: true,
        })
    }
}

/// New buffers for the outputs, filled with rubbish.
pub fn buffers(backend: &dyn Backend, program: &Program) -> Vec<Buffer> {
    program
        .outputs
        .iter()
        .map(|&s| {
            backend
                .upload(&vec![0xa5; program.slots[s].spec.bytes()])
                .unwrap()
        })
        .collect()
}

/// Runs a program on values.
pub fn run(backend: &dyn Backend, program: &Arc<Program>, inputs: &[&Value]) -> Result<Vec<Value>> {
    let given: Vec<Buffer> = inputs
        .iter()
        .map(|x| backend.upload(&x.to_bytes()).unwrap())
        .collect();
    let results = buffers(backend, program);
    let mut executable = backend.prepare(program.clone())?;
    executable.run(&given, &results)?;
    // A second run finds whatever the first left in the arena.
    executable.run(&given, &results)?;
    Ok(program
        .outputs
        .iter()
        .zip(&results)
        .map(|(&s, b)| value(&program.slots[s].spec, b))
        .collect())
}

/// A buffer's content.
pub fn value(spec: &Spec, buffer: &Buffer) -> Value {
    let mut bytes = vec![0; spec.bytes()];
    buffer.read(&mut bytes).unwrap();
    Value::from_bytes(spec, &bytes)
}

/// One primitive on one backend.
pub fn run_op(backend: &dyn Backend, op: &Op, inputs: &[&Value], spec: &Spec) -> Result<Value> {
    let mut draft = Draft::default();
    let slots: Vec<SlotId> = inputs.iter().map(|x| draft.input(x.spec())).collect();
    let output = draft.output(spec.clone());
    draft.op(backend, op.clone(), &slots, output);
    Ok(run(backend, &draft.finish(), inputs)?.remove(0))
}

/// How far a result may be from the reference: `absolute + relative * |expected|`.
#[derive(Clone, Copy)]
pub struct Tolerance(pub f64, pub f64);
pub const EXACT: Tolerance = Tolerance(0.0, 0.0);

/// Maximal number of elements for tests on slow devices.
const MAX_SLOW_ELEMENTS: usize = 1 << 11;

/// Checks an operation on every device: near the reference, and the same bits for any number of threads.
pub fn check(op: Op, inputs: &[&Value], target: Option<Spec>, tolerance: Tolerance) {
    let specs: Vec<Spec> = inputs.iter().map(|x| x.spec()).collect();
    let spec = infer(&op, &specs.iter().collect::<Vec<_>>(), target.as_ref()).unwrap();
    let expected = evaluate(&op, inputs, &spec);
    let mut before: Option<(&str, Vec<u8>)> = None;
    let elements: usize = specs.iter().chain([&spec]).map(|spec| spec.shape.size()).sum();
    for Tested {
        name,
        arithmetic,
        is_slow,
        backend,
        ..
    } in devices()
    {
        if is_slow && elements > MAX_SLOW_ELEMENTS {
            continue;
        }
        // What a device lowers is tested with whole engines; a processor has a kernel for every operation.
        let kernel = backend.kernel(&op, &specs.iter().collect::<Vec<_>>(), &spec);
        if arithmetic == "cuda" && matches!(kernel, Ok(None)) {
            continue;
        }
        let what = format!("{op:?} of {specs:?} on {name}");
        match (run_op(&*backend, &op, inputs, &spec), &expected) {
            (Ok(result), Ok(expected)) => {
                near(&what, &result, expected, tolerance);
                let bits = result.to_bytes();
                match &before {
                    Some((same, other)) if *same == arithmetic => {
                        assert!(*other == bits, "{what}: bits depend on threads")
                    }
                    _ => before = Some((arithmetic, bits)),
                }
            }
            (Err(error), Err(expected)) => {
                let same = |a: &Error, b: &Error| (a.kind, &a.op, &a.message) == (b.kind, &b.op, &b.message);
                assert!(same(&error, expected), "{what}: {error:?} is not {expected:?}");
            }
            (Ok(_), Err(expected)) => panic!("{what}: should refuse with {expected}"),
            (Err(error), Ok(_)) => panic!("{what}: {error}"),
        }
    }
}

/// Compares element by element; NaN equals NaN.
pub fn near(what: &str, result: &Value, expected: &Value, Tolerance(absolute, relative): Tolerance) {
    assert_eq!(result.spec(), expected.spec(), "{what}");
    for (i, (a, b)) in numbers(result).into_iter().zip(numbers(expected)).enumerate() {
        let close = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= absolute + relative * b.abs();
        assert!(close, "{what}: element {i} is {a}, expected {b}");
    }
}

/// For results of sums of `terms` products of numbers up to 4.
pub fn sums(dtype: DType, terms: usize) -> Tolerance {
    match dtype {
        DType::F32 => Tolerance(2e-6 * (terms as f64).sqrt().max(1.0) * 4.0, 2e-6),
        DType::F64 => Tolerance(1e-13 * (terms as f64).max(1.0), 1e-13),
        _ => EXACT,
    }
}

/// A random window geometry over `rank` axes and the extents of input and kernel.
pub fn geometry(dice: &mut Dice, rank: usize, most: usize) -> (Window, Vec<usize>, Vec<usize>) {
    loop {
        let mut axis = |low: usize, high: usize| -> Box<[usize]> {
            (0..rank).map(|_| dice.between(low, high)).collect()
        };
        let (stride, pad_low, pad_high, dilation) = (axis(1, 3), axis(0, 2), axis(0, 2), axis(1, 2));
        let (kernel, input) = (axis(1, 3), axis(1, most));
        let window = Window {
            stride,
            pad_low,
            pad_high,
            dilation,
        };
        if (0..rank).all(|i| window.output(i, input[i], kernel[i]) > 0) {
            return (window, input.into(), kernel.into());
        }
    }
}
