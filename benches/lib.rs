//! Measurements of fanfare.
