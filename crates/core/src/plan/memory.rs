//! Arena offsets by lifetime: blocks with disjoint lifetimes share bytes.

/// A block of the arena, live from step `from` to step `to`, both included.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Bytes.
    pub bytes: usize,
    /// First step that touches it.
    pub from: usize,
    /// Last step that touches it.
    pub to: usize,
}

/// Offsets of `blocks`, multiples of `alignment`, and the size of the arena in bytes. Greedy by size: the largest block first,
/// each at the lowest offset that is free during its lifetime (Pisarchyk & Lee 2020, arXiv 2001.03288).
pub fn assign(blocks: &[Block], alignment: usize) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(blocks[i].bytes), i));
    let mut offsets = vec![0; blocks.len()];
    // Placed blocks, sorted by offset.
    let mut placed: Vec<usize> = Vec::new();
    let mut total = 0;
    for &i in &order {
        let bytes = blocks[i].bytes.next_multiple_of(alignment);
        if bytes == 0 {
            continue;
        }
        let mut at = 0;
        for &j in &placed {
            let apart = blocks[j].to < blocks[i].from || blocks[i].to < blocks[j].from;
            if apart {
                continue;
            }
            if at + bytes <= offsets[j] {
                break;
            }
            at = at.max(offsets[j] + blocks[j].bytes.next_multiple_of(alignment));
        }
        offsets[i] = at;
        total = total.max(at + bytes);
        let rank = placed.partition_point(|&j| offsets[j] <= at);
        placed.insert(rank, i);
    }
    (offsets, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALIGNMENT: usize = 64;

    #[test]
    fn blocks_alive_together_never_overlap() {
        let mut seed = 7u64;
        let mut next = |n: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((seed >> 33) % n) as usize
        };
        for _ in 0..50 {
            let blocks: Vec<Block> = (0..60)
                .map(|_| {
                    let from = next(40);
                    Block {
                        bytes: next(1000),
                        from,
                        to: from + next(10),
                    }
                })
                .collect();
            let (offsets, total) = assign(&blocks, ALIGNMENT);
            for i in 0..blocks.len() {
                assert!(
                    offsets[i].is_multiple_of(ALIGNMENT)
                        && offsets[i] + blocks[i].bytes <= total.max(blocks[i].bytes)
                );
                for j in 0..i {
                    let (a, b) = (blocks[i], blocks[j]);
                    let together = a.from <= b.to && b.from <= a.to && a.bytes > 0 && b.bytes > 0;
                    let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                    assert!(
                        !together || apart,
                        "{a:?} at {} and {b:?} at {}",
                        offsets[i],
                        offsets[j]
                    );
                }
            }
        }
    }

    #[test]
    fn blocks_at_different_times_share_bytes() {
        let blocks = [
            Block {
                bytes: 100,
                from: 0,
                to: 1,
            },
            Block {
                bytes: 90,
                from: 2,
                to: 3,
            },
        ];
        assert_eq!(assign(&blocks, ALIGNMENT), (vec![0, 0], 128));
    }
}
