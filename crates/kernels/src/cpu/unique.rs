//! Numbers of distinct rows, by a hash table in scratch.

use hyperglow_core::Shape;

use super::element::Element;
use super::exec::{Chosen, scratch_bytes};

/// Slots of the table: a power of two, at most half full.
fn table_len(rows: usize) -> usize {
    (2 * rows).next_power_of_two()
}

/// Elements of a task of hashing.
const TASK_ELEMENTS: usize = 1 << 13;

/// The bits of an element such that equal elements have equal bits: -0 as 0, every NaN as one.
fn bits<T: Element>(x: T) -> u64 {
    let wide = x.to_f64();
    if x.is_nan() {
        f64::NAN.to_bits()
    } else if size_of::<T>() == 8 && !T::holds(hyperglow_core::DType::F64) {
        // A double cannot hold every i64: wrapping addition of 0 keeps the exact value.
        bits_of_i64(x)
    } else {
        (wide + 0.0).to_bits()
    }
}

fn bits_of_i64<T: Element>(x: T) -> u64 {
    let any: &dyn std::any::Any = &x;
    any.downcast_ref::<i64>().map_or(0, |&x| x as u64)
}

/// The two halves of a product of 128 bits, joined: every bit of either factor changes about half of the result.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// A hash of a row: a sum over pairs of entries, none of which waits for another. The constants are odd numbers without a pattern.
fn hash<T: Element>(row: &[T]) -> u64 {
    const STEP: u64 = 0xa076_1d64_78bd_642f;
    const SECOND: u64 = 0xd6e8_feb8_6659_fd93;
    let (pairs, rest) = row.as_chunks::<2>();
    let mut first: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut sum: u64 = 0;
    for &[a, b] in pairs {
        sum = sum.wrapping_add(fold(bits(a) ^ first, bits(b) ^ SECOND));
        first = first.wrapping_add(STEP);
    }
    if let [a] = *rest {
        sum = sum.wrapping_add(fold(bits(a) ^ first, SECOND));
    }
    fold(sum ^ STEP, SECOND)
}

/// Whether rows are equal entry by entry, NaN to NaN.
fn same_rows<T: Element>(a: &[T], b: &[T]) -> bool {
    a.iter()
        .zip(b)
        .all(|(&a, &b)| a == b || (a.is_nan() && b.is_nan()))
}

/// x (n, d) -> (n): equal rows get equal numbers, by first appearance.
pub(crate) fn rows<T: Element>(shape: &Shape) -> Chosen {
    let (n, d) = (shape[0], shape[1]);
    Chosen {
        scratch: scratch_bytes::<u32>(table_len(n)) + scratch_bytes::<u64>(n),
        serial: true,
        kernel: Box::new(move |args| {
            let x = args.input::<T>(0);
            let out = args.output::<i32>();
            let table = args.scratch::<u32>(table_len(n));
            table.fill(0);
            let mask = table.len() - 1;
            let row = |r: usize| &x[r * d..(r + 1) * d];
            let hashes = args.scratch::<u64>(n);
            let together = (TASK_ELEMENTS / d.max(1)).max(1);
            args.pool().chunks(hashes, together, |_, piece, hashes| {
                for (i, to) in hashes.iter_mut().enumerate() {
                    *to = hash(row(piece * together + i));
                }
            });
            let mut groups = 0;
            for r in 0..n {
                let mut slot = hashes[r] as usize & mask;
                // A slot holds the number of the first row of its value, from 1 on; 0 is empty.
                out[r] = loop {
                    match table[slot] as usize {
                        0 => {
                            table[slot] = r as u32 + 1;
                            groups += 1;
                            break groups - 1;
                        }
                        first if hashes[first - 1] == hashes[r] && same_rows(row(first - 1), row(r)) => {
                            break out[first - 1];
                        }
                        _ => slot = (slot + 1) & mask,
                    }
                };
            }
            Ok(())
        }),
    }
}
