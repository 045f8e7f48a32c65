//! Every parser of bytes or texts that come from outside: it has a limit, and no damage to something that it reads makes it panic, or read
//! what is too long or too deep. What the files of a trust repository mean is in `tuf`; what is believed of a damaged signature is with
//! each of its formats.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests, whose helpers the lints do not recognise as such"
)]

use std::fmt;
use std::sync::LazyLock;

use oci::{Descriptor, Digest, media};
use proptest::prelude::*;
use proptest::sample::Index;
use rcgen::{CertificateParams, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};
use serde_json::json;
use testkit::trust_repository::TrustRepository;
use trust::checkpoint::{self, Checkpoint, NOTE_BYTES_MAX, VerifierKey, VerifierKind};
use trust::cosign::{PAYLOAD_BYTES_MAX, SimpleSigning};
use trust::dsse::ENVELOPE_BYTES_MAX;
use trust::log_proof::{LOG_PROOF_BYTES_MAX, LogProof};
use trust::merkle::{Tile, leaf_hash};
use trust::notation::{
    self, Certificate, EnvelopeKey, Format, TrustPolicy, TrustedIdentity, payload, policy, store,
};
use trust::possession::{CHALLENGE_BYTES_MAX, Challenge};
use trust::sigstore::{ROOT_BYTES_MAX, TrustedRoot};
use trust::statement::STATEMENT_BYTES_MAX;
use trust::succession::Succession;
use trust::tuf::keyfile::KeyFile;
use trust::tuf::publish::part_role;
use trust::tuf::standard::{PATTERN_BYTES_MAX, Pattern};
use trust::tuf::{
    GUN_BYTES_MAX, Gun, Key, KeyId, METADATA_BYTES_MAX, ROLE_BYTES_MAX, RoleName, Root, Signed,
    Snapshot, Targets, Timestamp,
};
use trust::typed::{COMPACT_BYTES_MAX, Purpose, ServerStatement};
use trust::witness::{ADD_CHECKPOINT_BYTES_MAX, AddCheckpoint};
use trust::{
    Algorithm, Attestation, Bundle, DEPTH_MAX, Envelope, PEM_BYTES_MAX, PrivateKey, PublicKey,
    Signer as _, StageStatement, Statement, bundle, stage,
};

/// Whether some bytes are read.
type Reads = dyn Fn(&[u8]) -> bool + Send + Sync;

/// A parser, something that it reads, and the most that it reads.
struct Parser {
    name: &'static str,
    seed: Vec<u8>,
    bytes_max: usize,
    /// False if it is not JSON.
    is_json: bool,
    reads: Box<Reads>,
}

impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn of_bytes<T, E>(
    name: &'static str,
    seed: impl Into<Vec<u8>>,
    bytes_max: usize,
    read: impl Fn(&[u8]) -> Result<T, E> + Send + Sync + 'static,
) -> Parser {
    Parser {
        name,
        seed: seed.into(),
        bytes_max,
        is_json: true,
        reads: Box::new(move |bytes| read(bytes).is_ok()),
    }
}

/// Of a text: other bytes do not even get there.
fn of_text<T, E>(
    name: &'static str,
    seed: impl Into<String>,
    bytes_max: usize,
    read: impl Fn(&str) -> Result<T, E> + Send + Sync + 'static,
) -> Parser {
    Parser {
        name,
        seed: seed.into().into_bytes(),
        bytes_max,
        is_json: false,
        reads: Box::new(move |bytes| read(&String::from_utf8_lossy(bytes)).is_ok()),
    }
}

static PARSERS: LazyLock<Vec<Parser>> = LazyLock::new(|| {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let public = key.public_key().clone();
    let mut parsers = of_signatures(&key);
    parsers.extend(of_keys(&public));
    parsers.extend(of_metadata());
    parsers.extend(of_logs());
    parsers.extend(of_notation());
    parsers
});

fn of_signatures(key: &PrivateKey) -> Vec<Parser> {
    let public = key.public_key().clone();
    let passed = StageStatement {
        stage: "ci".into(),
        repository: "shop/web".parse().unwrap(),
        tag: None,
        nonce: None,
    };
    let statement = stage::build(&Digest::sha256(b"a manifest"), &passed).unwrap();
    let signed = Bundle::sign(&statement, key).unwrap().to_json().unwrap();
    let envelope = Envelope::sign("text/plain", b"a text".to_vec(), key).unwrap();
    let checkpoint = Checkpoint {
        origin: "log.example/one".into(),
        size: 7,
        root: [7; 32],
    };
    let note = checkpoint::sign(&checkpoint, key).unwrap();
    let challenge = Challenge {
        server: "registry.example".into(),
        nonce: "a nonce".into(),
        principal: "alice".into(),
        key: public.id().clone(),
    };
    let succession = Succession {
        server: "registry.example".into(),
        nonce: "a nonce".into(),
        principal: "alice".into(),
        old: public.id().clone(),
        new: public.id().clone(),
    };
    let claims = json!({"sub": "alice"}).as_object().unwrap().clone();
    let token = ServerStatement::AccessToken(claims);
    let token = token.sign_compact(key).unwrap();
    let simple = include_bytes!("data/cosign/simple-signing.json");
    let root = json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "certificateAuthorities": [{"certChain": {"certificates": [{"rawBytes": "AAAA"}]}}],
    });
    let verifier = public.clone();
    vec![
        of_bytes("bundle", signed, bundle::BUNDLE_BYTES_MAX, Bundle::parse),
        of_bytes(
            "envelope",
            envelope.to_json(),
            ENVELOPE_BYTES_MAX,
            Envelope::parse,
        ),
        of_bytes(
            "statement",
            statement.to_bytes(),
            STATEMENT_BYTES_MAX,
            |bytes| {
                StageStatement::parse(&Statement::parse(bytes).map_err(|_| ())?).map_err(|_| ())
            },
        ),
        of_bytes(
            "attestation",
            statement.to_bytes(),
            STATEMENT_BYTES_MAX,
            Attestation::parse,
        ),
        of_bytes(
            "trusted root",
            root.to_string(),
            ROOT_BYTES_MAX,
            TrustedRoot::parse,
        ),
        of_bytes(
            "simple signing",
            simple,
            PAYLOAD_BYTES_MAX,
            SimpleSigning::parse,
        ),
        Parser {
            // The bytes that are signed begin with what they are.
            is_json: false,
            ..of_bytes(
                "challenge",
                challenge.to_bytes(),
                CHALLENGE_BYTES_MAX + 64,
                Challenge::parse,
            )
        },
        Parser {
            is_json: false,
            ..of_bytes(
                "succession",
                succession.to_bytes(),
                CHALLENGE_BYTES_MAX + 64,
                Succession::parse,
            )
        },
        of_text("checkpoint", note, NOTE_BYTES_MAX, move |text| {
            checkpoint::verify(text, "log.example/one", &public)
        }),
        of_text("token", token, COMPACT_BYTES_MAX, move |text| {
            ServerStatement::verify_compact(Purpose::AccessToken, text, &verifier)
        }),
    ]
}

fn of_keys(public: &PublicKey) -> Vec<Parser> {
    let key = Key::from(public);
    let id = key.id().to_string();
    let as_json = key.to_json().to_string();
    let pem = public.to_pem();
    let key_file = "-----BEGIN PRIVATE KEY-----\nrole: alice\n\nMC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n-----END PRIVATE KEY-----\n";
    vec![
        of_bytes("key", as_json, 64 * 1024, Key::from_json),
        of_text("key id", id, 64, KeyId::parse),
        of_text("public key", pem, PEM_BYTES_MAX, PublicKey::from_pem),
        of_text("key file", key_file, PEM_BYTES_MAX, KeyFile::parse),
    ]
}

/// What logs and witnesses say to each other.
fn of_logs() -> Vec<Parser> {
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let checkpoint = Checkpoint {
        origin: "log.example/one".into(),
        size: 1,
        root: leaf_hash(b"an entry"),
    };
    let note = checkpoint::sign(&checkpoint, &key).unwrap();
    let witness =
        VerifierKey::new("witness.example", VerifierKind::Witness, key.public_key()).unwrap();
    let cosignature = checkpoint::cosign(&note, "witness.example", &key, 7).unwrap();
    let cosigned = checkpoint::with_signatures(&note, [cosignature.line.as_str()]);
    let request = AddCheckpoint {
        old_size: 0,
        proof: vec![[7; 32]],
        note: note.clone(),
    };
    let proof = LogProof {
        entry: b"an entry".to_vec(),
        index: 0,
        hashes: Vec::new(),
        note,
    };
    vec![
        Parser {
            is_json: false,
            ..of_bytes(
                "request to a witness",
                request.to_text(),
                ADD_CHECKPOINT_BYTES_MAX,
                AddCheckpoint::parse,
            )
        },
        of_text(
            "log proof",
            proof.to_text(),
            LOG_PROOF_BYTES_MAX,
            LogProof::parse,
        ),
        of_text(
            "verifier key",
            witness.to_string(),
            1_024,
            str::parse::<VerifierKey>,
        ),
        of_text("cosignature", cosigned, NOTE_BYTES_MAX, move |text| {
            checkpoint::verify_cosignature(text, &witness)
        }),
        of_text("tile", "0/x001/x234/067.p/8", 80, |text| {
            Tile::parse(text).ok_or(())
        }),
    ]
}

fn of_metadata() -> Vec<Parser> {
    let mut repository = TrustRepository::new("registry.example/shop/web");
    let alice = repository.new_key(Algorithm::Ed25519);
    repository.delegate("targets/alice", &[alice], 1);
    repository.publish("targets", "1.4", b"an image");
    let seed = |role: RoleName| repository.current().file(&role).unwrap().to_vec();
    let most = METADATA_BYTES_MAX;
    vec![
        of_bytes("root", seed(RoleName::Root), most, |bytes| {
            Signed::<Root>::parse(&RoleName::Root, bytes.to_vec())
        }),
        of_bytes("targets", seed(RoleName::Targets), most, |bytes| {
            Signed::<Targets>::parse(&RoleName::Targets, bytes.to_vec())
        }),
        of_bytes("snapshot", seed(RoleName::Snapshot), most, |bytes| {
            Signed::<Snapshot>::parse(&RoleName::Snapshot, bytes.to_vec())
        }),
        of_bytes("timestamp", seed(RoleName::Timestamp), most, |bytes| {
            Signed::<Timestamp>::parse(&RoleName::Timestamp, bytes.to_vec())
        }),
        of_text("role", "targets/alice", ROLE_BYTES_MAX, RoleName::parse),
        of_text("part", "targets/alice.json", ROLE_BYTES_MAX + 5, |text| {
            part_role(Some(text))
        }),
        of_text(
            "gun",
            "registry.example/shop/web",
            GUN_BYTES_MAX,
            Gun::parse,
        ),
        of_text("pattern", "a/[b-d]*?.txt", PATTERN_BYTES_MAX, |text| {
            Pattern::parse(text).ok_or(())
        }),
    ]
}

fn of_notation() -> Vec<Parser> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let der = params.self_signed(&key).unwrap();
    let certificate = Certificate::parse(der.der()).unwrap();
    let artifact = Descriptor::of(media::OCI_MANIFEST, b"a manifest");
    let request = notation::Request {
        artifact: &artifact,
        scheme: notation::Scheme::X509 {
            signing_time: 1_788_220_800_000,
        },
        expiry: None,
        extended: Vec::new(),
        chain: std::slice::from_ref(&certificate),
        agent: None,
    };
    let signer = EnvelopeKey::from_pkcs8_der(key.serialized_der()).unwrap();
    let [jws, cose] = [Format::Jws, Format::Cose]
        .map(|format| notation::sign(&request, format, &signer).unwrap());
    let policy = json!({"version": "1.0", "trustPolicies": [{
        "name": "all",
        "registryScopes": ["*"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:a"],
        "trustedIdentities": ["*"],
    }]});
    let most = notation::ENVELOPE_BYTES_MAX;
    let binary = |parser: Parser| Parser {
        is_json: false,
        ..parser
    };
    vec![
        of_bytes("jws", jws.to_bytes().unwrap(), most, |bytes| {
            notation::Envelope::parse(Format::Jws, bytes)
        }),
        binary(of_bytes("cose", cose.to_bytes().unwrap(), most, |bytes| {
            notation::Envelope::parse(Format::Cose, bytes)
        })),
        of_bytes(
            "payload",
            payload::build(&artifact),
            payload::PAYLOAD_BYTES_MAX,
            payload::parse,
        ),
        of_bytes(
            "trust policy",
            policy.to_string(),
            policy::TRUST_POLICY_BYTES_MAX,
            TrustPolicy::parse,
        ),
        binary(of_bytes(
            "certificate",
            certificate.as_der(),
            notation::CERTIFICATE_BYTES_MAX,
            Certificate::parse,
        )),
        binary(of_bytes(
            "certificates",
            certificate.as_der(),
            store::STORE_FILE_BYTES_MAX,
            store::certificates,
        )),
        of_text(
            "trusted identity",
            "x509.subject: C=US, ST=WA, O=a\\, b",
            notation::IDENTITY_BYTES_MAX,
            TrustedIdentity::parse,
        ),
    ]
}

/// One thing that goes wrong with a file.
#[derive(Debug, Clone)]
enum Damage {
    Replaced(Index, u8),
    Removed(Index),
    CutOff(Index),
    Put(Index, Vec<u8>),
    Doubled(Index, Index),
}

impl Damage {
    fn of(&self, bytes: &[u8]) -> Vec<u8> {
        let at = |index: &Index| index.index(bytes.len());
        match self {
            Self::Replaced(index, byte) => {
                let mut bytes = bytes.to_vec();
                bytes[at(index)] = *byte;
                bytes
            }
            Self::Removed(index) => {
                let mut bytes = bytes.to_vec();
                bytes.remove(at(index));
                bytes
            }
            Self::CutOff(index) => bytes[..at(index)].to_vec(),
            Self::Put(index, more) => {
                let (before, after) = bytes.split_at(at(index));
                [before, more, after].concat()
            }
            Self::Doubled(from, to) => {
                let (from, to) = (at(from).min(at(to)), at(from).max(at(to)));
                [&bytes[..to], &bytes[from..]].concat()
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<Index>;
    // What parsers of these formats look for.
    let words = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "\\u0000",
        "null",
        "-1",
        "1e999",
        "9007199254740993",
        "\n",
        "\r\n",
        "-----",
        "..",
        "/",
        "*",
        "\u{0}",
        "\u{2028}",
        "é",
    ]);
    let words = words.prop_map(|word| word.as_bytes().to_vec());
    let more = prop_oneof![words, prop::collection::vec(any::<u8>(), 1..16)];
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Replaced(at, byte)),
        index().prop_map(Damage::Removed),
        index().prop_map(Damage::CutOff),
        (index(), more).prop_map(|(at, more)| Damage::Put(at, more)),
        (index(), index()).prop_map(|(from, to)| Damage::Doubled(from, to)),
    ]
}

#[test]
fn each_reads_its_seed() {
    for parser in PARSERS.iter() {
        assert!((parser.reads)(&parser.seed), "{parser:?}");
    }
}

#[test]
fn none_reads_more_than_its_limit() {
    for parser in PARSERS.iter() {
        // White space would do no harm in JSON, but for its length; elsewhere it is not read anyway.
        for fill in [b' ', b'a', b'[', b'{', b'/', b'*', 0] {
            let more = vec![fill; parser.bytes_max + 1 - parser.seed.len().min(parser.bytes_max)];
            for long in [
                [parser.seed.as_slice(), &more].concat(),
                [more.as_slice(), &parser.seed].concat(),
            ] {
                assert!(long.len() > parser.bytes_max);
                assert!(!(parser.reads)(&long), "{parser:?} {fill}");
            }
        }
    }
}

#[test]
fn none_reads_json_that_is_too_deep_or_has_two_readings() {
    for parser in PARSERS.iter().filter(|parser| parser.is_json) {
        let text = String::from_utf8(parser.seed.clone()).unwrap();
        let (open, close) = ("[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        let deep = text.replacen('{', &format!("{{\"deep\":{open}{close},"), 1);
        assert!(!(parser.reads)(deep.as_bytes()), "{parser:?}");
        let (_, rest) = text.split_once('"').unwrap();
        let (name, _) = rest.split_once('"').unwrap();
        let twice = text.replacen('{', &format!("{{\"{name}\":null,"), 1);
        assert!(!(parser.reads)(twice.as_bytes()), "{parser:?}");
        for after in ["{}", "x", "\u{0}"] {
            let longer = format!("{text}{after}");
            assert!(!(parser.reads)(longer.as_bytes()), "{parser:?} {after}");
        }
        let listed = format!("[{text}]");
        assert!(!(parser.reads)(listed.as_bytes()), "{parser:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_damage_makes_one_panic(
        parser in any::<Index>(),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let parser = &PARSERS[parser.index(PARSERS.len())];
        let mut bytes = parser.seed.clone();
        for damage in damages {
            if !bytes.is_empty() {
                bytes = damage.of(&bytes);
            }
        }
        let read = (parser.reads)(&bytes);
        prop_assert!(!read || bytes.len() <= parser.bytes_max, "{:?}", parser);
    }
}
