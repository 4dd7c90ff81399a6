//! Names as the programmer wrote them.

use std::fmt::{self, Write};

/// Names longer than this, mangled or not, stay as they are: a mangled name can say exponentially much.
const NAME_BYTES_MAX: usize = 16 << 10;

/// Returns the name of a C++ or Rust symbol as the programmer wrote it; any other name as it is.
pub fn demangle(name: &str) -> String {
    if name.len() > NAME_BYTES_MAX {
        return name.to_owned();
    }
    let mut out = Bounded(String::new());
    if is_rust(name)
        && let Ok(rust) = rustc_demangle::try_demangle(name)
        && write!(out, "{rust:#}").is_ok()
    {
        return out.0;
    }
    out.0.clear();
    if name.starts_with("_Z")
        && let Ok(symbol) = cpp_demangle::Symbol::new(name)
        && symbol.structured_demangle(&mut out, &cpp_demangle::DemangleOptions::default()).is_ok()
    {
        return out.0;
    }
    name.to_owned()
}

/// Rust's own scheme, or the older one that looks like C++ with a hash at its end.
fn is_rust(name: &str) -> bool {
    // Compilers add suffixes such as `.llvm.123` after it.
    let has_hash = || {
        let (hash, rest) = name.rsplit_once("17h")?.1.split_at_checked(16)?;
        let suffix = rest.strip_prefix('E')?;
        let is_end = suffix.is_empty() || suffix.starts_with('.');
        Some(is_end && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    name.starts_with("_R") || (name.starts_with("_ZN") && has_hash() == Some(true))
}

/// A text that refuses to grow past the longest name.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > NAME_BYTES_MAX {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_is_read_by_its_own_scheme() {
        assert_eq!(demangle("malloc"), "malloc");
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
        let inherent = "_ZN29_$LT$a..B$u20$as$u20$c..D$GT$1e17h9b6add138334c493E.llvm.7";
        assert_eq!(demangle(inherent), "<a::B as c::D>::e");
        assert_eq!(demangle("_RNvCskwGfYPst2Cb_3foo3bar"), "foo::bar");
        assert_eq!(demangle("_Zbroken"), "_Zbroken");
    }

    #[test]
    fn a_name_that_says_too_much_stays_as_it_is() {
        // Each substitution doubles what the one before it says.
        let mut name = String::from("_Z1fI");
        for no in 0..40 {
            let last = if no == 0 { "i".into() } else { format!("S{}_", radix36(no - 1)) };
            name.push_str(&format!("1aI{last}{last}E"));
        }
        name.push('E');
        let shown = demangle(&name);
        assert!(shown.len() <= NAME_BYTES_MAX, "{}", shown.len());
    }

    fn radix36(no: u32) -> String {
        let digit = |value: u32| char::from_digit(value, 36).expect("a digit").to_ascii_uppercase();
        if no < 36 { digit(no).to_string() } else { format!("{}{}", digit(no / 36), digit(no % 36)) }
    }
}
