//! Where things are: the folder of third-party data, the cache of what is slow to get, the programs.

use super::Program;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The third-party data: advisories and schemas.
pub(crate) fn suites() -> PathBuf {
    let folder = std::env::var_os("COUNTERSIGN_SUITES")
        .expect("COUNTERSIGN_SUITES names the folder of third-party data");
    PathBuf::from(folder)
}

/// What survives from run to run: base image, Python environment, programs that are no packages.
pub(crate) fn cache() -> PathBuf {
    let folder = match std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache"),
    };
    let folder = folder.join("countersign-ci");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A folder that goes away with its value.
pub(crate) fn temporary() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("countersign-interop-")
        .tempdir()
        .unwrap()
}

/// A program on the PATH or in the cache; its absence is a failure.
pub(crate) fn client_program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([cache().join("bin")]);
    let found = folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is not installed; run `.ci/install`"))
}

/// A Python with what the independent script needs.
pub(crate) fn venv_python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = cache().join("venv");
        let python = folder.join("bin/python");
        let is_ready = python.exists()
            && Program::new(&python)
                .args(["-c", "import packaging, yaml, jsonschema"])
                .run()
                .code
                == Some(0);
        if !is_ready {
            Program::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&folder)
                .ok();
            Program::new(&python)
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "packaging",
                    "pyyaml",
                    "jsonschema",
                    "referencing",
                ])
                .ok();
        }
        python
    })
}
