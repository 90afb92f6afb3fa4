//! The one integration test binary: each module looks at the whole from one side.

#[cfg(test)]
mod browser;
#[cfg(test)]
mod business;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod import;
#[cfg(test)]
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod pools;
#[cfg(test)]
mod sdk;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod service;
#[cfg(test)]
mod skip;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod train;
#[cfg(test)]
mod watching;
#[cfg(test)]
mod workload;
