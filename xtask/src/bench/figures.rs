//! What is made of what was measured: medians, ratios of what ran side by side, and how far to trust them.

/// No ratio nearer to 1 than this is a finding, however quiet the machine was: performance work that rests on less is luck.
const LEAST_NOISE: f64 = 0.02;

/// One measurement of one row on one side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// Processor time of the server for a request, in microseconds.
    pub(super) cpu: f64,
    /// The middle of the answers' times, in microseconds.
    pub(super) p50: f64,
    /// The time within which 99 of 100 answers came, in microseconds.
    pub(super) p99: f64,
    /// The longest, in microseconds.
    pub(super) most: f64,
    /// Requests in a second.
    pub(super) rate: f64,
}

/// The middle one of some numbers; 0 where there are none.
pub(super) fn median(numbers: &[f64]) -> f64 {
    quantile(numbers, 0.5)
}

/// The number below which this share of them lies, between two of them in proportion.
pub(super) fn quantile(numbers: &[f64], share: f64) -> f64 {
    let mut ordered = numbers.to_vec();
    ordered.sort_by(f64::total_cmp);
    let Some(last) = ordered.len().checked_sub(1) else { return 0.0 };
    let place = float(last) * share.clamp(0.0, 1.0);
    let low = whole(place).min(last);
    let at = |index: usize| ordered.get(index).copied().unwrap_or_default();
    at(low) + (at((low + 1).min(last)) - at(low)) * (place - float(low))
}

/// A count as a number.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub(super) fn float(count: usize) -> f64 {
    count as f64
}

/// The whole part of a number that is not negative.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "indices into what is in memory"
)]
fn whole(number: f64) -> usize {
    number.max(0.0) as usize
}

/// How one side compares with another, round by round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratio {
    /// The median of the rounds' ratios.
    pub(super) middle: f64,
    /// The lower and the upper quartile of them.
    pub(super) quartiles: (f64, f64),
    /// What two runs of the same program differ by.
    pub(super) noise: f64,
}

impl Ratio {
    /// Compares two series of the same rounds. None where one of them is absent.
    pub(super) fn of(ours: &[f64], theirs: &[f64], noise: f64) -> Option<Self> {
        let ratios = ratios(ours, theirs);
        (!ratios.is_empty()).then(|| Self {
            middle: median(&ratios),
            quartiles: (quantile(&ratios, 0.25), quantile(&ratios, 0.75)),
            noise,
        })
    }

    /// Whether it says anything: it is farther from 1 than two runs of the same program are from each other.
    pub(super) fn is_known(&self) -> bool {
        (self.middle - 1.0).abs() > self.noise
    }

    /// The ratio and its quartiles, or that there is none to tell.
    pub(super) fn words(&self) -> String {
        if self.is_known() {
            let (low, high) = self.quartiles;
            format!("{:.2} ({low:.2}–{high:.2})", self.middle)
        } else {
            format!("1 ± {:.2}", self.noise)
        }
    }
}

fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).filter(|(_, theirs)| **theirs > 0.0).map(|(ours, theirs)| ours / theirs).collect()
}

/// What two runs of the same program differ by: the upper quartile of their rounds' differences.
pub(super) fn noise(one: &[f64], again: &[f64]) -> f64 {
    let differences: Vec<f64> = ratios(again, one).iter().map(|ratio| (ratio - 1.0).abs()).collect();
    quantile(&differences, 0.75).max(LEAST_NOISE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_numbers() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 3.0, 4.0]), 2.5);
        assert_eq!(quantile(&[0.0, 10.0], 0.25), 2.5);
        assert_eq!((median(&[]), quantile(&[7.0], 0.99)), (0.0, 7.0));
    }

    #[test]
    fn rounds_are_compared_one_by_one_so_that_drift_does_not_count() {
        let (ours, theirs) = ([10.0, 20.0, 40.0], [20.0, 40.0, 80.0]);
        let ratio = Ratio::of(&ours, &theirs, 0.02).unwrap();
        assert_eq!((ratio.middle, ratio.quartiles), (0.5, (0.5, 0.5)));
        assert_eq!(Ratio::of(&ours, &[], 0.02), None);
        assert_eq!(ratio.words(), "0.50 (0.50–0.50)");
    }

    #[test]
    fn a_ratio_within_the_noise_is_none() {
        let noise = noise(&[100.0, 100.0, 100.0, 100.0], &[104.0, 96.0, 101.0, 104.0]);
        assert!((noise - 0.04).abs() < 1e-9, "{noise}");
        let near = Ratio::of(&[97.0; 3], &[100.0; 3], noise).unwrap();
        assert!(!near.is_known());
        assert_eq!(near.words(), "1 ± 0.04");
        assert!(Ratio::of(&[94.0; 3], &[100.0; 3], noise).unwrap().is_known());
        assert_eq!(super::noise(&[1.0], &[1.0]), LEAST_NOISE);
    }
}
