//! `vmatlas doctor`: each part is tried, none is inferred from a version.

mod calls;
mod faults;
mod pages;
mod symbols;

use std::process::ExitCode;

use view::Doctor;

use crate::cli::{Common, DoctorArgs};
use crate::screen;

pub(crate) fn act(args: &DoctorArgs, common: Common) -> anyhow::Result<ExitCode> {
    let machine = capture::machine::machine();
    let uid = rustix::process::getuid().as_raw();
    // Children first: they may be made only while there is one thread.
    let mut checks = calls::checks();
    checks.extend(faults::checks());
    checks.extend(pages::checks(&machine));
    checks.extend(symbols::checks());
    let doctor = Doctor::new(machine.kernel, machine.arch, uid, checks);
    let schema = args.json.then_some(view::json::DOCTOR_SCHEMA);
    screen::show(&doctor, schema, common.color, view::text::doctor)?;
    Ok(if doctor.can_record { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
