//! Many at once: a thousand who pull, two hundred who push. Nobody is sent away with a server's error, and the server stays small.

use crate::harness::{Image, ImageParts, Layer, Session, Shop, noise, small_layer};
use std::sync::Barrier;
use std::time::Instant;

const PULLS: usize = 1_000;
const PUSHES: usize = 200;
/// The most memory that the server may have in use, in MiB.
const MEMORY_MIB_MAX: u64 = 300;
const LAYER_BYTES: usize = 256 * 1024;
const REPOSITORY: &str = "shop/crowd";

#[test]
fn a_thousand_pulls_and_two_hundred_pushes_at_once() {
    let shop = Shop::bare(&[]);
    let image = image("pulled", 3);
    session(&shop).push(&image, "pulled").unwrap();

    let begun = Instant::now();
    let failed = at_once(PULLS, |_, barrier| {
        barrier.wait();
        let digest = Session::open(&shop.server.host(), shop.actor("ci-shop"), REPOSITORY)
            .and_then(|mut session| session.pull("pulled"))
            .map_err(|refusal| refusal.all())?;
        assert_eq!(digest, image.digest());
        Ok(())
    });
    assert_eq!(failed, [] as [String; 0]);
    let peak = shop.server.memory_peak_mib();
    println!(
        "crowd: {PULLS} pulls at once in {} ms, {peak} MiB",
        begun.elapsed().as_millis()
    );
    assert!(peak < MEMORY_MIB_MAX, "{peak} MiB");

    let begun = Instant::now();
    let failed = at_once(PUSHES, |number, barrier| {
        let image = self::image(&format!("pushed {number}"), 1);
        barrier.wait();
        Session::open(&shop.server.host(), shop.actor("ci-shop"), REPOSITORY)
            .and_then(|mut session| session.push(&image, &format!("pushed-{number}")))
            .map_err(|refusal| refusal.all())
    });
    assert_eq!(failed, [] as [String; 0]);
    let peak = shop.server.memory_peak_mib();
    println!(
        "crowd: {PUSHES} pushes at once in {} ms, {peak} MiB",
        begun.elapsed().as_millis()
    );
    assert!(peak < MEMORY_MIB_MAX, "{peak} MiB");
    let mut session = session(&shop);
    for number in 0..PUSHES {
        let digest = session.pull(&format!("pushed-{number}")).unwrap();
        assert_eq!(digest, self::image(&format!("pushed {number}"), 1).digest());
    }
}

fn session(shop: &Shop) -> Session {
    Session::open(&shop.server.host(), shop.actor("ci-shop"), REPOSITORY).unwrap()
}

fn image(unlike: &str, layers: usize) -> Image {
    let noisy = (0..layers).map(|layer| {
        let noise = noise(&format!("{unlike} {layer}"), LAYER_BYTES);
        Layer::of_files(&[("srv/noise", &noise)], "COPY noise /srv")
    });
    ImageParts::of([small_layer(unlike)].into_iter().chain(noisy)).build()
}

/// Does it in so many threads, which begin together; answers what failed.
fn at_once(
    count: usize,
    act: impl Fn(usize, &Barrier) -> Result<(), String> + Sync,
) -> Vec<String> {
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                let (act, barrier) = (&act, &barrier);
                let thread = std::thread::Builder::new().stack_size(256 * 1024);
                thread
                    .spawn_scoped(scope, move || act(number, barrier))
                    .unwrap()
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap().err())
            .collect()
    })
}
