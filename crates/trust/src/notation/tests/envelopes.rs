//! Round trips: what is signed here is read here, in both envelopes and with all six algorithms; and the manifest around it.

use oci::{Digest, Manifest, media};

use super::super::testing::*;
use super::super::*;

#[test]
fn every_algorithm_signs_and_verifies_in_both_envelopes() {
    let root = Holder::root(authority("root"));
    let mut stores = TrustStores::default();
    stores
        .add_file(store("ca:wabbit"), root.certificate.as_der())
        .unwrap();
    for algorithm in Algorithm::ALL {
        let leaf = root.issue_with(signer("signer"), key_of(algorithm));
        let chain = [leaf.certificate.clone(), root.certificate.clone()];
        let artifact = artifact();
        for format in FORMATS {
            let envelope = sign(&request(&artifact, &chain), format, &leaf.signer()).unwrap();
            assert_eq!(envelope.attributes().algorithm, algorithm);
            let passed = passed(judge(&envelope, &strict(&["ca:wabbit"]), &stores, NOW));
            let identity = passed.identity.unwrap();
            assert_eq!(
                identity.subject.to_string(),
                "CN=signer, C=US, ST=WA, O=wabbit"
            );
            assert_eq!(identity.thumbprint, leaf.certificate.thumbprint());
            assert_eq!(identity.store.to_string(), "ca:wabbit");
            assert_eq!(passed.artifact, artifact);
            assert_eq!(passed.time, None);
            assert!(passed.logged.is_empty());
        }
    }
}

#[test]
fn an_authority_may_have_a_key_of_any_algorithm() {
    for algorithm in Algorithm::ALL {
        let root = Holder::root_with(authority("root"), key_of(algorithm));
        let leaf = root.issue(signer("signer"));
        let chain = [leaf.certificate, root.certificate];
        assert_eq!(
            chain::check(&chain, Purpose::CodeSigning),
            Ok(()),
            "{algorithm}"
        );
    }
}

#[test]
fn an_envelope_is_written_as_it_was_read() {
    let world = World::new();
    for format in FORMATS {
        let bytes = world
            .sign_as(format, |request| request.expiry = Some(NOW + DAY))
            .with_timestamp(vec![1, 2, 3])
            .to_bytes()
            .unwrap();
        let read = Envelope::parse(format, &bytes).unwrap();
        assert_eq!(read.to_bytes().unwrap(), bytes);
        assert_eq!(read.timestamp(), Some([1, 2, 3].as_slice()));
        assert_eq!(read.agent(), Some("countersign/test"));
        assert_eq!(read.attributes().expiry, Some(NOW + DAY));
        assert_eq!(read.attributes().scheme, Scheme::X509 { signing_time: NOW });
        assert_eq!(read.chain(), world.chain());
    }
}

#[test]
fn a_signing_authority_vouches_for_the_time_itself() {
    let world = World::new();
    for format in FORMATS {
        let scheme = Scheme::SigningAuthority {
            authentic_signing_time: NOW,
        };
        let envelope = world.sign_as(format, |request| request.scheme = scheme);
        let trusted = strict(&["signingAuthority:wabbit"]);
        // After the certificates ended: what the service signed before stays good.
        let passed = passed(judge(&envelope, &trusted, &world.stores(), END + DAY));
        assert_eq!(passed.time, Some(TrustedTime::SigningAuthority(NOW)));
        assert_eq!(
            passed.identity.unwrap().store.to_string(),
            "signingAuthority:wabbit"
        );
        // An authority for signers is not one for services.
        let (check, why) = failed(judge(
            &envelope,
            &strict(&["ca:wabbit"]),
            &world.stores(),
            NOW,
        ));
        assert_eq!(check, Check::Authenticity);
        assert!(
            matches!(
                why,
                Failure::Untrusted {
                    kind: "signingAuthority",
                    ..
                }
            ),
            "{why:?}"
        );
    }
}

#[test]
fn nothing_is_signed_that_would_not_verify() {
    let world = World::new();
    let (artifact, chain) = (artifact(), world.chain());
    let key = world.leaf.signer();
    let refused = |change: &dyn Fn(&mut Request<'_>)| {
        let mut request = request(&artifact, &chain);
        change(&mut request);
        sign(&request, Format::Jws, &key).unwrap_err()
    };
    let other = World::new().chain();
    let of_another_key = sign(&request(&artifact, &other), Format::Cose, &key).unwrap_err();
    assert_eq!(of_another_key, EnvelopeSignError::OtherKey);
    assert!(matches!(
        sign(&request(&artifact, &chain[..2]), Format::Cose, &key).unwrap_err(),
        EnvelopeSignError::Chain(ChainFault::NoRoot { .. })
    ));
    let late = Scheme::X509 {
        signing_time: END + 1000,
    };
    assert_eq!(
        refused(&|request| request.scheme = late),
        EnvelopeSignError::NotValid
    );
    assert_eq!(
        refused(&|request| request.expiry = Some(NOW)),
        EnvelopeSignError::Form(AttributeError::ExpiryBeforeSigning)
    );
    let twice = |request: &mut Request<'_>| {
        request.extended = vec![Extended {
            name: "alg".into(),
            value: "none".into(),
            critical: false,
        }];
    };
    assert_eq!(refused(&twice), EnvelopeSignError::Attributes);
}

#[test]
fn a_manifest_carries_the_envelope_and_its_thumbprints() {
    let world = World::new();
    for format in FORMATS {
        let envelope = world.sign(format);
        let (manifest, layer) = manifest::build(&envelope, &artifact()).unwrap();
        let read = SignatureManifest::of(&manifest).unwrap();
        assert_eq!(read.format, format);
        assert_eq!(read.layer.digest, Digest::sha256(&layer));
        assert_eq!(read.subject, artifact());
        assert!(read.lists(&envelope));
        assert!(!read.lists(&World::new().sign(format)));
        assert_eq!(manifest.artifact_type(), Some(media::NOTATION_SIGNATURE));

        // The older way: the type is that of the configuration.
        let Manifest::Image(mut image) = manifest else {
            panic!()
        };
        image.artifact_type = None;
        let mark =
            |image: &oci::ImageManifest| SignatureManifest::of(&Manifest::Image(image.clone()));
        assert_eq!(mark(&image), Err(manifest::ManifestError::Type));
        image.config.media_type = media::NOTATION_SIGNATURE.to_owned();
        assert_eq!(mark(&image), Ok(read));
        let other = image
            .annotations
            .insert(manifest::THUMBPRINTS.into(), "[\"00\"]".into());
        assert_eq!(mark(&image), Err(manifest::ManifestError::Thumbprints));
        image
            .annotations
            .insert(manifest::THUMBPRINTS.into(), other.unwrap().to_uppercase());
        assert!(mark(&image).unwrap().lists(&envelope));
        image.layers.push(image.layers[0].clone());
        assert_eq!(
            mark(&image),
            Err(manifest::ManifestError::Layers { count: 2 })
        );
        image.layers.pop();
        image.layers[0].media_type = media::OCI_LAYER_TAR.to_owned();
        assert_eq!(mark(&image), Err(manifest::ManifestError::Format));
        image.subject = None;
        image.layers[0].media_type = format.media_type().to_owned();
        assert_eq!(mark(&image), Err(manifest::ManifestError::Subject));
    }
}
