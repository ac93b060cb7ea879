//! What a connection and a call hold of memory.

use super::columns::Column;
use super::table::with_commas;

/// What was found out about one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// The client.
    pub(crate) name: String,
    /// Bytes of a connection that carries no call, where the client has connections of its own.
    pub(crate) idle_connection: Option<u64>,
    /// Bytes of a call that waits for its answer, its connection aside.
    pub(crate) call_in_flight: u64,
}

/// The table.
pub(crate) fn sizes_table(rows: &[Sizes]) -> String {
    Column::table(&[
        Column::of("client", rows, |row| row.name.clone()),
        Column::of("bytes per idle connection", rows, |row| {
            row.idle_connection.map_or_else(|| "-".to_owned(), with_commas)
        }),
        Column::of("bytes per call in flight", rows, |row| with_commas(row.call_in_flight)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_without_connections_of_its_own_has_a_dash() {
        let row = |name: &str, idle_connection| Sizes { name: name.to_owned(), idle_connection, call_in_flight: 1234 };
        assert_eq!(
            sizes_table(&[row("http", Some(20_000)), row("http, manager", None)]),
            "| client        | bytes per idle connection | bytes per call in flight |\n\
             |:--------------|--------------------------:|-------------------------:|\n\
             | http          |                    20,000 |                    1,234 |\n\
             | http, manager |                         - |                    1,234 |\n"
        );
    }
}
