//! The repository's files as the rules see them: paths from the root, texts, parsed Rust.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

use crate::repo;

/// All files of the repository.
#[derive(Default)]
pub(crate) struct Tree {
    /// Path from the root to file.
    pub(crate) files: BTreeMap<String, File>,
}

/// One file.
pub(crate) struct File {
    /// Its size in bytes.
    pub(crate) size: usize,
    /// Its text; `None` if it is not UTF-8.
    pub(crate) text: Option<String>,
    /// The parsed source, of Rust files.
    pub(crate) rust: Option<syn::Result<syn::File>>,
}

impl Tree {
    /// Reads the repository.
    pub(crate) fn read() -> Result<Self> {
        let mut tree = Self::default();
        for path in repo::files()? {
            let bytes = fs::read(repo::root().join(&path)).with_context(|| path.display().to_string())?;
            tree.add(&path.to_string_lossy(), bytes);
        }
        Ok(tree)
    }

    /// A repository of these paths and texts.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.add(path, text.as_bytes().to_vec());
        }
        tree
    }

    fn add(&mut self, path: &str, bytes: Vec<u8>) {
        let size = bytes.len();
        let text = String::from_utf8(bytes).ok();
        let rust = text.as_deref().filter(|_| path.ends_with(".rs")).map(syn::parse_file);
        self.files.insert(path.to_string(), File { size, text, rust });
    }

    /// The files that are text, with their paths.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, file)| Some((path.as_str(), file.text.as_deref()?)))
    }

    /// The Rust files with their paths and texts.
    pub(crate) fn rust_texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// The Rust files that parse, with their paths.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &syn::File)> {
        self.files.iter().filter_map(|(path, file)| {
            let parsed = file.rust.as_ref()?.as_ref().ok()?;
            Some((path.as_str(), parsed))
        })
    }

    /// Whether a file or folder of this path from the root is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        let after = self.files.range(folder.clone()..).next();
        self.files.contains_key(path) || after.is_some_and(|(file, _)| file.starts_with(&folder))
    }
}

/// Whether the whole file is tests: beside the code as `tests.rs` or below a folder `tests`.
pub(crate) fn is_tests(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// Whether an item stands only in test builds.
pub(crate) fn is_cfg_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_test_function = attribute.path().is_ident("test");
        let is_cfg = attribute.path().is_ident("cfg");
        is_test_function || (is_cfg && tokens(attribute).contains("test"))
    })
}

/// The text inside an attribute's brackets, as its tokens print.
pub(crate) fn tokens(attribute: &syn::Attribute) -> String {
    match &attribute.meta {
        syn::Meta::List(list) => list.tokens.to_string(),
        syn::Meta::Path(_) | syn::Meta::NameValue(_) => String::new(),
    }
}
