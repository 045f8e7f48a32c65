//! The people and machines of the shop: accounts, teams, roles, keys. All of it is asked of the server as an admin and a security
//! engineer would ask.

use crate::command::key::possession;
use crate::command::sign;
use anyhow::{Context, Result, ensure};
use client::api::accounts::{Grantee, NewGrant, NewRobot, NewTeam, NewUser};
use client::api::tokens::NewToken;
use client::{Client, ClientOptions, Credentials};
use oci::{Digest, ImageReference};
use secrecy::SecretString;
use trust::{Algorithm, PrivateKey, Signer as _};

/// Where the shop's images are.
const SCOPE: &str = "shop/**";

/// Someone who acts in the story.
pub(super) struct Actor {
    /// The name to log in with.
    pub(super) name: &'static str,
    /// The password, or a robot's token.
    pub(super) secret: SecretString,
    /// The server as they see it.
    pub(super) client: Client,
}

/// Someone with a key of their own.
pub(super) struct Signatory {
    pub(super) actor: Actor,
    pub(super) key: PrivateKey,
}

/// Everyone in the story.
pub(super) struct People {
    /// Runs the server.
    pub(super) admin: Actor,
    /// Writes the policy, registers keys, brings advisories.
    pub(super) anna: Actor,
    /// Develops and pushes; owns `ci-shop`; helps out in quality assurance.
    pub(super) erik: Signatory,
    /// Quality assurance.
    pub(super) maria: Signatory,
    /// Quality assurance.
    pub(super) tom: Signatory,
    /// Builds and tests.
    pub(super) ci: Signatory,
    /// A host in production.
    pub(super) host: Actor,
}

impl People {
    /// Makes the accounts, and registers the keys.
    pub(super) async fn arrive(url: &str, admin_password: SecretString) -> Result<Self> {
        let admin = Actor::new(url, "admin", admin_password)?;
        let anna = person(url, &admin, "anna").await?;
        let [erik, maria, tom] = [
            person(url, &admin, "erik").await?,
            person(url, &admin, "maria").await?,
            person(url, &admin, "tom").await?,
        ];
        let ci = robot(url, &admin, "ci-shop", "erik").await?;
        let host = robot(url, &admin, "web-1", "anna").await?;
        team(&admin, "qa", &["maria", "tom", "erik"]).await?;
        team(&admin, "production-hosts", &["web-1"]).await?;
        for (to, role, pattern) in [
            (principal("anna"), "security", "**"),
            (principal("erik"), "writer", SCOPE),
            (principal("ci-shop"), "signer", SCOPE),
            (Grantee::Team("qa".to_owned()), "signer", SCOPE),
            (
                Grantee::Team("production-hosts".to_owned()),
                "reader",
                SCOPE,
            ),
        ] {
            admin
                .client
                .create_grant(&NewGrant {
                    to,
                    role: role.to_owned(),
                    pattern: pattern.to_owned(),
                })
                .await?;
        }
        let erik = Signatory::registered(erik, &anna).await?;
        let maria = Signatory::registered(maria, &anna).await?;
        let tom = Signatory::registered(tom, &anna).await?;
        let ci = Signatory::registered(ci, &anna).await?;
        Ok(Self {
            admin,
            anna,
            erik,
            maria,
            tom,
            ci,
            host,
        })
    }

    /// Those who have a key.
    pub(super) fn signatories(&self) -> [&Signatory; 4] {
        [&self.ci, &self.erik, &self.maria, &self.tom]
    }
}

impl Actor {
    fn new(url: &str, name: &'static str, secret: SecretString) -> Result<Self> {
        let credentials = Credentials::Basic {
            user: name.to_owned(),
            password: secret.clone(),
        };
        let client = Client::new(ClientOptions::new(url)?.with_credentials(credentials))?;
        Ok(Self {
            name,
            secret,
            client,
        })
    }
}

impl Signatory {
    /// Makes a key and has it registered: someone with the role `security` asks what is to be signed, the owner signs it where the
    /// key is, and the answer goes back. The private key never travels.
    async fn registered(actor: Actor, security: &Actor) -> Result<Self> {
        let key = PrivateKey::generate(Algorithm::EcdsaP256)?;
        let asked =
            possession::ask(&security.client, &key.public_key().to_pem(), actor.name).await?;
        let proof = possession::prove(&key, &asked)?;
        let scope = vec![SCOPE.to_owned()];
        let registered = possession::register(
            &security.client,
            proof,
            format!("{}'s key", actor.name),
            scope,
        )
        .await
        .with_context(|| format!("cannot register the key of {}", actor.name))?;
        ensure!(
            registered.id == key.public_key().id().to_string(),
            "the server registered another key for {}",
            actor.name
        );
        ensure!(
            registered.principal == actor.name,
            "the key of {} was given to {}",
            actor.name,
            registered.principal
        );
        Ok(Self { actor, key })
    }

    /// Signs an image for a stage; answers the digest that was signed.
    pub(super) async fn sign(&self, image: &str, stage: &str) -> Result<Digest> {
        let reference: ImageReference = image.parse()?;
        let signed = sign::sign(&self.actor.client, &reference, stage, &self.key).await;
        Ok(signed
            .with_context(|| format!("{} cannot sign for stage {stage}", self.actor.name))?
            .subject)
    }
}

async fn person(url: &str, admin: &Actor, name: &'static str) -> Result<Actor> {
    let created = admin
        .client
        .create_user(&NewUser {
            name: name.to_owned(),
            password: None,
        })
        .await?;
    let password = created
        .password
        .with_context(|| format!("the server made no password for {name}"))?;
    Actor::new(url, name, password.into_inner())
}

async fn robot(url: &str, admin: &Actor, name: &'static str, owner: &str) -> Result<Actor> {
    admin
        .client
        .create_robot(&NewRobot {
            name: name.to_owned(),
            owner: Some(owner.to_owned()),
        })
        .await?;
    let token = NewToken {
        name: "demo".to_owned(),
        expires_in_days: Some(1),
        principal: Some(name.to_owned()),
        scope: None,
    };
    let created = admin.client.create_token(&token).await?;
    Actor::new(url, name, created.token.into_inner())
}

async fn team(admin: &Actor, name: &str, members: &[&str]) -> Result<()> {
    admin
        .client
        .create_team(&NewTeam {
            name: name.to_owned(),
        })
        .await?;
    for member in members {
        admin.client.add_member(name, member).await?;
    }
    Ok(())
}

fn principal(name: &str) -> Grantee {
    Grantee::Principal(name.to_owned())
}
