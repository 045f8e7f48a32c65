//! By whose word signatures with certificates are judged: sigstore's trusted root, and revocation lists of notation, from files. When they
//! are read is not decided here.

use super::given;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use oci::Digest;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trust::evidence::Anchors;
use trust::notation::{CRL_BYTES_MAX, Crl};
use trust::sigstore::{Demands, ROOT_BYTES_MAX, TrustedRoot};

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

    /// All files, each with what it is to hold.
    pub(crate) fn files(&self) -> impl Iterator<Item = (AnchorKind, &Path)> {
        let root = self.sigstore_root.iter();
        let lists = self.notation_crls.iter();
        root.map(|path| (AnchorKind::Root, path.as_path()))
            .chain(lists.map(|path| (AnchorKind::List, path.as_path())))
    }

    /// What must vouch for a signature.
    ///
    /// # Errors
    /// Needs without a root, or a set of needs that is none.
    pub(crate) fn demands(&self) -> Result<Demands> {
        if self.sigstore_root.is_none() && self.sigstore_needs.is_some() {
            bail!("`sigstore-needs` is of no use without `sigstore-root`");
        }
        demands(self.sigstore_needs.as_deref())
    }

    /// Reads the files.
    ///
    /// # Errors
    /// One that cannot be read, or is none; needs without a root.
    pub(crate) fn read(&self) -> Result<Anchors> {
        let demands = self.demands()?;
        let read = self.files().map(|(kind, path)| kind.read(path));
        let read: Vec<_> = read.collect::<Result<_>>()?;
        let held = read.iter().map(|(anchor, _)| anchor);
        Ok(together(held, demands))
    }
}

/// What a file is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnchorKind {
    /// The trusted root of sigstore.
    Root,
    /// A revocation list of notation.
    List,
}

/// What a file holds.
#[derive(Clone, Debug)]
pub(crate) enum Anchor {
    /// The trusted root of sigstore.
    Root(Box<TrustedRoot>),
    /// A revocation list of notation.
    List(Arc<Crl>),
}

impl AnchorKind {
    /// Reads a file, and answers which bytes it was read from too.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(crate) fn read(self, path: &Path) -> Result<(Anchor, Digest)> {
        let read = || {
            let bytes = self.bytes(path)?;
            anyhow::Ok((self.parse(&bytes)?, Digest::sha256(&bytes)))
        };
        read().with_context(|| format!("cannot read the {} `{}`", self.name(), path.display()))
    }

    /// The bytes of a file, and of one that is too long no more than tell so.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn bytes(self, path: &Path) -> io::Result<Vec<u8>> {
        let bytes_max = match self {
            Self::Root => ROOT_BYTES_MAX,
            Self::List => CRL_BYTES_MAX,
        };
        let mut bytes = Vec::new();
        let bytes_max = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        let file = File::open(path)?;
        file.take(bytes_max.saturating_add(1))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads what a file holds.
    ///
    /// # Errors
    /// It is something else.
    pub(crate) fn parse(self, bytes: &[u8]) -> Result<Anchor> {
        Ok(match self {
            Self::Root => Anchor::Root(Box::new(TrustedRoot::parse(bytes)?)),
            Self::List => Anchor::List(Arc::new(Crl::parse(bytes)?)),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Root => "trusted root",
            Self::List => "revocation list",
        }
    }
}

/// By whose word certificates are judged where these are the contents of all files.
pub(crate) fn together<'a>(held: impl Iterator<Item = &'a Anchor>, demands: Demands) -> Anchors {
    let mut anchors = Anchors::default();
    for anchor in held {
        match anchor {
            Anchor::Root(root) => anchors.sigstore = Some((TrustedRoot::clone(root), demands)),
            Anchor::List(list) => {
                let lists = anchors.revocation.get_or_insert_default();
                lists.add(Arc::clone(list));
            }
        }
    }
    anchors
}

#[cfg(test)]
impl AnchorFlags {
    /// A trusted root and lists.
    pub(crate) fn of(root: PathBuf, lists: Vec<PathBuf>) -> Self {
        Self {
            notation_crls: lists,
            ..Self::of_root(root)
        }
    }

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
    use std::fs;

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
    fn of_a_file_that_does_not_end_only_so_much_is_read() {
        let endless = Path::new("/dev/zero");
        let bytes = AnchorKind::Root.bytes(endless).unwrap();
        assert_eq!(bytes.len(), ROOT_BYTES_MAX + 1);
        for kind in [AnchorKind::Root, AnchorKind::List] {
            let error = format!("{:#}", kind.read(endless).unwrap_err());
            assert!(error.contains("/dev/zero"), "{error}");
            assert!(error.contains("limit exceeded"), "{error}");
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
