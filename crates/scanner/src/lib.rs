//! Layers in, inventories out: reads a container image's layers as streams, never unpacked, and says which packages
//! they hold, at which version, from which layer.
//!
//! [`scan_layer`] turns one layer blob into facts that never change and can be kept by its digest; [`merge`] puts the
//! facts of an image's layers together: what is still there, since which layer, and what could not be seen. A
//! [`Collector`] does the same for a folder that somebody walks. Nothing here fails: whatever goes wrong is a problem
//! of the inventory, and an inventory with problems is incomplete. It opens no file, knows no network, decides
//! nothing about weaknesses, and memory has a bound whatever the layer ([`Limits`]). image-spec `layer.md`.
//!
//! ```
//! use oci::Digest;
//! use scanner::{Limits, merge, scan_layer};
//!
//! let empty_layer = [0; 1024];
//! let digest = Digest::sha256(&empty_layer);
//! let layer = scan_layer(empty_layer.as_slice(), &digest, Some(&digest), oci::media::OCI_LAYER_TAR, &Limits::default());
//! assert!(merge(&[layer], None).is_complete());
//! ```

mod cataloger;
mod collector;
mod facts;
mod layer;
mod limits;
mod merge;
mod path;
mod problems;
mod stream;
mod tar;
#[cfg(test)]
mod testing;

pub use collector::{Collector, EntryKind};
pub use layer::{ReadLayer, SCANNER_VERSION, read_layer, scan_layer};
pub use limits::Limits;
pub use merge::merge;
