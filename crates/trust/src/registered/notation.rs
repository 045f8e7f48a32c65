//! Somebody who signs with notation: the authorities that issue their certificates, and the subject that these name; or one certificate
//! that stands for itself. What issues to signers and what issues to signing services, whose time is believed, is kept apart.
//! Deliberately not a trust policy: one signer, and what is enforced is the same for all.

use serde::{Deserialize, Serialize};

use super::IdentityTextError;
use crate::ends::End;
use crate::key::KeyId;
use crate::notation::store::{self, StoreError};
use crate::notation::{Certificate, StoreKind, StoreName, TrustStores, TrustedIdentity};
use crate::pem;

/// The most certificates of authorities for signers, and as many for signing services and for timestamps.
const NOTATION_CERTIFICATES_MAX: usize = 8;

/// Whose certificates are one signer's.
#[derive(Clone)]
pub struct NotationIdentity {
    stores: TrustStores,
    /// `None` where one certificate stands for itself.
    subject: Option<TrustedIdentity>,
    text: String,
    id: KeyId,
}

/// The certificates of one signer by what they are trusted for: each part in PEM or DER, one or several.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotationCertificates<'a> {
    /// Of authorities that issue to signers.
    pub authorities: Option<&'a [u8]>,
    /// Of authorities that issue to signing services (`notary.x509.signingAuthority`), whose time is believed.
    pub signing_authorities: Option<&'a [u8]>,
    /// The roots of timestamping services.
    pub timestamps: Option<&'a [u8]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    r#type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<String>,
    #[serde(
        default,
        rename = "signingAuthorities",
        skip_serializing_if = "Vec::is_empty"
    )]
    signing_authorities: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    timestamps: Vec<String>,
}

impl NotationIdentity {
    /// A signer of these authorities (certificates in PEM or DER, one or several), as [`NotationIdentity::of`] has it. `timestamps`: the
    /// roots of timestamping services, if any.
    pub fn new(
        certificates: &[u8],
        subject: Option<&str>,
        timestamps: Option<&[u8]>,
    ) -> Result<Self, IdentityTextError> {
        let certificates = NotationCertificates {
            authorities: Some(certificates),
            signing_authorities: None,
            timestamps,
        };
        Self::of(certificates, subject)
    }

    /// A signer of these authorities whose certificates have this subject, as `x509.subject: C=US, ST=WA, O=example, CN=maria`; without
    /// a subject, of the one self-signed certificate that is given.
    pub fn of(
        certificates: NotationCertificates<'_>,
        subject: Option<&str>,
    ) -> Result<Self, IdentityTextError> {
        let own = read(certificates.authorities)?;
        let services = read(certificates.signing_authorities)?;
        let timestamps = read(certificates.timestamps)?;
        let subject = subject.map(TrustedIdentity::parse).transpose()?;
        let all: Vec<&Certificate> = own.iter().chain(&services).collect();
        match (&subject, all.as_slice()) {
            (_, []) => return Err(StoreError::NoCertificate.into()),
            // An authority without a subject is everybody whom it issues to, which is not one signer.
            (Some(TrustedIdentity::Everybody), _) => return Err(IdentityTextError::Subject),
            (Some(TrustedIdentity::Subject(_)), _) => {}
            (None, [one]) if !one.is_ca() && one.is_self_signed() => {}
            (None, _) => return Err(IdentityTextError::Subject),
        }
        let mut stores = TrustStores::default();
        for (kind, all) in [
            (StoreKind::Ca, &own),
            (StoreKind::SigningAuthority, &services),
            (StoreKind::Tsa, &timestamps),
        ] {
            for one in all {
                stores.add_file(StoreName::own(kind), one.as_der())?;
            }
        }
        let pem = |one: &Certificate| pem::encode(pem::CERTIFICATE, one.as_der());
        let wire = Wire {
            r#type: TYPE.to_owned(),
            subject: subject.as_ref().map(ToString::to_string),
            certificates: own.iter().map(pem).collect(),
            signing_authorities: services.iter().map(pem).collect(),
            timestamps: timestamps.iter().map(pem).collect(),
        };
        let text = super::to_line(&wire);
        Ok(Self {
            stores,
            subject,
            id: KeyId::of(text.as_bytes()),
            text,
        })
    }

    /// Reads [`NotationIdentity::to_text`] back, and no other spelling of it.
    pub(super) fn parse(text: &str) -> Result<Self, IdentityTextError> {
        let new = |wire: Wire| {
            let own = wire.certificates.concat();
            let services = wire.signing_authorities.concat();
            let timestamps = wire.timestamps.concat();
            let certificates = NotationCertificates {
                authorities: given(&own),
                signing_authorities: given(&services),
                timestamps: given(&timestamps),
            };
            Self::of(certificates, wire.subject.as_deref())
        };
        super::from_line(text, new, Self::to_text)
    }

    /// Its name everywhere: the SHA-256 of its text.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// One line of JSON: `{"type":"notation-identity","subject":"x509.subject: …","certificates":["-----BEGIN…"]}`, with
    /// `signingAuthorities` and `timestamps` like `certificates`, each where there are any.
    #[must_use]
    pub fn to_text(&self) -> &str {
        &self.text
    }

    /// The subject that certificates must have; `None` for the one certificate that stands for itself.
    #[must_use]
    pub fn subject(&self) -> Option<&TrustedIdentity> {
        self.subject.as_ref()
    }

    /// The certificates that chains must lead to, as the stores `ca:registered` and `signingAuthority:registered`, and of timestamps as
    /// `tsa:registered`.
    #[must_use]
    pub fn stores(&self) -> &TrustStores {
        &self.stores
    }

    /// The certificates that are trusted for one thing.
    #[must_use]
    pub fn certificates(&self, kind: StoreKind) -> &[Certificate] {
        self.stores.certificates(&StoreName::own(kind))
    }

    /// The end of each certificate, in the order of time.
    pub(super) fn ends(&self) -> Vec<End> {
        let kinds = [
            (StoreKind::Ca, "the certificate"),
            (StoreKind::SigningAuthority, "the signing authority"),
            (StoreKind::Tsa, "the timestamping root"),
        ];
        let of_kind = |(kind, what): (StoreKind, &str)| {
            let ends = self.certificates(kind).iter().map(|one| End {
                at: one.not_after(),
                part: format!("{what} {}", one.subject().to_excerpt()),
            });
            ends.collect::<Vec<_>>()
        };
        let mut ends: Vec<End> = kinds.into_iter().flat_map(of_kind).collect();
        ends.sort();
        ends
    }

    /// The subject, or that of the one certificate, for people; and whether it signs by a service whose time is believed.
    #[must_use]
    pub fn describe(&self) -> String {
        let own = self.certificates(StoreKind::Ca);
        let services = self.certificates(StoreKind::SigningAuthority);
        let who = match (&self.subject, own.first().or(services.first())) {
            (Some(subject), _) => subject.to_string(),
            (None, Some(own)) => format!("the certificate of {}", own.subject()),
            (None, None) => String::new(),
        };
        match (own.is_empty(), services.is_empty()) {
            (_, true) => who,
            (true, false) => format!("{who} as a signing authority"),
            (false, false) => format!("{who}, also as a signing authority"),
        }
    }
}

fn given(pem: &str) -> Option<&[u8]> {
    (!pem.is_empty()).then_some(pem.as_bytes())
}

fn read(bytes: Option<&[u8]>) -> Result<Vec<Certificate>, IdentityTextError> {
    let mut found: Vec<Certificate> = Vec::new();
    for one in bytes
        .map(store::certificates)
        .transpose()?
        .unwrap_or_default()
    {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    if found.len() > NOTATION_CERTIFICATES_MAX {
        return Err(StoreError::Count.into());
    }
    // The order in a file means nothing.
    found.sort_by(|one, other| one.as_der().cmp(other.as_der()));
    Ok(found)
}

impl PartialEq for NotationIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NotationIdentity {}

impl std::fmt::Debug for NotationIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NotationIdentity({} {})", self.describe(), self.id)
    }
}

pub(super) const TYPE: &str = "notation-identity";
