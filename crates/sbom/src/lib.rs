//! What software is made of: package identity (purl), the inventory of a layer and of an image, licence expressions,
//! and the bill of materials written as CycloneDX.
//!
//! It deliberately finds nothing itself (that is the scanner's) and judges nothing (that is the advisories' and the
//! policy's). Inventories say what they could not see: one with problems is incomplete, never clean.
//!
//! ```
//! use sbom::{Component, Distro, ImageInventory, Package, PackageKind, cyclonedx};
//!
//! let package = Package {
//!     kind: PackageKind::PyPi,
//!     name: "Jinja2".into(),
//!     version: "2.10".into(),
//!     architecture: None,
//!     source: None,
//!     licences: vec!["BSD-3-Clause".into()],
//!     path: "usr/lib/python3/dist-packages/Jinja2-2.10.dist-info/METADATA".into(),
//!     owner: None,
//! };
//! let purl = package.purl(None);
//! assert_eq!(purl.to_string(), "pkg:pypi/jinja2@2.10");
//!
//! let layer = oci::Digest::sha256(b"layer");
//! let component = Component { package, purl, layer, layer_index: 0, instruction: None };
//! let inventory = ImageInventory { distro: None, components: vec![component], problems: vec![] };
//! let subject = cyclonedx::Subject { name: "shop/web".into(), digest: None, tool_version: "0.1.0".into() };
//! let document = cyclonedx::write(&inventory, &subject, 1_767_225_600_000);
//! assert_eq!(document["components"][0]["purl"], "pkg:pypi/jinja2@2.10");
//! assert_eq!(document["metadata"]["timestamp"], "2026-01-01T00:00:00Z");
//! ```

pub mod cyclonedx;
mod inventory;
pub mod licence;
mod package;
mod purl;

pub use inventory::{
    Component, Database, DatabaseKind, ImageInventory, LayerInventory, Problem, ProblemKind,
};
pub use package::{Distro, Package, PackageKind, SourcePackage, UnknownPackageKind, pep503};
pub use purl::{PURL_BYTES_MAX, Purl, PurlError};
