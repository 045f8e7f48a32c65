//! A disk that is full: writes are refused with a reason, what was acknowledged is there, and once there is room it goes on as if nothing
//! had been.

use crate::harness::{
    Image, ImageParts, Layer, Program, Refusal, Session, Shop, noise, small_layer, tar,
};
use oci::{Digest, media};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

const REPOSITORY: &str = "shop/full";
const MIB: usize = 1 << 20;
const LAYER_BYTES: usize = 3 * MIB;
/// More images than there is room for.
const IMAGES_MAX: usize = 64;

/// A file system of 64 MiB in memory.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: &Path) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs"];
        Program::new("mount").args(mount).arg(path).ok();
        Self(path.to_path_buf())
    }

    /// Takes what is left, to the last byte.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        for piece in [MIB, 4096, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Program::new("umount").arg("--lazy").arg(&self.0).run();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_heals_without_a_restart() {
    let mut disk = None;
    let mut shop = Shop::bare_on(|data| disk = Some(Disk::mount(data)));
    let disk = disk.unwrap();
    let mut acknowledged = BTreeMap::new();
    let upload = push_until_refused(&shop, &mut acknowledged);
    println!(
        "full: after {} images: {}",
        acknowledged.len(),
        upload.all()
    );
    all_are_there(&shop, &acknowledged);

    // Not a byte is left, for the database neither.
    let filler = disk.fill();
    let small = ImageParts::of([small_layer("too much")]).build();
    let last_byte = Session::open(&shop.server.host(), shop.actor("dora"), REPOSITORY)
        .and_then(|mut session| session.push(&small, "too-much"))
        .unwrap_err();
    println!("full: to the last byte: {}", last_byte.all());
    all_are_there(&shop, &acknowledged);

    std::fs::remove_file(filler).unwrap();
    Program::new("mount")
        .args(["-o", "remount,size=128m"])
        .arg(&disk.0)
        .ok();
    session(&shop).push(&small, "room").unwrap();
    acknowledged.insert("room".to_owned(), small.digest());
    let large = image(&noise("large", LAYER_BYTES), "large");
    session(&shop).push(&large, "large").unwrap();
    acknowledged.insert("large".to_owned(), large.digest());
    all_are_there(&shop, &acknowledged);
    shop.server.stop();
    shop.server.restart();
    all_are_there(&shop, &acknowledged);
    is_clear(&upload);
    is_clear(&last_byte);
}

fn session(shop: &Shop) -> Session {
    Session::open(&shop.server.host(), shop.actor("dora"), REPOSITORY).unwrap()
}

/// Noise is slow to make: all images share it, behind what tells them apart.
fn image(noise: &[u8], unlike: &str) -> Image {
    let archive = tar(&[("srv/unlike", unlike.as_bytes()), ("srv/noise", noise)]);
    let layer = Layer {
        diff_id: Digest::sha256(&archive),
        bytes: archive.into(),
        media_type: media::OCI_LAYER_TAR,
        instruction: "COPY noise /srv".to_owned(),
    };
    ImageParts::of([layer]).build()
}

fn push_until_refused(shop: &Shop, acknowledged: &mut BTreeMap<String, Digest>) -> Refusal {
    let noise = noise("full", LAYER_BYTES);
    for number in 0..IMAGES_MAX {
        let tag = format!("image-{number}");
        let image = image(&noise, &tag);
        let pushed = Session::open(&shop.server.host(), shop.actor("dora"), REPOSITORY)
            .and_then(|mut session| session.push(&image, &tag));
        match pushed {
            Ok(()) => acknowledged.insert(tag, image.digest()),
            Err(refusal) => return refusal,
        };
    }
    panic!("{IMAGES_MAX} images fit into 64 MiB");
}

/// An error of the server's that says what is the matter, and that it may be over later.
fn is_clear(refusal: &Refusal) {
    let reply = refusal
        .reply
        .as_ref()
        .unwrap_or_else(|| panic!("{}", refusal.all()));
    assert!(matches!(reply.status, 503 | 507), "{}", refusal.all());
    let text = reply.text().to_lowercase();
    assert!(
        text.contains("space") || text.contains("full"),
        "{}",
        refusal.all()
    );
    assert!(
        reply.headers.contains_key("retry-after"),
        "{}",
        refusal.all()
    );
}

fn all_are_there(shop: &Shop, acknowledged: &BTreeMap<String, Digest>) {
    let mut session = session(shop);
    for (tag, digest) in acknowledged {
        let pulled = session
            .pull(tag)
            .unwrap_or_else(|refusal| panic!("{tag}: {}", refusal.all()));
        assert_eq!(pulled, *digest, "{tag}");
    }
}
