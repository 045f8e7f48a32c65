//! `/receipts` and `/receipt-keys`.

use super::with_query;
use crate::api::receipts::{Receipt, ReceiptKey};
use crate::{Client, Error};

impl Client {
    /// The live receipts of an image, written without a host.
    pub async fn receipts(&self, image: &str) -> Result<Vec<Receipt>, Error> {
        self.list(with_query(
            self.api(&["receipts"])?,
            &[("ref", Some(image))],
        ))
        .await
    }

    /// The public keys of the server's receipts, the newest first.
    pub async fn receipt_keys(&self) -> Result<Vec<ReceiptKey>, Error> {
        self.list(self.api(&["receipt-keys"])?).await
    }
}
