//! Names in certificates, registered like keys: whose certificates of a sigstore authority, or of an authority of notation, are whose.
//! There is nothing to prove: it is the authority's word that counts, and `security` says whom it means.

use super::{Register, possession, short};
use crate::context::ServerFlags;
use crate::output;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use trust::{NotationIdentity, RegisteredKey, SigstoreIdentity};

/// Which name; nothing for a key.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct IdentityFlags {
    /// Somebody who signs keyless: who vouches for the name, usually an OpenID issuer's address; `*` stands for any letters but `@`.
    #[arg(long, value_name = "URL", requires = "sigstore_identity", conflicts_with_all = ["proof", "key", "notation_ca"])]
    sigstore_issuer: Option<String>,
    /// The name in the certificates (their SAN): an address of mail or of a workflow; `*` stands for any letters but `@`.
    #[arg(long, value_name = "NAME", requires = "sigstore_issuer")]
    sigstore_identity: Option<String>,
    /// Somebody who signs with notation: the certificates (PEM or DER) of the authorities of theirs, or one that is self-signed and no
    /// authority; may be repeated.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["proof", "key"])]
    notation_ca: Vec<PathBuf>,
    /// The subject of their certificates, as `C=US, ST=WA, O=example, CN=maria`; not for a self-signed certificate alone.
    #[arg(long, value_name = "SUBJECT", requires = "notation_ca")]
    notation_subject: Option<String>,
    /// The roots (PEM or DER) of the timestamping services that are believed; may be repeated.
    #[arg(long, value_name = "FILE", requires = "notation_ca")]
    notation_tsa: Vec<PathBuf>,
}

impl IdentityFlags {
    /// The identity, if one is asked for.
    pub(super) fn identity(&self) -> Result<Option<RegisteredKey>> {
        if let (Some(issuer), Some(subject)) = (&self.sigstore_issuer, &self.sigstore_identity) {
            let identity = SigstoreIdentity::new(issuer, subject)?;
            return Ok(Some(RegisteredKey::Sigstore(Box::new(identity))));
        }
        if self.notation_ca.is_empty() {
            return Ok(None);
        }
        let authorities = together(&self.notation_ca)?;
        let timestamps = match self.notation_tsa.is_empty() {
            true => None,
            false => Some(together(&self.notation_tsa)?),
        };
        let subject = self.notation_subject.as_deref().map(subject);
        let identity =
            NotationIdentity::new(&authorities, subject.as_deref(), timestamps.as_deref())?;
        Ok(Some(RegisteredKey::Notation(Box::new(identity))))
    }
}

/// As a trust policy of notation writes it.
fn subject(text: &str) -> String {
    match text.trim().strip_prefix(SUBJECT) {
        Some(name) => format!("{SUBJECT} {}", name.trim_start()),
        None => format!("{SUBJECT} {}", text.trim()),
    }
}

/// The certificates of all files, in DER one after the other.
fn together(paths: &[PathBuf]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for path in paths {
        for certificate in certificates(path)? {
            all.extend_from_slice(certificate.as_der());
        }
    }
    Ok(all)
}

fn certificates(path: &Path) -> Result<Vec<trust::notation::Certificate>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    trust::notation::store::certificates(&bytes)
        .with_context(|| format!("cannot read the certificates of `{}`", path.display()))
}

impl Register {
    /// Registers the identity for its owner.
    pub(super) async fn run_identity(
        self,
        server: &ServerFlags,
        identity: &RegisteredKey,
    ) -> Result<()> {
        let client = self.authority.client(server)?;
        let principal = self.principal.unwrap_or(self.authority.user);
        let known =
            possession::register_identity(&client, identity, principal, self.name, self.scope)
                .await?;
        output::line(format!(
            "Signatures of {} are {}'s, for {}: key {}.",
            identity.describe(),
            known.principal,
            known.scope.join(", "),
            short(&known.id)
        ));
        Ok(())
    }
}

const SUBJECT: &str = "x509.subject:";
