//! The demo: a simulated shop, time running fast, and a live page that shows every decision's why.

pub mod clock;
pub mod feed;
pub mod files;
pub mod lesson;
pub mod page;
pub mod people;
pub mod shop;
pub mod show;
