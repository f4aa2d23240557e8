//! Captured runs: tools that know nothing of Marque, and attackers that know everything about it.

mod children;
mod leaf;
mod matrix;
mod narrower;
mod nonsense;
mod red_team;
mod restart;
mod tools;
