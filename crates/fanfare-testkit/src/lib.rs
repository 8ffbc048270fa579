//! Under construction.

pub mod broker_contract;
