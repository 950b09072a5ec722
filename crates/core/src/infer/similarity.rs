//! Similarities of samples.

use super::Given;
use super::checks::{floats, same_dtype};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::op::Spec;
use crate::similarity::{Products, Similarity};

pub(super) fn centered_products(given: &Given<'_>, products: &Products) -> Result<Spec> {
    centered_samples(given.name, products, given.inputs)?;
    Ok(Spec::new([products.sets(); 2], DType::F64))
}

pub(super) fn centered_products_grad(given: &Given<'_>, products: &Products, of: usize) -> Result<Spec> {
    let (cotangent, forward) = given.inputs.split_last().expect("arity was checked");
    centered_samples(given.name, products, forward)?;
    if cotangent.dtype != DType::F64 || cotangent.shape.dims() != [products.sets(); 2] {
        return Err(Error::internal(
            given.name,
            format!("a cotangent {} {}", cotangent.dtype, cotangent.shape),
        ));
    }
    Ok(forward[of].clone())
}

pub(super) fn similarity_sums(
    given: &Given<'_>,
    products: &Products,
    groups: &[Box<[usize]>],
) -> Result<Spec> {
    summed_groups(given.name, products, groups, given.inputs)?;
    Ok(Spec::new([groups.len(), given.inputs[0].shape[0]], DType::F64))
}

/// Samples (m, d) of one float dtype and their scalar parameters, for centered products.
fn centered_samples(name: &str, products: &Products, inputs: &[&Spec]) -> Result<()> {
    compared_samples(name, products, inputs)?;
    let least = if products.hollow { 3 } else { 1 };
    let given = inputs[0].shape[0];
    if given < least {
        return Err(Error::shape(
            name,
            format!("{given} samples, and the centering needs {least}"),
            "use larger batches, or drop the last one",
        ));
    }
    Ok(())
}

fn summed_groups(name: &str, products: &Products, groups: &[Box<[usize]>], inputs: &[&Spec]) -> Result<()> {
    compared_samples(name, products, inputs)?;
    if let Some(similarity) = products.similarities.iter().find(|s| !s.is_of_differences()) {
        return Err(Error::argument(
            name,
            format!("{similarity:?} depends on where samples lie"),
            "use a similarity of differences: gaussian, laplacian, imq or equal",
        ));
    }
    let fits = |group: &[usize]| !group.is_empty() && group.iter().all(|&a| a < products.sets());
    if groups.is_empty() || !groups.iter().all(|group| fits(group)) {
        return Err(Error::argument(
            name,
            format!("groups are {groups:?} of {} sets", products.sets()),
            "give at least one group, and in each at least one set by its number",
        ));
    }
    Ok(())
}

/// Samples of the same draws, and their similarities' parameters.
fn compared_samples(name: &str, products: &Products, inputs: &[&Spec]) -> Result<()> {
    let (samples, parameters) = inputs.split_at(products.sets());
    let first = samples[0];
    for (x, similarity) in samples.iter().zip(&products.similarities) {
        floats(name, x)?;
        same_dtype(name, first, x)?;
        if x.shape.rank() != 2 || x.shape[0] != first.shape.dims()[0] {
            return Err(Error::shape(
                name,
                format!("samples {} beside {}", x.shape, first.shape),
                "give every set as rows (m, d), of the same m draws",
            ));
        }
        if *similarity == Similarity::Equal && x.shape[1] != 1 {
            return Err(Error::shape(
                name,
                format!("{} for the similarity of equal numbers", x.shape),
                "number equal rows first with uniqueRows, as (m, 1)",
            ));
        }
    }
    for parameter in parameters {
        same_dtype(name, first, parameter)?;
        if parameter.shape.rank() != 0 {
            return Err(Error::shape(
                name,
                format!("a parameter is {}, expected a scalar", parameter.shape),
                "give one number per parameter",
            ));
        }
    }
    Ok(())
}
