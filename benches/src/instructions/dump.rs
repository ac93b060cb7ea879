//! The files that callgrind writes.

/// What a call takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    /// Instructions.
    pub(super) instructions: f64,
    /// Operations on memory that read and write in one step, and lock it for that: `fetch_add`, `swap`, `compare_exchange`.
    pub(super) atomics: f64,
}

impl Cost {
    /// Reads the text of a file in which so many calls were counted.
    pub(super) fn read(dump: &str, calls: u64) -> Result<Self, String> {
        let line = |key: &str| dump.lines().find_map(|line| line.strip_prefix(key)).ok_or(format!("it has no `{key}`"));
        let events: Vec<&str> = line("events:")?.split_whitespace().collect();
        let totals: Vec<&str> = line("totals:")?.split_whitespace().collect();
        let total = |event: &str| {
            let place = events.iter().position(|&known| known == event).ok_or(format!("it has no event `{event}`"))?;
            // Zeros at the end of a line are left out.
            let Some(total) = totals.get(place) else { return Ok(0.0) };
            total.parse::<u64>().map(|total| total as f64).map_err(|_| format!("`{total}` is no count"))
        };
        let cost = Self { instructions: total("Ir")? / calls as f64, atomics: total("Ge")? / calls as f64 };
        if cost.instructions < 1.0 {
            return Err("nothing was counted in it: has the optimiser inlined the calls?".to_owned());
        }
        Ok(cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As callgrind 3.19 wrote it, without the lines of the functions.
    const DUMP: &str = "# callgrind format\nversion: 1\ncreator: callgrind-3.19.0\npid: 2614\ncmd:  ./a\npart: 3\n\n\n\
        desc: I1 cache: \ndesc: D1 cache: \ndesc: LL cache: \n\ndesc: Timerange: Basic block 130013 - 137020\n\
        desc: Trigger: --dump-before=a::deep::row_is_counted\n\npositions: line\nevents: Ir Ge\nsummary: 4270 2000\n\n\n\
        fl=(75) a.rs\nfn=(614) a::deep::counted_calls\n3 11\n\ntotals: 4270 2000\n";

    #[test]
    fn instructions_and_atomic_operations_are_those_of_one_call() {
        assert_eq!(Cost::read(DUMP, 1000), Ok(Cost { instructions: 4.27, atomics: 2.0 }));
    }

    #[test]
    fn counts_that_are_nought_at_the_end_of_the_line_are_left_out_by_callgrind() {
        let without = DUMP.replace("4270 2000", "4270");
        assert_eq!(Cost::read(&without, 1000), Ok(Cost { instructions: 4.27, atomics: 0.0 }));
    }

    #[test]
    fn a_file_that_says_nothing_is_told_why() {
        let fault = |dump: &str| Cost::read(dump, 1000).unwrap_err();
        assert!(fault("").contains("no `events:`"));
        assert!(fault(&DUMP.replace("Ir Ge", "Ir")).contains("no event `Ge`"));
        assert!(fault(&DUMP.replace("4270", "many")).contains("`many` is no count"));
        assert!(fault(&DUMP.replace("4270 2000", "0")).contains("nothing was counted"));
    }
}
