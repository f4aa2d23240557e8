//! Sizes: amounts of bytes, as people write and read them.

/// The text is not an amount of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size: write a number of bytes, or one with a unit, like `50MiB` or `1GiB`")]
pub struct BadSize(String);

/// Units by how many bits a number is shifted for them, largest first.
const UNITS: [(u32, &str); 5] = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB"), (0, "B")];

/// Reads a size such as `50MiB`, `1GiB` or `4096`. Units are binary (IEC 80000-13); others are
/// refused, because `MB` means two things. At most 2^53 bytes, which JSON holds exactly.
pub fn parse_size(text: &str) -> Result<u64, BadSize> {
    let bad = || BadSize(text.chars().take(80).collect());
    let unit = UNITS.iter().find_map(|(bits, unit)| Some((text.strip_suffix(unit)?, *bits)));
    let (digits, bits) = unit.unwrap_or((text, 0));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let bytes = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(1 << bits));
    bytes.filter(|bytes| *bytes <= 1 << 53).ok_or_else(bad)
}

/// Prints a size the way [`parse_size`] reads it, in the largest unit that divides it.
pub fn print_size(bytes: u64) -> String {
    let divides = |(bits, _): &&(u32, &str)| bytes > 0 && bytes.trailing_zeros() >= *bits;
    let (bits, unit) = UNITS.iter().find(divides).copied().unwrap_or((0, "B"));
    format!("{}{unit}", bytes >> bits)
}

#[cfg(test)]
mod tests {
    use super::{parse_size, print_size};

    #[test]
    fn a_size_is_a_number_of_bytes_or_of_a_binary_unit() {
        let table = [
            ("0", 0, "0B"),
            ("1", 1, "1B"),
            ("1023B", 1_023, "1023B"),
            ("1024", 1_024, "1KiB"),
            ("50MiB", 52_428_800, "50MiB"),
            ("1536KiB", 1_572_864, "1536KiB"),
            ("1GiB", 1_073_741_824, "1GiB"),
            ("8192TiB", 1 << 53, "8192TiB"),
        ];
        for (text, bytes, printed) in table {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
            assert_eq!(print_size(bytes), printed, "{text}");
            assert_eq!(parse_size(printed), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "MiB", "-1", "+1", "1.5MiB", "1MB", "1mib", "1 MiB", "1k", "8193TiB"] {
            assert!(parse_size(text).is_err(), "`{text}` must be refused");
        }
        assert!(parse_size("99999999999999999999").is_err());
    }
}
