//! Whole replays of small recordings made by hand.

mod peaks;
mod tape;
mod twin;
