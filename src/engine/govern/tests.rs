//! Tests of the governor: each rule with its reason, then the ways in which rules meet.

mod caps;
mod clock;
mod desk;
mod ledger;
mod meet;
mod people;
mod ramp;
mod rules;
mod time_rules;
