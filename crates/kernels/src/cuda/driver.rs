//! The CUDA driver: whether there is one, its devices, and its errors in our words.
//!
//! No function of cudarc may be called before [`count`] has found the library: without it they panic.

use std::sync::OnceLock;

use cudarc::driver::sys;
use cudarc::driver::{DriverError, result};
use hyperglow_core::error::ErrorKind;
use hyperglow_core::{Error, Result};

/// The CUDA version whose PTX we ship: PTX 8.1, which drivers from 530 on take.
const NEEDED_VERSION: i32 = 12010;

/// Number of devices.
///
/// # Errors
/// There is no driver, or it is too old, or it has no device. The answer is found once for the process.
pub(super) fn count() -> Result<usize> {
    static COUNT: OnceLock<Result<usize>> = OnceLock::new();
    COUNT.get_or_init(find).clone()
}

fn find() -> Result<usize> {
    // SAFETY: it opens a library by name, whose initializers are NVIDIA's.
    if !unsafe { sys::is_culib_present() } {
        return Err(absent(
            "there is no CUDA driver: libcuda is not found",
            "install NVIDIA's driver, or compute on \"cpu\"",
        ));
    }
    let mut version = 0;
    // SAFETY: the library is there, and the pointer is to a local.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }
        .result()
        .map_err(|e| fault("cuda", "asking for its version", e))?;
    if version < NEEDED_VERSION {
        return Err(absent(
            &format!(
                "the driver is too old: it is for CUDA {}, and CUDA {} is needed",
                version_name(version),
                version_name(NEEDED_VERSION)
            ),
            "install a driver of version 530 or newer",
        ));
    }
    let devices = result::init().and_then(|()| result::device::get_count());
    match devices {
        Ok(0) | Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => Err(absent(
            "the CUDA driver has no device",
            "look at nvidia-smi and CUDA_VISIBLE_DEVICES, or compute on \"cpu\"",
        )),
        Ok(devices) => Ok(devices as usize),
        Err(e) => Err(fault("cuda", "starting the driver", e)),
    }
}

fn absent(message: &str, mend: &str) -> Error {
    Error::new(ErrorKind::Device, "cuda", message, mend)
}

/// `12.1` for 12010.
fn version_name(version: i32) -> String {
    format!("{}.{}", version / 1000, version % 1000 / 10)
}

/// An error of the driver while `device` was doing something.
pub(super) fn fault(device: &str, doing: &str, DriverError(code): DriverError) -> Error {
    let name = name_of(code);
    if is_sticky(code) {
        return Error::new(
            ErrorKind::Device,
            device,
            format!("the device was lost while {doing}: {name}; its tensors are gone"),
            "start the process again from a checkpoint; look at dmesg and nvidia-smi for the reason",
        );
    }
    Error::new(
        ErrorKind::Device,
        device,
        format!("{doing} failed: {name}"),
        "look at nvidia-smi for other processes and the driver's state",
    )
}

/// Whether every later call of the process fails, too.
fn is_sticky(code: sys::CUresult) -> bool {
    use sys::CUresult as R;
    matches!(
        code,
        R::CUDA_ERROR_ILLEGAL_ADDRESS
            | R::CUDA_ERROR_LAUNCH_TIMEOUT
            | R::CUDA_ERROR_ASSERT
            | R::CUDA_ERROR_HARDWARE_STACK_ERROR
            | R::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | R::CUDA_ERROR_MISALIGNED_ADDRESS
            | R::CUDA_ERROR_INVALID_ADDRESS_SPACE
            | R::CUDA_ERROR_INVALID_PC
            | R::CUDA_ERROR_LAUNCH_FAILED
            | R::CUDA_ERROR_ECC_UNCORRECTABLE
            | R::CUDA_ERROR_NVLINK_UNCORRECTABLE
            | R::CUDA_ERROR_DEVICE_UNAVAILABLE
            | R::CUDA_ERROR_CONTEXT_IS_DESTROYED
    )
}

/// The driver's name of an error.
fn name_of(code: sys::CUresult) -> String {
    let error = DriverError(code);
    let name = error.error_name();
    name.map_or_else(
        |_| format!("error {}", code as u32),
        |name| name.to_string_lossy().into_owned(),
    )
}
