//! Running other programs, in the repository's root.

use std::process;

use anyhow::{Context, Result, ensure};

use crate::repo;

/// A program with its arguments, run in the repository's root.
pub(crate) struct Command {
    shown: String,
    inner: process::Command,
}

impl Command {
    /// Takes the words of a command line apart at its blanks; there is no quoting.
    pub(crate) fn words(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let mut inner = process::Command::new(words.next().unwrap_or_default());
        inner.args(words).current_dir(repo::root());
        Self { shown: line.to_string(), inner }
    }

    /// Adds arguments as they are.
    pub(crate) fn args(mut self, args: &[String]) -> Self {
        for arg in args {
            self.shown.push(' ');
            self.shown.push_str(arg);
        }
        self.inner.args(args);
        self
    }

    /// Sets a variable of the program's environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.inner.env(name, value);
        self
    }

    /// Runs it with this process's output; an error unless it ends with status 0.
    pub(crate) fn run(mut self) -> Result<()> {
        let status = self.inner.status().with_context(|| format!("starting `{}`", self.shown))?;
        ensure!(status.success(), "`{}` ended with {status}", self.shown);
        Ok(())
    }

    /// Runs it and returns what it printed on standard output; an error unless it ends with status 0.
    pub(crate) fn read(mut self) -> Result<String> {
        self.inner.stderr(process::Stdio::inherit());
        let output = self.inner.output().with_context(|| format!("starting `{}`", self.shown))?;
        ensure!(output.status.success(), "`{}` ended with {}", self.shown, output.status);
        String::from_utf8(output.stdout).with_context(|| format!("the output of `{}`", self.shown))
    }

    /// Runs it silently and says whether it could be started and ended with status 0.
    pub(crate) fn succeeds(mut self) -> bool {
        let silent = self.inner.stdout(process::Stdio::null()).stderr(process::Stdio::null());
        silent.status().is_ok_and(|status| status.success())
    }
}
