//! Tool and prompt names on the common endpoint: `<server>__<name>`.

use remit_mcp::RpcError;
use remit_model::ServerName;

/// How names of one endpoint are written.
#[derive(Debug)]
pub(crate) struct Names<'a> {
    /// The one server of the endpoint, whose names stand as they are.
    only: Option<&'a ServerName>,
    separator: &'a str,
}

impl<'a> Names<'a> {
    /// The names of the endpoint of `only`, or of the common one.
    pub(crate) fn new(only: Option<&'a ServerName>, separator: &'a str) -> Self {
        Self { only, separator }
    }

    /// The name under which `name` of `server` is offered.
    pub(crate) fn write(&self, server: &ServerName, name: &str) -> String {
        match self.only {
            Some(_) => name.to_owned(),
            None => format!("{server}{}{name}", self.separator),
        }
    }

    /// The server and its own name for what is offered as `offered`. Where a server's name ends
    /// like the separator begins, two readings are possible; `known` says which exists.
    ///
    /// Errors: −32602 if no server or more than one could be meant.
    pub(crate) fn read(
        &self,
        offered: &str,
        servers: &[ServerName],
        known: impl Fn(&ServerName, &str) -> bool,
    ) -> Result<(ServerName, String), RpcError> {
        if let Some(server) = self.only {
            return Ok((server.clone(), offered.to_owned()));
        }
        let mut readings: Vec<(&ServerName, &str)> = servers
            .iter()
            .filter_map(|server| {
                let rest = offered.strip_prefix(server.as_str())?.strip_prefix(self.separator)?;
                Some((server, rest))
            })
            .collect();
        if readings.len() > 1 {
            readings.retain(|(server, name)| known(server, name));
        }
        match readings.as_slice() {
            [(server, name)] => Ok(((*server).clone(), (*name).to_owned())),
            _ => Err(RpcError::invalid_params(format!(
                "expected a name of the form `<server>{}<name>` as the list gives it, got `{}`",
                self.separator,
                offered.chars().take(120).collect::<String>()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str) -> ServerName {
        name.parse().unwrap()
    }

    #[test]
    fn what_is_written_reads_back() {
        let servers = [server("a"), server("a_"), server("mail")];
        let names = Names::new(None, "__");
        for (owner, name) in [("mail", "send"), ("mail", "a__b"), ("a", "x"), ("mail", "")] {
            let offered = names.write(&server(owner), name);
            let read = names.read(&offered, &servers, |_, _| false).unwrap();
            assert_eq!((read.0.as_str(), read.1.as_str()), (owner, name));
        }
    }

    #[test]
    fn a_name_with_two_readings_is_the_one_that_exists() {
        let servers = [server("a"), server("a_")];
        let names = Names::new(None, "__");
        let only = |at: &ServerName, name: &str| at.as_str() == "a_" && name == "b";
        assert_eq!(names.read("a___b", &servers, only).unwrap().0, server("a_"));
        assert_eq!(names.read("a___b", &servers, |_, _| true).unwrap_err().code, -32602);
    }

    #[test]
    fn names_of_nobody_are_bad_parameters_and_a_servers_own_endpoint_takes_any() {
        let servers = [server("mail")];
        for bad in ["", "send", "mail", "mail_send", "other__send"] {
            let error = Names::new(None, "__").read(bad, &servers, |_, _| true).unwrap_err();
            assert_eq!(error.code, -32602, "{bad}");
        }
        let mail = server("mail");
        let own = Names::new(Some(&mail), "__");
        assert_eq!(own.write(&mail, "send"), "send");
        assert_eq!(own.read("other__x", &servers, |_, _| false).unwrap().1, "other__x");
    }
}
