//! Somebody who signs with notation, as the flags say it: certificates from files, or from the named stores of notation's own trust store,
//! also as a statement of its trust policy names them (`statement`). Deliberately one signer at a time, by the subject: a trust policy does
//! not say whose certificates are whose. trust-store-trust-policy "Trust Store".

mod statement;

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use trust::notation::{Certificate, StoreKind, StoreName, store};
use trust::{NotationCertificates, NotationIdentity};

/// The flags that say whose certificates, of which one is needed.
pub(super) const CERTIFICATES: &str = "notation_certificates";

/// Who signs with notation.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct NotationFlags {
    #[command(flatten)]
    certificates: CertificateFlags,
    /// The subject of their certificates, as `C=US, ST=WA, O=example, CN=maria`; not for a self-signed certificate alone.
    #[arg(long, value_name = "SUBJECT", requires = CERTIFICATES)]
    notation_subject: Option<String>,
    /// The roots (PEM or DER) of the timestamping services that are believed; may be repeated.
    #[arg(long, value_name = "FILE", requires = CERTIFICATES)]
    notation_tsa: Vec<PathBuf>,
    /// Which statement of the trust policy, where it has several.
    #[arg(long, value_name = "NAME", requires = "notation_policy")]
    notation_statement: Option<String>,
}

#[derive(Debug, Default, clap::Args)]
#[group(id = CERTIFICATES, multiple = true)]
struct CertificateFlags {
    /// Somebody who signs with notation: the certificates (PEM or DER) of the authorities of theirs, or one that is self-signed and no
    /// authority; may be repeated.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["proof", "key"])]
    notation_ca: Vec<PathBuf>,
    /// The same of signing services, whose time is believed (the scheme `notary.x509.signingAuthority`); may be repeated.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["proof", "key"])]
    notation_signing_authority: Vec<PathBuf>,
    /// A named store in notation's trust store, such as `truststore/x509/signingAuthority/NAME`: its folder says what its certificates
    /// are trusted for; may be repeated.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["proof", "key"])]
    notation_store: Vec<PathBuf>,
    /// A statement of notation's trust policy, `trustpolicy.json` with its `truststore` beside it: the stores, the subject and, without
    /// `--scope`, the repositories at this server.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "proof", "key", "notation_ca", "notation_signing_authority", "notation_store", "notation_tsa",
    ])]
    notation_policy: Option<PathBuf>,
}

/// Somebody who signs with notation.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) identity: NotationIdentity,
    /// What a trust policy trusts them for: repositories with their hosts, or `*`; nothing without one.
    pub(super) registry_scopes: Vec<String>,
}

impl Signer {
    /// The repositories at the server of this address that a trust policy trusts them for.
    pub(super) fn scope_at(&self, address: &str) -> Result<Vec<String>> {
        statement::scope_at(&self.registry_scopes, address)
    }
}

impl NotationFlags {
    /// The signer, if one is asked for.
    pub(super) fn signer(&self) -> Result<Option<Signer>> {
        let flags = &self.certificates;
        let subject = self.notation_subject.as_deref().map(subject);
        let Some(policy) = &flags.notation_policy else {
            let identity = self.identity(&flags.notation_store, subject.as_deref())?;
            return Ok(identity.map(|identity| Signer {
                identity,
                registry_scopes: Vec::new(),
            }));
        };
        let name = self.notation_statement.as_deref();
        let said = statement::read(policy, name, subject.as_deref())?;
        let identity = self.identity(&said.stores, said.subject.as_deref())?;
        Ok(identity.map(|identity| Signer {
            identity,
            registry_scopes: said.scopes,
        }))
    }

    /// By the certificates in files and stores, and this subject; nothing without certificates.
    fn identity(
        &self,
        stores: &[PathBuf],
        subject: Option<&str>,
    ) -> Result<Option<NotationIdentity>> {
        let flags = &self.certificates;
        let files = [
            (StoreKind::Ca, &flags.notation_ca),
            (
                StoreKind::SigningAuthority,
                &flags.notation_signing_authority,
            ),
            (StoreKind::Tsa, &self.notation_tsa),
        ];
        // In DER, one after the other.
        let mut ders: BTreeMap<StoreKind, Vec<u8>> = BTreeMap::new();
        let mut add = |kind: StoreKind, certificates: Vec<Certificate>| {
            let der = ders.entry(kind).or_default();
            for certificate in certificates {
                der.extend_from_slice(certificate.as_der());
            }
        };
        for (kind, paths) in files {
            for path in paths {
                add(kind, certificates(path)?);
            }
        }
        for folder in stores {
            let (kind, certificates) = of_store(folder)?;
            add(kind, certificates);
        }
        if ders.is_empty() {
            return Ok(None);
        }
        let part = |kind: StoreKind| ders.get(&kind).map(Vec::as_slice);
        let certificates = NotationCertificates {
            authorities: part(StoreKind::Ca),
            signing_authorities: part(StoreKind::SigningAuthority),
            timestamps: part(StoreKind::Tsa),
        };
        if certificates.authorities.is_none() && certificates.signing_authorities.is_none() {
            bail!(
                "these are for timestamps alone: name a store of the kind `ca` or `signingAuthority` as well"
            );
        }
        Ok(Some(NotationIdentity::of(certificates, subject)?))
    }
}

/// As a trust policy of notation writes it.
fn subject(text: &str) -> String {
    match text.trim().strip_prefix(SUBJECT) {
        Some(name) => format!("{SUBJECT} {}", name.trim_start()),
        None => format!("{SUBJECT} {}", text.trim()),
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    store::certificates(&bytes)
        .with_context(|| format!("cannot read the certificates of `{}`", path.display()))
}

/// What a named store holds, and what that is trusted for. As with notation, it is a folder of plain files and nothing else: whoever can
/// put a link there could have others' files trusted.
fn of_store(folder: &Path) -> Result<(StoreKind, Vec<Certificate>)> {
    let shown = folder.display();
    let text = folder
        .to_str()
        .with_context(|| format!("the name of `{shown}` is not utf-8"))?;
    let kind = StoreName::of_folder(text)?.kind();
    // With the slash at its end, a link would be followed.
    let folder = Path::new(text.trim_end_matches('/'));
    let about = fs::symlink_metadata(folder).with_context(|| format!("cannot read `{shown}`"))?;
    if !about.is_dir() {
        bail!("`{shown}` is no folder: a link to one is not taken for a trust store");
    }
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .with_context(|| format!("cannot read `{shown}`"))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.path();
        let is_file = entry.file_type().is_ok_and(|file_type| file_type.is_file());
        if !is_file {
            bail!(
                "`{}` is no plain file: a trust store holds certificates, and no links or folders",
                path.display()
            );
        }
        all.extend(certificates(&path)?);
    }
    if all.is_empty() {
        bail!("`{shown}` holds no certificate");
    }
    Ok((kind, all))
}

const SUBJECT: &str = "x509.subject:";

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A root, good for a hundred years.
    const ROOT: &str = "\
-----BEGIN CERTIFICATE-----
MIIB4TCCAYegAwIBAgIUCfrfhZGPfqrgAj6ht3pHrZJxK00wCgYIKoZIzj0EAwIw
PTELMAkGA1UEBhMCVVMxCzAJBgNVBAgMAldBMQ0wCwYDVQQKDARzaG9wMRIwEAYD
VQQDDAlhdXRob3JpdHkwIBcNMjYxMTI3MDg1MTA3WhgPMjEyNjExMDMwODUxMDda
MD0xCzAJBgNVBAYTAlVTMQswCQYDVQQIDAJXQTENMAsGA1UECgwEc2hvcDESMBAG
A1UEAwwJYXV0aG9yaXR5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbnXu1ylh
Xtgta+guQv7KRLZk4pFY5+GZNYWce55qX2pqtanGQodRn7+W2czQN4KRvLHfpKXK
m1krKH6BBqDVp6NjMGEwHQYDVR0OBBYEFMX/ELsEya6zgWKltFOX6BgCwVjdMB8G
A1UdIwQYMBaAFMX/ELsEya6zgWKltFOX6BgCwVjdMA4GA1UdDwEB/wQEAwICBDAP
BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCm8CnJXiW1It9JuGKM
H8thG43erefc3cUKZvdKVZSb6wIgHuMR/GcDt0fpaUDURsD2cZDFz/+yaog9NKL6
IY95Hdc=
-----END CERTIFICATE-----
";

    fn with_stores(stores: Vec<PathBuf>) -> Result<Option<NotationIdentity>> {
        let flags = NotationFlags {
            certificates: CertificateFlags {
                notation_store: stores,
                ..CertificateFlags::default()
            },
            notation_subject: Some("C=US, ST=WA, O=shop, CN=maria".to_owned()),
            ..NotationFlags::default()
        };
        let signer = flags.signer()?;
        Ok(signer.map(|signer| signer.identity))
    }

    /// notation's folder, with the root as `NAME/root.crt` in the stores of these kinds.
    fn trust_store(kinds: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for kind in kinds {
            let store = folder.path().join("x509").join(kind).join("acme");
            fs::create_dir_all(&store).unwrap();
            fs::write(store.join("root.crt"), ROOT).unwrap();
        }
        folder
    }

    fn refusal(stores: Vec<PathBuf>) -> String {
        format!("{:#}", with_stores(stores).unwrap_err())
    }

    #[test]
    fn a_stores_folder_says_what_its_certificates_are_trusted_for() {
        let folder = trust_store(&["ca", "signingAuthority", "tsa"]);
        let store = |kind: &str| folder.path().join("x509").join(kind).join("acme");
        let counts = |stores| {
            let identity = with_stores(stores).unwrap().unwrap();
            [StoreKind::Ca, StoreKind::SigningAuthority, StoreKind::Tsa]
                .map(|kind| identity.certificates(kind).len())
        };
        assert_eq!(counts(vec![store("ca")]), [1, 0, 0]);
        assert_eq!(counts(vec![store("signingAuthority")]), [0, 1, 0]);
        // With a slash at its end.
        let slash = store("signingAuthority").join("");
        assert_eq!(counts(vec![slash]), [0, 1, 0]);
        let all = ["ca", "signingAuthority", "tsa"].map(store).to_vec();
        assert_eq!(counts(all), [1, 1, 1]);
        let alone = refusal(vec![store("tsa")]);
        assert!(alone.contains("for timestamps alone"), "{alone}");
        assert_eq!(with_stores(Vec::new()).unwrap(), None);
    }

    #[test]
    fn a_statement_of_a_trust_policy_names_stores_beside_it_subject_and_repositories() {
        let folder = tempfile::tempdir().unwrap();
        let stores = trust_store(&["ca", "tsa"]);
        fs::rename(stores.path(), folder.path().join("truststore")).unwrap();
        let policy = folder.path().join("trustpolicy.json");
        let identity = "x509.subject: C=US, ST=WA, O=shop, CN=maria";
        let statement = serde_json::json!({
            "name": "web",
            "registryScopes": ["r.example/shop/web"],
            "signatureVerification": {"level": "strict"},
            "trustStores": ["ca:acme", "tsa:acme"],
            "trustedIdentities": [identity],
        });
        let document = serde_json::json!({"version": "1.0", "trustPolicies": [statement]});
        fs::write(&policy, document.to_string()).unwrap();
        let flags = NotationFlags {
            certificates: CertificateFlags {
                notation_policy: Some(policy.clone()),
                ..CertificateFlags::default()
            },
            ..NotationFlags::default()
        };
        let signer = flags.signer().unwrap().unwrap();
        let here = signer.scope_at("https://r.example").unwrap();
        assert_eq!(here, ["shop/web"]);
        let same = NotationIdentity::new(ROOT.as_bytes(), Some(identity), Some(ROOT.as_bytes()));
        assert_eq!(signer.identity.to_text(), same.unwrap().to_text());
        fs::remove_dir_all(folder.path().join("truststore/x509/tsa")).unwrap();
        let why = format!("{:#}", flags.signer().unwrap_err());
        assert!(
            why.contains("cannot read") && why.contains("tsa/acme"),
            "{why}"
        );
    }

    #[test]
    fn a_folder_that_is_no_store_is_refused() {
        let folder = trust_store(&["signingAuthority"]);
        let stores = folder.path().join("x509/signingAuthority");
        let file = stores.join("acme/root.crt");
        for other in [folder.path().to_owned(), stores.clone(), file] {
            let why = refusal(vec![other]);
            assert!(why.contains("is not the folder of a trust store"), "{why}");
        }
        let why = refusal(vec![stores.join("absent")]);
        assert!(why.contains("cannot read"), "{why}");
        fs::create_dir(stores.join("empty")).unwrap();
        let why = refusal(vec![stores.join("empty")]);
        assert!(why.contains("holds no certificate"), "{why}");
        fs::write(stores.join("empty/notes.txt"), "hello").unwrap();
        let why = refusal(vec![stores.join("empty")]);
        assert!(why.contains("notes.txt"), "{why}");
    }

    #[test]
    fn links_and_folders_are_no_certificates() {
        let folder = trust_store(&["signingAuthority"]);
        let stores = folder.path().join("x509/signingAuthority");
        symlink(stores.join("acme"), stores.join("linked")).unwrap();
        for path in ["linked", "linked/"] {
            let why = refusal(vec![stores.join(path)]);
            assert!(why.contains("a link to one is not taken"), "{why}");
        }
        let link = stores.join("acme/other.crt");
        symlink(stores.join("acme/root.crt"), &link).unwrap();
        let why = refusal(vec![stores.join("acme")]);
        assert!(why.contains("other.crt` is no plain file"), "{why}");
        fs::remove_file(&link).unwrap();
        fs::create_dir(stores.join("acme/more")).unwrap();
        let why = refusal(vec![stores.join("acme")]);
        assert!(why.contains("more` is no plain file"), "{why}");
    }
}
