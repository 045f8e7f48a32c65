//! A tag that is a manifest, then an index, then a manifest again, each time pulled by one who had the one before.

use super::{podman, skopeo};
use crate::harness::{Layout, Place};
use crate::matrix::client::Client;
use crate::matrix::ground::Ground;
use crate::matrix::podman::Which;
use crate::matrix::sample::{Sample, index_of};

/// Whoever pulls gets what the tag is now.
pub(super) fn a_tag_changes_its_kind(ground: &Ground) {
    let folder = ground.shop.folder().join("samples");
    let (alone, two) = (
        Sample::new(&folder, "alone", "amd64"),
        Sample::platforms(&folder, "kinds"),
    );
    let index = Layout::write(
        &ground.shop.folder().join("kinds-index"),
        &[("1", &index_of(&two))],
    );
    let image = ground.free("kinds", "image:latest");
    let (skopeo, podman) = (
        skopeo(ground, Place::Debian13),
        podman(ground, Which::Podman, Place::Debian13),
    );
    for (layout, expected) in [
        (&alone.layout, &alone),
        (&index, &two[0]),
        (&alone.layout, &alone),
    ] {
        skopeo.push_layout(layout, &image);
        assert_eq!(ground.digest(&image), Some(layout.digest()));
        assert_eq!(podman.pull(&image).file, expected.file);
    }
}
