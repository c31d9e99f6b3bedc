//! brevet-core.
