//! Builds the service of its parts, starts it, drains and stops it: the only place where threads
//! and tasks begin.

mod guard;
mod http;
mod probe;
