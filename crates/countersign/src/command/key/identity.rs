//! Names in certificates, registered like keys: whose certificates of a sigstore authority, or of an authority of notation, are whose.
//! There is nothing to prove: it is the authority's word that counts, and `security` says whom it means.

use super::{Register, notation, possession, short};
use crate::context::ServerFlags;
use crate::output;
use anyhow::Result;
use trust::{RegisteredKey, SigstoreIdentity};

/// Which name; nothing for a key.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct IdentityFlags {
    /// Somebody who signs keyless: who vouches for the name, usually an OpenID issuer's address; `*` stands for any letters but `@`.
    #[arg(long, value_name = "URL", requires = "sigstore_identity", conflicts_with_all = ["proof", "key", notation::CERTIFICATES])]
    sigstore_issuer: Option<String>,
    /// The name in the certificates (their SAN): an address of mail or of a workflow; `*` stands for any letters but `@`.
    #[arg(long, value_name = "NAME", requires = "sigstore_issuer")]
    sigstore_identity: Option<String>,
    #[command(flatten)]
    notation: notation::NotationFlags,
}

/// Somebody by a name in certificates.
pub(super) enum Named {
    Sigstore(SigstoreIdentity),
    Notation(notation::Signer),
}

impl IdentityFlags {
    /// Who it is, if one is asked for.
    pub(super) fn named(&self) -> Result<Option<Named>> {
        if let (Some(issuer), Some(subject)) = (&self.sigstore_issuer, &self.sigstore_identity) {
            let identity = SigstoreIdentity::new(issuer, subject)?;
            return Ok(Some(Named::Sigstore(identity)));
        }
        Ok(self.notation.signer()?.map(Named::Notation))
    }
}

impl Register {
    /// Registers the identity for its owner.
    pub(super) async fn run_identity(self, server: &ServerFlags, named: Named) -> Result<()> {
        let scope = match &named {
            Named::Notation(signer) if self.scope.is_empty() => {
                signer.scope_at(&server.address()?)?
            }
            Named::Notation(_) | Named::Sigstore(_) => self.scope,
        };
        let identity = match named {
            Named::Sigstore(identity) => RegisteredKey::Sigstore(Box::new(identity)),
            Named::Notation(signer) => RegisteredKey::Notation(Box::new(signer.identity)),
        };
        let client = self.authority.client(server)?;
        let principal = self.principal.unwrap_or(self.authority.user);
        let known =
            possession::register_identity(&client, &identity, principal, self.name, scope).await?;
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
