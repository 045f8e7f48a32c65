//! By whose word signatures with certificates are judged: sigstore's trusted root, and revocation lists of notation, from files. When they
//! are read is not decided here.

use super::given;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use oci::{Algorithm, Digest, Hasher};
use serde::Deserialize;
use std::fs;
use std::path::PathBuf;
use trust::evidence::Anchors;
use trust::notation::{Crl, RevocationLists};
use trust::sigstore::{Demands, TrustedRoot};

/// Flags of `serve`, and the same of the table `[trust]`.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct AnchorFlags {
    /// The trusted root of sigstore (`trusted_root.json`) that signatures with certificates are judged by; without one, they count for
    /// nobody.
    #[arg(long, env = "COUNTERSIGN_SIGSTORE_ROOT", value_name = "FILE")]
    pub(super) sigstore_root: Option<PathBuf>,
    /// What must vouch for such a signature; all three, unless said otherwise.
    #[arg(
        long,
        env = "COUNTERSIGN_SIGSTORE_NEEDS",
        value_name = "NEED",
        value_delimiter = ',',
        value_enum
    )]
    pub(super) sigstore_needs: Option<Vec<Need>>,
    /// A revocation list (DER or PEM) for certificates of notation; may be repeated. With any, certificates that name a list or a
    /// responder need one.
    #[arg(
        long = "notation-crl",
        env = "COUNTERSIGN_NOTATION_CRLS",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub(super) notation_crls: Vec<PathBuf>,
}

/// What must vouch for a signature with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Need {
    /// An entry of a transparency log.
    Log,
    /// A certificate log's word for the certificate.
    CertificateLog,
    /// A time, of a timestamping authority or a log. Without it, a certificate must be valid when the signature comes.
    Time,
    /// Nothing.
    None,
}

impl AnchorFlags {
    /// These, and what they leave open from the file.
    pub(crate) fn over(&self, file: AnchorFlags) -> AnchorFlags {
        AnchorFlags {
            sigstore_root: self.sigstore_root.clone().or(file.sigstore_root),
            sigstore_needs: self.sigstore_needs.clone().or(file.sigstore_needs),
            notation_crls: given(&self.notation_crls, Some(&file.notation_crls)).to_vec(),
        }
    }

    /// All of them.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.sigstore_root.iter().chain(&self.notation_crls)
    }

    /// What tells these files, as they are now, from others. One that cannot be read is told from all that can.
    pub(crate) fn digest(&self) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        for path in self.files() {
            let content = fs::read(path).ok();
            let content = content.map(|bytes| Digest::sha256(&bytes));
            hasher.update(content.as_ref().map_or("-", Digest::as_str).as_bytes());
        }
        hasher.finish()
    }

    /// Reads the files.
    ///
    /// # Errors
    /// One that cannot be read, or is none; needs without a root.
    pub(crate) fn read(&self) -> Result<Anchors> {
        let sigstore = match (&self.sigstore_root, &self.sigstore_needs) {
            (Some(path), needs) => {
                let shown = path.display();
                let bytes = fs::read(path)
                    .with_context(|| format!("cannot read the trusted root `{shown}`"))?;
                let root = TrustedRoot::parse(&bytes)
                    .with_context(|| format!("cannot read the trusted root `{shown}`"))?;
                Some((root, demands(needs.as_deref())?))
            }
            (None, Some(_)) => bail!("`sigstore-needs` is of no use without `sigstore-root`"),
            (None, None) => None,
        };
        let mut lists = RevocationLists::default();
        for path in &self.notation_crls {
            let shown = path.display();
            let bytes = fs::read(path)
                .with_context(|| format!("cannot read the revocation list `{shown}`"))?;
            let list = Crl::parse(&bytes)
                .with_context(|| format!("cannot read the revocation list `{shown}`"))?;
            lists.add(list);
        }
        Ok(Anchors {
            sigstore,
            revocation: (!self.notation_crls.is_empty()).then_some(lists),
        })
    }
}

#[cfg(test)]
impl AnchorFlags {
    /// A trusted root and nothing else.
    pub(crate) fn of_root(path: PathBuf) -> Self {
        Self {
            sigstore_root: Some(path),
            ..Self::default()
        }
    }
}

fn demands(needs: Option<&[Need]>) -> Result<Demands> {
    let Some(needs) = needs else {
        return Ok(Demands::CERTIFICATE);
    };
    if needs.is_empty() || (needs.contains(&Need::None) && needs.len() > 1) {
        bail!("`sigstore-needs` is `none`, or some of `log`, `certificate-log` and `time`");
    }
    let count = |need| usize::from(needs.contains(&need));
    Ok(Demands {
        logs: count(Need::Log),
        certificate_logs: count(Need::CertificateLog),
        times: count(Need::Time),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(needs: Option<&[Need]>) -> AnchorFlags {
        AnchorFlags {
            sigstore_needs: needs.map(<[Need]>::to_vec),
            ..AnchorFlags::default()
        }
    }

    #[test]
    fn what_must_vouch_is_all_unless_said_otherwise() {
        assert_eq!(demands(None).unwrap(), Demands::CERTIFICATE);
        assert_eq!(demands(Some(&[Need::None])).unwrap(), Demands::KEY);
        let one = demands(Some(&[Need::Time])).unwrap();
        assert_eq!((one.logs, one.certificate_logs, one.times), (0, 0, 1));
        for wrong in [&[][..], &[Need::None, Need::Log]] {
            assert!(demands(Some(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn needs_are_of_no_use_without_a_root() {
        assert!(flags(Some(&[Need::Time])).read().is_err());
        assert!(flags(None).read().unwrap().sigstore.is_none());
    }

    #[test]
    fn a_file_that_is_no_root_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trusted_root.json");
        let flags = AnchorFlags::of_root(path.clone());
        assert!(flags.read().is_err(), "absent");
        fs::write(&path, "{}").unwrap();
        assert!(flags.read().is_err(), "of no type");
        let root = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
        fs::write(&path, root).unwrap();
        assert!(flags.read().unwrap().sigstore.is_some());
    }

    #[test]
    fn files_are_told_apart_by_what_they_hold() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let flags = AnchorFlags {
            notation_crls: vec![path("a"), path("b")],
            ..AnchorFlags::of_root(path("root"))
        };
        let mut seen = vec![flags.digest()];
        for (name, text) in [
            ("a", ""),
            ("a", "-"),
            ("b", "-"),
            ("root", "-"),
            ("root", "--"),
        ] {
            fs::write(path(name), text).unwrap();
            let found = flags.digest();
            assert!(!seen.contains(&found), "{name}: {text}");
            assert_eq!(found, flags.digest());
            seen.push(found);
        }
    }

    #[test]
    fn flags_go_over_the_file() {
        let file = AnchorFlags {
            sigstore_root: Some("file".into()),
            sigstore_needs: Some(vec![Need::Log]),
            notation_crls: vec!["file.crl".into()],
        };
        let own = AnchorFlags {
            sigstore_root: Some("flag".into()),
            ..AnchorFlags::default()
        };
        let both = own.over(file);
        assert_eq!(both.sigstore_root, Some("flag".into()));
        assert_eq!(both.sigstore_needs, Some(vec![Need::Log]));
        assert_eq!(both.notation_crls, [PathBuf::from("file.crl")]);
    }
}
