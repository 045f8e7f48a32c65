//! Scratch.
use super::repository::{Case, Must, Repository};
use std::path::Path;

#[test]
fn scratch_static_repositories() {
    let folder = Path::new("/tmp/conf/tuf_conformance/static_data");
    for case in [
        Case::new(
            "sigstore-root-signing/metadata",
            Must::Accept(
                12,
                &[
                    ("trusted_root.json", Some("targets")),
                    ("registry.npmjs.org/keys.json", Some("registry.npmjs.org")),
                ],
            ),
        )
        .at(SIG),
        Case::new(
            "tuf-on-ci-0.11/metadata",
            Must::Accept(1, &[("delegatedrole/artifact", Some("delegatedrole"))]),
        )
        .at(CI),
    ] {
        println!("{:?}", Repository::of(folder, case).read());
    }
}
const SIG: i64 = 1_739_102_528_000;
const CI: i64 = 1_739_092_643_000;
