//! The command line of `top`.

use clap::Args;

/// The arguments of `top`.
#[derive(Args, Clone, Debug)]
pub(crate) struct TopArgs {
    /// The process: its id or its name [default: the one with the largest resident size]
    pub(crate) target: Option<String>,
    /// Seconds between two readings
    #[arg(short, long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    pub(crate) interval: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=3600.0).contains(&value) { Ok(value) } else { Err("between 0.1 and 3600".to_owned()) }
}
