//! Whether an update is taken: as notary-server would, and where a policy covers the repository, as a managed one asks. On a thread for such
//! work, because a large one takes a while.

use std::sync::Arc;

use store::Standing;
use store::tuf::State;
use trust::tuf::managed::{self, Rules};
use trust::tuf::publish::{self, Accepted, Current, Held, Refusal};
use trust::tuf::{Gun, RoleName};

use super::Update;
use crate::error::{Error, Result};

type Judged = std::result::Result<Accepted, Refusal>;

/// Judges an update against a state, which is handed back.
pub(super) async fn judge(
    gun: &Gun,
    update: &Arc<Update>,
    state: Option<State>,
    now: i64,
) -> Result<(Option<State>, Judged)> {
    let (gun, update) = (gun.clone(), Arc::clone(update));
    let judged = tokio::task::spawn_blocking(move || {
        let update = update.as_ref().clone();
        let accepted = match &state {
            Some(state) => against(&gun, update, state, now),
            None => publish::validate(&gun, update, &Current::new(), &Held::default(), now),
        };
        (state, accepted)
    });
    judged.await.map_err(|error| {
        Error::Store(store::Error::Unavailable {
            what: "the judge of updates",
            why: error.to_string(),
        })
    })
}

fn against(gun: &Gun, update: Update, state: &State, now: i64) -> Judged {
    let (current, held) = (&state.current, &state.held);
    let Some(standing) = state.covered_by() else {
        return publish::validate(gun, update, current, held, now);
    };
    let roles: Vec<RoleName> = update.iter().map(|(role, _)| role.clone()).collect();
    managed::check_parts(gun, &roles, current, held)?;
    let accepted = publish::validate(gun, update, current, held, now)?;
    with_rules(state, standing, |rules| {
        managed::admit(gun, accepted, current, held, rules, now)
    })
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
