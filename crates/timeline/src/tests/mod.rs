//! Whole replays of small recordings made by hand.

mod peaks;
mod seeks;
mod tape;
mod twin;
