//! Stories at the endpoints of the token service, over real TCP and TLS and a real plane.

mod assertions;
mod bounds;
mod certificates;
mod endpoints;
mod run;
mod served;
mod status;
