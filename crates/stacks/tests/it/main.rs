//! Chains of real programs: each guest of `guests/chains` calls through functions known here and writes its registers,
//! its stack and its map.

mod chains;
mod guest;
mod names;
