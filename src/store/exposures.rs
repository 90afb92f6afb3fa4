//! Exposures: which unit saw which arm of an experiment first.

use super::commit::from_json;
use super::record::ExposureRecord;
use super::{Error, Store};

impl Store {
    /// All exposures of an experiment.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn exposures<'a>(
        &'a self,
        experiment: &'a str,
    ) -> impl Iterator<Item = Result<ExposureRecord, Error>> + 'a {
        self.spaces.exposures.iter().filter_map(move |guard| {
            let read = || {
                let (key, value) = guard.into_inner()?;
                if !key.ends_with(experiment.as_bytes()) {
                    return Ok(None);
                }
                from_json::<ExposureRecord>("the exposure", &key, &value).map(Some)
            };
            read().map(|found| found.filter(|found| found.experiment == experiment)).transpose()
        })
    }
}

/// Under the unit first, so that a customer who is forgotten is found without a search.
pub(super) fn key(exposure: &ExposureRecord) -> String {
    [&*exposure.unit, &*exposure.experiment].join("\0")
}
