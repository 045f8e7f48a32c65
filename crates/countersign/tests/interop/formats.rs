//! What clients write beside plain images: build caches, attestations, layers compressed in other ways or kept elsewhere, tags that
//! change their kind, charts, signatures of several people. Each comes back as it went.

mod artifacts;
mod buildkit;
mod compression;
mod elsewhere;
mod signatures;
mod switch;

use crate::harness::Place;
use crate::matrix::ground::{Ground, Transport};
use crate::matrix::oras::Oras;
use crate::matrix::podman::{Podman, Which};
use crate::matrix::skopeo::Skopeo;

#[test]
fn what_clients_write_beside_plain_images() {
    let ground = Ground::open(Transport::Plain);
    compression::zstd_comes_back(&ground);
    compression::a_lazy_reader_finds_its_file(&ground);
    elsewhere::layers_that_stay_elsewhere(&ground);
    artifacts::a_chart_and_what_is_attached_to_it(&ground);
    signatures::two_signers_in_one_tag(&ground);
    switch::a_tag_changes_its_kind(&ground);
    buildkit::caches_and_attestations(&ground);
    buildkit::an_attestation_before_its_subject(&ground);
}

/// A program of a place, logged in as the developer.
fn podman(ground: &Ground, which: Which, place: Place) -> Podman {
    let name = match which {
        Which::Podman => "podman",
        Which::Buildah => "buildah",
    };
    let podman = Podman {
        name,
        which,
        home: ground.home(&format!("formats-{name}-{}", place.release()), place),
    };
    logged_in(ground, podman)
}

fn skopeo(ground: &Ground, place: Place) -> Skopeo {
    let home = ground.home(&format!("formats-skopeo-{}", place.release()), place);
    logged_in(
        ground,
        Skopeo {
            name: "skopeo",
            home,
        },
    )
}

fn oras(ground: &Ground) -> Oras {
    let home = ground.home("formats-oras", Place::Here);
    logged_in(ground, Oras { home })
}

fn logged_in<C: crate::matrix::client::Client>(ground: &Ground, client: C) -> C {
    client.log_in(ground.shop.actor("dora"));
    client
}
