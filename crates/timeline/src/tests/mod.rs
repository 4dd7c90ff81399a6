//! Whole replays of small recordings made by hand.

mod callers;
mod peaks;
mod seeks;
mod stories;
mod tape;
mod twin;
