//! Where a program runs: on this machine, or in a Debian 13 in a folder, which has the same `/tmp` and sees the same network.
//! Each run there has mounts of its own, which end with it.

use super::{Program, cache};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The mounts that programs need, and then the program, which keeps the process id. The root is a mount too: the engine wants to
/// mount it again.
const ENTER: &str = r#"root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount --bind /tmp "$root/tmp"
exec chroot "$root" "$@""#;

/// A place for programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// This machine, a Debian 12.
    Here,
    /// Debian 13.
    Debian13,
}

impl Place {
    /// A program of the place.
    pub(crate) fn program(self, name: impl AsRef<OsStr>) -> Program {
        let name = name.as_ref();
        match self {
            Self::Here => Program::new(name),
            Self::Debian13 => {
                let shown = format!("debian 13: {}", name.display());
                let unshare = Program::new("unshare").shown_as(&shown);
                enter()
                    .into_iter()
                    .fold(unshare, Program::arg_not_shown)
                    .arg_not_shown(name)
            }
        }
    }

    /// A program of the place that goes on running, to be started and ended by its process id.
    pub(crate) fn daemon(self, name: &str) -> Command {
        match self {
            Self::Here => Command::new(name),
            Self::Debian13 => {
                let mut command = Command::new("unshare");
                command.args(enter()).arg(name);
                command
            }
        }
    }

    /// A file of the place as this machine sees it.
    pub(crate) fn file(self, path: &str) -> PathBuf {
        match self {
            Self::Here => PathBuf::from(path),
            Self::Debian13 => root().join(path.trim_start_matches('/')),
        }
    }

    /// The Debian release.
    pub(crate) fn release(self) -> &'static str {
        match self {
            Self::Here => "12",
            Self::Debian13 => "13",
        }
    }
}

fn enter() -> Vec<String> {
    let root = root();
    assert!(
        root.join("usr/bin").is_dir(),
        "there is no Debian 13 at {}; run `.ci/install`",
        root.display()
    );
    assert!(
        Path::new("/tmp").is_dir() && std::env::temp_dir().starts_with("/tmp"),
        "temporary folders must be below /tmp, which is what Debian 13 shares"
    );
    let flags = [
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-euc",
        ENTER,
        "sh",
    ];
    flags
        .into_iter()
        .map(str::to_owned)
        .chain([root.display().to_string()])
        .collect()
}

fn root() -> PathBuf {
    cache().join("debian13-root")
}
