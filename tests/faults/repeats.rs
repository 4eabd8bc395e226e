//! Answers that get lost after the change was made, and requests that come more than once.

use std::net::SocketAddr;

use tokio::task::JoinSet;
use tokio_postgres::Client;
use usher_tests::processes::Plain;

use crate::{
    asks::{Ask, Reply},
    catalogue::{DUPLICATES, LOST_ANSWERS},
    proxy::{Proxy, Weather},
    stage::Stage,
    writes::{ALL, Prepared, Write},
};

/// What callers found, by what they found.
#[derive(Default)]
struct Findings {
    requests: usize,
    wrong: Vec<String>,
}

impl Findings {
    async fn add(&mut self, prepared: &Prepared, replies: &[Reply], client: &Client) {
        self.requests += 1;
        let found = [prepared.agree(replies), prepared.is_done_once(client).await];
        self.wrong.extend(found.into_iter().filter_map(Result::err));
    }

    #[track_caller]
    fn assert_none(&self) {
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
    }
}

mod lost {
    use super::*;

    /// Two wires, on either of which an answer can get lost.
    struct Wires {
        instance: Plain,
        to_instance: Proxy,
        to_server: Proxy,
    }

    impl Wires {
        async fn to(stage: &Stage) -> Self {
            let to_server = Proxy::to_server(&stage.app_url()).await;
            // The wire tells statements apart by their text, which a name would hide.
            let url = to_server.along(&stage.app_url());
            let url = format!("{url}?prepared_statements=false");
            let instance = stage.serve_with(&url, &[]).await;
            Self {
                to_instance: Proxy::to_instance(instance.address()).await,
                to_server,
                instance,
            }
        }

        /// Sends a request whose answer gets lost on its way to the caller.
        async fn lose_of_caller(&self, ask: &Ask) {
            self.to_instance.set(Weather::LosesAnswerTo("HTTP/1.1"));
            let reply = ask.to(self.to_instance.address()).await;
            assert!(reply.answer.is_none(), "{reply:?}");
            self.to_instance.set(Weather::Fair);
        }

        /// Sends a request whose change is made, while the server's answer gets lost on its way to the instance.
        async fn lose_of_instance(&self, ask: &Ask) {
            self.to_server
                .set(Weather::LosesAnswerTo("insert into audit_logs"));
            let reply = ask.to(self.instance.address()).await;
            assert!(reply.is_put_off(), "{reply:?}");
            self.to_server.set(Weather::Fair);
        }
    }

    /// On which way an answer gets lost.
    #[derive(Clone, Copy, Debug)]
    enum Way {
        ToCaller,
        ToInstance,
    }

    async fn lose(keyed: impl Fn(&Prepared) -> Ask, times: usize, writes: &[Write]) -> Findings {
        let stage = Stage::start().await;
        let (client, wires) = (stage.client().await, Wires::to(&stage).await);
        let other = stage.serve().await;
        let mut findings = Findings::default();
        for number in 0..times {
            for write in writes {
                for way in [Way::ToCaller, Way::ToInstance] {
                    let id = format!("{write:?}-{way:?}-{number}").to_lowercase();
                    let prepared = write.prepare(&stage, &client, other.address(), &id).await;
                    let ask = keyed(&prepared);
                    match way {
                        Way::ToCaller => wires.lose_of_caller(&ask).await,
                        Way::ToInstance => wires.lose_of_instance(&ask).await,
                    }
                    let replies = [
                        ask.to(other.address()).await,
                        ask.to(wires.instance.address()).await,
                    ];
                    findings.add(&prepared, &replies, &client).await;
                }
            }
        }
        findings
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn who_asks_again_after_a_lost_answer_gets_it_and_nothing_is_done_twice() {
        let findings = lose(Prepared::with_key, LOST_ANSWERS.size(), &ALL).await;
        findings.assert_none();
        LOST_ANSWERS.saw(&format!(
            "{} answers lost, each got afterwards; one effect and one entry each",
            findings.requests
        ));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn without_a_key_who_asks_again_is_answered_otherwise_or_it_is_done_twice() {
        let without = |prepared: &Prepared| prepared.ask.clone();
        let findings = lose(without, 1, &[Write::Create, Write::SignIn]).await;
        assert!(
            findings.wrong.len() >= findings.requests,
            "{:?}",
            findings.wrong
        );
        LOST_ANSWERS.saw_wrong(&findings.wrong.join("; "));
    }
}

mod duplicates {
    use super::*;

    /// Sends a request that many times at once, in turn to each instance.
    async fn at_once(ask: &Ask, times: usize, addresses: &[SocketAddr]) -> Vec<Reply> {
        let mut sent = JoinSet::new();
        for number in 0..times {
            let (ask, address) = (ask.clone(), addresses[number % addresses.len()]);
            sent.spawn(async move { ask.to(address).await });
        }
        sent.join_all().await
    }

    async fn repeat(keyed: impl Fn(&Prepared) -> Ask, rounds: usize, writes: &[Write]) -> Findings {
        let stage = Stage::start().await;
        let url = format!("{}?connection_limit=8", stage.app_url());
        let (one, two) = (
            stage.serve_with(&url, &[]).await,
            stage.serve_with(&url, &[]).await,
        );
        let addresses = [one.address(), two.address()];
        let client = stage.client().await;
        let mut findings = Findings::default();
        for round in 0..rounds {
            for times in [2, 4, 16] {
                for write in writes {
                    let id = format!("{write:?}-{times}-{round}").to_lowercase();
                    let prepared = write.prepare(&stage, &client, addresses[0], &id).await;
                    let ask = keyed(&prepared);
                    let mut replies = at_once(&ask, times, &addresses).await;
                    for number in 0..times {
                        replies.push(ask.to(addresses[number % 2]).await);
                    }
                    findings.add(&prepared, &replies, &client).await;
                }
            }
        }
        findings
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_comes_many_times_is_done_once_and_answered_alike() {
        let findings = repeat(Prepared::with_key, DUPLICATES.size(), &ALL).await;
        findings.assert_none();
        DUPLICATES.saw(&format!(
            "{} requests, one effect, one entry and one answer each",
            findings.requests
        ));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn without_a_key_what_comes_many_times_is_done_many_times() {
        let without = |prepared: &Prepared| prepared.ask.clone();
        let findings = repeat(without, 1, &[Write::SignIn]).await;
        assert!(
            findings.wrong.len() >= findings.requests,
            "{:?}",
            findings.wrong
        );
        DUPLICATES.saw_wrong(&findings.wrong.join("; "));
    }
}
