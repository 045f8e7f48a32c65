//! How many signatures one core verifies in a second, in one process: bundles around stage statements, signed with P-256, that are
//! already in memory, read through the door that a gate reads them through.
//!
//! `cargo bench --package trust`; with `-- --check` it fails below [`FLOOR`]. Not a comparison with other programs: `bench/` has those.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a program whose output is its purpose and whose material is its own"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use oci::Digest;
use trust::evidence::{Reading, read_bundle};
use trust::{Algorithm, Bundle, PrivateKey, PublicKey, Signer, StageStatement, stage};

/// Verifications a second, with one key to choose from.
const FLOOR: f64 = 5_000.0;
/// As many signatures as there are, each over another image.
const BUNDLES: usize = 512;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let signer = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let bundles: Vec<Vec<u8>> = (0..BUNDLES).map(|n| bundle(&signer, n)).collect();
    let bytes = bundles.iter().map(Vec::len).sum::<usize>() / BUNDLES;
    println!("{BUNDLES} bundles of {bytes} bytes; median of {ROUNDS} rounds, one thread");

    let point = signer.public_key();
    let message = b"a message";
    let signature = signer.sign(message).unwrap();
    let bare = rate(|_| assert!(point.verify(black_box(message), &signature).is_ok()));
    println!("{bare:>10.0}/s  signatures alone");

    let one = [signer.public_key().clone()];
    let alone = rate(|n| verify(&bundles, n, &one));
    println!("{alone:>10.0}/s  bundles, 1 key registered");

    let mut many: Vec<PublicKey> = (0..99)
        .map(|_| {
            PrivateKey::generate(Algorithm::EcdsaP256)
                .unwrap()
                .public_key()
                .clone()
        })
        .collect();
    many.push(signer.public_key().clone());
    let crowded = rate(|n| verify(&bundles, n, &many));
    println!("{crowded:>10.0}/s  bundles, 100 keys registered");

    let is_checked = std::env::args().any(|argument| argument == "--check");
    if is_checked && alone < FLOOR {
        println!("below {FLOOR}/s");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn bundle(signer: &PrivateKey, n: usize) -> Vec<u8> {
    let passed = StageStatement {
        stage: "ci".into(),
        repository: "shop/web".parse().unwrap(),
        tag: Some("1.4".parse().unwrap()),
        nonce: None,
    };
    let statement = stage::build(&image(n), &passed).unwrap();
    let bundle = Bundle::sign(&statement, signer).unwrap();
    bundle.to_json().unwrap().into_bytes()
}

fn image(n: usize) -> Digest {
    Digest::sha256(&n.to_be_bytes())
}

/// A round that believes nothing, or another image, is no measurement.
fn verify(bundles: &[Vec<u8>], n: usize, keys: &[PublicKey]) {
    let at = n % bundles.len();
    let bytes = bundles.get(at).unwrap();
    match read_bundle(black_box(bytes), keys) {
        Reading::Verified(claim) => assert_eq!(claim.value().subject, image(at)),
        other => panic!("{other:?}"),
    }
}

/// How often a second, in the median of the rounds.
fn rate(mut step: impl FnMut(usize)) -> f64 {
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            let mut done = 0_u32;
            while begin.elapsed() < ROUND {
                step(usize::try_from(done).unwrap());
                done += 1;
            }
            f64::from(done) / begin.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates.get(ROUNDS / 2).copied().unwrap()
}
