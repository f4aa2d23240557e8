//! Counts as numbers, and what counts of many of them.

/// The middle, or between the two in the middle; not a number of nothing.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2);
    let lower = values.get(values.len().saturating_sub(1) / 2);
    upper.zip(lower).map_or(f64::NAN, |(upper, lower)| f64::midpoint(*upper, *lower))
}

/// The largest; not a number of nothing.
pub(super) fn worst(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

/// The value that so many of a thousand do not exceed; not a number of nothing.
pub(super) fn permille(values: &mut [f64], part: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() * part / 1000).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// A count as a number.
pub(super) fn real(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::{median, permille, worst};

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn the_worst_is_the_largest_and_a_part_lies_below_its_quantile() {
        assert!((worst(&[1.0, 3.0, 2.0]) - 3.0).abs() < 1e-9);
        assert!(worst(&[]).is_nan());
        let mut values: Vec<f64> = (0..100).map(f64::from).rev().collect();
        assert!((permille(&mut values, 990) - 99.0).abs() < 1e-9);
        assert!((permille(&mut values, 500) - 50.0).abs() < 1e-9);
    }
}
