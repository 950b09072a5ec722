//! Powers of two beside numbers: the intermediate values between a matrix and a result of ordinary size neither overflow nor vanish.
//! Scaling by a power of two is exact. Where no value would overflow or vanish, the result has the same bits with and without scaling.

/// The exponents of numbers in a matrix may differ by so much before its rows and columns are scaled each by its own power.
const MAX_EXPONENT_SPAN: i32 = 200;

/// The e of a finite number of a size within [2^e, 2^(e + 1)); `None` for 0.
pub(super) fn exponent(x: f64) -> Option<i32> {
    if x == 0.0 {
        return None;
    }
    let field = |x: f64| ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    Some(if x.is_subnormal() {
        field(x * power(54)) - 54
    } else {
        field(x)
    })
}

/// 2^e, a normal number.
fn power(e: i32) -> f64 {
    f64::from_bits(((1023 + e) as u64) << 52)
}

/// `x 2^e`, rounded once.
pub(super) fn times_power(x: f64, e: i32) -> f64 {
    // Beyond the two bounds the result is 0 or infinite anyway. A third of a bound is the exponent of a normal number, and all
    // products but the last one are normal numbers.
    let e = e.clamp(-2400, 2400);
    let third = e / 3;
    x * power(third) * power(third) * power(e - 2 * third)
}

/// A number of about 1 and its exponent; 0 and what is not finite stay as they are.
fn split(x: f64) -> (f64, i32) {
    let e = if x.is_finite() {
        exponent(x).unwrap_or(0)
    } else {
        0
    };
    (times_power(x, -e), e)
}

/// The product of the numbers, whatever the products of some of them are.
pub(super) fn product(numbers: impl Iterator<Item = f64>) -> f64 {
    let (product, power) = numbers.fold((1.0, 0), |(product, power), x| {
        let (factor, own) = split(x);
        let (product, both) = split(product * factor);
        (product, power + own + both)
    });
    times_power(product, power)
}

/// The powers of two by which rows and columns of a finite matrix are divided, so that its largest element is about 1: one for
/// all, or, where sizes are far apart, each row's and then each column's.
pub(super) struct Powers {
    pub rows: Vec<i32>,
    pub columns: Vec<i32>,
}

impl Powers {
    pub fn of(a: &[f64], n: usize) -> Powers {
        let exponents = || a.iter().filter_map(|&x| exponent(x));
        let (Some(least), Some(most)) = (exponents().min(), exponents().max()) else {
            return Powers {
                rows: vec![0; n],
                columns: vec![0; n],
            };
        };
        if most - least <= MAX_EXPONENT_SPAN {
            return Powers {
                rows: vec![most; n],
                columns: vec![0; n],
            };
        }
        let at = |r: usize, c: usize| exponent(a[r * n + c]);
        let largest = |each: &mut dyn Iterator<Item = i32>| each.max().unwrap_or(0);
        let rows: Vec<i32> = (0..n)
            .map(|r| largest(&mut (0..n).filter_map(|c| at(r, c))))
            .collect();
        let columns = (0..n)
            .map(|c| largest(&mut (0..n).filter_map(|r| Some(at(r, c)? - rows[r]))))
            .collect();
        Powers { rows, columns }
    }

    /// That of an element.
    pub fn at(&self, r: usize, c: usize) -> i32 {
        self.rows[r] + self.columns[c]
    }

    /// That of the minor without a row and a column.
    pub fn without(&self, r: usize, c: usize) -> i32 {
        let all: i32 = self.rows.iter().chain(&self.columns).sum();
        all - self.at(r, c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_exact_and_round_once() {
        assert_eq!(times_power(1.5, -1074), f64::from_bits(2));
        assert_eq!(
            times_power(f64::MAX, -2000),
            times_power(f64::MAX, -1000) * power(-1000)
        );
        assert_eq!(times_power(f64::from_bits(1), 1074), 1.0);
        assert_eq!(times_power(1.0, 1024), f64::INFINITY);
        for x in [1.0, 1.99, 2.0, 1e-310, f64::from_bits(1), 1e300] {
            let e = exponent(-x).unwrap();
            assert!((1.0..2.0).contains(&times_power(x, -e)), "{x}");
        }
        assert_eq!(exponent(-0.0), None);
    }

    #[test]
    fn a_product_is_its_own_size_whatever_comes_between() {
        let numbers = [1e200, 1e200, 3.0, 1e-200, 1e-200];
        assert!((product(numbers.into_iter()) - 3.0).abs() < 1e-14);
        assert_eq!(product([1e200, 0.0, 1e200].into_iter()), 0.0);
        assert!(product([f64::INFINITY, 0.0].into_iter()).is_nan());
        assert_eq!(product([3.0, 0.1, 7.0].into_iter()), 3.0 * 0.1 * 7.0);
        assert_eq!(product([].into_iter()), 1.0);
    }
}
