//! Captured runs: tools that know nothing of Marque, from inside namespaces of their own.

mod children;
mod leaf;
mod tools;
