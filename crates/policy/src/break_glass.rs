//! Break-glass: two people with the role `security` open one gate for one image, for a while. Here is who they may be, and the bounds
//! of what they ask for.
//!
//! What it does to an answer is in `gate/`; rows and ids are `store`'s. Roles are judged when somebody acts, and not again: what two people
//! opened stays open until it ends or one of them, or anybody else with the role, ends it.

use oci::RepositoryName;

use crate::access::{Ceiling, access};
use crate::gate::is_invisible;
use crate::principal::{Directory, Kind, PrincipalId, Who};
use crate::verb;

/// The shortest time that can be asked for, in milliseconds.
pub const LASTS_MILLISECONDS_MIN: i64 = 60 * 1_000;
/// The longest time that can be asked for, in milliseconds, unless the server is configured for less.
pub const LASTS_MILLISECONDS_MAX: i64 = 24 * 60 * 60 * 1_000;
/// How long one that was asked for waits to be confirmed, in milliseconds.
pub const WAITS_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;
/// The longest reason, in characters.
pub const REASON_CHARACTERS_MAX: usize = 500;

/// Why somebody may not take part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Robots take no part, whoever owns them.
    #[error("{0} is no person: the glass is broken by people, each in their own name")]
    NotAPerson(String),
    /// The account is not known, or closed, or has not the role here.
    #[error("{who} does not have the role `security` in `{repository}`: ask somebody who has it")]
    NoRole {
        /// The person, in words.
        who: String,
        /// The repository of the image.
        repository: RepositoryName,
    },
    /// Whoever asks for it cannot confirm it.
    #[error(
        "{0} asked for it: somebody else with the role `security` has to confirm it, so that nobody opens a gate alone"
    )]
    SamePerson(String),
}

/// Whether a principal may ask for a break-glass in the repository, or end one.
///
/// # Errors
/// [`Refused`] for a robot, and for whoever does not have the role there.
pub fn may_act(
    directory: &Directory,
    who: PrincipalId,
    repository: &RepositoryName,
) -> Result<(), Refused> {
    let is_person = directory
        .principal(who)
        .is_some_and(|principal| principal.kind == Kind::Person);
    if !is_person {
        return Err(Refused::NotAPerson(directory.describe(who)));
    }
    let permit = access::<verb::BreakGlass>(
        directory,
        &Who::Principal(who),
        Some(repository),
        &Ceiling::All,
        false,
        0,
    );
    permit.map(drop).map_err(|_| Refused::NoRole {
        who: directory.describe(who),
        repository: repository.clone(),
    })
}

/// Whether `confirmer` may confirm what `asker` asked for: two people, who both have the role there now.
///
/// ```
/// use policy::{Directory, PrincipalId, break_glass};
///
/// let repository = "shop/web".parse().unwrap();
/// let refused = break_glass::may_confirm(&Directory::default(), PrincipalId(1), PrincipalId(1), &repository);
/// assert!(refused.is_err());
/// ```
///
/// # Errors
/// [`Refused`] when they are one, when one of them is a robot, or has not the role (any more).
pub fn may_confirm(
    directory: &Directory,
    asker: PrincipalId,
    confirmer: PrincipalId,
    repository: &RepositoryName,
) -> Result<(), Refused> {
    // A robot of whoever asked is told that it is a robot: that is what it can never change.
    may_act(directory, confirmer, repository)?;
    if directory.identity_of(confirmer) == directory.identity_of(asker) {
        return Err(Refused::SamePerson(directory.describe(asker)));
    }
    may_act(directory, asker, repository)
}

/// Why a request for a break-glass is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// It would last too short or too long.
    #[error("it can last from 1 to {minutes_max} minutes")]
    Lasts {
        /// The longest time, in minutes.
        minutes_max: i64,
    },
    /// There is no reason.
    #[error("say why: it stands in every answer of the gate until it ends")]
    NoReason,
    /// The reason is too long, or not one line of text.
    #[error("the reason is one line of at most {REASON_CHARACTERS_MAX} printable characters")]
    Reason,
}

/// Checks how long it is to last (in milliseconds, at most `lasts_milliseconds_max`) and why, and answers the reason without the
/// space around it.
///
/// # Errors
/// [`TermsError`] when one of them is out of bounds.
pub fn check_terms(
    lasts_milliseconds: i64,
    lasts_milliseconds_max: i64,
    reason: &str,
) -> Result<&str, TermsError> {
    let lasts_milliseconds_max =
        lasts_milliseconds_max.clamp(LASTS_MILLISECONDS_MIN, LASTS_MILLISECONDS_MAX);
    if !(LASTS_MILLISECONDS_MIN..=lasts_milliseconds_max).contains(&lasts_milliseconds) {
        let minutes_max = lasts_milliseconds_max / LASTS_MILLISECONDS_MIN;
        return Err(TermsError::Lasts { minutes_max });
    }
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(TermsError::NoReason);
    }
    let is_plain = |character: char| !character.is_control() && !is_invisible(character);
    if reason.chars().count() > REASON_CHARACTERS_MAX || !reason.chars().all(is_plain) {
        return Err(TermsError::Reason);
    }
    Ok(reason)
}

#[cfg(test)]
mod tests;
