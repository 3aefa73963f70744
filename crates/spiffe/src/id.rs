//! The SPIFFE IDs that there are: an agent's, and one for each of its tasks.

use remit_model::{AgentName, TaskId};
use spiffe::{SpiffeId, SpiffeIdError, TrustDomain};

use crate::SvidError;

/// The trust domain called `name`.
///
/// Errors: it is not one (SPIFFE ID section 2.1), or was given as an ID.
pub fn trust_domain(name: &str) -> Result<TrustDomain, SvidError> {
    let domain = TrustDomain::new(name)?;
    // The library also takes `spiffe://name`; a configuration must say one thing in one way.
    if domain.as_str() != name {
        return Err(SpiffeIdError::BadTrustDomainChar.into());
    }
    Ok(domain)
}

/// The SPIFFE ID `text`.
///
/// Errors: it is not one, or not in the one form that there is: the library takes capital letters in
/// a trust domain, and who compares texts would take the two for different.
pub(crate) fn read(text: &str) -> Result<SpiffeId, SvidError> {
    let id = SpiffeId::new(text)?;
    if id.to_string() == text { Ok(id) } else { Err(SpiffeIdError::BadTrustDomainChar.into()) }
}

/// The SPIFFE ID `text`, if it is a workload's and in the one form that there is.
pub fn workload_id(text: &str) -> Option<SpiffeId> {
    read(text).ok().filter(|id| !id.path().is_empty())
}

/// `spiffe://<domain>/agent/<agent>`: an agent, whatever it works on.
///
/// Errors: the whole is longer than a SPIFFE ID may be.
pub fn agent_id(domain: &TrustDomain, agent: &AgentName) -> Result<SpiffeId, SvidError> {
    Ok(SpiffeId::from_segments(domain.clone(), &["agent", agent.as_str()])?)
}

/// `spiffe://<domain>/agent/<agent>/task/<task>`: one run, as it stands in the `sub` of grants.
///
/// Errors: as [`agent_id`].
pub fn task_id(
    domain: &TrustDomain,
    agent: &AgentName,
    task: &TaskId,
) -> Result<SpiffeId, SvidError> {
    let segments = ["agent", agent.as_str(), "task", task.as_str()];
    Ok(SpiffeId::from_segments(domain.clone(), &segments)?)
}

/// `spiffe://<domain>/remit`: Remit itself, which asks servers what they offer.
///
/// Errors: as [`agent_id`].
pub fn own_id(domain: &TrustDomain) -> Result<SpiffeId, SvidError> {
    Ok(SpiffeId::from_segments(domain.clone(), &["remit"])?)
}

/// The agent whose ID `id` is, as [`agent_id`] makes it. A run's is none.
pub fn agent_of(id: &SpiffeId) -> Option<AgentName> {
    id.path().strip_prefix("/agent/")?.parse().ok()
}

/// The agent and the task of the run whose ID `id` is, as [`task_id`] makes it.
pub fn run_of(id: &SpiffeId) -> Option<(AgentName, TaskId)> {
    let (agent, task) = id.path().strip_prefix("/agent/")?.split_once("/task/")?;
    Some((agent.parse().ok()?, task.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_domain_is_a_plain_lower_case_name() {
        for good in ["remit.local", "a", "a-b_c.9"] {
            assert_eq!(trust_domain(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "a/b", "a b", "ü", "spiffe://a", "a:1", "u@a", &"x".repeat(256)] {
            assert!(trust_domain(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_workload_is_named_in_one_form_and_no_trust_domain_is_one() {
        let id = "spiffe://partner.example/ns/a/bot";
        assert_eq!(workload_id(id).unwrap().to_string(), id);
        for bad in ["spiffe://partner.example", "spiffe://Partner.example/bot", "bot", ""] {
            assert_eq!(workload_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_run_is_named_below_its_agent() {
        let domain = trust_domain("remit.local").unwrap();
        let agent = "bot".parse().unwrap();
        let task = "tsk_00000000000000000000000000".parse().unwrap();
        assert_eq!(
            agent_id(&domain, &agent).unwrap().to_string(),
            "spiffe://remit.local/agent/bot"
        );
        assert_eq!(agent_of(&agent_id(&domain, &agent).unwrap()), Some(agent.clone()));
        assert_eq!(agent_of(&task_id(&domain, &agent, &task).unwrap()), None);
        assert_eq!(agent_of(&own_id(&domain).unwrap()), None);
        let run = task_id(&domain, &agent, &task).unwrap();
        assert_eq!(run_of(&run), Some((agent.clone(), task.clone())));
        assert_eq!(run_of(&agent_id(&domain, &agent).unwrap()), None);
        for other in ["bot", "agent", "tool/bot", "agent/bot/task", "agent/Bot"] {
            assert_eq!(agent_of(&SpiffeId::new(format!("spiffe://a/{other}")).unwrap()), None);
        }
        assert_eq!(
            task_id(&domain, &agent, &task).unwrap().to_string(),
            "spiffe://remit.local/agent/bot/task/tsk_00000000000000000000000000"
        );
    }
}
