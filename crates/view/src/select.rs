//! Which mappings of a map are shown, and in which order.

use crate::map::{MapView, MappingLine};

/// What a mapping must be to be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filter {
    /// Holds something of one of these kinds or groups, by their names for programs.
    Kind(Vec<String>),
    /// Its name, or that of its owner, holds this text.
    Name(String),
    /// Its permissions hold all these letters.
    Permission(String),
    /// One of its sums is at least so many bytes.
    AtLeast(Order, u64),
}

/// What mappings are sorted by: sizes largest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Address.
    Address,
    /// Virtual size.
    Size,
    /// Resident size.
    Rss,
    /// Proportional size.
    Pss,
    /// What is resident in this process alone.
    Uss,
    /// What is resident and written to.
    Dirty,
    /// What is in swap.
    Swap,
    /// Name.
    Name,
}

impl Order {
    /// Every order, with its name.
    pub const ALL: [(&'static str, Self); 8] = [
        ("address", Self::Address),
        ("size", Self::Size),
        ("rss", Self::Rss),
        ("pss", Self::Pss),
        ("uss", Self::Uss),
        ("dirty", Self::Dirty),
        ("swap", Self::Swap),
        ("name", Self::Name),
    ];

    /// Whether it orders by a size.
    pub const fn is_size(self) -> bool {
        !matches!(self, Self::Address | Self::Name)
    }

    fn bytes(self, mapping: &MappingLine) -> u64 {
        let sums = &mapping.sums;
        match self {
            Self::Address | Self::Name => 0,
            Self::Size => sums.size,
            Self::Rss => sums.in_core.or(sums.rss).unwrap_or(0),
            Self::Pss => sums.pss.unwrap_or(0),
            Self::Uss => sums.uss.unwrap_or(0),
            Self::Dirty => sums.dirty.unwrap_or(0),
            Self::Swap => sums.swap.unwrap_or(0),
        }
    }
}

impl Filter {
    /// Tells whether a mapping is to be shown.
    pub fn admits(&self, mapping: &MappingLine) -> bool {
        match self {
            Self::Kind(kinds) => {
                let is_wanted = |kind: &str| {
                    let kind = snapshot::Kind::ALL.into_iter().find(|known| known.slug() == kind);
                    kind.is_some_and(|kind| {
                        kinds.iter().any(|k| k == kind.slug() || k == kind.group().slug())
                    })
                };
                mapping.leaves.iter().any(|leaf| is_wanted(leaf.kind))
            }
            Self::Name(text) => {
                mapping.name.contains(text) || mapping.leaves.iter().any(|leaf| leaf.owner.contains(text))
            }
            Self::Permission(letters) => letters.chars().all(|letter| mapping.permissions.contains(letter)),
            Self::AtLeast(order, bytes) => order.bytes(mapping) >= *bytes,
        }
    }
}

impl MapView {
    /// Leaves only the mappings that every filter admits.
    pub fn select(&mut self, filters: &[Filter]) {
        self.mappings.retain(|mapping| filters.iter().all(|filter| filter.admits(mapping)));
    }

    /// Sorts the mappings; those that are equal stay in the order of their addresses.
    pub fn sort(&mut self, order: Order) {
        match order {
            Order::Address => {}
            Order::Name => self.mappings.sort_by(|a, b| a.name.cmp(&b.name)),
            order => self.mappings.sort_by_key(|mapping| std::cmp::Reverse(order.bytes(mapping))),
        }
    }
}

#[cfg(test)]
mod tests {
    use snapshot::Snapshot;

    use super::*;
    use crate::map::{Detail, MapFacts};

    fn names(filters: &[Filter], order: Order) -> Vec<String> {
        let text = b"1000-2000 rw-p 0 0:0 0 [heap]\nRss: 4 kB\n3000-9000 r-xp 0 8:1 7 /lib/b\nRss: 0 kB\n\
            a000-c000 r--p 0 8:1 8 /lib/a\nRss: 8 kB\n";
        let snapshot = Snapshot::from_maps_text(text).expect("good text");
        let mut view = MapView::new(MapFacts::default(), &snapshot, Detail::Mappings);
        view.select(filters);
        view.sort(order);
        view.mappings.into_iter().map(|mapping| mapping.name).collect()
    }

    #[test]
    fn filters_and_orders() {
        assert_eq!(names(&[], Order::Size), ["/lib/b", "/lib/a", "[heap]"]);
        assert_eq!(names(&[], Order::Rss), ["/lib/a", "[heap]", "/lib/b"]);
        assert_eq!(names(&[], Order::Name), ["/lib/a", "/lib/b", "[heap]"]);
        assert_eq!(
            names(&[Filter::Kind(vec!["heap".into(), "text".into()])], Order::Address),
            ["[heap]", "/lib/b"]
        );
        assert_eq!(names(&[Filter::Kind(vec!["static".into()])], Order::Address), ["/lib/b"]);
        assert_eq!(names(&[Filter::Name("/a".into())], Order::Address), ["/lib/a"]);
        assert_eq!(names(&[Filter::Permission("wr".into())], Order::Address), ["[heap]"]);
        assert_eq!(names(&[Filter::AtLeast(Order::Rss, 5000)], Order::Address), ["/lib/a"]);
    }
}
