//! Sources: operations without operands, or with only a random key.

use super::Given;
use super::checks::{axis_within, floats};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::{Distribution, Spec};

/// Counts along an axis of the wanted spec.
pub(super) fn iota(given: &Given<'_>, axis: usize) -> Result<Spec> {
    let wanted = given.wanted()?;
    axis_within(given.name, axis, wanted.shape.rank())?;
    Ok(wanted.clone())
}

pub(super) fn random(given: &Given<'_>, kind: Distribution) -> Result<Spec> {
    let key = given.inputs[0];
    let (DType::U32, [leading @ .., 2]) = (key.dtype, key.shape.dims()) else {
        return Err(Error::argument(
            given.name,
            format!("a key is uint32 (2), given {} {}", key.dtype, key.shape),
            "make keys with key(seed), splitKey or foldIn",
        ));
    };
    let wanted = given.wanted()?;
    if !wanted.shape.dims().starts_with(leading) {
        return Err(Error::shape(
            given.name,
            format!("keys {} for a result {}", key.shape, wanted.shape),
            "the axes of keys but the last are the first axes of the result",
        ));
    }
    match kind {
        Distribution::Bits => Ok(Spec::new(wanted.shape.clone(), DType::U32)),
        Distribution::Uniform | Distribution::Normal => {
            floats(given.name, wanted)?;
            Ok(wanted.clone())
        }
    }
}
