//! Key files as notary and docker write them, and what is not read of them.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{AES_256, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA1};

use super::*;
use crate::tuf::{Key, KeyId};

/// Made by `docker trust key generate alice` (28.2.2), for nothing but this test.
const ALICE: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
role: alice

MIHuMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAho3DX3XwbQ3wICCAAw
HQYJYIZIAWUDBAEqBBD1PhaGnk053zZPurkNi3otBIGgyRsjlbXKuN8Rff7X3tMx
YnJEmTCecnAgg/NmVSktZEYa2h1bC8zky6aDjaLVVN8kHoVNLg0GK/HQA4+C+pMR
6iPL+9IpE0gGtznTa69mWJkFsbAMuGnAPp3uHSDxeRzKc6Jxf7XDFICBtYkuFHtq
QEDvatKTxkMDDMlfCa7qyQ+925EG++I/Ulw0GYMOySz2Rxoj33qvGxZ3b/l9bJDd
fA==
-----END ENCRYPTED PRIVATE KEY-----
";
/// Its other half.
const ALICE_PUBLIC: &str = "\
-----BEGIN PUBLIC KEY-----
role: alice

MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAED+71Jk+WnO22Bm7JPRIm+r4M+W63
gB2o5LS6JEYUK3ZJeI/T8Vl9CJ6M8HKMqwXy22h7tlJ14UbE1AV7N1mujg==
-----END PUBLIC KEY-----
";
/// The name of the file.
const ALICE_ID: &str = "69b64fa2d560d874fcad9696abe537fe9d1b9ad7af7eda7a581ca71591c01ad0";
const PASSPHRASE: &str = "a passphrase for keys";

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

/// One DER value.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match (high, low) {
        (0, short @ 0..=0x7f) => vec![short],
        (0, long) => vec![0x81, long],
        _ => vec![0x82, high, low],
    };
    [&[tag], length.as_slice(), content.as_slice()].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

const OID_PBES2: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
const OID_PBKDF2: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
const OID_AES_256_CBC: &[u8] = &[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42];
const OID_DES_EDE3_CBC: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 3, 7];
const OID_NOTARY_ED25519: &[u8] = &[6, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 15, 1];

/// What notary's file holds, written down from its description.
struct Writer<'a> {
    rounds: &'a [u8],
    cipher: &'a [u8],
    headers: &'a str,
}

impl Writer<'_> {
    const DOCKER: Writer<'static> = Writer {
        rounds: &[0x08, 0x00],
        cipher: OID_AES_256_CBC,
        headers: "gun: registry.example/shop/web\nrole: targets\n\n",
    };

    fn seal(&self, plain: &[u8], passphrase: &str) -> String {
        let (salt, iv) = ([7; 8], [9; 16]);
        let mut derived = [0; 32];
        let rounds = NonZeroU32::new(2048).unwrap();
        pbkdf2::derive(
            PBKDF2_HMAC_SHA1,
            rounds,
            &salt,
            passphrase.as_bytes(),
            &mut derived,
        );
        let key = UnboundCipherKey::new(&AES_256, &derived).unwrap();
        let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).unwrap();
        let mut bytes = plain.to_vec();
        let context = aws_lc_rs::cipher::EncryptionContext::Iv128(FixedLength::from(iv));
        key.less_safe_encrypt(&mut bytes, context).unwrap();
        let derivation = sequence(&[&tlv(4, &[&salt]), &tlv(2, &[self.rounds])]);
        let derivation = sequence(&[OID_PBKDF2, &derivation]);
        let encryption = sequence(&[self.cipher, &tlv(4, &[&iv])]);
        let scheme = sequence(&[OID_PBES2, &sequence(&[&derivation, &encryption])]);
        let der = sequence(&[&scheme, &tlv(4, &[&bytes])]);
        let block = pem::encode(SEALED, &der);
        block.replacen('\n', &format!("\n{}", self.headers), 1)
    }
}

fn pkcs8(key: &PrivateKey) -> Vec<u8> {
    key.to_pkcs8_der().unwrap().expose_secret().to_vec()
}

#[test]
fn opens_what_docker_wrote() {
    let file = KeyFile::parse(ALICE).unwrap();
    assert_eq!((file.role(), file.gun()), (Some("alice"), None));
    assert!(file.is_sealed() && KeyFile::is_one(ALICE));
    let key = file.open(&secret(PASSPHRASE)).unwrap();
    assert_eq!(key.public_key(), &public_key(ALICE_PUBLIC).unwrap());
    let id = Key::from(key.public_key()).id().clone();
    assert_eq!(id, KeyId::parse(ALICE_ID).unwrap(), "the file's name");
    let signature = key.sign(b"a message").unwrap();
    assert_eq!(key.public_key().verify(b"a message", &signature), Ok(()));
}

#[test]
fn a_wrong_passphrase_opens_nothing() {
    let file = KeyFile::parse(ALICE).unwrap();
    // One in 256 ends like a padding, and is noise all the same.
    for attempt in 0..300 {
        let wrong = file.open(&secret(&format!("guess {attempt}")));
        assert_eq!(wrong.unwrap_err(), KeyFileError::Seal(Pbes2Error::Password));
    }
}

#[test]
fn opens_every_kind_of_key_that_notary_makes() {
    for algorithm in [Algorithm::EcdsaP256, Algorithm::EcdsaP384] {
        let key = PrivateKey::generate(algorithm).unwrap();
        let mut der = pkcs8(&key);
        let version = der.windows(3).position(|part| part == [2, 1, 0]).unwrap();
        der[version + 2] = 1;
        let text = Writer::DOCKER.seal(&der, PASSPHRASE);
        let file = KeyFile::parse(&text).unwrap();
        assert_eq!(file.role(), Some("targets"));
        assert_eq!(file.gun(), Some("registry.example/shop/web"));
        let opened = file.open(&secret(PASSPHRASE)).unwrap();
        assert_eq!(opened.public_key(), key.public_key());
    }
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let der = pkcs8(&key);
    let (public, seed) = (key.public_key().point(), &der[16..48]);
    let plain = |public: &[u8], again: &[u8]| {
        let bytes = tlv(4, &[public, seed, again]);
        sequence(&[&[2, 1, 0], &sequence(&[OID_NOTARY_ED25519]), &bytes])
    };
    let open = |plain: &[u8]| {
        let text = Writer::DOCKER.seal(plain, PASSPHRASE);
        KeyFile::parse(&text).unwrap().open(&secret(PASSPHRASE))
    };
    let opened = open(&plain(public, public)).unwrap();
    assert_eq!(opened.public_key(), key.public_key());
    for (public, again) in [(public, &[7; 32][..]), (&[7; 32][..], public)] {
        let halves = open(&plain(public, again)).unwrap_err();
        assert_eq!(
            halves,
            KeyFileError::Seal(Pbes2Error::Password),
            "halves that do not match"
        );
    }
}

#[test]
fn a_file_without_a_passphrase_is_read_as_it_is() {
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let text = pem::encode(OPEN, &pkcs8(&key)).replacen('\n', "\nrole: bob\n\n", 1);
    let file = KeyFile::parse(&text).unwrap();
    assert!(!file.is_sealed());
    let opened = file.open(&secret("")).unwrap();
    assert_eq!(opened.public_key(), key.public_key());
}

#[test]
fn what_is_not_read_is_named() {
    let key = pkcs8(&PrivateKey::generate(Algorithm::EcdsaP256).unwrap());
    let other = Writer {
        cipher: OID_DES_EDE3_CBC,
        ..Writer::DOCKER
    };
    let file = KeyFile::parse(&other.seal(&key, PASSPHRASE)).unwrap();
    assert_eq!(
        file.open(&secret(PASSPHRASE)).unwrap_err(),
        Pbes2Error::Unsupported("1.2.840.113549.3.7".to_owned()).into()
    );
    let costly = Writer {
        rounds: &[0x7f, 0xff, 0xff, 0xff],
        ..Writer::DOCKER
    };
    let file = KeyFile::parse(&costly.seal(&key, PASSPHRASE)).unwrap();
    assert_eq!(
        file.open(&secret(PASSPHRASE)).unwrap_err(),
        Pbes2Error::Rounds {
            rounds: 0x7fff_ffff
        }
        .into()
    );
    let old = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\nrole: root\n\nAAAA\n\
               -----END EC PRIVATE KEY-----\n";
    assert!(matches!(
        KeyFile::parse(old),
        Err(KeyFileError::Unsupported(_))
    ));
}

#[test]
fn damage_is_an_error_wherever_it_is() {
    let body = ALICE.find("MIHu").unwrap();
    for at in (body..ALICE.len() - 40).step_by(7) {
        let mut text = ALICE.as_bytes().to_vec();
        text[at] = if text[at] == b'A' { b'B' } else { b'A' };
        let text = String::from_utf8(text).unwrap();
        let opened = KeyFile::parse(&text).and_then(|file| file.open(&secret(PASSPHRASE)));
        // The last block's padding is checked, and what stands before the key is read; in between the key itself tells.
        if let Ok(key) = opened {
            assert_ne!(key.public_key(), &public_key(ALICE_PUBLIC).unwrap(), "{at}");
        }
    }
    for text in ["", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nrole: x\n"] {
        assert!(
            matches!(KeyFile::parse(text), Err(KeyFileError::Pem(_))),
            "{text}"
        );
    }
    let twice = ALICE.replacen("role: alice", "role: alice\nrole: root", 1);
    assert_eq!(KeyFile::parse(&twice).unwrap_err(), KeyFileError::Twice);
    let other = ALICE.replacen("role: alice", "path: elsewhere", 1);
    assert_eq!(
        KeyFile::parse(&other).unwrap_err(),
        KeyFileError::Pem(PemError::Body)
    );
}

#[test]
fn public_keys_are_read_with_and_without_a_header() {
    let key = public_key(ALICE_PUBLIC).unwrap();
    assert_eq!(Key::from(&key).id().as_str(), ALICE_ID);
    assert_eq!(public_key(&key.to_pem()), Ok(key));
    assert!(public_key(ALICE).is_err());
    assert!(public_key(&" ".repeat(PEM_BYTES_MAX + 1)).is_err());
}

proptest::proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let text = pem::encode(SEALED, &bytes);
        let file = KeyFile::parse(&text).unwrap();
        proptest::prop_assert!(file.open(&secret("x")).is_err());
    }
}
