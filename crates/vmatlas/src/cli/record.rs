//! The command line of `record`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// The arguments of `record`.
#[derive(Args, Debug)]
pub(crate) struct RecordArgs {
    /// Write the recording here: %p is the process id, %e the program's name, %t the time in seconds [default:
    /// vmatlas.%e.%p.vmatlas]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<OsString>,
    /// Overwrite a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Print no report at the end
    #[arg(long)]
    pub(crate) no_report: bool,
    /// Write the report to a file rather than to standard error
    #[arg(long, value_name = "FILE", conflicts_with = "no_report")]
    pub(crate) report: Option<PathBuf>,
    /// Report as JSON (schema vmatlas.report/1; sizes in bytes, times in nanoseconds)
    #[arg(long, conflicts_with = "no_report")]
    pub(crate) json: bool,
    /// Page faults: auto (all of them while that costs little, then one in so many), off, or one in N
    #[arg(long, value_name = "auto|off|N", default_value = "auto", value_parser = faults)]
    pub(crate) faults: Faults,
    /// Stop at entry and exit of each memory call, one call at a time: results and order are seen, at several times
    /// the cost
    #[arg(long)]
    pub(crate) stops: bool,
    /// Record no callers' stacks
    #[arg(long)]
    pub(crate) no_stacks: bool,
    /// Whether the names of functions are put into the recording, so that it can be read elsewhere. Source files, lines
    /// and inlined functions are added by the report, or by the first that reads it here; lines: before anything else
    #[arg(long, value_name = "YES|LINES|NO", default_value = "yes", hide_possible_values = true)]
    pub(crate) embed_symbols: Embed,
    /// Leave the command line out of the recording
    #[arg(long)]
    pub(crate) no_cmdline: bool,
    /// Wait for all processes that the program leaves running
    #[arg(long)]
    pub(crate) wait: bool,
    /// Say nothing but errors: no report, no notes
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
    pub(crate) command: Vec<OsString>,
}

/// Which page faults are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Faults {
    Auto,
    Off,
    /// 1: every one.
    OneIn(u32),
}

fn faults(text: &str) -> Result<Faults, String> {
    match text {
        "auto" => Ok(Faults::Auto),
        "off" => Ok(Faults::Off),
        number => match number.parse() {
            Ok(period) if period > 0 => Ok(Faults::OneIn(period)),
            _ => Err("neither auto nor off nor a number above 0".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_all_none_or_one_in_so_many() {
        assert_eq!(faults("auto"), Ok(Faults::Auto));
        assert_eq!(faults("off"), Ok(Faults::Off));
        assert_eq!(faults("64"), Ok(Faults::OneIn(64)));
        assert!(faults("0").is_err() && faults("-1").is_err() && faults("on").is_err());
    }
}

/// Whether the names of frames are put into the recording.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Embed {
    Yes,
    Lines,
    No,
}
