//! What all pages for people begin with.

use maud::{Markup, html};

/// What stands in the head of a page: it is read on any screen, by day and by night.
pub fn head(title: &str) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        title { (title) }
    }
}
