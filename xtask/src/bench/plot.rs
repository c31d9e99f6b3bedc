//! The plot: bars of processor time beside each other, and the curves, as an SVG of our own few lines.

use std::fmt::Write as _;

use super::curves::Curve;
use super::figures::float;
use super::sides::Side;

const WIDTH: f64 = 860.0;
const BAR: f64 = 11.0;
const LABEL: f64 = 230.0;
const GAP: f64 = 9.0;
const CURVE: (f64, f64) = (270.0, 190.0);
const TOP: f64 = 44.0;

/// Colours that are told apart without colour sight, on light and dark grounds.
fn colour(side: Side) -> &'static str {
    match side {
        Side::Brevet | Side::Again | Side::Counting => "#d95f02",
        Side::Hono => "#1b6ca8",
        Side::Bare => "#5aa469",
        Side::Stock => "#8c6bb1",
        Side::Empty => "#888888",
    }
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(out, r#"<text x="{x:.0}" y="{y:.0}" text-anchor="{anchor}">{words}</text>"#);
}

/// A row of bars: its title, and a number for each side.
#[derive(Clone, Debug)]
pub(super) struct Bars {
    pub(super) title: String,
    pub(super) values: Vec<(Side, f64)>,
}

/// The bars, and their height.
pub(super) fn bars(rows: &[Bars]) -> (String, f64) {
    let most = rows.iter().flat_map(|row| &row.values).map(|(_, value)| *value).fold(1.0, f64::max);
    let mut out = String::new();
    let mut y = TOP;
    for row in rows {
        text(&mut out, LABEL - 8.0, y + BAR, "end", &row.title);
        for (side, value) in &row.values {
            let width = value / most * (WIDTH - LABEL - 60.0);
            let _ = writeln!(
                out,
                r#"<rect x="{LABEL:.0}" y="{y:.0}" width="{width:.1}" height="{:.0}" fill="{}"/>"#,
                BAR - 1.0,
                colour(*side)
            );
            text(&mut out, LABEL + width + 4.0, y + BAR - 2.0, "start", &format!("{value:.0}"));
            y += BAR;
        }
        y += GAP;
    }
    (out, y)
}

fn panel(out: &mut String, curve: &Curve, left: f64, top: f64) {
    let (width, height) = (CURVE.0 - 60.0, CURVE.1 - 60.0);
    let most = curve.lines.iter().flat_map(|line| &line.values).copied().fold(1.0, f64::max) * 1.1;
    text(out, left, top + 12.0, "start", curve.title);
    text(out, left, top + 25.0, "start", curve.unit);
    let (x0, y0) = (left + 8.0, top + 36.0 + height);
    let _ = writeln!(
        out,
        r#"<path d="M{x0:.0} {:.0}V{y0:.0}H{:.0}" fill="none" stroke="currentColor" stroke-width="0.6"/>"#,
        top + 32.0,
        x0 + width
    );
    let steps = float(curve.points.len().saturating_sub(1).max(1));
    let x = |at: usize| x0 + float(at) / steps * (width - 40.0) + 10.0;
    for (at, point) in curve.points.iter().enumerate() {
        text(out, x(at), y0 + 13.0, "middle", &point.to_string());
    }
    text(out, x0 + width, y0 + 24.0, "end", curve.of);
    for line in &curve.lines {
        let places: Vec<(f64, f64)> =
            line.values.iter().enumerate().map(|(at, value)| (x(at), y0 - value / most * height)).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            out,
            r#"<polyline points="{}" fill="none" stroke="{}" stroke-width="2"/>"#,
            path.join(" "),
            colour(line.side)
        );
        if let (Some((x, y)), Some(value)) = (places.last(), line.values.last()) {
            text(out, x + 4.0, y + 4.0, "start", &format!("{value:.0}"));
        }
    }
}

/// The whole picture.
pub(super) fn whole((bars, height): &(String, f64), curves: &[Curve]) -> String {
    let rows = curves.len().div_ceil(3);
    let whole = height + float(rows) * CURVE.1 + 10.0;
    let mut out = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0} {whole:.0}" width="{WIDTH:.0}" height="{whole:.0}" font-family="sans-serif" font-size="10" color="#444" fill="#444">
<rect width="100%" height="100%" fill="#fff"/>
"##
    );
    text(
        &mut out,
        8.0,
        16.0,
        "start",
        "Processor time of workerd for a request, µs; the median of all rounds. Shorter is better.",
    );
    let mut x = 8.0;
    for side in [Side::Brevet, Side::Hono, Side::Bare, Side::Stock] {
        let _ = writeln!(out, r#"<rect x="{x:.0}" y="24" width="9" height="9" fill="{}"/>"#, colour(side));
        text(&mut out, x + 13.0, 32.0, "start", side.title());
        x += 110.0;
    }
    out.push_str(bars);
    for (at, curve) in curves.iter().enumerate() {
        let (column, row) = (float(at % 3), float(at / 3));
        panel(&mut out, curve, 10.0 + column * (CURVE.0 + 15.0), height + row * CURVE.1);
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::super::curves::Line;
    use super::*;

    #[test]
    fn a_picture_has_a_bar_for_each_number_and_a_line_for_each_curve() {
        let row = Bars { title: "a < b".to_owned(), values: vec![(Side::Brevet, 50.0), (Side::Hono, 100.0)] };
        let lines = vec![Line { side: Side::Brevet, values: vec![1.0, 2.0] }];
        let curve = Curve { title: "growth", of: "grants", unit: "µs", points: vec![10, 100], lines };
        let picture = whole(&bars(&[row]), &[curve]);
        assert_eq!(picture.matches("<polyline").count(), 1);
        assert!(picture.contains("a &lt; b") && picture.contains(r#"width="570.0""#), "{picture}");
        assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
    }
}
