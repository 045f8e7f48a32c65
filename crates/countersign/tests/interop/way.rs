//! One image's whole way, with the real docker: built on debootstrap, pushed, taken apart, matched, refused, walked around in
//! vain, signed by its stages, pulled, and refused again when an advisory arrives. One server, two machines with docker, in this order.

use crate::harness::{Base, DockerUser, Dockerd, Shop, build_django};
use crate::{around, gate, inventory};

/// The image that goes the way, with its repository and tag.
pub(crate) const REPOSITORY: &str = "shop/web";
pub(crate) const IMAGE: &str = "shop/web:1";

/// Who and what takes part.
pub(crate) struct Way {
    pub(crate) shop: Shop,
    /// The developer's engine, which builds.
    pub(crate) workshop: Dockerd,
    /// A production host's engine, which has nothing yet.
    pub(crate) production: Dockerd,
    /// The image's digest, once it was pushed.
    pub(crate) digest: String,
}

impl Way {
    /// The image as docker names it.
    pub(crate) fn reference(&self) -> String {
        self.at(IMAGE)
    }

    /// An image of the shop's server as docker names it.
    pub(crate) fn at(&self, image: &str) -> String {
        format!("{}/{image}", self.shop.server.host())
    }

    /// Docker as somebody of the shop: dora at her own machine, everybody else at the production host.
    pub(crate) fn docker(&self, who: &str) -> DockerUser<'_> {
        let engine = if who == "dora" {
            &self.workshop
        } else {
            &self.production
        };
        engine.logged_in(self.shop.actor(who), &self.shop.server.host())
    }
}

#[test]
fn an_image_from_push_to_production() {
    let shop = Shop::open(&["--anonymous-pull"]);
    shop.import_real();
    let mut way = Way {
        shop,
        workshop: Dockerd::start(),
        production: Dockerd::start(),
        digest: String::new(),
    };

    let builder = way.docker("dora");
    Base::get().import(&builder);
    build_django(&builder, way.shop.folder(), &way.reference());
    way.digest = inventory::pushed_and_indexed(&way);
    inventory::holds_what_the_image_holds(&way);
    inventory::findings_are_what_a_script_finds(&way);

    gate::refused_before_the_signatures(&way);
    around::every_way_is_refused(&way);
    gate::allowed_after_all_stages(&way);
    gate::refused_after_an_advisory(&way);
    println!(
        "memory: the server had at most {} MiB in use",
        way.shop.server.memory_peak_mib()
    );
}
