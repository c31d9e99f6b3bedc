//! Percentiles of what was measured.

/// The value below which this share of them lies, each of them counted; 0 where there are none. They must be in order.
pub(crate) fn percentile(ordered: &[u64], share: f64) -> u64 {
    let last = ordered.len().saturating_sub(1);
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a rank within a list that is in memory"
    )]
    let rank = (last as f64 * share.clamp(0.0, 1.0)).round() as usize;
    ordered.get(rank).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_nearest_rank() {
        let ordered: Vec<u64> = (0..=100).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| percentile(&ordered, share)), [0, 50, 99, 100]);
        assert_eq!(percentile(&[], 0.5), 0);
        assert_eq!(percentile(&[7], 0.99), 7);
    }
}
