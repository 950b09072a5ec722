//! Memory for machine code: written first, then made executable and never written again.

use std::ptr::NonNull;

/// Finished machine code.
pub(super) struct Code {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: nobody writes the memory after `new`; it has no ties to a thread.
unsafe impl Send for Code {}
// SAFETY: as above.
unsafe impl Sync for Code {}

impl Code {
    /// `bytes` where they can be executed; `None` if the system refuses.
    pub fn new(bytes: &[u8]) -> Option<Code> {
        let len = bytes.len();
        // SAFETY: a fresh private mapping, which touches no memory that is in use.
        let raw = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if raw == libc::MAP_FAILED {
            return None;
        }
        // From here on `drop` gives the mapping back.
        let code = Code {
            start: NonNull::new(raw.cast())?,
            len,
        };
        // SAFETY: the mapping is writable, has room for `len` bytes, and nobody else knows it.
        unsafe { raw.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), len) };
        // SAFETY: the mapping is ours, and no reference into it exists.
        let refused = unsafe { libc::mprotect(raw, len, libc::PROT_READ | libc::PROT_EXEC) } != 0;
        (!refused).then_some(code)
    }

    /// Where the code begins.
    pub fn start(&self) -> *const u8 {
        self.start.as_ptr()
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and nobody executes it: who calls it borrows `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
