//! How much the processor's caches hold.

use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

/// Defaults without information of the processor: the caches of a desktop.
const USUAL_BYTES: usize = 32 << 20;
/// A processor has fewer caches than this.
const MAX_CACHES: u32 = 8;

/// Bytes of the largest cache, shared by all cores.
pub(crate) fn last_level() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| {
        // "Deterministic cache parameters", Intel's and AMD's leaf for them.
        let of_leaf = |leaf| (0..MAX_CACHES).map_while(|cache| bytes_of(leaf, cache)).max();
        of_leaf(4).or_else(|| of_leaf(0x8000_001d)).unwrap_or(USUAL_BYTES)
    })
}

/// Bytes of one cache: ways, partitions, bytes of a line, sets, each less one.
fn bytes_of(leaf: u32, cache: u32) -> Option<usize> {
    if __cpuid_count(leaf & 0x8000_0000, 0).eax < leaf {
        return None;
    }
    let found = __cpuid_count(leaf, cache);
    let field = |low: u32, bits: u32| (found.ebx >> low & ((1 << bits) - 1)) as usize + 1;
    let is_cache = found.eax & 0x1f != 0;
    is_cache.then(|| field(22, 10) * field(12, 10) * field(0, 12) * (found.ecx as usize + 1))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_cache_has_a_plausible_size() {
        let bytes = super::last_level();
        assert!((1 << 18..1 << 34).contains(&bytes), "{bytes} bytes");
    }
}
