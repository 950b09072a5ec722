//! Every elementwise operation, conversion and choice, on numbers of all exponents, subnormal and special ones.

use hyperglow_core::DType;
use hyperglow_core::elementwise::{BinaryOp, UnaryOp};
use hyperglow_core::plan::InstrKind;

use super::support::{check, exactly, stored, vectors};
use crate::steps::case::Dice;

/// A float of these bits or this number.
fn float_bytes(x: f64, dtype: DType) -> Vec<u8> {
    match dtype {
        DType::F32 => (x as f32).to_ne_bytes().to_vec(),
        _ => x.to_ne_bytes().to_vec(),
    }
}

fn floats(dtype: DType, dice: &mut Dice) -> Vec<Vec<u8>> {
    let (exponents, mantissa, step) = if dtype == DType::F32 {
        (256_u64, 23, 2)
    } else {
        (2048, 52, 8)
    };
    let mut all = Vec::new();
    for sign in [0, exponents] {
        let near_the_ends = |e: u64| e < 3 || e + 3 >= exponents || e.is_multiple_of(step);
        for e in (0..exponents).filter(|&e| near_the_ends(e)) {
            let random = (dice.below(1 << 26) as u64) << 26 | dice.below(1 << 26) as u64;
            for m in [0, 1, (1 << 52) - 1, random] {
                let bits = ((sign + e) << mantissa) | (m >> (52 - mantissa));
                all.push(match dtype {
                    DType::F32 => (bits as u32).to_ne_bytes().to_vec(),
                    _ => bits.to_ne_bytes().to_vec(),
                });
            }
        }
    }
    all.extend((-40..40).map(|i| float_bytes(f64::from(i) / 2.0, dtype)));
    all.extend((0..700).map(|_| float_bytes(dice.below(1 << 24) as f64 / f64::from(1 << 20) - 8.0, dtype)));
    all
}

fn elements(dtype: DType, dice: &mut Dice) -> Vec<Vec<u8>> {
    let whole = |dice: &mut Dice| {
        let magnitude = dice.below(64);
        let bits = (dice.below(1 << 31) as u64) << 33 | (dice.below(1 << 31) as u64) << 2;
        ((bits as i64) >> magnitude) + dice.below(5) as i64 - 2
    };
    let mut whole_numbers: Vec<i64> = (0..1500).map(|_| whole(dice)).collect();
    whole_numbers.extend([
        0,
        1,
        -1,
        2,
        -2,
        i64::MIN,
        i64::MAX,
        i64::from(i32::MIN),
        i64::from(i32::MAX),
        i64::from(u32::MAX),
    ]);
    match dtype {
        DType::F32 | DType::F64 => floats(dtype, dice),
        DType::I32 => whole_numbers
            .iter()
            .map(|&x| (x as i32).to_ne_bytes().to_vec())
            .collect(),
        DType::I64 => whole_numbers.iter().map(|&x| x.to_ne_bytes().to_vec()).collect(),
        DType::U32 => whole_numbers
            .iter()
            .map(|&x| (x as u32).to_ne_bytes().to_vec())
            .collect(),
        DType::U8 => (0..1500).map(|_| vec![dice.below(256) as u8]).collect(),
        DType::Bool => (0..300).map(|_| vec![dice.below(2) as u8]).collect(),
    }
}

fn shuffled(mut elements: Vec<Vec<u8>>, dice: &mut Dice) -> Vec<Vec<u8>> {
    for i in (1..elements.len()).rev() {
        elements.swap(i, dice.below(i + 1));
    }
    elements
}

/// One unit in the last place of a dtype, of functions that a library computes.
fn last_place(dtype: DType) -> f64 {
    if dtype == DType::F32 { 1.2e-7 } else { 2.3e-16 }
}

#[test]
fn functions_of_one_number_have_the_bits_of_the_cpu() {
    let mut dice = Dice(3);
    for dtype in [DType::F32, DType::F64] {
        let x = floats(dtype, &mut dice).concat();
        for &op in UnaryOp::ALL {
            let case = stored(vectors(&[(dtype, x.clone())]), InstrKind::Unary(op, 0), dtype);
            let unit = last_place(dtype);
            // The CPU takes these from a library: sine and cosine of arguments beyond 2^19, and lgamma.
            let near = |a: f64, b: f64| match op {
                UnaryOp::Sin | UnaryOp::Cos => (a - b).abs() <= unit * a.abs(),
                UnaryOp::Lgamma => (a - b).abs() <= 8.0 * unit * (1.0 + a.abs()),
                _ => false,
            };
            check(&format!("{} of {dtype}", op.name()), &case, 1, 3, &near);
        }
    }
}

#[test]
fn sine_and_cosine_up_to_the_limit_have_the_bits_of_the_cpu() {
    let mut dice = Dice(4);
    for dtype in [DType::F32, DType::F64] {
        let number = |dice: &mut Dice| dice.below(1 << 30) as f64 / f64::from(1 << 10) - 524_288.0;
        let x: Vec<u8> = (0..3000)
            .flat_map(|_| float_bytes(number(&mut dice), dtype))
            .collect();
        for op in [UnaryOp::Sin, UnaryOp::Cos] {
            let case = stored(vectors(&[(dtype, x.clone())]), InstrKind::Unary(op, 0), dtype);
            check(&format!("{} of {dtype}", op.name()), &case, 2, 3, &exactly);
        }
    }
}

#[test]
fn functions_of_two_elements_have_the_bits_of_the_cpu() {
    let mut dice = Dice(5);
    for dtype in DType::ALL {
        let x = elements(dtype, &mut dice);
        let y = shuffled(x.clone(), &mut dice);
        // Neighbors in size, too, for quotients that are near.
        let (first, second) = (
            [x.clone(), x.clone()].concat(),
            [y, x[1..].to_vec(), vec![x[0].clone()]].concat(),
        );
        for &op in BinaryOp::ALL {
            let is_polygamma = op == BinaryOp::Polygamma;
            let unfit = op.is_of_floats() && !dtype.is_float() || dtype == DType::Bool && !op.is_compare();
            if unfit || is_polygamma {
                continue;
            }
            let to = if op.is_compare() { DType::Bool } else { dtype };
            let inputs = vectors(&[(dtype, first.concat()), (dtype, second.concat())]);
            let case = stored(inputs, InstrKind::Binary(op, 0, 1), to);
            check(&format!("{} of {dtype}", op.name()), &case, 1, 4, &exactly);
        }
    }
}

#[test]
fn derivatives_of_digamma_have_the_bits_of_the_cpu_but_for_its_logarithm() {
    for dtype in [DType::F32, DType::F64] {
        let special = [
            0.0,
            -0.0,
            -1.0,
            -3.5,
            -40.25,
            1e10,
            -2e6,
            0.001,
            -1e-5,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        let numbers = special.into_iter().chain((1..200).map(|i| f64::from(i) / 7.0));
        let x: Vec<u8> = numbers.flat_map(|x| float_bytes(x, dtype)).collect();
        let count = x.len() / dtype.size();
        for n in 0..5 {
            let order: Vec<u8> = (0..count)
                .flat_map(|_| float_bytes(f64::from(n), dtype))
                .collect();
            let inputs = vectors(&[(dtype, order), (dtype, x.clone())]);
            let case = stored(inputs, InstrKind::Binary(BinaryOp::Polygamma, 0, 1), dtype);
            let near = |a: f64, b: f64| n == 0 && (a - b).abs() <= 4.0 * last_place(dtype) * (1.0 + a.abs());
            check(&format!("polygamma {n} of {dtype}"), &case, 1, 2, &near);
        }
    }
}

#[test]
fn conversions_and_choices_have_the_bits_of_the_cpu() {
    let mut dice = Dice(6);
    for from in DType::ALL {
        let x = elements(from, &mut dice);
        for to in DType::ALL {
            let case = stored(vectors(&[(from, x.concat())]), InstrKind::Cast(0), to);
            check(&format!("{from} as {to}"), &case, 1, 3, &exactly);
        }
        let y = shuffled(x.clone(), &mut dice);
        let on: Vec<u8> = (0..x.len()).map(|_| dice.below(2) as u8).collect();
        let inputs = vectors(&[(DType::Bool, on), (from, x.concat()), (from, y.concat())]);
        let case = stored(inputs, InstrKind::Where(0, 1, 2), from);
        check(&format!("a choice of {from}"), &case, 2, 2, &exactly);
        for number in [0.0, 1.0, -2.5, 200.0] {
            let inputs = vectors(&[(from, x.concat())]);
            let case = stored(inputs, InstrKind::Const(f64::to_bits(number)), from);
            check(&format!("{number} as {from}"), &case, 4, 1, &exactly);
        }
    }
}
