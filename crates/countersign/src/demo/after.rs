//! What is printed when the server stays up: where to look, who can log in, and what to try.

use super::people::{Actor, Signatory};
use super::story::{GATE, Story};
use super::{material, say};
use crate::command::key::files;
use crate::output::{Tone, line, toned};
use crate::service::Service;
use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};
use std::fs;
use std::path::{Path, PathBuf};

/// The password of the key files that the demo leaves for trying.
const KEY_PASSWORD: &str = "demo";

/// Prints it all.
pub(super) fn print(service: &Service, story: &Story, folder: &Path) -> Result<()> {
    let keys = write_keys(folder, &[&story.people.maria, &story.people.tom])?;
    headline("The server stays up. The console:");
    say::verbatim(&format!(
        "{}/console/image?ref={}",
        service.url(),
        story.image.name()
    ));
    log_ins(story);
    commands(service, story, folder, &keys);
    headline("Ctrl-C ends it and removes everything.");
    Ok(())
}

fn headline(text: &str) {
    line("");
    line(toned(Tone::Strong, text));
}

fn log_ins(story: &Story) {
    headline("Who can log in, with which password:");
    let people = &story.people;
    let row = |actor: &Actor, what: &str| {
        let secret = actor.secret.expose_secret().to_owned();
        (
            Tone::Strong,
            [actor.name.to_owned(), secret, what.to_owned()],
        )
    };
    say::rows(&[
        row(&people.admin, "accounts and the server"),
        row(&people.anna, "policies, advisories, events"),
        row(&people.erik.actor, "pushes"),
        row(&people.maria.actor, "signs for staging"),
        row(&people.tom.actor, "signs for staging"),
        row(&people.host, "a robot's token: docker login"),
    ]);
}

/// Commands that work as they stand, in this order, without touching anyone's own log-ins.
fn commands(service: &Service, story: &Story, folder: &Path, keys: &Path) {
    let (url, address, image) = (service.url(), service.address(), story.image.name());
    let people = &story.people;
    headline("As docker sees the gate:");
    say::verbatim(&format!(
        "docker login {address} -u {} -p {}",
        people.host.name,
        people.host.secret.expose_secret()
    ));
    say::verbatim(&format!("docker pull {address}/{image}"));
    headline("As security and quality assurance see it:");
    if let Some(alias) = alias() {
        say::verbatim(&alias);
    }
    say::verbatim(&format!(
        "export COUNTERSIGN_CONFIG_DIR={}",
        folder.join("cli").display()
    ));
    let password = people.anna.secret.expose_secret();
    say::verbatim(&format!(
        "printf %s '{password}' | countersign login --server {url} --user anna --password-stdin"
    ));
    say::verbatim(&format!("countersign gate {image} --gate {GATE}"));
    say::verbatim(&format!("countersign affected {}", material::LATER));
    say::verbatim("countersign events");
    say::verbatim(&format!("countersign sbom {address}/{image}"));
    say::verbatim(&format!(
        "countersign audit verify --data {}",
        folder.display()
    ));
    headline("And sign, as maria would:");
    let key = keys.join(format!("{}.key", people.maria.actor.name));
    let password = people.maria.actor.secret.expose_secret();
    say::verbatim(&format!(
        "printf %s '{password}' | countersign login --server {url} --user maria --password-stdin"
    ));
    say::verbatim(&format!(
        "COUNTERSIGN_KEY_PASSWORD={KEY_PASSWORD} countersign sign --stage staging --key {} {address}/{image}",
        key.display()
    ));
}

/// The keys as files, as `countersign key generate` makes them.
fn write_keys(folder: &Path, signatories: &[&Signatory]) -> Result<PathBuf> {
    let keys = folder.join("keys");
    fs::create_dir(&keys).with_context(|| format!("cannot make `{}`", keys.display()))?;
    for signatory in signatories {
        let path = keys.join(format!("{}.key", signatory.actor.name));
        files::write(
            &path,
            &signatory.key,
            &SecretString::from(KEY_PASSWORD.to_owned()),
        )?;
    }
    Ok(keys)
}

/// How to call this program by its name, where the shell does not find it.
fn alias() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|known| known == folder));
    (!found).then(|| format!("alias countersign={}", program.display()))
}
