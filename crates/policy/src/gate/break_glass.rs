//! What a break-glass does to the answer of a gate: while one is in force for this image at this gate of this policy, it passes. Who may
//! open one is in `policy::break_glass`.

use super::{Court, words};
use crate::decision::BreakGlassUsed;
use crate::facts::BreakGlass;

/// The one in force; of several, the one that lasts longest. The answer holds until it ends, or until another begins.
pub(super) fn in_force(court: &mut Court<'_>) -> Option<BreakGlassUsed> {
    let facts = court.facts;
    let here = facts
        .break_glass
        .iter()
        .filter(|each| each.policy == court.policy.name && each.gate == court.gate);
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
        reason: used.reason.clone(),
        asked_by: court.directory.describe(used.asked_by),
        confirmed_by: court.directory.describe(used.confirmed_by),
        until_at: used.until_at,
    })
}

/// That gates of this policy are open, for an answer that no gate gives: one line each, in the order in which they were asked for. It
/// holds until one of them ends, or begins.
pub(super) fn tell_open(court: &mut Court<'_>) {
    let facts = court.facts;
    let here = facts
        .break_glass
        .iter()
        .filter(|each| each.policy == court.policy.name);
    for each in here.filter(|each| each.until_at > court.now) {
        if each.confirmed_at > court.now {
            court.horizon.may_change_at(each.confirmed_at);
            continue;
        }
        court.horizon.may_change_at(each.until_at);
        court.warnings.push(format!(
            "gate {} is open by break-glass {} until {}, asked for by {}, confirmed by {}: {}",
            each.gate,
            each.id,
            words::instant(each.until_at),
            court.directory.describe(each.asked_by),
            court.directory.describe(each.confirmed_by),
            each.reason
        ));
    }
}
