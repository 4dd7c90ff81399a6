//! The packages of the workspaces, from `cargo metadata`.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::repo;
use crate::shell::Command;

/// The manifests of the workspaces that use the crates.
const MANIFESTS: [&str; 3] = ["Cargo.toml", "bench/Cargo.toml", "fuzz/Cargo.toml"];

/// A package of this repository.
#[derive(Clone, Debug)]
pub(super) struct Package {
    /// Its name for cargo.
    pub(super) name: String,
    /// Its folder from the root.
    pub(super) path: String,
    /// The names of the packages that it uses outside tests.
    pub(super) normal: Vec<String>,
}

impl Package {
    /// The name that ARCHITECTURE.md uses: the folder's.
    pub(super) fn short_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// Reads the repository's own packages.
pub(super) fn read() -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for manifest in MANIFESTS {
        if !repo::root().join(manifest).is_file() {
            continue;
        }
        let line = format!("cargo metadata --no-deps --format-version 1 --manifest-path {manifest}");
        let metadata: Value =
            serde_json::from_str(&Command::words(&line).read()?).context("cargo metadata")?;
        let listed = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
        packages.extend(listed.iter().filter_map(package));
    }
    Ok(packages)
}

fn package(value: &Value) -> Option<Package> {
    let manifest = value["manifest_path"].as_str()?;
    let folder = manifest.strip_suffix("/Cargo.toml")?;
    let path = folder.strip_prefix(repo::root().to_str()?)?.trim_start_matches('/').to_string();
    let normal = value["dependencies"].as_array()?.iter().filter(|dependency| dependency["kind"].is_null());
    let normal = normal.filter_map(|dependency| Some(dependency["name"].as_str()?.to_string())).collect();
    Some(Package { name: value["name"].as_str()?.to_string(), path, normal })
}
