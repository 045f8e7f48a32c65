//! Whether an update is taken: as notary-server would, and where a policy covers the repository, as a managed one asks.

use std::sync::Arc;

use store::Standing;
use store::tuf::State;
use tokio::sync::OwnedSemaphorePermit;
use trust::tuf::managed::{self, Fault, Next, Rules};
use trust::tuf::publish::{self, Accepted, Current, Held, Refusal};
use trust::tuf::{Gun, RoleName};

use super::{Update, aside};
use crate::error::Result;

type Judged = std::result::Result<Accepted, Refusal>;

/// Judges an update against a state, which is handed back. Whoever asked may be gone before it is judged, which goes on with its permit all
/// the same.
pub(super) async fn judge(
    gun: &Gun,
    update: &Arc<Update>,
    state: Option<State>,
    now: i64,
    judging: Option<OwnedSemaphorePermit>,
) -> Result<(Option<State>, Judged)> {
    let (gun, update) = (gun.clone(), Arc::clone(update));
    aside(move || {
        let update = update.as_ref().clone();
        let accepted = match &state {
            Some(state) => against(&gun, update, state, now),
            None => publish::validate(&gun, update, &Current::new(), &Held::default(), now),
        };
        drop(judging);
        (state, accepted)
    })
    .await
}

fn against(gun: &Gun, update: Update, state: &State, now: i64) -> Judged {
    let (current, held) = (&state.current, &state.held);
    let Some(standing) = state.covered_by() else {
        return publish::validate(gun, update, current, held, now);
    };
    let roles: Vec<RoleName> = update.iter().map(|(role, _)| role.clone()).collect();
    managed::check_parts(gun, &roles, current, held)?;
    let accepted = publish::validate(gun, update, current, held, now)?;
    let accepted = with_rules(state, standing, |rules| {
        managed::admit(gun, accepted, current, held, rules, now)
    })?;
    match state.signed_elsewhere() {
        Some(there) if accepted.vouches().is_some_and(|said| !said.is_empty()) => {
            Err(Refusal::NotManaged {
                fault: Fault::OtherName(there.clone()),
                next: Next::Sign(there.clone()),
            })
        }
        _ => Ok(accepted),
    }
}

/// What accounts and policies say about keys and stages.
fn with_rules<T>(state: &State, standing: &Standing, judge: impl FnOnce(&Rules<'_>) -> T) -> T {
    let directory = &standing.directory;
    let covering = || {
        let policies = standing.policies.iter();
        policies.filter(|policy| policy.covers(state.repository()))
    };
    judge(&Rules {
        is_stage: &|name| covering().any(|policy| policy.stages.contains_key(name)),
        owner: &|key| {
            let key = directory.keys.get(key)?;
            Some(directory.describe(key.principal))
        },
    })
}
