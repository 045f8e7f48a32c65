//! What a break-glass does to the answer of a gate: while one is in force for this image at this gate of this policy, it passes. One for an
//! index covers what that lists, as its signatures do, and never the other way round. Who may open one is in `policy::break_glass`.

use oci::Digest;

use super::{Court, Verification, instant};
use crate::decision::{BreakGlassUsed, of_index};
use crate::facts::{BreakGlass, Facts};
use crate::file::Policy;
use crate::principal::Directory;

/// The one in force; of several, the one that lasts longest. The answer holds until it ends, or until another begins.
pub(super) fn in_force(court: &mut Court<'_>) -> Option<BreakGlassUsed> {
    let facts = court.facts;
    let here = facts.break_glass.iter().filter(|each| {
        each.policy == court.policy.name && each.gate == court.gate && covers(each, facts)
    });
    let mut longest: Option<&BreakGlass> = None;
    for each in here.filter(|each| each.until_at > court.now) {
        if each.confirmed_at > court.now {
            // Another process confirmed it, whose clock is ahead.
            court.horizon.may_change_at(each.confirmed_at);
        } else if longest.is_none_or(|longest| each.until_at > longest.until_at) {
            longest = Some(each);
        }
    }
    let used = longest?;
    court.horizon.may_change_at(used.until_at);
    Some(BreakGlassUsed {
        id: used.id,
        index: index(used, facts),
        reason: used.reason.clone(),
        asked_by: court.directory.describe(used.asked_by),
        confirmed_by: court.directory.describe(used.confirmed_by),
        until_at: used.until_at,
    })
}

/// Whether it is for what is judged, or for an index of the same repository that lists it.
fn covers(each: &BreakGlass, facts: &Facts) -> bool {
    each.digest == facts.digest || facts.listed_by.contains(&each.digest)
}

/// The index that it is for, where that is not what is judged.
fn index(each: &BreakGlass, facts: &Facts) -> Option<Digest> {
    Some(&each.digest)
        .filter(|digest| **digest != facts.digest)
        .cloned()
}

/// Says in answers that no gate gives which gates of the policies in force are open by break-glass, at `now` (milliseconds since the
/// epoch): in that of the gate's policy, or where it has none in the first. What they say holds no longer than that.
pub fn tell_open(
    verifications: &mut [Verification],
    facts: &Facts,
    policies: &[Policy],
    directory: &Directory,
    now: i64,
) {
    let open = facts.break_glass.iter();
    for each in open.filter(|each| each.until_at > now && covers(each, facts)) {
        let has_gate = policies.iter().any(|policy| {
            policy.name == each.policy
                && policy.covers(&facts.repository)
                && policy.gates.contains_key(&each.gate)
        });
        let place = verifications
            .iter()
            .position(|verification| verification.policy == each.policy);
        let Some(told) = verifications.get_mut(place.unwrap_or_default()) else {
            return;
        };
        if !has_gate {
            continue;
        }
        let is_in_force = each.confirmed_at <= now;
        let turns_at = match is_in_force {
            true => each.until_at,
            false => each.confirmed_at,
        };
        told.holds_until = Some(told.holds_until.map_or(turns_at, |at| at.min(turns_at)));
        if is_in_force {
            told.warnings.push(format!(
                "gate {} is open by break-glass {}{} until {}, asked for by {}, confirmed by {}: {}",
                each.gate,
                each.id,
                of_index(index(each, facts).as_ref()),
                instant(each.until_at),
                directory.describe(each.asked_by),
                directory.describe(each.confirmed_by),
                each.reason
            ));
        }
    }
}
