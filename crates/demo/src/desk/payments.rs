//! One bank account that moves money for as long as its process lives.
//!
//! Amounts are counted in cents and read from the decimal text of the JSON number, so nothing
//! is ever rounded.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use rmcp::model::{Tool, ToolAnnotations};
use serde_json::{Number, json};

use super::{Arguments, Complaint, Desk, Reply, reads, tool};

const OPENING_BALANCE: Cents = Cents(500_000);

/// An amount of money, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cents(u64);

impl Cents {
    fn parse(number: &Number) -> Result<Self, Complaint> {
        let text = number.to_string();
        let refuse = || {
            Complaint::failed(format!(
                "`{text}` is not an amount; expected more than 0 with at most two decimals"
            ))
        };
        let (euros, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let cents = match decimals.len() {
            0 => 0,
            1 => decimals.parse::<u64>().map_err(|_| refuse())?.saturating_mul(10),
            2 => decimals.parse::<u64>().map_err(|_| refuse())?,
            _ => return Err(refuse()),
        };
        let total = euros
            .parse::<u64>()
            .ok()
            .and_then(|euros| euros.checked_mul(100)?.checked_add(cents))
            .filter(|total| *total > 0)
            .ok_or_else(refuse)?;
        Ok(Self(total))
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[derive(Debug)]
struct Payment {
    account: String,
    amount: Cents,
    reference: String,
}

#[derive(Debug)]
struct Account {
    balance: Cents,
    payments: Vec<Payment>,
}

/// The payment server.
#[derive(Debug)]
pub(crate) struct Payments(Mutex<Account>);

impl Default for Payments {
    fn default() -> Self {
        Self(Mutex::new(Account { balance: OPENING_BALANCE, payments: Vec::new() }))
    }
}

impl Payments {
    fn transfer(&self, arguments: Arguments<'_>) -> Result<Reply, Complaint> {
        let account = arguments.text("account")?;
        let amount = Cents::parse(arguments.number("amount")?)?;
        let reference = arguments.text("reference")?;
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = state.balance.0.checked_sub(amount.0).ok_or_else(|| {
            Complaint::failed(format!(
                "cannot pay {amount} EUR: the balance is {} EUR",
                state.balance
            ))
        })?;
        state.balance = Cents(left);
        state.payments.push(Payment {
            account: account.to_owned(),
            amount,
            reference: reference.to_owned(),
        });
        Ok(Reply::with_data(
            format!("paid {amount} EUR to {account} for {reference}; {} EUR left", state.balance),
            json!({ "payment": state.payments.len(), "balance": state.balance.to_string() }),
        ))
    }

    fn balance(&self) -> Reply {
        let balance = self.0.lock().unwrap_or_else(PoisonError::into_inner).balance;
        Reply::with_data(format!("{balance} EUR"), json!({ "balance": balance.to_string() }))
    }

    fn list(&self) -> Reply {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<String> = state
            .payments
            .iter()
            .map(|paid| format!("{} EUR  {}  {}", paid.amount, paid.account, paid.reference))
            .collect();
        let text = if lines.is_empty() { "no payments yet".to_owned() } else { lines.join("\n") };
        Reply::with_data(text, json!({ "payments": lines }))
    }
}

impl Desk for Payments {
    fn instructions(&self) -> &'static str {
        "The company's bank account. A transfer cannot be taken back."
    }

    fn tools(&self) -> Vec<Tool> {
        vec![
            tool(
                "get_balance",
                "Returns the account's balance in EUR.",
                &[],
                Some(reads("Balance", false)),
            ),
            tool(
                "list_payments",
                "Lists the payments made so far.",
                &[],
                Some(ToolAnnotations::with_title("Payments").read_only(true)),
            ),
            tool(
                "transfer",
                "Pays an amount in EUR to an account. Cannot be undone.",
                &[
                    ("account", "string", "The IBAN of the payee"),
                    ("amount", "number", "The amount in EUR, at most two decimals"),
                    ("reference", "string", "What the payment is for"),
                ],
                Some(
                    ToolAnnotations::with_title("Transfer money")
                        .read_only(false)
                        .destructive(true)
                        .idempotent(false)
                        .open_world(true),
                ),
            ),
        ]
    }

    fn call(&self, tool: &str, arguments: Arguments<'_>) -> Result<Reply, Complaint> {
        match tool {
            "get_balance" => Ok(self.balance()),
            "list_payments" => Ok(self.list()),
            "transfer" => self.transfer(arguments),
            other => Err(Complaint::UnknownTool(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pay(payments: &Payments, amount: &serde_json::Value) -> Result<Reply, Complaint> {
        let arguments = json!({ "account": "DE02", "amount": amount, "reference": "r" });
        payments.call("transfer", Arguments(arguments.as_object().unwrap()))
    }

    #[test]
    fn money_is_counted_exactly() {
        let payments = Payments::default();
        assert_eq!(payments.list().text, "no payments yet");
        pay(&payments, &json!(240)).unwrap();
        pay(&payments, &json!(0.1)).unwrap();
        assert_eq!(
            pay(&payments, &json!(0.2)).unwrap().text,
            "paid 0.20 EUR to DE02 for r; 4759.70 EUR left"
        );
        assert_eq!(payments.balance().text, "4759.70 EUR");
        assert_eq!(payments.list().text.lines().count(), 3);
    }

    #[test]
    fn impossible_amounts_move_nothing() {
        let payments = Payments::default();
        for amount in [json!(0), json!(-5), json!(0.001), json!(1e300), json!(5001), json!("5")] {
            assert!(pay(&payments, &amount).is_err(), "{amount}");
        }
        assert_eq!(payments.balance().text, "5000.00 EUR");
    }
}
