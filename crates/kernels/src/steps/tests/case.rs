//! Random clusters in programs of their own, for tests of the backends.

use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::op::Spec;
use hyperglow_core::plan::{Cluster, Instr, InstrKind, Location, Program, Slot, View};
use hyperglow_core::{DType, Shape};
use std::ptr::NonNull;

use crate::cpu::storage::RawBytes;

const UNARY: [UnaryOp; 20] = [
    UnaryOp::Sin,
    UnaryOp::Cos,
    UnaryOp::Neg,
    UnaryOp::Abs,
    UnaryOp::Sign,
    UnaryOp::Exp,
    UnaryOp::Expm1,
    UnaryOp::Log,
    UnaryOp::Log1p,
    UnaryOp::Sqrt,
    UnaryOp::Rsqrt,
    UnaryOp::Tanh,
    UnaryOp::Sigmoid,
    UnaryOp::Softplus,
    UnaryOp::Relu,
    UnaryOp::Recip,
    UnaryOp::Floor,
    UnaryOp::Ceil,
    UnaryOp::Round,
    UnaryOp::Erf,
];
const BINARY: [BinaryOp; 15] = [
    BinaryOp::Pow,
    BinaryOp::Rem,
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::GatedMul,
    BinaryOp::GatedDiv,
    BinaryOp::MutualMul,
    BinaryOp::Max,
    BinaryOp::Min,
    BinaryOp::Equal,
    BinaryOp::NotEqual,
    BinaryOp::Less,
    BinaryOp::LessEqual,
];

pub(crate) struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % n.max(1) as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Mostly ordinary, sometimes special numbers.
    fn number(&mut self) -> f64 {
        match self.below(24) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3 => -0.0,
            4 => 0.0,
            5 => 1e-40,
            6 => -3e9,
            7 => 1e5,
            _ => self.below(1 << 20) as f64 / f64::from(1 << 17) - 4.0,
        }
    }

    fn element(&mut self, dtype: DType) -> Vec<u8> {
        let x = self.number();
        match dtype {
            DType::F32 => (x as f32).to_ne_bytes().to_vec(),
            DType::F64 => x.to_ne_bytes().to_vec(),
            DType::I32 => (x as i32).to_ne_bytes().to_vec(),
            DType::Bool => vec![u8::from(x > 0.0)],
            _ => vec![self.below(256) as u8],
        }
    }
}

/// A cluster, the program around it, and the bytes of its inputs.
pub(crate) struct Case {
    pub program: Program,
    pub cluster: Cluster,
    pub inputs: Vec<Vec<u8>>,
}

impl Case {
    pub fn new(shape: &[usize]) -> Case {
        Case {
            program: Program {
                slots: Vec::new(),
                steps: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                donations: Vec::new(),
                arena_bytes: 0,
                groups: Vec::new(),
                independent: Vec::new(),
                can_fail: false,
            },
            cluster: Cluster {
                shape: shape.into(),
                loads: Vec::new(),
                code: Vec::new(),
                stores: Vec::new(),
            },
            inputs: Vec::new(),
        }
    }

    pub fn push(&mut self, kind: InstrKind, dtype: DType) -> usize {
        self.cluster.code.push(Instr { kind, dtype });
        self.cluster.code.len() - 1
    }

    pub fn dtype(&self, register: usize) -> DType {
        self.cluster.code[register].dtype
    }

    pub fn size(&self) -> usize {
        self.cluster.shape.size()
    }

    /// Loads a view of a new slot with `extent` random elements.
    pub fn load(&mut self, dice: &mut Dice, dtype: DType, strides: Vec<isize>, offset: usize, extent: usize) {
        let slot = self.program.slots.len();
        self.program.slots.push(Slot {
            spec: Spec::new([extent], dtype),
            location: Location::Input(self.inputs.len()),
        });
        self.inputs
            .push((0..extent).flat_map(|_| dice.element(dtype)).collect());
        let (shape, load) = (self.cluster.shape.clone(), self.cluster.loads.len());
        self.cluster.loads.push(View {
            slot,
            shape,
            strides,
            offset,
        });
        self.push(InstrKind::Load(load), dtype);
    }

    pub fn store(&mut self, register: usize, donated: Option<usize>) {
        let slot = self.program.slots.len();
        self.program.slots.push(Slot {
            spec: Spec::new([self.size()], self.dtype(register)),
            location: Location::Output(self.program.donations.len()),
        });
        self.program.donations.push(donated);
        self.cluster.stores.push((register, slot));
    }

    /// A view of a random kind.
    pub fn random_load(&mut self, dice: &mut Dice, dtype: DType) {
        let dims = self.cluster.shape.dims().to_vec();
        let contiguous: Vec<isize> = Shape::from(&*dims)
            .strides()
            .iter()
            .map(|&s| s as isize)
            .collect();
        let (size, last, ahead) = (self.size(), dims[dims.len() - 1], dice.below(3));
        let only = |axis: usize, stride: isize| {
            let mut strides = vec![0; dims.len()];
            strides[axis] = stride;
            strides
        };
        match dice.below(9) {
            // A short row again and again, another one for each index of the first axis.
            7 | 8 if dims.len() == 3 => {
                let strides = vec![last as isize, 0, 1];
                self.load(dice, dtype, strides, ahead, ahead + dims[0] * last);
            }
            0 => self.load(dice, dtype, vec![0; dims.len()], ahead, ahead + 1),
            1 => self.load(dice, dtype, only(dims.len() - 1, 1), ahead, ahead + last),
            2 => self.load(dice, dtype, only(0, 1), ahead, ahead + dims[0]),
            // Backwards along the last axis.
            3 => self.load(dice, dtype, only(dims.len() - 1, -1), last - 1, last),
            // Rows with gaps.
            4 => {
                let strides = contiguous.iter().map(|s| s * 2).collect();
                self.load(dice, dtype, strides, ahead, ahead + 2 * size);
            }
            _ => self.load(dice, dtype, contiguous, 0, size),
        }
    }

    /// One more instruction on random registers, if they fit.
    fn grow(&mut self, dice: &mut Dice, floats: &[DType]) {
        let [x, y, z] = [0; 3].map(|_| dice.below(self.cluster.code.len()));
        let (dx, dy) = (self.dtype(x), self.dtype(y));
        let float = dx.is_float();
        match dice.below(6) {
            0 => {
                let dtype = dice.pick(&[floats[0], DType::I32, DType::Bool]);
                let number = dice.pick(&[0.25, 2.0, -4.0, 3.0, 0.0]);
                self.push(InstrKind::Const(f64::to_bits(number)), dtype);
            }
            1 | 2 if float => {
                let op = dice.pick(&UNARY);
                self.push(InstrKind::Unary(op, x), dx);
            }
            2 | 3 if dx == dy && dx != DType::U8 => {
                let op = dice.pick(&BINARY);
                let fits = match dx {
                    DType::Bool => op.is_compare(),
                    DType::I32 => {
                        !op.is_of_floats() && !matches!(op, BinaryOp::Div | BinaryOp::Rem | BinaryOp::Pow)
                    }
                    _ => true,
                };
                if fits {
                    let dtype = if op.is_compare() { DType::Bool } else { dx };
                    self.push(InstrKind::Binary(op, x, y), dtype);
                }
            }
            4 if self.dtype(z) == DType::Bool && dx == dy && dx != DType::U8 => {
                self.push(InstrKind::Where(z, x, y), dx);
            }
            _ => {
                let to = dice.pick(&[floats[0], floats[floats.len() - 1], DType::I32, DType::Bool]);
                self.push(InstrKind::Cast(x), to);
            }
        }
    }

    pub fn random(dice: &mut Dice, shape: &[usize]) -> Case {
        let mut case = Case::new(shape);
        let floats: &[DType] = dice.pick(&[&[DType::F32][..], &[DType::F64], &[DType::F32, DType::F64]]);
        for _ in 0..1 + dice.below(5) {
            let dtype = dice.pick(&[
                floats[0],
                floats[floats.len() - 1],
                DType::I32,
                DType::Bool,
                DType::U8,
            ]);
            case.random_load(dice, dtype);
        }
        for _ in 0..2 + dice.below(40) {
            case.grow(dice, floats);
        }
        let mut free: Vec<usize> = (0..case.inputs.len()).collect();
        for _ in 0..1 + dice.below(4) {
            let register = dice.below(case.cluster.code.len());
            if case.dtype(register) == DType::U8 {
                continue;
            }
            // A donated buffer must be read element for element.
            let dtype = case.dtype(register);
            let straight = |&i: &usize| {
                let view = &case.cluster.loads[i];
                view.is_contiguous() && view.offset == 0 && case.program.slots[i].spec.dtype == dtype
            };
            let donated = free.iter().position(straight).filter(|_| dice.below(2) == 0);
            let donated = donated.map(|i| free.swap_remove(i));
            case.store(register, donated);
        }
        if case.cluster.stores.is_empty() {
            let register = case.push(InstrKind::Const(1.0_f64.to_bits()), floats[0]);
            case.store(register, None);
        }
        case
    }

    /// The results' bytes, computed by `compute` in memory of their own.
    pub fn results(&self, compute: impl FnOnce(&[RawBytes])) -> Vec<Vec<u8>> {
        let outputs = self.cluster.stores.iter().map(|&(register, _)| {
            let bytes = self.size() * self.dtype(register).size();
            vec![0xaa; bytes]
        });
        let mut memory: Vec<Aligned> = self
            .inputs
            .iter()
            .cloned()
            .chain(outputs)
            .map(|bytes| Aligned::of(&bytes))
            .collect();
        let place: Vec<usize> = (0..memory.len())
            .map(|slot| match self.program.slots[slot].location {
                Location::Output(o) => self.program.donations[o].unwrap_or(slot),
                _ => slot,
            })
            .collect();
        let slots: Vec<RawBytes> = place.iter().map(|&slot| memory[slot].raw()).collect();
        compute(&slots);
        let stores = self.cluster.stores.iter();
        stores
            .map(|&(register, slot)| {
                let bytes = self.size() * self.dtype(register).size();
                memory[place[slot]].bytes()[..bytes].to_vec()
            })
            .collect()
    }
}

/// Whether an element is NaN.
pub(crate) fn is_nan(bytes: &[u8], dtype: DType) -> bool {
    match dtype {
        DType::F32 => f32::from_ne_bytes(bytes.try_into().unwrap()).is_nan(),
        DType::F64 => f64::from_ne_bytes(bytes.try_into().unwrap()).is_nan(),
        _ => false,
    }
}

/// Bytes from a cache line on.
pub(crate) struct Aligned {
    lines: Vec<[u64; 8]>,
    len: usize,
}

impl Aligned {
    pub fn of(bytes: &[u8]) -> Aligned {
        let mut aligned = Aligned {
            lines: vec![[0; 8]; bytes.len().div_ceil(64) + 1],
            len: bytes.len(),
        };
        aligned.bytes()[..bytes.len()].copy_from_slice(bytes);
        aligned
    }

    pub fn bytes(&mut self) -> &mut [u8] {
        let raw = self.raw();
        // SAFETY: `raw` lies within the lines, which are borrowed.
        unsafe { std::slice::from_raw_parts_mut(raw.start.as_ptr(), self.len) }
    }

    pub fn raw(&mut self) -> RawBytes {
        let start = self.lines.as_mut_ptr().cast::<u8>();
        let start = start.wrapping_add(start.align_offset(64));
        RawBytes {
            start: NonNull::new(start).unwrap(),
            len: self.len,
        }
    }
}
