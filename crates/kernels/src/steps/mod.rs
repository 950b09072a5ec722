//! What every backend reads from the steps of a plan: [`walk`] describes a view by as few axes as it needs, [`check`] refuses invalid
//! clusters, and [`group_program`] is a row group as a program of its own.

pub(crate) mod check;
pub(crate) mod group_program;
pub(crate) mod walk;

#[cfg(test)]
#[path = "tests/case.rs"]
pub(crate) mod case;
