//! Charts as SVG, drawn here: the page needs nothing from elsewhere.

use std::fmt::Write as _;

use crate::perf::times::real;

/// A bar from one time to another on a logarithmic scale, with a mark between and a line for the budget.
pub(super) struct Bar {
    pub(super) name: String,
    /// The 50th, 95th and 99th percentile.
    pub(super) times: [f64; 3],
    pub(super) budget: Option<f64>,
    pub(super) is_over: bool,
}

/// A line over numbers of connections.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(usize, f64)>,
}

const LABEL: f64 = 310.0;
const WIDTH: f64 = 960.0;
const ROW: f64 = 20.0;
const COLOURS: [&str; 11] = [
    "#2b6cb0", "#c05621", "#2f855a", "#805ad5", "#b83280", "#718096", "#0f8b8d", "#b7791f",
    "#9b2c2c", "#4c51bf", "#68a02b",
];

/// A logarithmic scale between powers of ten.
struct Scale {
    least: i32,
    most: i32,
    begin: f64,
    end: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>, begin: f64, end: f64) -> Self {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| *value > 0.0) {
            least = least.min(value.log10().floor());
            most = most.max(value.log10().ceil());
        }
        let (least, most) = if least > most {
            (0.0, 1.0)
        } else {
            (least, most.max(least + 1.0))
        };
        Self {
            least: power(least),
            most: power(most),
            begin,
            end,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share =
            (value.max(1e-9).log10() - f64::from(self.least)) / f64::from(self.most - self.least);
        self.begin + share.clamp(0.0, 1.0) * (self.end - self.begin)
    }

    fn steps(&self) -> impl Iterator<Item = (f64, f64)> {
        (self.least..=self.most).map(|step| {
            let value = 10_f64.powi(step);
            (value, self.place(value))
        })
    }
}

/// Draws bars of milliseconds.
pub(super) fn bars(bars: &[Bar]) -> String {
    let values = bars
        .iter()
        .flat_map(|bar| bar.times.into_iter().chain(bar.budget));
    let scale = Scale::of(values, LABEL, WIDTH - 20.0);
    let height = ROW * real(bars.len()) + 30.0;
    let mut svg = begin(
        height,
        "Milliseconds of each call: the median, the 95th and the 99th percentile, and the budget",
    );
    for (value, x) in scale.steps() {
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{x:.1}" y1="20" x2="{x:.1}" y2="{height}"/><text x="{x:.1}" y="12" text-anchor="middle">{value} ms</text>"#
        );
    }
    for (number, bar) in bars.iter().enumerate() {
        let y = 30.0 + ROW * real(number);
        let [p50, p95, p99] = bar.times.map(|time| scale.place(time));
        let class = if bar.is_over { "over" } else { "bar" };
        let (label, text) = (LABEL - 8.0, y + 4.0);
        let _ = write!(
            svg,
            r#"<text x="{label}" y="{text}" text-anchor="end">{}</text>"#,
            escaped(&bar.name)
        );
        let _ = write!(
            svg,
            r#"<line class="{class}" x1="{p50:.1}" y1="{y}" x2="{p99:.1}" y2="{y}"/>"#
        );
        for (x, radius) in [(p50, 4), (p95, 3), (p99, 4)] {
            let _ = write!(
                svg,
                r#"<circle class="{class}" cx="{x:.1}" cy="{y}" r="{radius}"/>"#
            );
        }
        if let Some(x) = bar.budget.map(|budget| scale.place(budget)) {
            let (top, bottom) = (y - 8.0, y + 8.0);
            let _ = write!(
                svg,
                r#"<line class="budget" x1="{x:.1}" y1="{top}" x2="{x:.1}" y2="{bottom}"/>"#
            );
        }
    }
    svg + "</svg>\n"
}

/// Draws lines over the number of connections; `unit` stands at the scale.
pub(super) fn lines(lines: &[Line], unit: &str) -> String {
    const HEIGHT: f64 = 320.0;
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let across = Scale::of(
        points().map(|(connections, _)| real(connections)),
        60.0,
        WIDTH - LABEL,
    );
    let up = Scale::of(points().map(|(_, value)| value), HEIGHT - 30.0, 20.0);
    let mut svg = begin(HEIGHT, &format!("{unit} over the number of connections"));
    for (value, y) in up.steps() {
        let (end, text) = (WIDTH - LABEL, y + 4.0);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="60" y1="{y:.1}" x2="{end}" y2="{y:.1}"/><text x="54" y="{text:.1}" text-anchor="end">{value} {unit}</text>"#
        );
    }
    let mut connections: Vec<_> = points().map(|(connections, _)| connections).collect();
    connections.sort_unstable();
    connections.dedup();
    for number in connections {
        let (x, y) = (across.place(real(number)), HEIGHT - 10.0);
        let _ = write!(
            svg,
            r#"<text x="{x:.1}" y="{y}" text-anchor="middle">{number}</text>"#
        );
    }
    for (number, line) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points = line
            .points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", across.place(real(*x)), up.place(*y)));
        let points = points.collect::<Vec<_>>().join(" ");
        let (x, y) = (WIDTH - LABEL + 10.0, 26.0 + 18.0 * real(number));
        let _ = write!(
            svg,
            r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/><text x="{x}" y="{y}" style="fill:{colour}">{}</text>"#,
            escaped(&line.name)
        );
    }
    svg + "</svg>\n"
}

/// Writes a text so that it can stand in a page.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn begin(height: f64, title: &str) -> String {
    let title = escaped(title);
    format!(r#"<svg viewBox="0 0 {WIDTH} {height}" role="img"><title>{title}</title>"#)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a logarithm of a time is small"
)]
fn power(logarithm: f64) -> i32 {
    logarithm as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_room_for_all_values() {
        let scale = Scale::of([0.3, 42.0].into_iter(), 0.0, 300.0);
        assert_eq!((scale.least, scale.most), (-1, 2));
        assert!((scale.place(1.0) - 100.0).abs() < 0.01);
        assert_eq!(scale.steps().count(), 4);
        let none = Scale::of(std::iter::empty(), 0.0, 1.0);
        assert!(none.place(0.0).is_finite());
    }

    #[test]
    fn names_cannot_break_out() {
        let bar = Bar {
            name: "<a href=\"x\">&".to_owned(),
            times: [1.0, 2.0, 3.0],
            budget: None,
            is_over: false,
        };
        let svg = bars(&[bar]);
        assert!(svg.contains("&lt;a href=&quot;x&quot;&gt;&amp;") && !svg.contains("<a"));
    }
}
