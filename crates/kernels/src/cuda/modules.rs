//! PTX: the files that are part of the library, and modules that the driver has made of them. A text is loaded once.

use std::collections::HashMap;
use std::ffi::CString;

use cudarc::driver::result;
use cudarc::driver::sys;
use hyperglow_core::error::ErrorKind;
use hyperglow_core::{Error, Result};

use super::gpu::Gpu;

macro_rules! ptx_files {
    ($($variant:ident $file:literal;)*) => {
        /// A file of kernels in `cu/`, as PTX.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum File {
            $(#[doc = concat!("`cu/", $file, ".cu`")] $variant,)*
        }

        impl File {
            /// Its text.
            pub fn ptx(self) -> &'static str {
                match self {
                    $(File::$variant => include_str!(concat!("../../ptx/", $file, ".ptx")),)*
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
            $(($file, include_str!(concat!("../../ptx/", $file, ".ptx")), include_str!(concat!("../../cu/", $file, ".cu"))),)*
        ];
    };
}

ptx_files! {
    Indexing "indexing";
    Linalg "linalg";
    Matmul "matmul";
    Movement "movement";
    Order "order";
    Reduce "reduce";
    Sources "sources";
}

/// The loaded modules of a device, by text, and their functions.
#[derive(Default)]
pub(super) struct Modules {
    modules: HashMap<String, sys::CUmodule>,
    functions: HashMap<(String, String), sys::CUfunction>,
}

impl Modules {
    /// A function of a file.
    pub fn function(&mut self, gpu: &Gpu, file: File, name: &str) -> Result<sys::CUfunction> {
        self.function_of(gpu, file.name(), file.ptx(), name)
    }

    /// A function of a text, which is known by `key`.
    fn function_of(&mut self, gpu: &Gpu, key: &str, text: &str, name: &str) -> Result<sys::CUfunction> {
        let id = (key.to_owned(), name.to_owned());
        if let Some(function) = self.functions.get(&id) {
            return Ok(*function);
        }
        gpu.bind()?;
        let module = match self.modules.get(key) {
            Some(module) => *module,
            None => {
                let module = load(gpu, key, text)?;
                self.modules.insert(key.to_owned(), module);
                module
            }
        };
        let entry = CString::new(name).map_err(|_| Error::internal("cuda", "a kernel's name has a zero"))?;
        // SAFETY: the module is loaded and is never unloaded.
        let function = unsafe { result::module::get_function(module, entry) }
            .map_err(|e| gpu.fault(&format!("looking for the kernel {name}"), e))?;
        self.functions.insert(id, function);
        Ok(function)
    }
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
        let compat = include_str!("../../cu/compat.h");
        for (name, ptx, source) in FILES {
            let stated = ptx
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("// source-sha256: "));
            let hash = sha256(format!("{compat}{source}").as_bytes());
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
