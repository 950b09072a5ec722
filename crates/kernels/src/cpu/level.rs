//! Which vector instructions to use: found once, at run time.
//!
//! A hot loop is written once as plain Rust and compiled once per level by [`versions!`]; the compiler
//! vectorizes it for each.

/// A set of vector instructions that this processor has: a value exists only when it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level {
    kind: Kind,
    /// Matrix instructions besides.
    matrix: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// Instructions of every processor of the target.
    pub const PORTABLE: Level = Level::of(Kind::Portable);

    const fn of(kind: Kind) -> Level {
        Level { kind, matrix: false }
    }

    /// The levels of this processor, slowest first.
    pub fn available() -> Vec<Level> {
        #[allow(unused_mut, reason = "other targets have one level")]
        let mut levels = vec![Level::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let bits = is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("popcnt");
            if avx2 && bits {
                levels.push(Level::of(Kind::Avx2));
                let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
                if wide && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512dq") {
                    levels.push(Level::of(Kind::Avx512));
                    if super::matrix_instructions::available() {
                        levels.push(Level {
                            kind: Kind::Avx512,
                            matrix: true,
                        });
                    }
                }
            }
        }
        levels
    }

    /// As in `HYPERGLOW_CPU`.
    pub fn name(self) -> &'static str {
        match self.kind {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 if self.matrix => "amx",
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
        }
    }

    pub(crate) fn kind(self) -> Kind {
        self.kind
    }

    /// Whether large products of float32 may use matrix instructions.
    pub(crate) fn matrix(self) -> bool {
        self.matrix
    }
}

/// True where multiply-add is one instruction even at the portable level.
pub(crate) const PORTABLE_FMA: bool = cfg!(target_arch = "aarch64");

/// Defines a function whose first argument is a [`Level`] and whose body is compiled for each level. Inside,
/// the constant `FMA` says whether multiply-add is one instruction.
macro_rules! versions {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $([$($g:ident : $bound:path),*])? ($($arg:ident : $ty:ty),* $(,)?)
        $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, clippy::allow_attributes, reason = "a kernel's operands")]
        $vis fn $name $(<$($g: $bound),*>)? (level: $crate::cpu::level::Level, $($arg: $ty),*) $(-> $ret)? {
            #[allow(clippy::extra_unused_type_parameters, clippy::too_many_arguments, reason = "as given")]
            #[inline(always)]
            fn body<const FMA: bool $($(, $g: $bound)*)?>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma,bmi1,bmi2")]
            #[allow(clippy::too_many_arguments, reason = "as given")]
            fn avx512 $(<$($g: $bound),*>)? ($($arg: $ty),*) $(-> $ret)? { body::<true $($(, $g)*)?>($($arg),*) }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,bmi1,bmi2")]
            #[allow(clippy::too_many_arguments, reason = "as given")]
            fn avx2 $(<$($g: $bound),*>)? ($($arg: $ty),*) $(-> $ret)? { body::<true $($(, $g)*)?>($($arg),*) }

            match level.kind() {
                $crate::cpu::level::Kind::Portable =>
                    body::<{ $crate::cpu::level::PORTABLE_FMA } $($(, $g)*)?>($($arg),*),
                #[cfg(target_arch = "x86_64")]
                // SAFETY: a level exists only on processors that have its instructions.
                $crate::cpu::level::Kind::Avx2 => unsafe { avx2 $(::<$($g),*>)? ($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                $crate::cpu::level::Kind::Avx512 => unsafe { avx512 $(::<$($g),*>)? ($($arg),*) },
            }
        }
    };
}
pub(crate) use versions;

#[cfg(test)]
mod tests {
    use super::*;

    versions! {
        fn dot(x: &[f32], y: &[f32]) -> f32 {
            let mut sum = 0.0_f32;
            for (&a, &b) in x.iter().zip(y) {
                sum = if FMA { a.mul_add(b, sum) } else { a * b + sum };
            }
            sum
        }
    }

    #[test]
    fn every_level_computes_the_same() {
        for level in Level::available() {
            assert_eq!(
                dot(level, &[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]),
                32.0,
                "{}",
                level.name()
            );
        }
    }
}
