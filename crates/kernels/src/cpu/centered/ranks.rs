//! The order of numbers that are not negative, by their bits: which number has a rank among many that nobody stores, from
//! counts of digits in a few passes.

/// Bits of a digit.
const DIGIT_BITS: u32 = 16;
/// Values of a digit.
pub(super) const DIGIT_VALUES: usize = 1 << DIGIT_BITS;

/// A number whose bits, as an integer, are in the order of numbers that are not negative.
pub(crate) trait Ranked: Copy {
    /// How many bits it has.
    const BITS: u32;
    fn to_bits(self) -> u64;
    fn from_bits(bits: u64) -> Self;
}
macro_rules! ranked {
    ($($t:ty: $bits:ty;)*) => {$(
        impl Ranked for $t {
            const BITS: u32 = <$bits>::BITS;
            #[inline(always)]
            fn to_bits(self) -> u64 { <$t>::to_bits(self).into() }
            #[inline(always)]
            fn from_bits(bits: u64) -> $t { <$t>::from_bits(bits as $bits) }
        }
    )*};
}
ranked! { f32: u32; f64: u64; }

/// A pass over all numbers: of those that begin as the wanted one does, it counts how often each next digit occurs.
#[derive(Clone, Copy)]
pub(super) struct Pass {
    /// The digits that are known, where they stand in a number.
    known: u64,
    /// Bits behind the digit that is counted.
    behind: u32,
}

impl Pass {
    /// Adds some numbers to the counts, and gives the bits of the least that is beyond all that begin as the wanted one.
    #[inline(always)]
    pub fn count<T: Ranked>(self, numbers: &[T], counts: &mut [u64; DIGIT_VALUES]) -> u64 {
        let wanted = self.known >> self.behind >> DIGIT_BITS;
        let mut beyond = u64::MAX;
        for number in numbers {
            let bits = number.to_bits();
            let start = bits >> self.behind >> DIGIT_BITS;
            if start == wanted {
                counts[(bits >> self.behind) as usize % DIGIT_VALUES] += 1;
            } else if start > wanted {
                beyond = beyond.min(bits);
            }
        }
        beyond
    }
}

/// The number of a rank, from 0, and the number of the next rank, which means nothing behind the last. `count` makes a pass:
/// it adds to the counts, 0 at first, and gives what is beyond.
pub(super) fn of_rank<T: Ranked>(
    rank: u64,
    counts: &mut [u64; DIGIT_VALUES],
    mut count: impl FnMut(Pass, &mut [u64; DIGIT_VALUES]) -> u64,
) -> [T; 2] {
    let (mut known, mut before, mut behind) = (0, 0, T::BITS);
    loop {
        behind -= DIGIT_BITS;
        counts.fill(0);
        let beyond = count(Pass { known, behind }, counts);
        let mut digit = 0;
        while before + counts[digit] <= rank {
            before += counts[digit];
            digit += 1;
        }
        known |= (digit as u64) << behind;
        if behind > 0 {
            continue;
        }
        let is_again = rank + 1 < before + counts[digit];
        let more = counts[digit + 1..].iter().position(|&count| count > 0);
        let next = match more {
            _ if is_again => known,
            Some(more) => known + 1 + more as u64,
            None => beyond,
        };
        return [known, next].map(T::from_bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Ranked + PartialOrd + std::fmt::Debug>(mut numbers: Vec<T>) {
        let mut counts: Box<[u64; DIGIT_VALUES]> = vec![0; DIGIT_VALUES].try_into().unwrap();
        let found: Vec<[T; 2]> = (0..numbers.len() as u64)
            .map(|rank| of_rank(rank, &mut counts, |pass, counts| pass.count(&numbers, counts)))
            .collect();
        numbers.sort_by(|a, b| a.partial_cmp(b).unwrap());
        for (rank, found) in found.iter().enumerate() {
            assert_eq!(found[0], numbers[rank]);
            if rank + 1 < numbers.len() {
                assert_eq!(found[1], numbers[rank + 1]);
            }
        }
    }

    #[test]
    fn every_rank_is_found_with_its_next() {
        check(vec![
            3.5f32,
            0.0,
            3.5,
            1e-40,
            f32::INFINITY,
            3.500_000_2,
            1e30,
            3.5,
        ]);
        check(vec![2.0f64, 2.0 + 1e-15, 0.0, 1e-320, 1e300, 2.0, 7.0, 0.0]);
        check(vec![4.0f32]);
        check((0..40).map(|i| f64::from((i * 7) % 13) / 8.0).collect());
    }
}
