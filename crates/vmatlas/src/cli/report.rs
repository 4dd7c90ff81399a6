//! The command line of `report`, and of what else tells where memory comes from.

use std::path::PathBuf;

use clap::Args;

/// The arguments of `report`.
#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// The recording; with --by it may be followed by a moment: FILE@peak (if none is given), FILE@1.5s, FILE#EVENT
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Where the memory of one process comes from: by stack, line or thread, by what is mapped, by kind
    #[arg(long, value_name = "WHAT")]
    pub(crate) by: Option<ByWhat>,
    /// With --by: the stack, line or thread that touched memory first and so made it resident, or that mapped it
    #[arg(long, value_name = "WHOSE", requires = "by", default_value = "toucher")]
    pub(crate) whose: WhoseStack,
    /// With --by: growth since this moment: 1.5s, #EVENT, peak
    #[arg(long, value_name = "MOMENT", requires = "by")]
    pub(crate) from: Option<String>,
    /// With --from: until this moment
    #[arg(long, value_name = "MOMENT", requires = "from", default_value = "end")]
    pub(crate) to: String,
    /// With --by: this process, rather than the largest memory
    #[arg(long, value_name = "PID", requires = "by")]
    pub(crate) process: Option<i32>,
    /// Print JSON (schema vmatlas.report/1; sizes in bytes, times in nanoseconds)
    #[arg(long)]
    pub(crate) json: bool,
}

/// What memory is added up by.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ByWhat {
    Stack,
    Line,
    Thread,
    Object,
    Kind,
}

/// Whose stack, line or thread.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WhoseStack {
    /// Of who touched it first
    Toucher,
    /// Of who mapped it
    Mapper,
}

impl From<ByWhat> for view::By {
    fn from(by: ByWhat) -> Self {
        match by {
            ByWhat::Stack => Self::Stack,
            ByWhat::Line => Self::Line,
            ByWhat::Thread => Self::Thread,
            ByWhat::Object => Self::Object,
            ByWhat::Kind => Self::Kind,
        }
    }
}

impl From<WhoseStack> for view::Whose {
    fn from(whose: WhoseStack) -> Self {
        match whose {
            WhoseStack::Toucher => Self::Toucher,
            WhoseStack::Mapper => Self::Mapper,
        }
    }
}
