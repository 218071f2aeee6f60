//! The printed report, as tables in Markdown.

use std::process::Command;

use crate::cluster::Cluster;
use crate::goals::{Goal, Limit, NOISY, Verdict};
use crate::measurement::Measurement;
use crate::peer;
use crate::process;
use crate::results::{Results, median};

/// The context of the figures: the machine, and the disk of the commits.
pub fn print_machine(cluster: &Cluster, has_peer: bool) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = process::run(Command::new("uname").arg("-sr"), "uname").unwrap_or_default();
    let folder = cluster.folder();
    let disk = process::run(Command::new("stat").args(["-f", "-c", "%T"]).arg(folder), "stat")
        .unwrap_or_default();
    let postgres = cluster.version().unwrap_or_default();
    println!("{cores} cores, {}, {postgres}, data on {}", kernel.trim(), disk.trim());
    if has_peer {
        println!("peer: {}", peer::version().unwrap_or_default());
    }
}

#[rustfmt::skip]
pub const COLUMNS: [&str; 13] = [
    "contender", "conns", "req/s", "the rounds", "p50 ms", "p99 ms", "errors",
    "CPU µs server", "CPU µs Postgres", "CPU µs load", "RSS MB", "cores of others", "ratio",
];

pub fn print_table(results: &Results) {
    let rows = results.rows().map(|(connections, contender, rounds)| {
        let ratio = contender.baseline().and_then(|baseline| {
            let ratio =
                results.ratio(connections, [contender, baseline], |round| round.per_second)?;
            Some(format!("{ratio:.2} × {}", baseline.name()))
        });
        let mut row = vec![contender.name().to_owned(), connections.to_string()];
        row.extend(medians(rounds));
        row.push(ratio.unwrap_or_default());
        row
    });
    print(&COLUMNS, &rows.collect::<Vec<_>>());
}

/// All columns but the first two and the last.
pub fn medians(rounds: &[Measurement]) -> [String; 10] {
    let middle = |figure: fn(&Measurement) -> Option<f64>| median(rounds.iter().filter_map(figure));
    let each: Vec<String> = rounds.iter().map(|round| format!("{:.0}", round.per_second)).collect();
    [
        figure(middle(|round| Some(round.per_second)), 0),
        each.join(" "),
        figure(middle(|round| Some(round.p50_ms)), 2),
        figure(middle(|round| Some(round.p99_ms)), 2),
        rounds.iter().map(|round| round.errors).sum::<u64>().to_string(),
        figure(middle(|round| round.server_us), 1),
        figure(middle(|round| Some(round.postgres_us)), 1),
        figure(middle(|round| Some(round.load_us)), 1),
        figure(middle(|round| round.resident_mb), 1),
        figure(middle(|round| Some(round.others)), 2),
    ]
}

pub fn figure(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}"))
}

/// Goals that were not measured are only counted.
pub fn print_goals(goals: &[Goal], errors: u64, others: f64) {
    let measured = goals.iter().filter(|goal| goal.measured.is_some());
    print(
        &["goal", "conns", "limit", "measured", "cores of others", "verdict"],
        &measured.map(row).collect::<Vec<_>>(),
    );

    let count = |verdict| goals.iter().filter(|goal| goal.verdict() == verdict).count();
    println!(
        "{} reached, {} missed, {} too noisy to judge, {} not measured; {errors} errors; others used {others:.2} cores",
        count(Verdict::Reached),
        count(Verdict::Missed),
        count(Verdict::TooNoisy),
        count(Verdict::NotMeasured),
    );
    if others > NOISY {
        println!(
            "This run was too noisy to judge: others used more than {NOISY} core. A quiet machine says more."
        );
    }
}

fn row(goal: &Goal) -> Vec<String> {
    let limit = match goal.limit {
        Limit::AtLeast(limit) => format!("≥ {limit}"),
        Limit::AtMost(limit) => format!("≤ {limit}"),
    };
    let connections =
        goal.connections.map_or_else(String::new, |connections| connections.to_string());
    let verdict = verdict(goal.verdict()).to_owned();
    vec![
        goal.name.clone(),
        connections,
        limit,
        figure(goal.measured, 2),
        format!("{:.2}", goal.others),
        verdict,
    ]
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Reached => "reached",
        Verdict::Missed => "MISSED",
        Verdict::TooNoisy => "too noisy to judge",
        Verdict::NotMeasured => "not measured",
    }
}

/// A table with its columns aligned, since it is read in a terminal too.
pub fn print(header: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default().max(header[column].chars().count())
    };
    let line = |cells: &[String]| {
        let padded = cells
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell:<width$}", width = width(column)));
        format!("| {} |", padded.collect::<Vec<_>>().join(" | "))
    };
    let rule: Vec<String> = (0..header.len()).map(|column| "-".repeat(width(column))).collect();
    println!("\n{}", line(&header.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()));
    println!("{}", line(&rule));
    rows.iter().for_each(|row| println!("{}", line(row)));
    println!();
}
