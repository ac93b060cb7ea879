//! One round of questions, and the set that their answers make.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::time::Instant;

use super::{
    DnsConfig, IpFamilies,
    lookup::Resolver,
    question::{Answer, Lack, Question, Target, address, target},
};
use crate::{FaultKind, FoundInstance};

/// Questions that are asked at once, so that a service of many targets does not flood its name server.
const AT_ONCE: usize = 16;

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// The addresses of a name, each with this port.
    Host(Name, u16),
    /// The targets of a service.
    Service(Name),
}

/// What each question about addresses was answered last.
pub(super) type Known = HashMap<Question, Vec<IpAddr>>;

/// What a round has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) instances: Vec<FoundInstance>,
    /// Of the questions that were not answered, by what they were answered last.
    pub(super) old: Vec<FoundInstance>,
    pub(super) time_to_live: Duration,
    /// Why some may be missing or old.
    pub(super) lack: Option<Lack>,
}

/// Asks everything once. An error: nothing is known.
pub(super) async fn round(
    resolver: &Resolver,
    wanted: &Wanted,
    config: &DnsConfig,
    known: &mut Known,
) -> Result<Found, Lack> {
    let targets = match wanted {
        Wanted::Host(name, port) => {
            let target = Target { name: name.clone(), port: *port, priority: 0, weight: 1 };
            Answer { records: vec![target], time_to_live: Duration::MAX }
        }
        Wanted::Service(name) => {
            let question = Question { name: name.clone(), of: RecordType::SRV };
            resolver.ask(&question, target, config.timeout()).await?
        }
    };
    let questions = questions(&targets.records, config.families()).into_iter().enumerate();
    // However many targets there are said to be, and however silent whoever knows them is, the round has an end.
    let (began, longest) = (Instant::now(), config.max_interval().max(config.timeout()));
    let mut answers: Vec<_> = stream::iter(questions)
        .map(|(at, question)| async move {
            let left = longest.saturating_sub(began.elapsed()).min(config.timeout());
            let answer = resolver.ask(&question, address, left).await;
            (at, question, answer)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    // So that of several that fail it is always the same that is told.
    answers.sort_by_key(|(at, ..)| *at);
    let answers = answers.into_iter().map(|(_, question, answer)| (question, answer)).collect();
    judge(&targets, answers, known)
}

/// Each name once: several records may have one target.
fn questions(targets: &[Target], families: IpFamilies) -> Vec<Question> {
    let types: &[RecordType] = match families {
        IpFamilies::Both => &[RecordType::A, RecordType::AAAA],
        IpFamilies::V4 => &[RecordType::A],
        IpFamilies::V6 => &[RecordType::AAAA],
    };
    let mut names: Vec<&Name> = targets.iter().map(|target| &target.name).collect();
    names.sort();
    names.dedup();
    let each = |name: &Name| types.iter().map(move |of| Question { name: name.clone(), of: *of }).collect::<Vec<_>>();
    names.into_iter().flat_map(each).collect()
}

/// The set that the answers make, and beside it what was answered last to the questions that are not answered now. For
/// how long that is kept is not decided here.
fn judge(
    targets: &Answer<Target>,
    answers: Vec<(Question, Result<Answer<IpAddr>, Lack>)>,
    known: &mut Known,
) -> Result<Found, Lack> {
    let mut time_to_live = targets.time_to_live;
    let mut failed = None;
    let mut none = None;
    let mut answered = answers.is_empty();
    let (mut fresh, mut old) = (Known::with_capacity(answers.len()), Known::new());
    for (question, answer) in answers {
        match answer {
            Ok(answer) => {
                answered = true;
                time_to_live = time_to_live.min(answer.time_to_live);
                fresh.insert(question, answer.records);
            }
            Err(lack) if lack.kind.says_there_are_none() => {
                answered = true;
                // That a name has no record of one type says less than that there is no such name.
                none = none.filter(|_| lack.kind == FaultKind::Absent).or(Some(lack));
            }
            Err(lack) => {
                failed.get_or_insert(lack);
                if let Some(addresses) = known.get(&question) {
                    old.insert(question, addresses.clone());
                }
            }
        }
    }
    if !answered && let Some(lack) = failed {
        return Err(lack);
    }
    let instances_of = |known: &Known| instances(&targets.records, known);
    let (instances, old_ones) = (instances_of(&fresh), instances_of(&old));
    *known = fresh;
    known.extend(old);
    if instances.is_empty() && old_ones.is_empty() {
        // What failed may hide some, so that is the stronger word.
        let no_target = || Lack { kind: FaultKind::Empty, message: "the service has no target".to_owned() };
        return Err(failed.or(none).unwrap_or_else(no_target));
    }
    Ok(Found { instances, old: old_ones, time_to_live, lack: failed })
}

/// One for each address of each target, in an order of their own, so that of two with one address it is always the same
/// that is taken.
fn instances(targets: &[Target], known: &Known) -> Vec<FoundInstance> {
    let mut targets: Vec<&Target> = targets.iter().collect();
    targets.sort_by_key(|target| (target.priority, std::cmp::Reverse(target.weight), target.port));
    let mut instances = Vec::new();
    for target in targets {
        for of in [RecordType::A, RecordType::AAAA] {
            let question = Question { name: target.name.clone(), of };
            for ip in known.get(&question).into_iter().flatten() {
                let found = FoundInstance::from(SocketAddr::new(*ip, target.port));
                instances.push(found.with_weight(target.weight.into()).with_priority(-i32::from(target.priority)));
            }
        }
    }
    instances
}
