//! Environment variables that control how plans run. A misspelled value is refused: otherwise a comparison would
//! compare something with itself.

use hyperglow_core::{Error, Result};

use super::level::Level;

/// Threads that a backend can have.
const MAX_THREADS: usize = 1024;

/// The settings of the variables.
pub(crate) struct Environment {
    pub threads: usize,
    pub level: Level,
}

impl Environment {
    /// The settings of the process.
    ///
    /// # Errors
    /// A variable with a value that it cannot have.
    pub fn read() -> Result<Environment> {
        Environment::of(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// The settings of variables with the values of `value`; an empty value means an unset variable.
    fn of(value: impl Fn(&str) -> Option<String>) -> Result<Environment> {
        let value = |name: &str| value(name).filter(|text| !text.is_empty());
        for (name, only) in [
            ("HYPERGLOW_CLUSTERS", "interpreted"),
            ("HYPERGLOW_CONV", "direct"),
        ] {
            if let Some(text) = value(name).filter(|text| text != only) {
                return Err(refused(name, &text, only));
            }
        }
        Ok(Environment {
            threads: match value("HYPERGLOW_THREADS") {
                Some(text) => threads(&text)?,
                None => std::thread::available_parallelism().map_or(1, usize::from),
            },
            level: level(value("HYPERGLOW_CPU").as_deref())?,
        })
    }
}

impl Level {
    /// The best level, or the one named by the environment variable `HYPERGLOW_CPU` (`amx`, `avx512`, `avx2`, `portable`).
    ///
    /// # Panics
    /// Where an environment variable of ours has a value that it cannot have: see [`CpuBackend::from_environment`].
    ///
    /// [`CpuBackend::from_environment`]: crate::CpuBackend::from_environment
    pub fn detect() -> Level {
        match Environment::read() {
            Ok(environment) => environment.level,
            Err(error) => panic!("{error}"),
        }
    }
}

fn threads(text: &str) -> Result<usize> {
    text.trim()
        .parse()
        .ok()
        .filter(|threads| (1..=MAX_THREADS).contains(threads))
        .ok_or_else(|| {
            refused(
                "HYPERGLOW_THREADS",
                text,
                &format!("a number from 1 to {MAX_THREADS}"),
            )
        })
}

/// The level of this name, or the best one.
fn level(name: Option<&str>) -> Result<Level> {
    let levels = Level::available();
    let Some(name) = name else {
        return Ok(levels.last().copied().unwrap_or(Level::PORTABLE));
    };
    let named = levels.iter().copied().find(|level| level.name() == name);
    named.ok_or_else(|| {
        let names: Vec<&str> = levels.iter().map(|level| level.name()).collect();
        let expected = format!("what this processor has: {}", names.join(", "));
        refused("HYPERGLOW_CPU", name, &expected)
    })
}

fn refused(name: &str, given: &str, expected: &str) -> Error {
    Error::argument(
        name,
        format!("the environment variable is '{given}', expected {expected}"),
        "correct it, or unset it",
    )
}

#[cfg(test)]
mod tests {
    use hyperglow_core::error::ErrorKind;

    use super::*;

    fn with(name: &'static str, text: &'static str) -> Result<Environment> {
        Environment::of(move |asked| (asked == name).then(|| text.to_string()))
    }

    #[test]
    fn values_that_there_are() {
        assert_eq!(with("HYPERGLOW_THREADS", " 3 ").unwrap().threads, 3);
        assert_eq!(with("HYPERGLOW_CPU", "portable").unwrap().level, Level::PORTABLE);
        let best = Level::available().last().copied().unwrap();
        assert_eq!(with("HYPERGLOW_CPU", "").unwrap().level, best);
        assert!(with("HYPERGLOW_CONV", "direct").is_ok());
        assert!(with("HYPERGLOW_CLUSTERS", "interpreted").is_ok());
    }

    #[test]
    fn values_that_there_are_not_are_refused() {
        for (name, text, expected) in [
            ("HYPERGLOW_CPU", "avx-512", "portable"),
            ("HYPERGLOW_THREADS", "0", "from 1 to 1024"),
            ("HYPERGLOW_THREADS", "two", "from 1 to 1024"),
            ("HYPERGLOW_CLUSTERS", "interpret", "interpreted"),
            ("HYPERGLOW_CONV", "winograd", "direct"),
        ] {
            let error = with(name, text).err().expect(name);
            assert_eq!(error.kind, ErrorKind::Argument);
            let said = error.to_string();
            assert!(
                said.contains(name) && said.contains(text) && said.contains(expected),
                "{said}"
            );
        }
    }
}
