//! Names: what function, file and line an address belongs to.

mod debug_files;
mod demangle;
mod dwarf;
mod frame;
mod functions;
mod perf_map;
mod symbolizer;
mod table;

pub use debug_files::DebugFiles;
pub use demangle::demangle;
pub use frame::Frame;
pub use functions::functions;
pub use perf_map::PerfMap;
pub use symbolizer::Symbolizer;
