//! A server with its first admin, and short ways to do what the stories need.

use std::net::IpAddr;

use identity::{
    AuthError, Caller, CreatedToken, Error, Identity, LogIn, Options, Presented, TokenRequest, Via,
};
use policy::verb::ManageAccounts;
use policy::{Ceiling, Grantee, Kind, Permit, PrincipalId, Role, Verb, Who, access};
use secrecy::SecretString;
use store::Store;
use store::accounts::{self, By, NewGrant, NewPrincipal};
use tempfile::TempDir;

pub(crate) const NOW: i64 = 1_700_000_000_000;
pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) struct World {
    pub(crate) identity: Identity,
    pub(crate) store: Store,
    _folder: TempDir,
}

impl World {
    /// A server with `admin`, whose password is [`PASSWORD`].
    pub(crate) async fn new() -> Self {
        let world = Self::empty().await;
        assert!(
            world
                .identity
                .bootstrap_admin(Some(PASSWORD.into()), NOW)
                .await
                .unwrap()
                .is_none()
        );
        world
    }

    pub(crate) async fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&store::Options::embedded(folder.path()))
            .await
            .unwrap();
        let identity = Identity::new(store.clone(), Options::default()).unwrap();
        Self {
            identity,
            store,
            _folder: folder,
        }
    }

    pub(crate) async fn id(&self, name: &str) -> PrincipalId {
        let directory = accounts::directory(&self.store).await.unwrap();
        directory
            .principals
            .values()
            .find(|principal| principal.name == name)
            .unwrap()
            .id
    }

    pub(crate) async fn permit<V: Verb>(&self) -> Permit<V> {
        let directory = accounts::directory(&self.store).await.unwrap();
        let admin = Who::Principal(self.id("admin").await);
        access(&directory, &admin, None, &Ceiling::All, false, NOW).unwrap()
    }

    pub(crate) async fn person(&self, name: &str) -> PrincipalId {
        let permit = self.permit::<ManageAccounts>().await;
        self.identity
            .create_user(&permit, name, Some(PASSWORD.into()), NOW)
            .await
            .unwrap()
            .id
    }

    pub(crate) async fn robot(&self, name: &str, owner: PrincipalId) -> PrincipalId {
        let permit = self.permit::<ManageAccounts>().await;
        let new = NewPrincipal {
            kind: Kind::Robot,
            name: name.into(),
            owner: Some(owner),
            password_hash: None,
        };
        accounts::create_principal(&self.store, &permit, &new, NOW)
            .await
            .unwrap()
    }

    pub(crate) async fn grant(&self, to: PrincipalId, role: Role, pattern: &str) {
        let permit = self.permit::<ManageAccounts>().await;
        let new = NewGrant {
            to: Grantee::Principal(to),
            role,
            pattern: pattern.parse().unwrap(),
        };
        accounts::add_grant(&self.store, &permit, &new, NOW)
            .await
            .unwrap();
    }

    pub(crate) async fn set_active(&self, id: PrincipalId, active: bool) {
        let permit = self.permit::<ManageAccounts>().await;
        accounts::set_principal_active(&self.store, &permit, id, active, NOW)
            .await
            .unwrap();
    }

    /// Makes a token as the admin for a robot, or as a person for themselves.
    pub(crate) async fn token(&self, principal: PrincipalId, ceiling: Ceiling) -> CreatedToken {
        let directory = accounts::directory(&self.store).await.unwrap();
        let owner = directory.identity_of(principal);
        self.try_token(&person(owner), &By::Oneself(owner), principal, ceiling)
            .await
            .unwrap()
    }

    pub(crate) async fn try_token(
        &self,
        caller: &Caller,
        by: &By<'_>,
        principal: PrincipalId,
        ceiling: Ceiling,
    ) -> Result<CreatedToken, Error> {
        let request = TokenRequest {
            principal,
            name: "test".into(),
            ceiling,
            expires_at: Some(NOW + 86_400_000),
        };
        self.identity.create_token(caller, by, request, NOW).await
    }

    pub(crate) async fn log_in(&self, user: &str, password: &str) -> Result<Caller, AuthError> {
        self.log_in_at(user, password, NOW).await
    }

    pub(crate) async fn log_in_at(
        &self,
        user: &str,
        password: &str,
        now: i64,
    ) -> Result<Caller, AuthError> {
        let presented = Presented::Basic {
            user: user.into(),
            secret: password.into(),
        };
        self.identity.authenticate(presented, here(), now).await
    }

    /// A person who has just shown their password.
    pub(crate) async fn shown(&self, name: &str) -> LogIn {
        let presented = Presented::Basic {
            user: name.into(),
            secret: PASSWORD.into(),
        };
        self.identity.log_in(presented, here(), NOW).await.unwrap()
    }

    /// Whoever shows this token.
    pub(crate) async fn shown_token(&self, token: &SecretString) -> LogIn {
        let presented = Presented::Bearer(token.clone());
        self.identity.log_in(presented, here(), NOW).await.unwrap()
    }

    pub(crate) async fn bearer(&self, token: &SecretString, now: i64) -> Result<Caller, AuthError> {
        self.identity
            .authenticate(Presented::Bearer(token.clone()), here(), now)
            .await
    }
}

/// A person who logged in with their password.
pub(crate) fn person(id: PrincipalId) -> Caller {
    Caller {
        who: Who::Principal(id),
        ceiling: Ceiling::All,
        widest: Ceiling::All,
        via: Via::Password,
    }
}

pub(crate) fn here() -> IpAddr {
    IpAddr::from([192, 0, 2, 1])
}
