//! Signing services of notation (`notary.x509.signingAuthority`), from push to the gate: they count for whoever their authority is registered
//! for as one of services, and the two schemes never pass for each other.

use super::*;
use trust::NotationCertificates;
use trust::notation::Extended;

const DAY: i64 = 86_400_000;
const SERVICE: Scheme = Scheme::SigningAuthority {
    authentic_signing_time: NOW - 100 * DAY,
};
const PLAIN: Scheme = Scheme::X509 {
    signing_time: NOW - 100 * DAY,
};

impl Authority {
    /// The service of this name, of which the authority vouches for the time too.
    fn service(&self, name: &str) -> RegisteredKey {
        let subject = format!("x509.subject: C=US, ST=WA, O=shop, CN={name}");
        let certificates = NotationCertificates {
            signing_authorities: Some(&self.der),
            ..NotationCertificates::default()
        };
        let identity = NotationIdentity::of(certificates, Some(&subject)).unwrap();
        RegisteredKey::Notation(Box::new(identity))
    }
}

fn signed(
    holder: &Holder,
    format: Format,
    image: &Descriptor,
    scheme: Scheme,
    extended: Vec<Extended>,
) -> Vec<u8> {
    let mut artifact = image.clone();
    let name = "dev.countersign.stage".to_owned();
    artifact.annotations.insert(name, "ci".to_owned());
    let request = Request {
        artifact: &artifact,
        scheme,
        expiry: None,
        extended,
        chain: &holder.chain,
        agent: None,
    };
    let key = EnvelopeKey::from_pkcs8_der(holder.key.serialized_der()).unwrap();
    sign(&request, format, &key).unwrap().to_bytes().unwrap()
}

#[tokio::test]
async fn a_signing_service_counts_once_its_authority_is_registered_as_one() {
    for format in [Format::Jws, Format::Cose] {
        let world = World::new().await;
        let digest = fill(&world).await;
        let authority = Authority::new();
        // Its certificate ended ten days ago; it was good when the service signed.
        let service = authority.issue("service", -10);
        let image = found(&world, &digest).await;
        let bytes = signed(&service, format, &image, SERVICE, Vec::new());
        attach(&world, &digest, Layer::envelope(format, &bytes)).await;
        let unknown = ["unknown-key", "CN=service", "notary.x509.signingAuthority"];
        refused(&world, &digest, &unknown).await;
        // An authority of signers is not one of services.
        register(&world, &authority.identity("service"), "shop/**").await;
        reread(&world).await;
        refused(&world, &digest, &["unknown-key"]).await;
        let id = register(&world, &authority.service("service"), "shop/**").await;
        reread(&world).await;
        counts(&world, &digest).await;
        // It came today. Whoever took the service's key could have said that it was before.
        let path = format!("/api/v1/keys/{id}/revocation");
        let from = json!({"from": NOW - 50 * DAY});
        world.must("admin", "POST", &path, from).await;
        refused(&world, &digest, &["revoked-key"]).await;
        world.store.close().await;
    }
}

#[tokio::test]
async fn neither_scheme_passes_for_the_other() {
    for (format, scheme) in [(Format::Jws, SERVICE), (Format::Cose, PLAIN)] {
        let world = World::new().await;
        let digest = fill(&world).await;
        let authority = Authority::new();
        let maria = authority.issue("maria", 30);
        let image = found(&world, &digest).await;
        let other = match scheme {
            Scheme::X509 { .. } => authority.service("maria"),
            Scheme::SigningAuthority { .. } => authority.identity("maria"),
        };
        register(&world, &other, "shop/**").await;
        let bytes = signed(&maria, format, &image, scheme, Vec::new());
        attach(&world, &digest, Layer::envelope(format, &bytes)).await;
        let why = ["unknown-key", "known under another scheme only"];
        refused(&world, &digest, &why).await;
        world.store.close().await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_signing_service_is_said() {
    let world = World::new().await;
    let digest = fill(&world).await;
    let authority = Authority::new();
    register(&world, &authority.service("service"), "shop/**").await;
    let service = authority.issue("service", 30);
    let image = found(&world, &digest).await;
    let critical = |name: &str| Extended {
        name: name.to_owned(),
        value: "com.example.plugin".to_owned(),
        critical: true,
    };
    for (name, words) in [
        (
            "io.cncf.notary.verificationPlugin",
            "by the plugin 'com.example.plugin'",
        ),
        ("com.example.rule", "'com.example.rule' is critical"),
    ] {
        let extended = vec![critical(name)];
        let bytes = signed(&service, Format::Jws, &image, SERVICE, extended);
        attach(&world, &digest, Layer::envelope(Format::Jws, &bytes)).await;
        refused(&world, &digest, &["unreadable", words]).await;
    }
    let bytes = signed(&service, Format::Jws, &image, SERVICE, Vec::new());
    attach(&world, &digest, Layer::envelope(Format::Jws, &bytes)).await;
    counts(&world, &digest).await;
    world.store.close().await;
}
