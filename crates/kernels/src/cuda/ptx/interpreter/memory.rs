//! Global memory: allocations far apart, so that no wrong address hits another one.

use hyperglow_core::hash::FastMap;

/// Allocation i begins at (i + 1) 2^44.
const SPACING_BITS: u32 = 44;

/// An allocation.
struct Allocation {
    bytes: Content,
    len: u64,
    /// Which bytes have a value; `None`: all.
    defined: Option<Vec<bool>>,
}

enum Content {
    Dense(Vec<u8>),
    /// Memory of somebody else.
    Lent(*mut u8),
    /// Only what was written; the rest reads as zeros.
    Sparse(FastMap<u64, u8>),
}

/// The memory of a device.
#[derive(Default)]
pub struct Memory {
    allocations: Vec<Allocation>,
}

impl Memory {
    /// No allocation.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// An allocation with a content; its address.
    pub fn with(&mut self, bytes: &[u8]) -> u64 {
        self.add(Content::Dense(bytes.to_vec()), bytes.len(), None)
    }

    /// The memory of somebody else as an allocation; its address.
    ///
    /// # Safety
    /// `start` has `bytes` bytes, which nobody else uses while this memory is used.
    pub unsafe fn lent(&mut self, start: *mut u8, bytes: usize) -> u64 {
        self.add(Content::Lent(start), bytes, None)
    }

    /// An allocation that has no content until it is written; its address.
    pub fn without_content(&mut self, bytes: usize) -> u64 {
        self.add(Content::Dense(vec![0; bytes]), bytes, Some(vec![false; bytes]))
    }

    /// An allocation of zeros that takes memory only for what is written, for tests with huge extents; its address.
    pub fn pretended(&mut self, bytes: usize) -> u64 {
        self.add(Content::Sparse(FastMap::default()), bytes, None)
    }

    fn add(&mut self, bytes: Content, len: usize, defined: Option<Vec<bool>>) -> u64 {
        self.allocations.push(Allocation {
            bytes,
            len: len as u64,
            defined,
        });
        (self.allocations.len() as u64) << SPACING_BITS
    }

    /// Bytes from an address on.
    ///
    /// # Errors
    /// What the address has not.
    pub fn read(&self, address: u64, bytes: usize) -> Result<Vec<u8>, String> {
        let mut content = vec![0; bytes];
        self.read_into(address, &mut content)?;
        Ok(content)
    }

    /// Fills `out` with the bytes from an address on.
    ///
    /// # Errors
    /// What the address has not.
    pub fn read_into(&self, address: u64, out: &mut [u8]) -> Result<(), String> {
        let (allocation, at) = self.find(address, out.len())?;
        if let Some(defined) = &allocation.defined
            && defined[at as usize..][..out.len()].contains(&false)
        {
            return Err(format!(
                "byte {at} of allocation {} has no value",
                (address >> SPACING_BITS) - 1
            ));
        }
        match &allocation.bytes {
            Content::Dense(content) => out.copy_from_slice(&content[at as usize..][..out.len()]),
            // SAFETY: the bytes lie in the allocation, which is lent to this memory alone.
            Content::Lent(start) => unsafe {
                out.as_mut_ptr()
                    .copy_from_nonoverlapping(start.add(at as usize), out.len());
            },
            Content::Sparse(content) => {
                let of = |i: u64| content.get(&i).copied().unwrap_or(0);
                out.iter_mut().zip(at..).for_each(|(byte, i)| *byte = of(i));
            }
        }
        Ok(())
    }

    /// Writes bytes from an address on.
    ///
    /// # Errors
    /// What the address has not.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), String> {
        let (_, at) = self.find(address, bytes.len())?;
        let allocation = &mut self.allocations[(address >> SPACING_BITS) as usize - 1];
        if let Some(defined) = &mut allocation.defined {
            defined[at as usize..][..bytes.len()].fill(true);
        }
        match &mut allocation.bytes {
            Content::Dense(content) => content[at as usize..][..bytes.len()].copy_from_slice(bytes),
            // SAFETY: as for reading.
            Content::Lent(start) => unsafe {
                start
                    .add(at as usize)
                    .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            },
            Content::Sparse(content) => content.extend((at..).zip(bytes.iter().copied())),
        }
        Ok(())
    }

    /// The allocation of some bytes, and where in it they begin.
    fn find(&self, address: u64, bytes: usize) -> Result<(&Allocation, u64), String> {
        let number = address >> SPACING_BITS;
        let allocation = number
            .checked_sub(1)
            .and_then(|i| self.allocations.get(i as usize));
        let allocation = allocation.ok_or_else(|| format!("no memory at {address:#x}"))?;
        let at = address & ((1 << SPACING_BITS) - 1);
        if at + bytes as u64 > allocation.len {
            return Err(format!(
                "bytes {at} to {} of an allocation of {}",
                at + bytes as u64,
                allocation.len
            ));
        }
        Ok((allocation, at))
    }
}
