//! The price map in force, read at each scrape.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::{clock, price::PriceMaps};

/// Shows what the price maps are at.
#[derive(Debug)]
pub(super) struct Prices(pub(super) PriceMaps);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Layer {
    layer: &'static str,
}

impl Collector for Prices {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let status = self.0.status();
        let gauge = MetricType::Gauge;
        let help = "The price map in force, in the label";
        let mut family =
            encoder.encode_descriptor("tollkeeper_price_map_info", help, None, gauge)?;
        let version = status.version;
        ConstGauge::new(1_i64).encode(family.encode_family(&Version { version })?)?;

        let age = clock::now().since(status.in_force_since).micros() / 1_000_000;
        let entries = i64::try_from(status.entries).unwrap_or(i64::MAX);
        for (name, help, value) in [
            (
                "tollkeeper_price_map_age_seconds",
                "How long the price map has been in force",
                age,
            ),
            (
                "tollkeeper_price_map_entries",
                "Models that have an entry",
                entries,
            ),
        ] {
            let family = encoder.encode_descriptor(name, help, None, gauge)?;
            ConstGauge::new(value).encode(family)?;
        }

        let counter = MetricType::Counter;
        let help = "Price maps that did not come into force, by where they came from";
        let mut family =
            encoder.encode_descriptor("tollkeeper_price_map_refused", help, None, counter)?;
        for kind in crate::price::SOURCES {
            let count = status.refused_count.get(&kind).copied().unwrap_or_default();
            let layer = Layer { layer: kind.name() };
            ConstCounter::new(count).encode(family.encode_family(&layer)?)?;
        }
        let help = "How often the URL of the price map gave nothing";
        let name = "tollkeeper_price_map_fetch_failures";
        let mut family = encoder.encode_descriptor(name, help, None, counter)?;
        family.encode_counter::<NoLabelSet, _, u64>(&status.fetch_failures, None)
    }
}
