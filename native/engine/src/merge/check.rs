//! Whether a method fits the tensors it is asked to merge; before a file is opened.

use super::Merge;
use crate::error::{Error, Result};
use crate::protocol::{MergeMethod, Sparsify};

/// Most tensors merged at once.
const MOST: usize = 256;

impl Merge<'_> {
    /// Checks that the method is defined for inputs of these shapes, the base's last where there is one.
    ///
    /// # Errors
    /// `InvalidParams`.
    pub fn check(&self, shapes: &[&[u64]]) -> Result<()> {
        let n = shapes.len() - usize::from(self.with_base);
        let name = self.name();
        if n == 0 || n > MOST {
            return Err(Error::invalid(format!("{name} merges 1 … {MOST} tensors beside the base, not {n}.")));
        }
        if let Some(other) = shapes.iter().find(|shape| **shape != shapes[0]) {
            return Err(Error::invalid(format!(
                "{name} merges tensors of one shape, not of {:?} and {other:?}.",
                shapes[0]
            )));
        }
        let each = |what: &str, given: usize| match given == n {
            true => Ok(()),
            false => Err(Error::invalid(format!("{name} of {n} tensors has {given} {what}."))),
        };
        let base = |needed: bool| match (needed, self.with_base) {
            (true, false) => Err(Error::invalid(format!("{name} needs a base."))),
            (false, true) => Err(Error::invalid(format!("{name} takes no base; it is an input like others."))),
            _ => Ok(()),
        };
        let exactly = |count: usize| match n == count {
            true => Ok(()),
            false => Err(Error::invalid(format!("{name} merges {count} tensors beside a base, not {n}."))),
        };
        match self.method {
            MergeMethod::Linear { weights, .. } => base(false).and_then(|()| each("weights", weights.len())),
            MergeMethod::Slerp { .. } | MergeMethod::Nearswap { .. } | MergeMethod::ArceeFusion {} => {
                base(true).and_then(|()| exactly(1))
            }
            MergeMethod::Nuslerp { weights, .. } => exactly(2).and_then(|()| each("weights", weights.len())),
            MergeMethod::Multislerp { weights, .. } => each("weights", weights.len()),
            MergeMethod::Karcher { .. } => base(false),
            MergeMethod::TaskVectors { weights, sparsify, .. } => {
                base(true)?;
                each("weights", weights.len())?;
                sparsify.as_ref().map_or(Ok(()), |sparsify| check_sparsify(sparsify, &each))
            }
            MergeMethod::ModelStock { .. }
            | MergeMethod::Sce { .. }
            | MergeMethod::Ram { .. }
            | MergeMethod::RamPlus { .. } => base(true),
            MergeMethod::Fisher { coefficients, .. } => {
                base(false)?;
                if n == 2 * coefficients.len() {
                    return Ok(());
                }
                let (models, given) = (n / 2, coefficients.len());
                Err(Error::invalid(format!(
                    "{name} takes each tensor's Fisher information after the tensors: {n} of both for {given} coefficients, \
                     which are {models} and {} of the two.",
                    n - models
                )))
            }
            MergeMethod::Passthrough { .. } => base(false).and_then(|()| exactly(1)),
        }
    }

    /// The method's name in the protocol.
    fn name(&self) -> &'static str {
        match self.method {
            MergeMethod::Linear { .. } => "linear",
            MergeMethod::Slerp { .. } => "slerp",
            MergeMethod::Nuslerp { .. } => "nuslerp",
            MergeMethod::Multislerp { .. } => "multislerp",
            MergeMethod::Karcher { .. } => "karcher",
            MergeMethod::TaskVectors { .. } => "taskVectors",
            MergeMethod::ModelStock { .. } => "modelStock",
            MergeMethod::Nearswap { .. } => "nearswap",
            MergeMethod::ArceeFusion {} => "arceeFusion",
            MergeMethod::Sce { .. } => "sce",
            MergeMethod::Ram { .. } => "ram",
            MergeMethod::RamPlus { .. } => "ramPlus",
            MergeMethod::Fisher { .. } => "fisher",
            MergeMethod::Passthrough { .. } => "passthrough",
        }
    }
}

/// Lists as long as there are inputs, densities that are probabilities where they are taken for some, seeds that are numbers.
fn check_sparsify(sparsify: &Sparsify, each: &impl Fn(&str, usize) -> Result<()>) -> Result<()> {
    let (Sparsify::Magnitude { densities, .. }
    | Sparsify::Random { densities, .. }
    | Sparsify::Outliers { densities, .. }
    | Sparsify::Ranked { densities, .. }) = sparsify;
    each("densities", densities.len())?;
    match sparsify {
        Sparsify::Magnitude { cuts, .. } => cuts.as_ref().map_or(Ok(()), |cuts| each("cuts", cuts.len())),
        Sparsify::Random { seeds, .. } => {
            if let Some(density) = densities.iter().find(|density| **density < 0.0) {
                return Err(Error::invalid(format!("A density of {density} is no probability.")));
            }
            each("seeds", seeds.len()).and_then(|()| check_seeds(seeds))
        }
        Sparsify::Outliers { gammas, .. } => each("gammas", gammas.len()),
        Sparsify::Ranked { epsilons, seeds, .. } => {
            each("epsilons", epsilons.len())?;
            for (density, epsilon) in densities.iter().zip(epsilons) {
                let drawn = *density > 0.0 && *density < 1.0;
                if drawn && (density - epsilon <= 0.0 || density + epsilon >= 1.0) {
                    return Err(Error::invalid(format!(
                        "Density {density} less and more epsilon {epsilon} must lie between 0 and 1."
                    )));
                }
            }
            each("seeds", seeds.len()).and_then(|()| check_seeds(seeds))
        }
    }
}

fn check_seeds(seeds: &[String]) -> Result<()> {
    match seeds.iter().find(|seed| seed.parse::<u64>().is_err()) {
        None => Ok(()),
        Some(seed) => Err(Error::invalid(format!("A seed is a whole number below 2^64, not {seed:?}."))),
    }
}
