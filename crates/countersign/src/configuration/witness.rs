//! Witnesses of the audit log, and logs that this server is a witness of. Names and keys only: nothing is asked here.

use super::given;
use crate::context::read_authority;
use anyhow::{Context, Result, anyhow, bail};
use client::webhook::check_url;
use client::witness::WitnessClient;
use monitor::Witness;
use std::path::PathBuf;
use trust::checkpoint::{VerifierKey, VerifierKind};

/// Witnesses and logs beyond so many are a mistake.
const CONFIGURED_MAX: usize = 64;

/// Flags of `serve`.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct WitnessFlags {
    /// A witness that signs the checkpoints of the audit log, as `URL KEY` in one argument: what its addresses begin with
    /// (`https://other.example/witness`), and its verifier key; may be repeated.
    #[arg(
        long = "witness",
        env = "COUNTERSIGN_WITNESSES",
        value_name = "URL KEY",
        value_delimiter = ','
    )]
    witnesses: Vec<String>,
    /// The verifier key of a log whose checkpoints this server signs as a witness; may be repeated.
    #[arg(
        long = "witness-of",
        env = "COUNTERSIGN_WITNESS_OF",
        value_name = "KEY",
        value_delimiter = ','
    )]
    witness_of: Vec<String>,
    /// An authority to trust for witnesses, beside those of the system (PEM).
    #[arg(
        long = "witness-ca",
        env = "COUNTERSIGN_WITNESS_CA",
        value_name = "FILE"
    )]
    witness_ca: Option<PathBuf>,
}

impl WitnessFlags {
    /// The witnesses to ask: the flags', or else the file's.
    ///
    /// # Errors
    /// One that is not an address and a witness's key, or an authority that cannot be read.
    pub(crate) fn witnesses(
        &self,
        of_file: Option<&[String]>,
        ca_of_file: Option<&PathBuf>,
    ) -> Result<Vec<Witness>> {
        let given = bounded(&self.witnesses, of_file)?;
        if given.is_empty() {
            return Ok(Vec::new());
        }
        let authorities = match self.witness_ca.as_ref().or(ca_of_file) {
            Some(path) => vec![read_authority(path)?],
            None => Vec::new(),
        };
        let client = WitnessClient::new(&authorities)?;
        let read =
            |text: &String| witness(text, &client).with_context(|| format!("witness `{text}`"));
        given.iter().map(read).collect()
    }

    /// The logs to sign for: the flags', or else the file's.
    ///
    /// # Errors
    /// One that is not a log's key.
    pub(crate) fn logs(&self, of_file: Option<&[String]>) -> Result<Vec<VerifierKey>> {
        let read =
            |text: &String| key(text, VerifierKind::Log).with_context(|| format!("log `{text}`"));
        let given = bounded(&self.witness_of, of_file)?;
        given.iter().map(read).collect()
    }
}

fn bounded<'a>(flags: &'a [String], of_file: Option<&'a [String]>) -> Result<&'a [String]> {
    let given = given(flags, of_file);
    if given.len() > CONFIGURED_MAX {
        bail!("more than {CONFIGURED_MAX} witnesses or logs are configured");
    }
    Ok(given)
}

fn witness(text: &str, client: &WitnessClient) -> Result<Witness> {
    let (url, key) = text
        .trim()
        .split_once(' ')
        .ok_or_else(|| anyhow!("give an address and a key, with a space between"))?;
    check_url(url)?;
    let key = self::key(key, VerifierKind::Witness)?;
    Ok(Witness::new(url, key, client.clone()))
}

fn key(text: &str, kind: VerifierKind) -> Result<VerifierKey> {
    let key: VerifierKey = text.trim().parse()?;
    if key.kind() != kind {
        bail!(match kind {
            VerifierKind::Log =>
                "this is the key of a witness, not of a log: a log has it at `/tlog/key`",
            VerifierKind::Witness =>
                "this is the key of a log, not of a witness: a witness has it at `/witness/key`",
        });
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trust::{Algorithm, PrivateKey, Signer};

    fn key_of(kind: VerifierKind) -> String {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        VerifierKey::new("other.example", kind, key.public_key())
            .unwrap()
            .to_string()
    }

    fn flags(witnesses: &[String], logs: &[String]) -> WitnessFlags {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        WitnessFlags {
            witnesses: witnesses.to_vec(),
            witness_of: logs.to_vec(),
            witness_ca: None,
        }
    }

    #[test]
    fn witnesses_and_logs_come_from_flags_or_else_the_file() {
        let (log, witness) = (key_of(VerifierKind::Log), key_of(VerifierKind::Witness));
        let given = format!("https://other.example/witness {witness}");
        let found = flags(std::slice::from_ref(&given), &[])
            .witnesses(None, None)
            .unwrap();
        assert_eq!(found[0].url(), "https://other.example/witness");
        assert_eq!(found[0].key().to_string(), witness);
        let of_file = [given];
        assert_eq!(
            flags(&[], &[])
                .witnesses(Some(&of_file), None)
                .unwrap()
                .len(),
            1
        );
        assert!(flags(&[], &[]).witnesses(None, None).unwrap().is_empty());
        assert_eq!(
            flags(&[], std::slice::from_ref(&log)).logs(None).unwrap()[0].to_string(),
            log
        );
    }

    #[test]
    fn a_key_of_the_other_kind_or_none_is_refused() {
        let (log, witness) = (key_of(VerifierKind::Log), key_of(VerifierKind::Witness));
        for wrong in [
            format!("https://other.example/witness {log}"),
            witness.clone(),
            format!("ftp://other.example {witness}"),
            "https://other.example/witness none".to_owned(),
        ] {
            assert!(
                flags(std::slice::from_ref(&wrong), &[])
                    .witnesses(None, None)
                    .is_err(),
                "{wrong}"
            );
        }
        assert!(flags(&[], &[witness]).logs(None).is_err());
        let many = vec![log; CONFIGURED_MAX + 1];
        assert!(flags(&[], &many).logs(None).is_err());
    }
}
