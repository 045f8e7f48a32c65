//! What `countersign sign` and `attest` write, under the tools of others, and what these write, under our gate: cosign 2 and 3, and
//! notation with both of its envelopes. A signature that is tampered with or of another key is refused on either side.

mod attestations;
pub(crate) mod cosign;
pub(crate) mod notation;

use crate::harness::{Actor, ImageParts, Program, Shop, push_tagged, small_layer};
use std::path::{Path, PathBuf};

/// The password of cosign's keys, which are used by us as well.
const PASSWORD: &str = crate::harness::KEY_PASSWORD;

/// An image that was taken apart: by its tag, and by its digest with the registry's host.
pub(crate) struct Pushed {
    /// `repository:tag`.
    pub(crate) image: String,
    /// `host/repository@digest`.
    pub(crate) at: String,
}

/// Pushes a small image as dora, and waits until it was taken apart.
pub(crate) fn pushed(shop: &Shop, name: &str) -> Pushed {
    let image = format!("shop/{name}:1");
    let parts = ImageParts::of([small_layer(name)]).build();
    let digest = push_tagged(shop.actor("dora"), &shop.server, &image, &parts);
    shop.wait_for_inventory(&image);
    Pushed {
        image,
        at: format!("{}/shop/{name}@{digest}", shop.server.host()),
    }
}

/// A program as somebody, in a home of their own.
pub(crate) fn run(shop: &Shop, program: &Path, who: &Actor) -> Program {
    let home = home(shop, who);
    Program::new(program)
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("DOCKER_CONFIG", home.join("docker"))
        .env("COSIGN_PASSWORD", PASSWORD)
        .env("NOTATION_USERNAME", &who.name)
        .env("NOTATION_PASSWORD", &who.secret)
        .dir(&home)
}

fn home(shop: &Shop, who: &Actor) -> PathBuf {
    let home = shop.folder().join("signing").join(&who.name);
    std::fs::create_dir_all(&home).unwrap();
    home
}

/// `countersign sign` or `attest` as the robot, with its key.
pub(crate) fn ours(shop: &Shop, arguments: &[&str], at: &str) -> Program {
    shop.actor("ci-shop").cli(arguments).arg(at)
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
