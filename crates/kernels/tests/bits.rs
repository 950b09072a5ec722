//! The bits of every elementwise operation, by portable loops, vector instructions and machine code.
//!
//! Over numbers of all exponents, subnormals and special values, each result is hashed (all NaN are one value) and compared with the
//! hash in `bits/elementwise.txt`. Functions of the system's mathematical library are left out, since they differ between systems:
//! polygamma, and sine and cosine of large arguments.
//!
//! The lines of a new operation are those that the test prints. A line that changes is a change of every user's numbers.

mod support;

use std::collections::BTreeMap;

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::op::Spec;
use hyperglow_core::plan::{Cluster, Instr, InstrKind, View};
use hyperglow_core::reference::Value;
use hyperglow_kernels::{CpuBackend, Level};
use support::{Dice, Draft, run};

const RECORDED: &str = include_str!("bits/elementwise.txt");
const DTYPES: [DType; 7] = [
    DType::F32,
    DType::F64,
    DType::I32,
    DType::I64,
    DType::U8,
    DType::Bool,
    DType::U32,
];

/// Random bits of which every exponent has some, with the special values: float32 by bits, other floats alike.
fn floats(dtype: DType, dice: &mut Dice) -> Vec<f64> {
    let (exponents, mantissa, each) = if dtype == DType::F32 {
        (256, 23, 64)
    } else {
        (2048, 52, 12)
    };
    let mut all = Vec::new();
    for sign_and_exponent in 0..2 * exponents {
        let random = (0..each).map(|_| (dice.below(1 << 26) as u64) << 26 | dice.below(1 << 26) as u64);
        let mantissas = [0, 1, (1 << 52) - 1].into_iter().chain(random);
        all.extend(mantissas.map(|m| {
            let bits = (sign_and_exponent << mantissa) | (m >> (52 - mantissa));
            if dtype == DType::F32 {
                f64::from(f32::from_bits(bits as u32))
            } else {
                f64::from_bits(bits)
            }
        }));
    }
    // Whole numbers and halves, and what people have.
    all.extend((-600..600).map(|i| f64::from(i) / 2.0));
    all.extend((0..6000).map(|_| dice.number()));
    all
}

/// Elements of a dtype.
fn elements(dtype: DType, dice: &mut Dice) -> Vec<Vec<u8>> {
    let whole = |dice: &mut Dice| {
        let magnitude = dice.below(64);
        let bits = (dice.below(1 << 31) as u64) << 33 | (dice.below(1 << 31) as u64) << 2;
        ((bits as i64) >> magnitude) + dice.below(5) as i64 - 2
    };
    match dtype {
        DType::F32 | DType::F64 => (floats(dtype, dice).into_iter())
            .map(|x| support::bytes_of(x, dtype))
            .collect(),
        DType::I32 => (0..9000)
            .map(|_| (whole(dice) as i32).to_ne_bytes().to_vec())
            .collect(),
        DType::I64 => (0..9000).map(|_| whole(dice).to_ne_bytes().to_vec()).collect(),
        DType::U32 => (0..9000)
            .map(|_| (whole(dice) as u32).to_ne_bytes().to_vec())
            .collect(),
        DType::U8 => (0..9000).map(|_| vec![dice.below(256) as u8]).collect(),
        DType::Bool => (0..9000).map(|_| vec![dice.below(2) as u8]).collect(),
    }
}

fn tensor(elements: &[Vec<u8>], dtype: DType) -> Value {
    Value::from_bytes(&Spec::new([elements.len()], dtype), &elements.concat())
}

/// The elements in another order, so that pairs have all kinds of quotients.
fn shuffled(mut elements: Vec<Vec<u8>>, dice: &mut Dice) -> Vec<Vec<u8>> {
    for i in (1..elements.len()).rev() {
        elements.swap(i, dice.below(i + 1));
    }
    elements
}

/// FNV-1a of the elements; all NaN are one.
fn hash(x: &Value) -> u64 {
    let bytes = match x {
        Value::F32(a) => a
            .iter()
            .flat_map(|&x| (if x.is_nan() { f32::NAN } else { x }).to_le_bytes())
            .collect(),
        Value::F64(a) => a
            .iter()
            .flat_map(|&x| (if x.is_nan() { f64::NAN } else { x }).to_le_bytes())
            .collect(),
        _ => x.to_bytes(),
    };
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// An operation, its operands, and the dtype of its result.
struct Case {
    name: String,
    operands: Vec<Value>,
    kind: InstrKind,
    dtype: DType,
}

impl Case {
    /// The result on a backend; `interpreted`: with a neighbor in the cluster for which there is no machine code.
    fn result(&self, backend: &CpuBackend, interpreted: bool) -> Value {
        let mut draft = Draft::default();
        let slots: Vec<usize> = self.operands.iter().map(|x| draft.input(x.spec())).collect();
        let shape = self.operands[0].spec().shape;
        let mut code: Vec<Instr> = (0..slots.len())
            .map(|l| Instr {
                kind: InstrKind::Load(l),
                dtype: self.operands[l].spec().dtype,
            })
            .collect();
        let register = code.len();
        code.push(Instr {
            kind: self.kind.clone(),
            dtype: self.dtype,
        });
        let out = draft.output(Spec::new(shape.clone(), self.dtype));
        let mut stores = vec![(register, out)];
        if interpreted {
            code.push(Instr {
                kind: InstrKind::Const(1_f64.to_bits()),
                dtype: DType::I64,
            });
            stores.push((register + 1, draft.output(Spec::new(shape.clone(), DType::I64))));
        }
        draft.cluster(Cluster {
            loads: (slots.iter())
                .map(|&s| View::contiguous(s, shape.clone()))
                .collect(),
            code,
            stores,
            shape,
        });
        let operands: Vec<&Value> = self.operands.iter().collect();
        run(backend, &draft.finish(), &operands).unwrap().remove(0)
    }
}

fn unary(dtype: DType) -> Vec<Case> {
    let of = |op: UnaryOp| {
        let mut x = elements(dtype, &mut Dice::new(1));
        if matches!(op, UnaryOp::Sin | UnaryOp::Cos) {
            let number = |x: &[u8]| match dtype {
                DType::F32 => f64::from(f32::from_ne_bytes(x.try_into().unwrap())),
                _ => f64::from_ne_bytes(x.try_into().unwrap()),
            };
            x.retain(|x| number(x).abs() <= 524_288.0);
        }
        Case {
            name: op.name().into(),
            operands: vec![tensor(&x, dtype)],
            kind: InstrKind::Unary(op, 0),
            dtype,
        }
    };
    UnaryOp::ALL.iter().copied().map(of).collect()
}

fn binary(dtype: DType) -> Vec<Case> {
    let is_allowed = |op: BinaryOp| match dtype {
        DType::F32 | DType::F64 => op != BinaryOp::Polygamma,
        DType::Bool => op.is_compare(),
        _ => !op.is_of_floats(),
    };
    let mut dice = Dice::new(2);
    let x = elements(dtype, &mut dice);
    let y = shuffled(x.clone(), &mut dice);
    // Then equal operands, and neighbors.
    let next = x.iter().skip(1).chain(x.first()).cloned();
    let y: Vec<Vec<u8>> = y.into_iter().chain(x.iter().cloned()).chain(next).collect();
    let operands = [
        tensor(&[x.clone(), x.clone(), x].concat(), dtype),
        tensor(&y, dtype),
    ];
    let all = BinaryOp::ALL.iter().copied().filter(|&op| is_allowed(op));
    all.map(|op| Case {
        name: op.name().into(),
        operands: operands.to_vec(),
        kind: InstrKind::Binary(op, 0, 1),
        dtype: if op.is_compare() { DType::Bool } else { dtype },
    })
    .collect()
}

fn others(dtype: DType) -> Vec<Case> {
    let mut dice = Dice::new(3);
    let x = elements(dtype, &mut dice);
    let condition: Vec<Vec<u8>> = x.iter().map(|_| vec![dice.below(2) as u8]).collect();
    let y = shuffled(x.clone(), &mut dice);
    let (x, y) = (tensor(&x, dtype), tensor(&y, dtype));
    let mut all: Vec<Case> = (DTYPES.iter())
        .map(|&to| Case {
            name: format!("to-{to}"),
            operands: vec![x.clone()],
            kind: InstrKind::Cast(0),
            dtype: to,
        })
        .collect();
    all.push(Case {
        name: "where".into(),
        operands: vec![tensor(&condition, DType::Bool), x, y],
        kind: InstrKind::Where(0, 1, 2),
        dtype,
    });
    all
}

#[test]
fn every_operation_has_the_recorded_bits() {
    let recorded: Vec<&str> = RECORDED.lines().collect();
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    for dtype in DTYPES {
        let floats = if dtype.is_float() {
            unary(dtype)
        } else {
            Vec::new()
        };
        for case in floats.into_iter().chain(binary(dtype)).chain(others(dtype)) {
            for level in Level::available() {
                let backend = CpuBackend::with_level(1, level);
                let is_fused = level != Level::PORTABLE || cfg!(target_arch = "aarch64");
                let rounding = if is_fused { "fused" } else { "plain" };
                let line = format!("{} {dtype} {rounding}", case.name);
                for interpreted in [false, true] {
                    let bits = hash(&case.result(&backend, interpreted));
                    let before = *found.entry(line.clone()).or_insert(bits);
                    if before != bits {
                        wrong.push(format!(
                            "{line} at {}, interpreted {interpreted}: differs",
                            level.name()
                        ));
                    }
                }
            }
        }
    }
    for (line, bits) in &found {
        let line = format!("{line} {bits:016x}");
        if !recorded.contains(&line.as_str()) {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Operations with two algorithms, chosen by magnitude: each number has the result of its own, whatever its neighbors are.
#[test]
fn a_number_does_not_depend_on_its_neighbors() {
    let sizes = [
        0.5,
        6e5,
        1.25,
        -3e20,
        7.0,
        f64::INFINITY,
        524_288.0,
        f64::NAN,
        1e-30,
    ];
    let kinds = [
        InstrKind::Unary(UnaryOp::Sin, 0),
        InstrKind::Unary(UnaryOp::Cos, 0),
        InstrKind::Binary(BinaryOp::Rem, 0, 1),
    ];
    for dtype in [DType::F32, DType::F64] {
        let x: Vec<Vec<u8>> = (0..300)
            .map(|i| support::bytes_of(sizes[i % 9] * (1.0 + i as f64 / 300.0), dtype))
            .collect();
        let y: Vec<Vec<u8>> = (x.iter().rev().cycle().skip(4).take(300).cloned()).collect();
        for level in Level::available() {
            let backend = CpuBackend::with_level(1, level);
            for kind in &kinds {
                let of = |range: std::ops::Range<usize>| Case {
                    name: String::new(),
                    operands: [&x, &y].map(|x| tensor(&x[range.clone()], dtype)).into(),
                    kind: kind.clone(),
                    dtype,
                };
                for interpreted in [false, true] {
                    let together = of(0..300).result(&backend, interpreted).to_bytes();
                    let alone = (0..300).flat_map(|i| of(i..i + 1).result(&backend, interpreted).to_bytes());
                    assert!(alone.eq(together), "{kind:?} of {dtype} at {}", level.name());
                }
            }
        }
    }
}
