//! Who asks the API or the console, with the directory of that moment, and the permits they get from `policy::access`. A
//! refusal becomes an answer here: log in first, nothing of that name, or you may not. It decides nothing by itself.

use crate::app::App;
use crate::error::{ApiError, ApiResult, shown};
use crate::observe;
use identity::Caller;
use oci::RepositoryName;
use policy::verb::{Inspect, Verb};
use policy::{Ceiling, Directory, Permit, Principal, PrincipalId, Refused, Who};
use std::sync::Arc;
use store::Store;

/// A caller with all that permits are asked with.
pub(crate) struct Asker {
    app: App,
    caller: Caller,
    directory: Arc<Directory>,
    now: i64,
}

impl Asker {
    /// Reads the directory for a caller.
    pub(crate) async fn of(app: &App, caller: Caller) -> ApiResult<Self> {
        let directory = store::accounts::directory(app.store()).await?;
        observe::asked_by(&caller.who, &directory);
        Ok(Self {
            app: app.clone(),
            caller,
            directory,
            now: app.now(),
        })
    }

    /// The application.
    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    /// All state.
    pub(crate) fn store(&self) -> &Store {
        self.app.store()
    }

    /// Who it is, and by which credentials.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Everybody, as of when the request began.
    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// When the request began, in milliseconds since the epoch.
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    /// The caller's number, if they are logged in.
    pub(crate) fn principal(&self) -> ApiResult<PrincipalId> {
        self.caller
            .who
            .principal()
            .ok_or_else(|| ApiError::unauthorized("log in first"))
    }

    /// A permit for something of the whole server.
    pub(crate) fn permit<V: Verb>(&self) -> ApiResult<Permit<V>> {
        self.ask::<V>(None, &self.caller.ceiling)
            .map_err(|refused| self.refusal::<V>(None, &refused))
    }

    /// The same, if the caller may.
    pub(crate) fn may<V: Verb>(&self) -> Option<Permit<V>> {
        self.ask::<V>(None, &self.caller.ceiling).ok()
    }

    /// A permit for something in a repository; one that is hidden from the caller is answered like one that is not there.
    pub(crate) fn permit_in<V: Verb>(&self, repository: &RepositoryName) -> ApiResult<Permit<V>> {
        self.ask::<V>(Some(repository), &self.caller.ceiling)
            .map_err(|refused| self.refusal::<V>(Some(repository), &refused))
    }

    /// A permit to look into a repository; one that is hidden from the caller is answered like one that is not there.
    pub(crate) fn inspect(&self, repository: &RepositoryName) -> ApiResult<Permit<Inspect>> {
        self.permit_in(repository)
    }

    /// Whether the caller may look into a repository.
    pub(crate) fn inspects(&self, repository: &RepositoryName) -> bool {
        self.ask::<Inspect>(Some(repository), &self.caller.ceiling)
            .is_ok()
    }

    /// The person or robot of this name.
    pub(crate) fn named(&self, name: &str) -> ApiResult<&Principal> {
        let found = self
            .directory
            .principals
            .values()
            .find(|principal| principal.name == name);
        found.ok_or_else(|| {
            ApiError::not_found(format!("there is no person or robot `{}`", shown(name)))
        })
    }

    /// The name of a person or robot; its number where the directory does not know it yet.
    pub(crate) fn name_of(&self, id: PrincipalId) -> String {
        self.directory
            .principal(id)
            .map_or_else(|| id.to_string(), |principal| principal.name.clone())
    }

    /// Whether this is the caller, or a robot of theirs.
    pub(crate) fn is_own(&self, id: PrincipalId) -> bool {
        let own = self.caller.who.principal();
        own == Some(id)
            || own.is_some()
                && self
                    .directory
                    .principal(id)
                    .and_then(|principal| principal.owner)
                    == own
    }

    fn ask<V: Verb>(
        &self,
        repository: Option<&RepositoryName>,
        ceiling: &Ceiling,
    ) -> Result<Permit<V>, Refused> {
        let anonymous_pull = self.app.options().anonymous_pull;
        policy::access::<V>(
            &self.directory,
            &self.caller.who,
            repository,
            ceiling,
            anonymous_pull,
            self.now,
        )
    }

    fn refusal<V: Verb>(&self, repository: Option<&RepositoryName>, refused: &Refused) -> ApiError {
        if self.caller.who == Who::Anonymous {
            return ApiError::unauthorized("log in first");
        }
        match repository {
            Some(name) if refused.hidden => no_repository(name),
            _ if self.ask::<V>(repository, &Ceiling::All).is_ok() => {
                let message = format!(
                    "the token does not cover `{}`: use another one, or the password",
                    V::NAME
                );
                ApiError::denied(message)
            }
            _ => ApiError::denied(refused.to_string()),
        }
    }
}

/// The same words whether the repository is missing or hidden.
pub(crate) fn no_repository(name: &RepositoryName) -> ApiError {
    ApiError::not_found(format!(
        "there is no repository `{name}`, or you may not see it"
    ))
}
