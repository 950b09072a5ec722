//! PTX: the files that are part of the library, and modules that the driver has made of them. A text is loaded once.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{Arc, PoisonError, Weak};

use cudarc::driver::result;
use cudarc::driver::sys;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::{Error, Result};

use super::Gpu;

macro_rules! ptx_files {
    ($($variant:ident $file:literal;)*) => {
        /// A file of kernels in `cu/`, as PTX.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(in crate::cuda) enum File {
            $(#[doc = concat!("`cu/", $file, ".cu`")] $variant,)*
        }

        impl File {
            /// Its text.
            pub fn ptx(self) -> &'static str {
                match self {
                    $(File::$variant => include_str!(concat!("../../../ptx/", $file, ".ptx")),)*
                }
            }
            /// Its name without the extension.
            pub fn name(self) -> &'static str {
                match self {
                    $(File::$variant => $file,)*
                }
            }
        }

        /// Every file: its name, its PTX and its source.
        #[cfg(test)]
        const FILES: &[(&str, &str, &str)] = &[
            $(($file, include_str!(concat!("../../../ptx/", $file, ".ptx")), include_str!(concat!("../../../cu/", $file, ".cu"))),)*
        ];
    };
}

ptx_files! {
    Conv "conv";
    Indexing "indexing";
    Linalg "linalg";
    Matmul "matmul";
    Movement "movement";
    Neighbors "neighbors";
    Order "order";
    Reduce "reduce";
    Similarity "similarity";
    Sources "sources";
    Window "window";
}

/// The loaded modules of a device: of the files, with their functions, and of the texts of prepared programs.
#[derive(Default)]
pub(in crate::cuda) struct Modules {
    files: HashMap<File, sys::CUmodule>,
    functions: HashMap<(File, String), sys::CUfunction>,
    texts: HashMap<String, Weak<TextModule>>,
}

// SAFETY: the driver's handles belong to the process.
unsafe impl Send for Modules {}

/// The module of a text that was written for a program; programs with the same text share it.
pub(in crate::cuda) struct TextModule {
    gpu: Arc<Gpu>,
    module: sys::CUmodule,
}

// SAFETY: the driver's handles belong to the process, and its calls are thread-safe.
unsafe impl Send for TextModule {}
// SAFETY: as above.
unsafe impl Sync for TextModule {}

impl TextModule {
    /// The module of a text, loaded if no program has it.
    pub fn of(gpu: &Arc<Gpu>, text: String) -> Result<Arc<TextModule>> {
        gpu.bind()?;
        let mut modules = gpu.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = modules.texts.get(&text).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let module = Arc::new(TextModule {
            gpu: gpu.clone(),
            module: load(gpu, "a plan", &text)?,
        });
        modules.texts.retain(|_, module| module.strong_count() > 0);
        modules.texts.insert(text, Arc::downgrade(&module));
        Ok(module)
    }

    /// One of its functions. The context must be this thread's.
    pub fn function(&self, name: &str) -> Result<sys::CUfunction> {
        function_of(&self.gpu, self.module, name)
    }
}

impl Drop for TextModule {
    fn drop(&mut self) {
        // The program that had it has waited for its runs. A device that is lost has nothing to unload.
        if self.gpu.bind().is_ok() {
            // SAFETY: the module is loaded, and nobody else has it.
            let _ = unsafe { result::module::unload(self.module) };
        }
    }
}

impl Modules {
    /// A function of a file.
    pub fn function(&mut self, gpu: &Gpu, file: File, name: &str) -> Result<sys::CUfunction> {
        let id = (file, name.to_owned());
        if let Some(function) = self.functions.get(&id) {
            return Ok(*function);
        }
        gpu.bind()?;
        let module = match self.files.get(&file) {
            Some(module) => *module,
            None => {
                let module = load(gpu, file.name(), file.ptx())?;
                self.files.insert(file, module);
                module
            }
        };
        let function = function_of(gpu, module, name)?;
        self.functions.insert(id, function);
        Ok(function)
    }
}

fn function_of(gpu: &Gpu, module: sys::CUmodule, name: &str) -> Result<sys::CUfunction> {
    let entry = CString::new(name).map_err(|_| Error::internal("cuda", "a kernel's name has a zero"))?;
    // SAFETY: the module is loaded.
    unsafe { result::module::get_function(module, entry) }
        .map_err(|e| gpu.fault(&format!("looking for the kernel {name}"), e))
}

fn load(gpu: &Gpu, key: &str, text: &str) -> Result<sys::CUmodule> {
    let image = CString::new(text).map_err(|_| Error::internal("cuda", "PTX with a zero"))?;
    // SAFETY: the image is text that ends with a zero.
    unsafe { result::module::load_data(image.as_ptr().cast()) }.map_err(|e| {
        let fault = gpu.fault(&format!("loading the kernels of {key}"), e);
        let (major, minor) = gpu.capability;
        Error::new(
            ErrorKind::Device,
            gpu.device.clone(),
            format!(
                "{} ({}, compute capability {major}.{minor})",
                fault.message, gpu.model
            ),
            "update the driver; compute on \"cpu\" until then, and please report it",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stale PTX computes with other kernels than its source says; gen_ptx.py writes it anew.
    #[test]
    fn every_ptx_file_was_made_from_its_source() {
        let headers = concat!(
            include_str!("../../../cu/compat.h"),
            include_str!("../../../cu/tiles.h"),
            include_str!("../../../cu/windows.h")
        );
        for (name, ptx, source) in FILES {
            let stated = ptx
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("// source-sha256: "));
            let hash = sha256(format!("{headers}{source}").as_bytes());
            assert_eq!(stated, Some(hash.as_str()), "{name}: run gen_ptx.py");
        }
    }

    #[test]
    fn the_hash_gives_the_known_answers() {
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let long = "a".repeat(119);
        assert_eq!(
            sha256(long.as_bytes()),
            "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"
        );
    }

    /// SHA-256 (FIPS 180-4): its constants are the first 32 bits of the fractional parts of roots of the first primes.
    fn sha256(message: &[u8]) -> String {
        let primes: Vec<u64> = (2..312).filter(|n| (2..*n).all(|d| n % d != 0)).collect();
        let fraction = |root: f64| ((root - root.floor()) * 4_294_967_296.0) as u32;
        let k: Vec<u32> = primes[..64]
            .iter()
            .map(|&p| fraction((p as f64).cbrt()))
            .collect();
        let mut hash: Vec<u32> = primes[..8].iter().map(|&p| fraction((p as f64).sqrt())).collect();
        let mut padded = message.to_vec();
        padded.push(0x80);
        padded.resize((message.len() + 9).next_multiple_of(64) - 8, 0);
        padded.extend(((message.len() as u64) * 8).to_be_bytes());
        for block in padded.chunks_exact(64) {
            let mut w: Vec<u32> = block
                .chunks_exact(4)
                .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            for t in 16..64 {
                let s0 = w[t - 15].rotate_right(7) ^ w[t - 15].rotate_right(18) ^ (w[t - 15] >> 3);
                let s1 = w[t - 2].rotate_right(17) ^ w[t - 2].rotate_right(19) ^ (w[t - 2] >> 10);
                w.push(w[t - 16].wrapping_add(s0).wrapping_add(w[t - 7]).wrapping_add(s1));
            }
            let mut v = hash.clone();
            for t in 0..64 {
                let s1 = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
                let choice = (v[4] & v[5]) ^ (!v[4] & v[6]);
                let one = v[7]
                    .wrapping_add(s1)
                    .wrapping_add(choice)
                    .wrapping_add(k[t])
                    .wrapping_add(w[t]);
                let s0 = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
                let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
                v.rotate_right(1);
                v[4] = v[4].wrapping_add(one);
                v[0] = one.wrapping_add(s0).wrapping_add(majority);
            }
            hash.iter_mut().zip(v).for_each(|(h, v)| *h = h.wrapping_add(v));
        }
        hash.iter().map(|word| format!("{word:08x}")).collect()
    }
}
