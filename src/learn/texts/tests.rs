//! Lessons of labelled texts.
