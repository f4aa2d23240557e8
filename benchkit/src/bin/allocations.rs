//! Counts what decisions allocate, with an allocator that counts.

use allocation_counter::measure;
use marque_benchkit::decision::{self, Counted};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    decision::count(&|work| {
        let counted = measure(work);
        Counted {
            times: counted.count_total,
            bytes: counted.bytes_total,
            held_bytes: counted.bytes_current,
        }
    })
    .await
}
