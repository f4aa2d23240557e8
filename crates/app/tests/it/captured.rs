//! Captured runs: tools that know nothing of Marque, and attackers that know everything about it.

mod red_team;
mod tools;
