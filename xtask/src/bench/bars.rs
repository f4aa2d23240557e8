//! Bars: what a figure must hold in the median, and within 15 % in the worst round.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::figures::median;

/// How far the worst round may be beyond its bar.
const SLACK: f64 = 0.15;

/// Which side of the bar is good.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

/// One bar, and the figure of each round.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    pub(super) what: &'static str,
    pub(super) limit: Limit,
    pub(super) rounds: Vec<f64>,
}

impl Bar {
    pub(super) fn at_most(what: &'static str, limit: f64, rounds: Vec<f64>) -> Self {
        Self { what, limit: Limit::AtMost(limit), rounds }
    }

    pub(super) fn at_least(what: &'static str, limit: f64, rounds: Vec<f64>) -> Self {
        Self { what, limit: Limit::AtLeast(limit), rounds }
    }

    fn median(&self) -> f64 {
        median(self.rounds.clone())
    }

    fn worst(&self) -> f64 {
        let worse = match self.limit {
            Limit::AtMost(_) => f64::max,
            Limit::AtLeast(_) => f64::min,
        };
        self.rounds.iter().copied().reduce(worse).unwrap_or(f64::NAN)
    }

    /// Whether it holds. What was not measured does not.
    fn holds(&self) -> bool {
        let (median, worst) = (self.median(), self.worst());
        match self.limit {
            Limit::AtMost(limit) => median <= limit && worst <= limit * (1.0 + SLACK),
            Limit::AtLeast(limit) => median >= limit && worst >= limit * (1.0 - SLACK),
        }
    }

    fn line(&self) -> String {
        let (median, worst) = (told(self.median()), told(self.worst()));
        let limit = match self.limit {
            Limit::AtMost(limit) => format!("{} at most", told(limit)),
            Limit::AtLeast(limit) => format!("{} at least", told(limit)),
        };
        format!("{}: {median} (worst {worst}), {limit}", self.what)
    }
}

/// Those that were missed, in words.
pub(super) fn missed(bars: &[Bar]) -> Vec<String> {
    bars.iter().filter(|bar| !bar.holds()).map(Bar::line).collect()
}

/// All of them, in words.
pub(super) fn text(bars: &[Bar]) -> String {
    let mut text = String::new();
    for bar in bars {
        let verdict = if bar.holds() { "holds " } else { "MISSED" };
        let _ = writeln!(text, "{verdict}  {}", bar.line());
    }
    text
}

/// All of them, for programs.
pub(super) fn json(bars: &[Bar]) -> Value {
    let each = bars.iter().map(|bar| {
        let (Limit::AtMost(limit) | Limit::AtLeast(limit)) = bar.limit;
        json!({
            "what": bar.what, "limit": limit, "median": bar.median(), "worst": bar.worst(),
            "holds": bar.holds(),
        })
    });
    each.collect()
}

/// A figure with as many digits as say something.
pub(super) fn told(figure: f64) -> String {
    match figure.abs() {
        small if small < 10.0 => format!("{figure:.2}"),
        small if small < 100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

/// Each figure by the one of the same round.
pub(super) fn ratios(figures: &[f64], by: &[f64]) -> Vec<f64> {
    figures.iter().zip(by).map(|(figure, by)| figure / by).collect()
}

#[cfg(test)]
mod tests {
    use super::{Bar, missed, ratios, text};

    #[test]
    fn the_median_must_hold_and_the_worst_round_nearly() {
        let most = |rounds: &[f64]| missed(&[Bar::at_most("a", 10.0, rounds.to_vec())]).len();
        assert_eq!(most(&[9.0, 10.0, 11.4]), 0);
        assert_eq!(most(&[9.0, 10.1, 11.0]), 1, "the median is beyond it");
        assert_eq!(most(&[9.0, 9.0, 11.6]), 1, "the worst is too far beyond it");
        let least = |rounds: &[f64]| missed(&[Bar::at_least("a", 10.0, rounds.to_vec())]).len();
        assert_eq!(least(&[8.6, 10.0, 12.0]), 0);
        assert_eq!(least(&[8.4, 10.0, 12.0]), 1);
    }

    #[test]
    fn what_was_not_measured_does_not_hold() {
        assert_eq!(missed(&[Bar::at_most("a", 10.0, Vec::new())]).len(), 1);
        assert!(text(&[Bar::at_least("b", 1.0, vec![2.0])]).contains("holds   b: 2.00"));
    }

    #[test]
    fn rounds_are_compared_with_their_own() {
        assert_eq!(ratios(&[2.0, 9.0], &[1.0, 3.0]), [2.0, 3.0]);
    }
}
