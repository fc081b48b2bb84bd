//! Rows of a Markdown table: of each figure the median and, in brackets, the worst.

use serde_json::Value;

/// The way in which a figure is bad.
#[derive(Clone, Copy)]
enum Worst {
    Least,
    Greatest,
}

/// A figure of the summary as it is shown: its name there, the part of its unit that is shown, and
/// digits behind the point.
struct Column {
    title: &'static str,
    name: &'static str,
    unit: &'static str,
    /// As many of the summary's units are one of the table's.
    scale: f64,
    digits: usize,
    worst: Worst,
}

const fn column(title: &'static str, name: &'static str, unit: &'static str) -> Column {
    Column { title, name, unit, scale: 1.0, digits: 0, worst: Worst::Greatest }
}

const fn seconds(title: &'static str, name: &'static str) -> Column {
    Column { scale: 1e3, digits: 2, ..column(title, name, " s") }
}

const fn least(column: Column) -> Column {
    Column { digits: 1, worst: Worst::Least, ..column }
}

/// In every row.
const COLUMNS: [Column; 7] = [
    least(column("drawn a second", "fpsDrawn", "")),
    seconds("longest freeze", "longestFreezeMs"),
    column("glass to glass p50", "glassToGlassP50Ms", " ms"),
    column("p95", "glassToGlassP95Ms", " ms"),
    column("sound concealed", "soundConcealedMs", " ms"),
    column("lip sync p95", "lipSyncP95Ms", " ms"),
    column("key frames asked a minute", "keyFramesAskedAMinute", ""),
];

/// Of networks that change, or are shared.
const MORE: [Column; 7] = [
    seconds("queue", "longestQueueMs"),
    seconds("below the rate after", "belowAfterMs"),
    seconds("back to 80 % after", "backAfterMs"),
    seconds("sound back after", "soundBackAfterMs"),
    seconds("picture back after", "pictureBackAfterMs"),
    least(column("of the path each", "sharePercent", " %")),
    least(column("the download", "downloadSharePercent", " %")),
];

impl Column {
    /// `None` where the summary does not have it.
    fn cell(&self, figures: &Value) -> Option<String> {
        let spread = figures.get(self.name)?;
        let worst = match self.worst {
            Worst::Least => "min",
            Worst::Greatest => "max",
        };
        let [median, worst] = ["median", worst].map(|of| spread[of].as_f64().unwrap_or_default());
        let (digits, scale) = (self.digits, self.scale);
        Some(format!("{:.digits$} ({:.digits$}){}", median / scale, worst / scale, self.unit))
    }
}

/// The first two lines.
pub(crate) fn header() -> String {
    let titles = COLUMNS.iter().map(|column| column.title).collect::<Vec<_>>().join(" | ");
    let rule = "---|".repeat(COLUMNS.len() + 3);
    format!("| network | {titles} | more | calls failed |\n|{rule}")
}

/// The line of one network.
pub(crate) fn row(network: &str, summary: &Value) -> String {
    let figures = &summary["figures"];
    let cells = COLUMNS.iter().map(|column| column.cell(figures).unwrap_or_default());
    let more = MORE
        .iter()
        .filter_map(|column| column.cell(figures).map(|cell| format!("{} {cell}", column.title)));
    let cells = cells.collect::<Vec<_>>().join(" | ");
    let more = more.collect::<Vec<_>>().join(", ");
    let (rounds, failed) = (&summary["conditions"]["rounds"], &summary["failed"]);
    format!("| {network} | {cells} | {more} | {failed} of {rounds} |")
}
