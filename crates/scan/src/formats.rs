//! The forms that providers give their secrets, from their own documentation: what they begin with, and
//! how much follows.

/// Of one provider.
struct Format {
    kind: &'static str,
    begins: &'static str,
    /// How many letters, digits, `-`, `_` and `.` follow at least.
    least: usize,
}

const fn format(kind: &'static str, begins: &'static str, least: usize) -> Format {
    Format { kind, begins, least }
}

/// The longer beginning of two that fit comes first.
const FORMATS: &[Format] = &[
    format("GitHub token", "github_pat_", 60),
    format("GitHub token", "ghp_", 36),
    format("GitHub token", "gho_", 36),
    format("GitHub token", "ghu_", 36),
    format("GitHub token", "ghs_", 36),
    format("GitHub token", "ghr_", 36),
    format("GitLab token", "glpat-", 20),
    format("GitLab token", "gldt-", 20),
    format("GitLab token", "glrt-", 20),
    format("Anthropic key", "sk-ant-", 40),
    format("OpenRouter key", "sk-or-v1-", 40),
    format("OpenAI key", "sk-proj-", 40),
    format("OpenAI key", "sk-svcacct-", 40),
    format("OpenAI key", "sk-", 40),
    format("Slack token", "xoxb-", 20),
    format("Slack token", "xoxp-", 20),
    format("Slack token", "xoxe-", 20),
    format("Slack token", "xapp-", 20),
    format("Google API key", "AIza", 35),
    format("Google client secret", "GOCSPX-", 20),
    format("npm token", "npm_", 36),
    format("PyPI token", "pypi-AgEI", 40),
    format("Hugging Face token", "hf_", 30),
    format("Stripe key", "sk_live_", 24),
    format("Stripe key", "rk_live_", 24),
    format("SendGrid key", "SG.", 60),
    format("DigitalOcean token", "dop_v1_", 64),
    format("Shopify token", "shpat_", 32),
    format("Linear key", "lin_api_", 40),
    format("Notion token", "ntn_", 40),
    format("Grafana token", "glsa_", 32),
    format("Databricks token", "dapi", 32),
    format("Figma token", "figd_", 36),
    format("Sentry token", "sntrys_", 40),
    format("Vault token", "hvs.", 24),
    format("Groq key", "gsk_", 40),
    format("xAI key", "xai-", 40),
    format("Perplexity key", "pplx-", 40),
    format("Tavily key", "tvly-", 20),
    format("Airtable token", "pat.", 60),
    format("age key", "AGE-SECRET-KEY-1", 50),
];

/// How random what follows must look, in bits a character: what stands for a secret repeats itself.
const MIN_ENTROPY: f64 = 3.0;

/// The first word of `text` that has one of these forms, and its kind.
pub(crate) fn known(text: &str) -> Option<(&'static str, &str)> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----") {
        return Some(("private key", text));
    }
    text.split(|c| !part(c)).map(|word| word.trim_end_matches('.')).find_map(|word| {
        if is_jwt(word) {
            return Some(("JSON web token", word));
        }
        let fits = |format: &&Format| {
            let rest = word.strip_prefix(format.begins);
            rest.is_some_and(|rest| rest.len() >= format.least && entropy(rest) >= MIN_ENTROPY)
        };
        FORMATS.iter().find(fits).map(|format| (format.kind, word))
    })
}

/// A signed token: header and claims are JSON objects, and a signature follows.
fn is_jwt(word: &str) -> bool {
    let is_object = |part: &str| {
        let decoded = data_encoding::BASE64URL_NOPAD.decode(part.as_bytes());
        decoded.is_ok_and(|json| json.starts_with(b"{\"") && json.ends_with(b"}"))
    };
    let mut parts = word.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(head), Some(claims), Some(signature), None) => {
            is_object(head) && is_object(claims) && signature.len() >= 20
        }
        _ => false,
    }
}

/// Shannon's entropy of the characters of `text`, in bits a character.
pub(crate) fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let total = f64::from(counts.iter().sum::<u32>().max(1));
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / total);
    shares.map(|share| -share * share.log2()).sum()
}
