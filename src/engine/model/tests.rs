//! Hostile files are refused; reasons add up; nothing allocates.
