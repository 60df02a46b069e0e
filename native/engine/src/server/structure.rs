//! The methods that are about the order of units and the singular spaces of tensors.

use serde_json::Value;

use super::methods::{Job, by_size, stored_bytes};
use super::schedule::Lane;
use crate::error::Result;
use crate::protocol::{LineHashesParams, MatchParams, SubspacesParams};
use crate::source::Access;
use crate::{line_hashes, matching, spectrum, subspaces};

/// Bytes up to which units are so few that matching them is no work for all threads.
const FEW_UNITS: u64 = 1 << 18;

/// # Errors
/// `InvalidParams`.
pub fn line_hashes(params: Value) -> Result<Job> {
    let LineHashesParams { tensor, progress_token, axis, group } = super::parse(params)?;
    let lane = by_size(&tensor);
    Ok(Job::new(lane, (tensor, progress_token), Access::Sequential, move |tensor, context| {
        line_hashes::line_hashes(tensor, axis, group, context)
    }))
}

/// # Errors
/// `InvalidParams`.
pub fn matching(params: Value) -> Result<Job> {
    let MatchParams { terms, group, progress_token } = super::parse(params)?;
    let bytes = terms.iter().fold(0u64, |bytes, term| bytes.saturating_add(stored_bytes(&term.a)));
    let lane = if bytes <= FEW_UNITS { Lane::Small } else { Lane::Large };
    Ok(Job::of(lane, progress_token, move |context| matching::matching(&terms, group, context)))
}

/// # Errors
/// `InvalidParams`.
pub fn subspaces(params: Value) -> Result<Job> {
    let SubspacesParams { a, b, k, gammas, progress_token } = super::parse(params)?;
    let lane = if spectrum::is_small(stored_bytes(&a)) { Lane::Small } else { Lane::Large };
    Ok(Job::of(lane, progress_token, move |context| subspaces::subspaces(&a, &b, k, &gammas, context)))
}
