//! How rulings are told.
