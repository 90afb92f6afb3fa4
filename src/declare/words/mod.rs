//! The words of the format, one record per place. Their sentences are the schemas' descriptions.

pub(crate) mod cases;
pub(crate) mod model;
pub(crate) mod policy;
pub(crate) mod team;
pub(crate) mod text;
pub(crate) mod trigger;
