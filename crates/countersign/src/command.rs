//! One file a command: its arguments, its help, what it does.

pub(crate) mod account;
pub(crate) mod advisories;
pub(crate) mod affected;
pub(crate) mod attest;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod bundle;
pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod events;
pub(crate) mod gate;
pub(crate) mod gc;
pub(crate) mod grant;
pub(crate) mod import_signatures;
pub(crate) mod key;
pub(crate) mod login;
pub(crate) mod policy;
pub(crate) mod sbom;
pub(crate) mod scan;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod stock;
pub(crate) mod team;
pub(crate) mod token;
pub(crate) mod trust;
pub(crate) mod verify;
pub(crate) mod verify_attestation;
pub(crate) mod webhook;

use crate::arguments::{Arguments, Command};
use crate::exit::Exit;
use anyhow::Result;

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<Exit> {
    let server = &arguments.server;
    match arguments.command {
        Command::Serve(command) => command.run().await,
        Command::Demo(command) => command.run().await,
        Command::Login(command) => command.run(server).await,
        Command::Logout(command) => command.run(server),
        Command::Whoami(command) => command.run(server).await,
        Command::Sbom(command) => command.run(server).await,
        Command::Scan(command) => command.run(server).await,
        Command::Advisories(command) => command.run(server).await,
        Command::Affected(command) => command.run(server).await,
        Command::Key(command) => command.run(server).await,
        Command::Sign(command) => command.run(server).await,
        Command::Attest(command) => command.run(server).await,
        Command::ImportSignatures(command) => command.run(server).await,
        Command::VerifyAttestation(command) => command.run(server).await,
        Command::Verify(command) => command.run(server).await,
        Command::Bundle(command) => command.run(server).await,
        Command::Gate(command) => command.run(server).await,
        Command::Policy(command) => command.run(server).await,
        Command::Trust(command) => command.run(server).await,
        Command::User(command) => command.run(server).await,
        Command::Robot(command) => command.run(server).await,
        Command::Team(command) => command.run(server).await,
        Command::Token(command) => command.run(server).await,
        Command::Grant(command) => command.run(server).await,
        Command::Events(command) => command.run(server).await,
        Command::Webhook(command) => command.run(server).await,
        Command::Audit(command) => command.run(server).await,
        Command::Tag(command) => command.run(server).await,
        Command::Repository(command) => command.run(server).await,
        Command::Gc(command) => command.run(server).await,
        Command::Check(command) => command.run().await,
        Command::Backup(command) => command.run().await,
        Command::Restore(command) => command.run().await,
    }
}
