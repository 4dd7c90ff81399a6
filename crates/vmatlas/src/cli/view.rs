//! The arguments of `view`.

use std::path::PathBuf;

use clap::Args;

/// Look at a recording in a browser.
#[derive(Args, Clone, Debug)]
pub(crate) struct ViewArgs {
    /// The recording
    pub(crate) file: PathBuf,
    /// Write the page as one file that needs no server, and end
    #[arg(long, value_name = "OUT")]
    pub(crate) html: Option<PathBuf>,
    /// With --html: overwrite OUT if it exists
    #[arg(long, requires = "html")]
    pub(crate) force: bool,
    /// The port on the loopback address; 0: any free one
    #[arg(long, default_value_t = 0, conflicts_with = "html")]
    pub(crate) port: u16,
    /// Do not open a browser
    #[arg(long, conflicts_with = "html")]
    pub(crate) no_open: bool,
}
