//! Inner products of centered similarity matrices and their gradients, against the reference interpreter.

mod support;

use hyperglow_core::op::{Op, Spec};
use hyperglow_core::reference::{Value, evaluate};
use hyperglow_core::similarity::{Products, Similarity};
use hyperglow_core::{DType, Shape};
use hyperglow_kernels::CpuBackend;
use support::{Dice, Tested, Tolerance, check, devices, numbers, run_op};

const KINDS: [Similarity; 7] = [
    Similarity::Gaussian { widths: 1 },
    Similarity::Laplacian { widths: 1 },
    Similarity::Linear,
    Similarity::Polynomial { degree: 3 },
    Similarity::InverseMultiquadric,
    Similarity::Equal,
    Similarity::Gaussian { widths: 2 },
];

/// Operands of the forward operation: `m` samples of each width (equality has its own), and fitting parameters.
fn operands(dice: &mut Dice, products: &Products, m: usize, widths: &[usize], dtype: DType) -> Vec<Value> {
    let samples = products
        .similarities
        .iter()
        .zip(widths)
        .map(|(similarity, &d)| match similarity {
            Similarity::Equal => dice.tensor_of([m, 1], dtype, |dice| dice.below(3) as f64),
            _ => dice.tensor_of([m, d], dtype, |dice| dice.number() / 4.0),
        });
    let mut all: Vec<Value> = samples.collect();
    for (similarity, &d) in products.similarities.iter().zip(widths) {
        let size = (d as f64).max(1.0);
        let values: &[f64] = match similarity {
            Similarity::Gaussian { widths: 1 } => &[0.7 * size.sqrt()],
            Similarity::Gaussian { .. } => &[0.4 * size.sqrt(), 1.1 * size.sqrt()],
            Similarity::Laplacian { .. } => &[0.8 * size],
            Similarity::Polynomial { .. } => &[1.0 / size, 0.9],
            Similarity::InverseMultiquadric => &[0.6 * size.sqrt()],
            Similarity::Linear | Similarity::Equal => &[],
        };
        all.extend(
            values
                .iter()
                .map(|&p| dice.tensor_of(Shape::from([]).dims(), dtype, |_| p)),
        );
    }
    all
}

/// How near products of matrices of m rows, and gradients, must be.
fn near(dtype: DType, size: f64) -> Tolerance {
    match dtype {
        DType::F32 => Tolerance(3e-6 * size, 3e-5),
        _ => Tolerance(1e-13 * size, 1e-12),
    }
}

fn check_all(dice: &mut Dice, products: &Products, m: usize, widths: &[usize], dtype: DType) {
    let given = operands(dice, products, m, widths, dtype);
    let inputs: Vec<&Value> = given.iter().collect();
    let op = Op::CenteredProducts(products.clone());
    check(op, &inputs, None, near(dtype, (m * m) as f64));
    let sets = products.sets();
    let cotangent = dice.tensor([sets, sets], DType::F64);
    let inputs = [&inputs[..], &[&cotangent]].concat();
    for of in 0..sets {
        let op = Op::CenteredProductsGrad {
            products: products.clone(),
            of,
        };
        check(op, &inputs, None, near(dtype, 10.0 * m as f64));
    }
}

#[test]
fn every_pair_of_similarities_at_every_level() {
    let mut dice = Dice::new(40);
    for (i, &left) in KINDS.iter().enumerate() {
        for (j, &right) in KINDS.iter().enumerate() {
            let dtype = [DType::F32, DType::F64][(i + j) % 2];
            let products = Products {
                similarities: [left, right].into(),
                hollow: (i + j / 2) % 2 == 0,
            };
            let m = dice.between(3, 40);
            let widths = [dice.between(1, 20), dice.between(1, 150)];
            check_all(&mut dice, &products, m, &widths, dtype);
        }
    }
}

#[test]
fn one_sample_edges_of_tiles_and_several_sets() {
    let mut dice = Dice::new(41);
    for (round, m) in [1, 2, 3, 15, 16, 33, 64, 96, 97, 129, 130, 193]
        .into_iter()
        .enumerate()
    {
        for dtype in [DType::F32, DType::F64] {
            let hollow = m > 2 && round % 3 == 0;
            let left = KINDS[round % KINDS.len()];
            let right = KINDS[(round + 2) % KINDS.len()];
            let products = Products {
                similarities: [left, right].into(),
                hollow,
            };
            check_all(&mut dice, &products, m, &[5, 9], dtype);
        }
    }
    let similarities = [KINDS[0], KINDS[1], KINDS[2], KINDS[5]].into();
    let products = Products {
        similarities,
        hollow: false,
    };
    check_all(&mut dice, &products, 70, &[3, 0, 12, 1], DType::F32);
    let products = Products {
        similarities: [KINDS[0]].into(),
        hollow: true,
    };
    check_all(&mut dice, &products, 17, &[4], DType::F64);
}

/// Few samples are divided by columns, more by tiles; at the level that has them, matrix instructions multiply numbers that
/// can be split. One that is too large for that leaves all to the vector units.
#[test]
fn samples_of_many_numbers() {
    let mut dice = Dice::new(45);
    for (round, (m, d)) in [(33, 400), (64, 131), (127, 260), (150, 70), (200, 420)]
        .into_iter()
        .enumerate()
    {
        for dtype in [DType::F32, DType::F64] {
            let products = Products {
                similarities: [KINDS[round], KINDS[(round + 3) % KINDS.len()]].into(),
                hollow: round % 2 == 0,
            };
            check_all(&mut dice, &products, m, &[d, 90], dtype);
        }
    }
    for (m, d) in [(40, 100), (140, 100)] {
        let products = Products {
            similarities: [KINDS[0]; 2].into(),
            hollow: false,
        };
        let mut given = operands(&mut dice, &products, m, &[d, 70], DType::F32);
        let mut place = 0;
        let x = numbers(&given[0]);
        given[0] = dice.tensor_of([m, d], DType::F32, |_| {
            place += 1;
            if place == 7 * d + 3 { 1e19 } else { x[place - 1] }
        });
        given[2] = dice.tensor_of(Shape::from([]).dims(), DType::F32, |_| 0.9e19);
        let inputs: Vec<&Value> = given.iter().collect();
        check(
            Op::CenteredProducts(products),
            &inputs,
            None,
            near(DType::F32, (m * m) as f64),
        );
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let mut dice = Dice::new(46);
    for (m, d) in [(60, 3000), (128, 200), (300, 500)] {
        let products = Products {
            similarities: [KINDS[0], KINDS[2]].into(),
            hollow: false,
        };
        let mut given = operands(&mut dice, &products, m, &[d, 80], DType::F32);
        let inputs: Vec<&Value> = given.iter().collect();
        let op = Op::CenteredProducts(products.clone());
        let spec = Spec::new([2, 2], DType::F64);
        let [one, three] =
            [1, 3].map(|threads| run_op(&CpuBackend::new(threads), &op, &inputs, &spec).unwrap());
        assert_eq!(one.to_bytes(), three.to_bytes(), "products of {m} samples");
        given.push(dice.tensor([2, 2], DType::F64));
        let inputs: Vec<&Value> = given.iter().collect();
        let op = Op::CenteredProductsGrad { products, of: 0 };
        let spec = Spec::new([m, d], DType::F32);
        let [one, three] =
            [1, 3].map(|threads| run_op(&CpuBackend::new(threads), &op, &inputs, &spec).unwrap());
        assert_eq!(one.to_bytes(), three.to_bytes(), "gradient of {m} samples");
    }
}

/// Equal entries of two samples leave the absolute difference where it is, whichever way they move: many of them, within and
/// between tiles, in whole registers of columns and in parts of one.
#[test]
fn ties_of_absolute_differences_have_no_slope() {
    let mut dice = Dice::new(44);
    for (m, d) in [(9, 1), (40, 16), (70, 19), (130, 33)] {
        for dtype in [DType::F32, DType::F64] {
            let x = dice.tensor_of([m, d], dtype, |dice| dice.below(3) as f64);
            let y = dice.tensor([m, 4], dtype);
            let products = Products {
                similarities: [KINDS[1], KINDS[0]].into(),
                hollow: false,
            };
            let [width, other] =
                [0.8 * d as f64, 1.5].map(|p| dice.tensor_of(Shape::from([]).dims(), dtype, |_| p));
            let cotangent = dice.tensor([2, 2], DType::F64);
            let inputs = [&x, &y, &width, &other, &cotangent];
            let op = Op::CenteredProductsGrad { products, of: 0 };
            check(op, &inputs, None, near(dtype, 10.0 * m as f64));
        }
    }
}

/// Beyond what the slow reference can do: the bits of several threads, and gradients by differences of the products along
/// them. The largest does not keep all of its tiles at a time.
#[test]
fn many_samples() {
    let mut dice = Dice::new(42);
    for (similarity, m, d) in [
        (KINDS[0], 700, 70),
        (KINDS[1], 600, 70),
        (KINDS[3], 520, 70),
        (KINDS[4], 4200, 3),
    ] {
        let similarities = [similarity, KINDS[4]].into();
        let products = Products {
            similarities,
            hollow: m % 3 == 0,
        };
        let given = operands(&mut dice, &products, m, &[d, 5], DType::F64);
        let forward = |x: &[f64]| {
            let mut next = x.iter().copied();
            let x = Dice::new(0).tensor_of([m, d], DType::F64, |_| next.next().unwrap());
            let inputs: Vec<&Value> = std::iter::once(&x).chain(&given[1..]).collect();
            let op = Op::CenteredProducts(products.clone());
            let result = run_op(&CpuBackend::new(2), &op, &inputs, &Spec::new([2, 2], DType::F64)).unwrap();
            let z = numbers(&result);
            0.3 * z[0] + 0.5 * z[1] + 0.7 * z[2]
        };
        let mut next = [0.3, 0.5, 0.7, 0.0].into_iter();
        let cotangent = dice.tensor_of([2, 2], DType::F64, |_| next.next().unwrap());
        let inputs: Vec<&Value> = given.iter().chain([&cotangent]).collect();
        let op = Op::CenteredProductsGrad {
            products: products.clone(),
            of: 0,
        };
        let spec = Spec::new([m, d], DType::F64);
        let result = [1, 3].map(|threads| run_op(&CpuBackend::new(threads), &op, &inputs, &spec).unwrap());
        assert_eq!(
            result[0].to_bytes(),
            result[1].to_bytes(),
            "bits depend on threads"
        );
        let (x, gradient) = (numbers(&given[0]), numbers(&result[0]));
        let length = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let moved = |h: f64| {
            let x: Vec<f64> = x.iter().zip(&gradient).map(|(x, g)| x + h * g / length).collect();
            forward(&x)
        };
        let slope = (moved(1e-3) - moved(-1e-3)) / 2e-3;
        assert!(
            (slope / length - 1.0).abs() < 1e-5,
            "{similarity:?}: {length} is not {slope}"
        );
    }
}

/// Widths a thousand times the distances: float32 keeps the digits that k - 1 has, not those that k would have.
#[test]
fn wide_similarities_keep_their_digits() {
    let mut dice = Dice::new(43);
    for similarity in [KINDS[0], KINDS[1], KINDS[4]] {
        let products = Products {
            similarities: [similarity; 2].into(),
            hollow: false,
        };
        let (m, width) = (50, 1e3);
        let x = dice.tensor([m, 6], DType::F32);
        let noise = dice.tensor([m, 6], DType::F32);
        let mut both = numbers(&x)
            .into_iter()
            .zip(numbers(&noise))
            .map(|(x, e)| x + 0.3 * e);
        let y = dice.tensor_of([m, 6], DType::F32, |_| both.next().unwrap());
        let sigma = dice.tensor_of(Shape::from([]).dims(), DType::F32, |_| width);
        let inputs = [&x, &y, &sigma, &sigma];
        let op = Op::CenteredProducts(products);
        let spec = Spec::new([2, 2], DType::F64);
        let expected = numbers(&evaluate(&op, &inputs, &spec).unwrap());
        for Tested { backend, .. } in devices() {
            let result = numbers(&run_op(&*backend, &op, &inputs, &spec).unwrap());
            for (a, b) in result.iter().zip(&expected) {
                assert!((a / b - 1.0).abs() < 2e-5, "{similarity:?}: {a} is not {b}");
            }
        }
    }
}
