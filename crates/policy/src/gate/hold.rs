//! Which gates hold a caller in a repository.
//!
//! The rules are in the documentation of the crate ("Who is held by a gate"). DESIGN §3.

use oci::RepositoryName;

use crate::file::{Gate, HoldsFor, Mode, Party, Policy};
use crate::principal::{Directory, PrincipalId, Who};

/// Whether a caller is held in a repository, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// No enforced gate of any policy holds the caller.
    Free,
    /// No gate holds the caller here, and a policy lists the repository as ungated.
    Ungated,
    /// A gate holds the caller elsewhere, and none does here: refused, see [`no_policy`](super::no_policy).
    NoPolicy,
    /// These gates hold the caller, each as the index of its policy and its name; all must let the image pass.
    Gates(Vec<(usize, String)>),
}

/// Which gates hold the caller in the repository.
#[must_use]
pub fn hold(
    policies: &[Policy],
    directory: &Directory,
    who: &Who,
    repository: &RepositoryName,
) -> Hold {
    let holding: Vec<(usize, &Policy, &str, &Gate)> = policies
        .iter()
        .enumerate()
        .flat_map(|(index, policy)| {
            policy
                .gates
                .iter()
                .map(move |(name, gate)| (index, policy, name.as_str(), gate))
        })
        .filter(|(_, _, _, gate)| is_held(gate, directory, who))
        .collect();
    let here: Vec<(usize, String)> = holding
        .iter()
        .filter(|(_, policy, _, _)| policy.covers(repository))
        .map(|(index, _, name, _)| (*index, (*name).to_owned()))
        .collect();
    if !here.is_empty() {
        return Hold::Gates(here);
    }
    // A gate in mode warn or dry-run refuses nothing where it applies, so it must not refuse elsewhere either.
    if !holding
        .iter()
        .any(|(_, _, _, gate)| gate.mode == Mode::Enforce)
    {
        return Hold::Free;
    }
    if policies
        .iter()
        .any(|policy| policy.lists_as_ungated(repository))
    {
        return Hold::Ungated;
    }
    Hold::NoPolicy
}

/// Whether a gate holds the caller, wherever it applies.
#[must_use]
pub fn is_held(gate: &Gate, directory: &Directory, who: &Who) -> bool {
    let Who::Principal(id) = who else { return true };
    if names(&gate.except, directory, *id) {
        return false;
    }
    match &gate.holds_for {
        HoldsFor::Everyone => true,
        HoldsFor::Listed(parties) => {
            names(parties, directory, *id) || names(parties, directory, directory.identity_of(*id))
        }
    }
}

fn names(parties: &[Party], directory: &Directory, id: PrincipalId) -> bool {
    parties.iter().any(|party| party.includes(directory, id))
}

#[cfg(test)]
mod tests;
