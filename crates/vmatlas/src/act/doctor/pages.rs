//! Which pages are there, and what is known of each.

use std::fs::File;

use abi::VirtAddr;
use recording::Machine;
use sys::pagemap::Scanner;
use sys::procmap_query::{self, Find};
use view::Facility::{AnonymousNames, Frames, HugePages, MapQuery, PageScan, SoftDirty};
use view::{Availability, Check, Facility};

/// Tries each on ourselves.
pub(super) fn checks(machine: &Machine) -> Vec<Check> {
    vec![page_scan(), map_query(), frames(), soft_dirty(), anonymous_names(), huge_pages(machine)]
}

fn whole_or_missing(facility: Facility, there: bool, fine: &str, otherwise: &str) -> Check {
    if there {
        Check::new(facility, Availability::Whole, fine)
    } else {
        Check::new(facility, Availability::Missing, otherwise)
    }
}

fn page_scan() -> Check {
    let mut runs = 0;
    let scanned = File::open("/proc/self/pagemap").map_err(|error| error.to_string()).and_then(|pagemap| {
        Scanner::default().scan(&pagemap, |_| runs += 1).map_err(|error| error.to_string())
    });
    match scanned {
        Ok(()) if runs > 0 => Check::new(PageScan, Availability::Whole, "our own pages were scanned"),
        Ok(()) => Check::new(PageScan, Availability::Missing, "a scan of ourselves found no page"),
        Err(why) => Check::new(PageScan, Availability::Missing, why),
    }
}

fn map_query() -> Check {
    let here = VirtAddr(map_query as *const () as u64);
    let asked = File::open("/proc/self/maps").map_err(|error| error.to_string()).and_then(|maps| {
        procmap_query::query(&maps, here, Find::Covering).map_err(|error| error.to_string())
    });
    match asked {
        Ok(Some(found)) if found.range.contains(here) => {
            Check::new(MapQuery, Availability::Whole, "our own code was found")
        }
        Ok(_) => Check::new(MapQuery, Availability::Missing, "our own code was not found"),
        Err(why) => Check::new(MapQuery, Availability::Missing, why),
    }
}

fn frames() -> Check {
    let hidden = "the kernel shows no frame numbers to this user";
    whole_or_missing(Frames, sys::probe::sees_frames(), "the number of a frame of ours was read", hidden)
}

fn soft_dirty() -> Check {
    let not_set = "a page of ours was written and not marked";
    whole_or_missing(
        SoftDirty,
        sys::probe::tracks_soft_dirty(),
        "a page of ours was marked as written",
        not_set,
    )
}

fn anonymous_names() -> Check {
    let refused = "the kernel refused to name a page of ours";
    whole_or_missing(
        AnonymousNames,
        sys::probe::names_anonymous_memory(),
        "a page of ours was named",
        refused,
    )
}

fn huge_pages(machine: &Machine) -> Check {
    let setting = machine.thp.iter().find(|(name, _)| name == "enabled").map(|(_, text)| text.as_str());
    let setting = setting.unwrap_or("this kernel has no such setting");
    let asked = |what: &str| format!("{what} when asked for ({setting})");
    match sys::probe::gives_huge_pages() {
        true => Check::new(HugePages, Availability::Whole, asked("one was given")),
        false => Check::new(HugePages, Availability::Missing, asked("none was given")),
    }
}
