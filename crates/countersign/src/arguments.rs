//! The command line: one list of commands, each described in its own file. Help, usage errors (exit code 2) and completion come from here.

use crate::command::{
    account, advisories, affected, attest, audit, backup, bundle, check, demo, events, gate, gc,
    grant, import_signatures, key, login, policy, sbom, scan, serve, sign, stock, team, token,
    trust, verify, verify_attestation, webhook,
};
use crate::context::ServerFlags;
use crate::output::ColourChoice;
use clap::{Parser, Subcommand};

/// Guards a container image from build to production: registry, signatures, scanner, monitor and gate in one program.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, about, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done or allowed · 1 failed · 2 wrong usage · 3 refused · 4 not ready"
)]
pub(crate) struct Arguments {
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = ColourChoice::Auto)]
    pub(crate) colour: ColourChoice,
    #[command(flatten)]
    pub(crate) server: ServerFlags,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server: registry, scanner, monitor, gate and console on one port.
    Serve(Box<serve::Serve>),
    /// Show the whole story on a real image, on a temporary server.
    Demo(demo::Demo),
    /// Log in to a server.
    Login(login::Login),
    /// Forget a log-in.
    Logout(login::Logout),
    /// Say who you are to the server, and what you may do.
    Whoami(login::Whoami),
    /// List what is inside an image or a folder.
    Sbom(sbom::Sbom),
    /// List the known weaknesses of an image or a folder.
    Scan(scan::Scan),
    /// Import advisories, or show what the server holds.
    #[command(subcommand)]
    Advisories(advisories::Advisories),
    /// List the images in stock that a weakness or a package affects.
    Affected(affected::Affected),
    /// Make signing keys, and register them with the server.
    #[command(subcommand)]
    Key(key::Key),
    /// Sign an image for a stage.
    Sign(sign::Sign),
    /// Say something about an image: provenance, an SBOM, a test's result.
    Attest(attest::Attest),
    /// Take the signatures of podman and skopeo from a lookaside store.
    ImportSignatures(import_signatures::ImportSignatures),
    /// Read what is said about an image, by the given keys.
    VerifyAttestation(verify_attestation::VerifyAttestation),
    /// Say whose signatures stand behind images, and why others do not count.
    Verify(verify::Verify),
    /// Write an image with all that speaks for it into one file, for hosts without a network.
    Bundle(bundle::Bundle),
    /// Ask a gate whether an image may pass, and why not.
    Gate(gate::Gate),
    /// Check, test, apply and show policies.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Docker Content Trust without docker: begin, look at, change and hand over trust repositories.
    #[command(subcommand, after_help = trust::WHEN_A_KEY_IS_LOST)]
    Trust(trust::Trust),
    /// People.
    #[command(subcommand)]
    User(account::User),
    /// Robots: machine accounts, each owned by a person.
    #[command(subcommand)]
    Robot(account::Robot),
    /// Teams of people and robots.
    #[command(subcommand)]
    Team(team::Team),
    /// Personal and robot tokens, shown once.
    #[command(subcommand)]
    Token(token::Token),
    /// Grants: who may do what in which repositories.
    #[command(subcommand)]
    Grant(grant::Grant),
    /// What happened: images, signatures, findings, decisions.
    Events(events::Events),
    /// Programs that are told of events.
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    /// The audit log.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Delete many tags at once.
    #[command(subcommand)]
    Tag(stock::Tag),
    /// Delete all that a repository holds.
    #[command(subcommand)]
    Repository(stock::Repository),
    /// Remove blobs that no image needs, now. The server does it each hour.
    Gc(gc::Gc),
    /// Read every stored blob again, and name those that are damaged.
    Check(check::Check),
    /// Copy a server that may be running, without its keys.
    Backup(backup::Backup),
    /// Make a data folder of a backup.
    Restore(backup::Restore),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    const DOCUMENTED: &str = include_str!("../../../docs/cli.md");

    /// Every command that does something, with all its words.
    fn leaves(command: &clap::Command, words: &str) -> Vec<(String, clap::Command)> {
        let below = command.get_subcommands();
        let below = below.filter(|below| below.get_name() != "help");
        let found: Vec<_> = below
            .flat_map(|below| leaves(below, format!("{words} {}", below.get_name()).trim()))
            .collect();
        match found.is_empty() {
            true => vec![(words.to_owned(), command.clone())],
            false => found,
        }
    }

    /// The line of the documentation that shows a command.
    fn line_of(words: &str) -> Option<&'static str> {
        let begins = [format!("`{words} "), format!("`{words}`")];
        let mut lines = DOCUMENTED.lines().filter(|line| line.starts_with('|'));
        lines.find(|line| begins.iter().any(|begin| line.contains(begin)))
    }

    #[test]
    fn the_documentation_lists_every_command() {
        let all = leaves(&Arguments::command(), "");
        assert!(all.len() > 50);
        let missing: Vec<&str> = all
            .iter()
            .map(|(words, _)| words.as_str())
            .filter(|words| line_of(words).is_none())
            .collect();
        assert_eq!(missing, [""; 0], "write them into docs/cli.md");
    }

    #[test]
    fn the_documentation_lists_what_can_be_said_about_trust() {
        // What the section says about all of them.
        let common = ["help", "keys", "output"];
        let all = leaves(&Arguments::command(), "");
        let trust = all.iter().filter(|(words, _)| words.starts_with("trust "));
        for (words, command) in trust {
            let line = line_of(words).unwrap();
            let flags = command.get_arguments().filter_map(clap::Arg::get_long);
            for flag in flags.filter(|flag| !common.contains(flag)) {
                let flag = format!("--{flag}");
                assert!(line.contains(&flag), "docs/cli.md: {flag} of {words}");
            }
            let help = command.get_after_help().map(ToString::to_string);
            assert!(help.is_some_and(|help| help.contains("Example")), "{words}");
        }
    }
}
