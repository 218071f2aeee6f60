//! All measurements of a run, and their medians. Ratios are computed within each round first,
//! because the contenders of one round had the same conditions. The reported ratio is their median.

use std::collections::BTreeMap;

use crate::contender::Contender;
use crate::measurement::Measurement;

/// One measurement per round, in order.
#[derive(Default)]
pub struct Results(BTreeMap<(usize, Contender), Vec<Measurement>>);

impl Results {
    pub fn add(&mut self, connections: usize, contender: Contender, measurement: Measurement) {
        self.0.entry((connections, contender)).or_default().push(measurement);
    }

    pub fn rows(&self) -> impl Iterator<Item = (usize, Contender, &[Measurement])> {
        self.0
            .iter()
            .map(|((connections, contender), rounds)| (*connections, *contender, rounds.as_slice()))
    }

    pub fn rounds(&self, connections: usize, contender: Contender) -> &[Measurement] {
        self.0.get(&(connections, contender)).map_or(&[], Vec::as_slice)
    }

    pub fn ratio(
        &self,
        connections: usize,
        contenders: [Contender; 2],
        figure: impl Fn(&Measurement) -> f64,
    ) -> Option<f64> {
        ratio(contenders.map(|contender| self.rounds(connections, contender)), figure)
    }

    pub fn errors(&self) -> u64 {
        self.0.values().flatten().map(|measurement| measurement.errors).sum()
    }

    /// The median number of cores that other processes used.
    pub fn others(&self) -> Option<f64> {
        median(self.0.values().flatten().map(|measurement| measurement.others))
    }
}

pub fn ratio(
    [above, below]: [&[Measurement]; 2],
    figure: impl Fn(&Measurement) -> f64,
) -> Option<f64> {
    let ratios = above.iter().zip(below).map(|(above, below)| figure(above) / figure(below));
    // A round in which one of them got no response has no ratio.
    median(ratios.filter(|ratio| ratio.is_finite()))
}

pub fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { (sorted[middle - 1] + upper) / 2.0 })
}
