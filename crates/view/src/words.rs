//! Numbers and names as people read them.

/// A word of a fixed vocabulary, such as the name of a kind.
pub type Word = &'static str;

/// Writes a size with its unit, rounded: `512 B`, `132 KiB`, `12.3 MiB`, `812 MiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // The largest unit of which there is at least one, after rounding to whole units below a MiB and to
    // tenths above.
    for (unit, shift) in UNITS.into_iter().zip((10..).step_by(10)) {
        let half = 1u128 << (shift - 1);
        let whole = (u128::from(bytes) + half) >> shift;
        if whole < 1024 || unit == "EiB" {
            let tenths = (u128::from(bytes) * 10 + half) >> shift;
            let with_tenths = unit != "KiB" && tenths < 1000;
            return if with_tenths {
                format!("{}.{} {unit}", tenths / 10, tenths % 10)
            } else {
                format!("{whole} {unit}")
            };
        }
    }
    unreachable!("the last unit takes every size")
}

/// Writes a count with separators: `1,234,567`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a count and its noun: `1 thread`, `2 threads`. The plural takes an `s`.
pub fn plural(n: u64, noun: &str) -> String {
    let mark = match n {
        1 => "",
        _ if noun.ends_with("ss") => "es",
        _ => "s",
    };
    format!("{} {noun}{mark}", count(n))
}

/// Writes a time since the recording began, or a duration: `0.412 s`, `12.3 s`, `2 min 05 s`.
pub fn time(ns: u64) -> String {
    let ms = ns / 1_000_000;
    match ms {
        0..10_000 => format!("{}.{:03} s", ms / 1000, ms % 1000),
        10_000..120_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {:02} s", ms / 60_000, ms / 1000 % 60),
    }
}

/// Names a signal: `SIGSEGV`, `signal 42`.
pub fn signal(number: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let name = usize::try_from(number - 1).ok().and_then(|place| NAMES.get(place));
    name.map_or_else(|| format!("signal {number}"), |name| format!("SIG{name}"))
}

/// Makes bytes fit for a screen: what is not UTF-8 or would steer a terminal is written as `\xNN`.
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || is_format_control(c) {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Writes a command line as a shell would take it, fit for a screen.
pub fn command<'a>(args: impl IntoIterator<Item = &'a [u8]>) -> String {
    let quoted: Vec<String> = args.into_iter().map(|arg| quote(&printable(arg))).collect();
    quoted.join(" ")
}

/// Cuts a text to a number of characters, marking the cut.
pub fn cut(text: &str, columns: usize, mark: &str) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept = columns.saturating_sub(mark.chars().count());
    text.chars().take(kept).chain(mark.chars()).take(columns).collect()
}

/// Characters that turn the direction of text around or are not seen.
const fn is_format_control(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn quote(arg: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,+@%^".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        return arg.to_owned();
    }
    format!("'{}'", arg.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let shown = [0, 1023, 1024, 135_168, 1 << 20, 12_897_485, 1 << 40, u64::MAX].map(bytes);
        assert_eq!(
            shown,
            ["0 B", "1023 B", "1 KiB", "132 KiB", "1.0 MiB", "12.3 MiB", "1.0 TiB", "16.0 EiB"]
        );
    }

    #[test]
    fn counts_and_times() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([(1, "thread"), (2, "process")].map(|(n, w)| plural(n, w)), ["1 thread", "2 processes"]);
        let shown = [412_345_678, 12_345_000_000, 125_000_000_000].map(time);
        assert_eq!(shown, ["0.412 s", "12.3 s", "2 min 05 s"]);
    }

    #[test]
    fn signals() {
        assert_eq!([1, 11, 31, 42, 0].map(signal), ["SIGHUP", "SIGSEGV", "SIGSYS", "signal 42", "signal 0"]);
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(printable(b"a\x1b[31m\xff\n\xe2\x80\xaeb"), "a\\u{1b}[31m\\xff\\n\\u{202e}b");
    }

    #[test]
    fn commands_can_be_pasted() {
        let args: [&[u8]; 4] = [b"python3", b"-c", b"import json; print('x')", b""];
        assert_eq!(command(args), r"python3 -c 'import json; print('\''x'\'')' ''");
    }

    #[test]
    fn cuts_are_marked() {
        assert_eq!(cut("abcdef", 4, "..."), "a...");
        assert_eq!(cut("abc", 3, "..."), "abc");
    }
}
