//! The interpreter of PTX text as a library of the emulated CUDA driver (`crates/kernels/emu/modules.cpp` says what it offers).
//!
//! A launch lends the blocks of device memory that its arguments point to to the interpreter, each at an address of its own, so that
//! an access beyond a block is found.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use hyperglow_kernels::cuda::ptx::interpreter::{Grid, Memory, Module, launch};

/// Writes a message, cut to the room there is.
///
/// # Safety
/// `error` has room for `bytes` bytes.
unsafe fn tell(message: &str, error: *mut c_char, bytes: usize) {
    let len = message.len().min(bytes.saturating_sub(1));
    // SAFETY: as the caller promises.
    unsafe {
        error.cast::<u8>().copy_from_nonoverlapping(message.as_ptr(), len);
        error.add(len).write(0);
    }
}

/// A text of the driver.
///
/// # Safety
/// It ends with a zero, and lives as long as the result.
unsafe fn text<'a>(start: *const c_char) -> Result<&'a str, String> {
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(start) }
        .to_str()
        .map_err(|e| e.to_string())
}

/// The module of a text; null where it is refused.
///
/// # Safety
/// `ptx` is a text that ends with a zero; `error` has room for `bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ptx_load(ptx: *const c_char, error: *mut c_char, bytes: usize) -> *mut c_void {
    // SAFETY: as the caller promises.
    let ptx = unsafe { text(ptx) };
    let parsed = catch_unwind(|| ptx.and_then(|ptx| Module::parse(ptx).map_err(|fault| fault.to_string())));
    match parsed.unwrap_or_else(|_| Err("the interpreter panicked".into())) {
        Ok(module) => Box::into_raw(Box::new(module)).cast(),
        Err(message) => {
            // SAFETY: as the caller promises.
            unsafe { tell(&message, error, bytes) };
            std::ptr::null_mut()
        }
    }
}

/// The number of a kernel's parameters, and their sizes: all are addresses. -1: there is no such kernel.
///
/// # Safety
/// `module` is of [`ptx_load`], `name` ends with a zero, `sizes` has room for `most` sizes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ptx_parameters(
    module: *mut c_void,
    name: *const c_char,
    sizes: *mut usize,
    most: c_int,
) -> c_int {
    // SAFETY: as the caller promises.
    let (module, name) = unsafe { (&*module.cast::<Module>(), text(name)) };
    let Some(count) = name.ok().and_then(|name| module.parameters(name)) else {
        return -1;
    };
    for i in 0..count.min(most.max(0) as usize) {
        // SAFETY: as the caller promises.
        unsafe { sizes.add(i).write(8) };
    }
    count as c_int
}

/// Runs a kernel; 0 where it has ended well.
///
/// # Safety
/// `module` is of [`ptx_load`], `name` ends with a zero, `arguments` are as many as the kernel's parameters, `blocks` are
/// `block_count` ranges of live memory, `error` has room for `bytes` bytes.
#[unsafe(no_mangle)]
#[allow(clippy::too_many_arguments, reason = "the interface of the emulated driver")]
pub unsafe extern "C" fn ptx_launch(
    module: *mut c_void,
    name: *const c_char,
    grid: *const [u32; 3],
    block: *const [u32; 3],
    _shared: usize,
    arguments: *const *const u64,
    blocks: *const [u64; 2],
    block_count: usize,
    error: *mut c_char,
    bytes: usize,
) -> c_int {
    let run = || -> Result<(), String> {
        // SAFETY: as the caller promises.
        let (module, name, grid, block) = unsafe { (&*module.cast::<Module>(), text(name)?, *grid, *block) };
        let count = module.parameters(name).ok_or("there is no such kernel")?;
        // SAFETY: as the caller promises.
        let blocks = unsafe { std::slice::from_raw_parts(blocks, block_count) };
        let mut memory = Memory::new();
        // The start of a lent block, and where the interpreter has it.
        let mut lent: Vec<(u64, u64)> = Vec::new();
        let mut addresses = Vec::with_capacity(count);
        for i in 0..count {
            // SAFETY: as the caller promises.
            let address = unsafe { **arguments.add(i) };
            let of = blocks
                .iter()
                .find(|[start, len]| (*start..*start + *len).contains(&address));
            let Some(&[start, len]) = of else {
                // A tensor without elements has no address; an access to it is found.
                addresses.push(0);
                continue;
            };
            let known = lent.iter().find(|(block, _)| *block == start).map(|(_, at)| *at);
            let at = known.unwrap_or_else(|| {
                // SAFETY: the block is live memory of the emulated device, which runs one launch at a time.
                let at = unsafe { memory.lent(start as *mut u8, len as usize) };
                lent.push((start, at));
                at
            });
            addresses.push(at + (address - start));
        }
        launch(
            module,
            name,
            &mut memory,
            &addresses,
            &Grid::all(grid[0], block[0]),
        )
        .map_err(|fault| fault.to_string())
    };
    let result =
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("the interpreter panicked".into()));
    match result {
        Ok(()) => 0,
        Err(message) => {
            // SAFETY: as the caller promises.
            unsafe { tell(&message, error, bytes) };
            1
        }
    }
}

/// Forgets a module.
///
/// # Safety
/// `module` is of [`ptx_load`] and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ptx_unload(module: *mut c_void) {
    // SAFETY: as the caller promises.
    drop(unsafe { Box::from_raw(module.cast::<Module>()) });
}
