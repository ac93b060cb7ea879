//! How large a document may be. Each bound is reported as a fault that states it.

/// Bytes in one file: 8 MiB.
pub const MAX_BYTES: usize = 8 << 20;

/// Lists and maps inside one another, the outermost included.
pub const MAX_DEPTH: usize = 64;

/// Values in one document, with every YAML alias expanded.
pub const MAX_VALUES: usize = 200_000;

/// Bytes of keys and strings in one document, with aliases expanded or variables substituted: 16 MiB.
pub const MAX_TEXT: usize = 16 << 20;

/// What is left of [`MAX_VALUES`] and [`MAX_TEXT`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    values: usize,
    text: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { values: MAX_VALUES, text: MAX_TEXT }
    }
}

impl Budget {
    pub(super) fn values(&mut self, count: usize) -> Result<(), String> {
        let message = || format!("the document has more than {MAX_VALUES} values");
        self.values = self.values.checked_sub(count).ok_or_else(message)?;
        Ok(())
    }

    pub(super) fn text(&mut self, bytes: usize) -> Result<(), String> {
        let message = || format!("the document has more than {} MiB of text", MAX_TEXT >> 20);
        self.text = self.text.checked_sub(bytes).ok_or_else(message)?;
        Ok(())
    }
}
