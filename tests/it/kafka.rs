//! Against a real Apache Kafka: clients first, then nodes, then faults.

mod broker;
mod clients;
mod dlq;
mod doctor;
mod equal;
mod faults;
mod inbox;
mod late;
mod letters;
mod load;
mod migrate;
mod network;
mod nodes;
mod orders;
mod owned;
mod people;
mod proxy;
mod refuse;
#[cfg(feature = "schema-registry")]
mod schema;
mod shared;
mod sources;
mod topic;
