//! Trust stores: named sets of certificates, of three kinds. Bytes of files come in; which folder they lay in is the caller's affair,
//! as is refusing links. trust-store-trust-policy "Trust Store".

use std::collections::BTreeMap;
use std::fmt;
use std::str;

use super::certificate::{Certificate, CertificateError};
use crate::excerpt::excerpt;
use crate::pem;

/// The longest certificate file that is read, in bytes.
pub const STORE_FILE_BYTES_MAX: usize = 1024 * 1024;
/// The most certificates in one file.
pub const STORE_FILE_CERTIFICATES_MAX: usize = 256;

/// What a trust store's certificates are trusted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoreKind {
    /// Authorities that issue to signers.
    Ca,
    /// Authorities that issue to signing services, whose time is believed.
    SigningAuthority,
    /// Authorities that issue to timestamping services.
    Tsa,
}

impl StoreKind {
    /// Its name: `ca`, `signingAuthority` or `tsa`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::SigningAuthority => "signingAuthority",
            Self::Tsa => "tsa",
        }
    }
}

/// The name of a store, such as `ca:acme-rockets`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreName {
    kind: StoreKind,
    name: String,
}

impl StoreName {
    /// Reads `KIND:NAME`; the name of letters, digits, `_`, `.` and `-`, as it is the name of a folder.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let fault = || StoreError::Name(excerpt(text));
        let (kind, name) = text.split_once(':').ok_or_else(fault)?;
        let kind = [StoreKind::Ca, StoreKind::SigningAuthority, StoreKind::Tsa]
            .into_iter()
            .find(|known| known.as_str() == kind)
            .ok_or_else(fault)?;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        let is_folder = !["", ".", ".."].contains(&name) && name.len() <= NAME_BYTES_MAX;
        if !is_folder || !name.bytes().all(is_plain) {
            return Err(fault());
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }

    /// The store of a registered identity, of which there is one of each kind.
    #[must_use]
    pub fn own(kind: StoreKind) -> Self {
        Self {
            kind,
            name: "registered".to_owned(),
        }
    }

    /// The folder of its files in that of all trust stores, as `x509/ca/acme-rockets`.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{X509}/{}/{}", self.kind.as_str(), self.name)
    }

    /// The store whose folder has a path that ends so.
    pub fn of_folder(path: &str) -> Result<Self, StoreError> {
        let mut parts = path.trim_end_matches('/').rsplit('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(kind), Some(X509)) => Self::parse(&format!("{kind}:{name}")),
            _ => Err(StoreError::Folder(excerpt(path))),
        }
    }

    /// What it is trusted for.
    #[must_use]
    pub fn kind(&self) -> StoreKind {
        self.kind
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.name)
    }
}

/// All stores that there are. A store that no policy names is trusted for nothing.
#[derive(Debug, Clone, Default)]
pub struct TrustStores {
    stores: BTreeMap<StoreName, Vec<Certificate>>,
}

impl TrustStores {
    /// Adds the certificates of one file (PEM or DER, one or several) to a store.
    pub fn add_file(&mut self, store: StoreName, bytes: &[u8]) -> Result<(), StoreError> {
        let certificates = certificates(bytes)?;
        for certificate in &certificates {
            check(store.kind, certificate)?;
        }
        self.stores.entry(store).or_default().extend(certificates);
        Ok(())
    }

    /// The certificates of a store; nothing if there is no such store, or it is empty.
    #[must_use]
    pub fn certificates(&self, store: &StoreName) -> &[Certificate] {
        self.stores.get(store).map_or(&[], Vec::as_slice)
    }
}

/// An authority, or a certificate that stands for itself alone; for timestamps, a root.
fn check(kind: StoreKind, certificate: &Certificate) -> Result<(), StoreError> {
    let fits = match kind {
        StoreKind::Tsa => certificate.is_ca() && certificate.is_self_signed(),
        StoreKind::Ca | StoreKind::SigningAuthority => {
            certificate.is_ca() || certificate.is_self_signed()
        }
    };
    if fits {
        Ok(())
    } else {
        Err(StoreError::NotAnAuthority {
            subject: certificate.subject().to_excerpt(),
        })
    }
}

/// The certificates of a file: PEM blocks in a row with nothing else, or DER in a row.
pub fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, StoreError> {
    if bytes.len() > STORE_FILE_BYTES_MAX {
        return Err(StoreError::Size { bytes: bytes.len() });
    }
    let text = str::from_utf8(bytes).ok();
    let found = match text.filter(|text| text.contains(BEGIN)) {
        Some(text) => of_pem(text)?,
        None => of_der(bytes)?,
    };
    if found.is_empty() {
        return Err(StoreError::NoCertificate);
    }
    Ok(found)
}

fn of_pem(text: &str) -> Result<Vec<Certificate>, StoreError> {
    let mut found = Vec::new();
    let blocks = text.split_inclusive(END);
    for block in blocks.filter(|block| !block.trim().is_empty()) {
        check_count(found.len())?;
        let der = pem::decode(block, &["CERTIFICATE"]).map_err(|_| StoreError::Pem)?;
        found.push(Certificate::parse(&der)?);
    }
    Ok(found)
}

fn of_der(mut bytes: &[u8]) -> Result<Vec<Certificate>, StoreError> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        check_count(found.len())?;
        let (certificate, rest) = Certificate::parse_first(bytes)?;
        found.push(certificate);
        bytes = rest;
    }
    Ok(found)
}

fn check_count(before: usize) -> Result<(), StoreError> {
    if before == STORE_FILE_CERTIFICATES_MAX {
        return Err(StoreError::Count);
    }
    Ok(())
}

/// Why a store or its file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not the name of a store.
    #[error("`{0}` is not a trust store: write `ca:NAME`, `signingAuthority:NAME` or `tsa:NAME`")]
    Name(String),
    /// Not the path of a store's folder.
    #[error(
        "`{0}` is not the folder of a trust store: these are `x509/ca/NAME`, `x509/signingAuthority/NAME` and `x509/tsa/NAME`"
    )]
    Folder(String),
    /// The file is too long.
    #[error("limit exceeded: a file of {bytes} bytes, at most {max} are read", max = STORE_FILE_BYTES_MAX)]
    Size {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Too many certificates.
    #[error("limit exceeded: more than {STORE_FILE_CERTIFICATES_MAX} certificates in one file")]
    Count,
    /// The file holds no certificate.
    #[error("the file holds no certificate")]
    NoCertificate,
    /// Something else than PEM certificates stands there.
    #[error("the file holds something else than pem certificates")]
    Pem,
    /// A certificate that cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Neither an authority nor signed by itself.
    #[error("the certificate `{subject}` is no root: a trust store holds roots")]
    NotAnAuthority {
        /// Its subject.
        subject: String,
    },
}

const X509: &str = "x509";
const NAME_BYTES_MAX: usize = 255;
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END CERTIFICATE-----";
