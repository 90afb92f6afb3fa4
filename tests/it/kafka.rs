//! Against a real Apache Kafka: clients first, then nodes, then faults.

mod broker;
mod clients;
mod dlq;
mod doctor;
mod equal;
mod faults;
mod inbox;
mod letters;
mod migrate;
mod nodes;
mod owned;
mod refuse;
mod sources;
