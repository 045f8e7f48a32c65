//! The certificate that the server shows: its operator's own, or one from a small local authority (`--tls self`).
//! It does not reload a certificate while it runs, and it speaks TLS only through rustls.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The name of the local authority's certificate below the data folder's `tls` folder.
pub const AUTHORITY_FILE: &str = "ca.crt";

const AUTHORITY_KEY_FILE: &str = "ca.key";
const AUTHORITY_DAYS: u64 = 3_650;
const LEAF_DAYS: u64 = 397;
/// Clocks differ: a certificate starts a little before it was made.
const BACKDATED: Duration = Duration::from_secs(3_600);

/// Where the server's certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// A local authority in the data folder, which signs a certificate for these host names and addresses at each start.
    LocalAuthority {
        /// The folder that holds (or gets) the authority.
        folder: PathBuf,
        /// Names and addresses that clients use for this server.
        hosts: BTreeSet<String>,
    },
    /// A certificate chain and its key, both PEM.
    Files {
        /// The chain, leaf first.
        certificate: PathBuf,
        /// The private key (PKCS#8, SEC1 or PKCS#1).
        key: PathBuf,
    },
}

/// Builds the TLS configuration: HTTP/2 and HTTP/1.1, TLS 1.2 and 1.3.
///
/// # Errors
/// Says which file cannot be read, written or used.
pub fn server_config(source: &TlsSource) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, key) = match source {
        TlsSource::LocalAuthority { folder, hosts } => local_certificate(folder, hosts)?,
        TlsSource::Files { certificate, key } => files(certificate, key)?,
    };
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn files(certificate: &Path, key: &Path) -> Result<Identity, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|source| TlsError::Pem {
            path: certificate.to_path_buf(),
            source,
        })?;
    if chain.is_empty() {
        return Err(TlsError::Empty {
            path: certificate.to_path_buf(),
        });
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|source| TlsError::Pem {
        path: key.to_path_buf(),
        source,
    })?;
    Ok((chain, key))
}

fn local_certificate(folder: &Path, hosts: &BTreeSet<String>) -> Result<Identity, TlsError> {
    let (authority_pem, issuer) = authority(folder)?;
    let mut params = CertificateParams::new(hosts.iter().cloned().collect::<Vec<_>>())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Countersign");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = validity(LEAF_DAYS);
    let key = KeyPair::generate()?;
    let leaf = params.signed_by(&key, &issuer)?;
    let authority = CertificateDer::from_pem_slice(authority_pem.as_bytes()).map_err(|source| {
        TlsError::Pem {
            path: folder.join(AUTHORITY_FILE),
            source,
        }
    })?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(TlsError::Key)?;
    Ok((vec![leaf.der().clone(), authority], key))
}

/// Reads the authority, or makes it at the first start. Its key is readable by its owner only.
fn authority(folder: &Path) -> Result<(String, Issuer<'static, KeyPair>), TlsError> {
    let certificate_path = folder.join(AUTHORITY_FILE);
    let key_path = folder.join(AUTHORITY_KEY_FILE);
    if !certificate_path.exists() || !key_path.exists() {
        make_authority(folder, &certificate_path, &key_path)?;
    }
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|source| TlsError::File {
            path: path.to_path_buf(),
            source,
        })
    };
    let certificate_pem = read(&certificate_path)?;
    let key = KeyPair::from_pem(&read(&key_path)?)?;
    let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key)?;
    Ok((certificate_pem, issuer))
}

fn make_authority(folder: &Path, certificate_path: &Path, key_path: &Path) -> Result<(), TlsError> {
    fs::create_dir_all(folder).map_err(|source| TlsError::File {
        path: folder.to_path_buf(),
        source,
    })?;
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Countersign local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = validity(AUTHORITY_DAYS);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    write_private(key_path, &key.serialize_pem())?;
    fs::write(certificate_path, certificate.pem()).map_err(|source| TlsError::File {
        path: certificate_path.to_path_buf(),
        source,
    })
}

fn validity(days: u64) -> (time::OffsetDateTime, time::OffsetDateTime) {
    let now = SystemTime::now();
    (
        (now - BACKDATED).into(),
        (now + Duration::from_secs(days * 86_400)).into(),
    )
}

fn write_private(path: &Path, text: &str) -> Result<(), TlsError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let failed = |source| TlsError::File {
        path: path.to_path_buf(),
        source,
    };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// Why the server cannot show a certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("cannot use the file `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file does not hold the PEM block that it should.
    #[error("`{}` is not a usable PEM file", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// A certificate file holds no certificate.
    #[error("`{}` holds no certificate; put the chain there, leaf first", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The certificate could not be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// The key that was made cannot be read back.
    #[error("cannot use the new key: {0}")]
    Key(&'static str),
    /// Certificate and key do not fit each other, or are of a kind that TLS does not take.
    #[error("the certificate and its key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(folder: &Path) -> TlsSource {
        TlsSource::LocalAuthority {
            folder: folder.to_path_buf(),
            hosts: ["localhost".to_owned(), "127.0.0.1".to_owned()].into(),
        }
    }

    #[test]
    fn the_authority_is_made_once_and_kept() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        server_config(&local(folder.path())).unwrap();
        let first = fs::read(folder.path().join(AUTHORITY_FILE)).unwrap();
        server_config(&local(folder.path())).unwrap();
        assert_eq!(first, fs::read(folder.path().join(AUTHORITY_FILE)).unwrap());
    }

    #[test]
    fn the_authoritys_key_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        server_config(&local(folder.path())).unwrap();
        let mode = fs::metadata(folder.path().join(AUTHORITY_KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_missing_file_is_named() {
        let missing = TlsSource::Files {
            certificate: "/no/such/chain.pem".into(),
            key: "/no/such/key.pem".into(),
        };
        assert!(
            server_config(&missing)
                .unwrap_err()
                .to_string()
                .contains("/no/such/chain.pem")
        );
    }
}
