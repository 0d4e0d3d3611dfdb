"""The words by which relays say the same: patterns for the table of answers."""

from __future__ import annotations

_CANNOT = r"(can(no|')t|cannot|could not|couldn't|unable to|failed to)"
_NOT = r"(is not|isn't|are not|aren't|not|was not|wasn't|has not been|no)"
_DOES_NOT = r"(does not|doesn't|do not|don't|did not)"
_IS = r"(is|are|was|were|has|have|has been|have been|had been)"


def _some(most: int) -> str:
    """Return a pattern of a few words, which may be none."""
    return rf"(\S+ ){{0,{most}}}"


# The network between.

PROXY_PROTOCOL = r"\bproxy (protocol|negotiation|header)"
RESOLVER_REFUSED = (
    r"(open|public)[ /-]?(dns )?resolver|/returnc/|resolver\S* .*(refused|blocked|not allowed)"
    r"|(dns )?quer(y|ies) (\S+ )?(refused|blocked|not permitted)"
)
NO_DIRECT_MAIL = (
    r"send (e-?mails?|mails?|messages?) directly|direct(ly)? (to|from) .*(dynamic|residential)"
    r"|(use|through|via) (the|your) (own )?(smtp relay|(isp|provider)('s)? (mail|smtp))"
    r"|(use|through|via) (the )?(smtp|mail) (server|relay|host) of your (isp|provider)"
    r"|dynamic (ip|address|host|range|pool)|dynamically assigned|residential"
)
_IP = r"(ip|ip[ -]address(es)?|ips|location|network)"
_KNOWN = r"(authori[sz]ed|registered|allow(ed|[- ]?listed)|white-?listed|recogni[sz]ed)"
ADDRESS_NOT_AUTHORIZED = (
    rf"(unauthori[sz]ed|unrecogni[sz]ed|unregistered) {_IP}\b"
    rf"|\b{_IP} {_some(3)}{_NOT} (in |on )?{_some(1)}({_KNOWN}|(white|allow|safe)-?list)"
    rf"|{_NOT} {_KNOWN} (for|from|by) (this|your) {_IP}|invalid credentials for relay"
    r"|registered in your workspace|tenant(inbound)?attribution"
)
_LISTS = (
    r"spamhaus|spamcop|barracuda|sorbs|uceprotect|mailspike|abusix|invaluement|senderscore"
    r"|proofpoint|cloudmark|trend ?micro|lashback|manitu|nixspam"
)
BLOCK_LIST = (
    rf"{_LISTS}|\b(dns|r)bls?\b|(block|black|deny|reject)[- ]?list|\blisted (in|on|at|by)\b"
    r"|(blocked|refused|rejected) - see http|spams? from your|blocked (\S+ )?using|reputation"
    r"|\bbanned\b|permanently deferred|\[(bl|ph)\d+\]"
)
# A name in the DNS after the words that lead to it, or a list's own.
LIST_NAME = (
    r"(?:using|listed (?:in|on|at|by)|blocked by|list)\s+(?:the )?((?:[\w-]+\.)+[a-z]{2,})"
    rf"|\b({_LISTS}|S3150|PBL|SBL|XBL)\b"
)
_CLIENT = r"(ip|hosts?|network|address(es)?|servers?|mta|connections?|client)"
_REFUSED = r"(block|bann|reject|refus|denied|deny|not (allowed|accept|welcome|permitted)|dynamic)"
CLIENT_DENIED = r"client host rejected: access denied"
CLIENT_REFUSED = (
    rf"\b(your|this|sending|the|client|remote|connecting) {_some(1)}{_CLIENT}\b.*{_REFUSED}"
    rf"|\b(ip|client host|connections?)( address)?( from)?( \[?[\da-f.:]+\]?)? ({_IS} )?{_REFUSED}"
    rf"|{_REFUSED}\w* (\S+ )?(connections? )?(from|for) (your|this) {_CLIENT}"
    r"|bad (sender |client )?ip\b"
    r"|(mail|messages?) from \[?[\d.]+\]? (refused|rejected|blocked|denied)"
    r"|not (currently )?accept\w* (mail|messages?|e-?mail|connections?) from your"
    r"|will not be accepted|go away|not welcome|traffic not accepted"
)
EHLO_NAME = (
    r"\b(helo|ehlo)\b(?! (first|required|or )|/(helo|ehlo)| hello)"
    r"|impersonat|(localhost|your (host)?name) .*(invalid|not|forged)"
)
NAME = (
    r"(invalid|bad|illegal|forged|unknown|unresolvable|rejected) .*(domain|host|name|argument)"
    r"|fully[- ]qualified|(domain|host) ?name|localhost|not resolve|dns"
)
NO_REVERSE_DNS = (
    r"\bptr\b|\br-?dns\b|reverse[- ](dns|host|look|map|record|name|ip|address|resol|entry)"
    rf"|{_CANNOT} (find|resolve|look ?up) your (?!domain)|forward[- ]confirmed|\bfcrdns"
    r"|(host ?name|name|ip( address)?) .*(does(n't| not) (match|resolve)|forged)"
    r"|no (valid )?host ?name for|unresolvable (relay |client )?host"
    r"|^(?!.*relay).*ip name lookup fail"
)

# TLS.

TLS_TOO_OLD = (
    r"tls ?v?1\.[01].*(not supported|unsupported|deprecated|disabled|no longer|upgrade)"
    r"|(upgrade|update|support|requires?|at least) .*tls ?v?1\.[23]|tls version .*(old|low)"
)
CLIENT_CERTIFICATE = (
    r"client[- ]cert|(no|missing|present|provide|needs?|requires?|invalid|unverified)"
    r" (an? )?(valid |trusted |tls |client |ssl )*certificate"
    rf"|certificate ({_IS} )?(required|missing|not (presented|provided|trusted|verified|found))"
)
_TLS = r"(tls|ssl|starttls|encrypt\w*|a secure (connection|channel)|secure connections?)"
TLS_REQUIRED = (
    r"\bstarttls\b|\bencryption\b|encrypted (connection|channel|session)"
    rf"|{_TLS} {_some(2)}(required|needed|mandatory|first|only|compulsory)"
    rf"|(requires?|must (use|issue|be)|needs?|only over|without|not sent over|enable)"
    rf" (an? )?{_TLS}"
    r"|unencrypted|insecure (connection|channel)|not (encrypted|secured?)\b"
    r"|plain ?text (auth\w*|password|login|connection).*(disallow|not|disabled|forbidden)"
)

# How much, how often.

TOO_MANY_CONNECTIONS = (
    rf"too many {_some(3)}(connections?|sessions?|connects|clients)\b|concurrent|simultaneous"
    r"|too frequent (connect|session)|(connection|session)s? (count|rate|frequency|limit)"
    r"|max\w* (number of )?(connections|sessions)"
)
TOO_MANY_ATTEMPTS = (
    rf"too many {_some(4)}(log ?[io]ns?|auth\w*|attempts?|fail\w*|passwords?|tries)\b"
    rf"|(failed|log ?in|auth\w*) attempts? {_some(2)}(exceed|limit|reached)|brute[- ]?force"
    rf"|(maximum|max) {_some(2)}(log ?in|auth\w*|attempt)|repeated(ly)? (failed|bad|wrong)"
)
TOO_MUCH = (
    r"\brate.?limit|\b(sending|message|messages|delivery|submission|mail) rate|throttl"
    rf"|too (many|much) {_some(2)}(mails?|messages?|e-?mails?|requests|errors)\b"
    r"|too many recipients .*(hour|from|throttl)"
    r"|too (quickly|fast|frequent)|unusual(ly)? (rate|volume|traffic|high)|unexpected volume"
    r"|high volume|user complaints|unsolicited mail originating|slow down"
    r"|(exceeded|limit|max\w*) .*per (hour|minute|second)|this hour|try again in an hour"
    r"|(mail|messages?|sending) (volume|frequency)|message(s)? per connection"
)
TOO_MANY_RECIPIENTS = (
    r"(too many recipients|recipients? (count|limit)|number of recipients)"
    r"(?!.* (hour|throttl|day|month|from|after))"
)
_EXCEEDED = r"(exceed|reach|exhaust|used up|over|hit|deplet|insufficient|not enough|no more)"
_SHARE = (
    r"(limits?|quotas?|allowances?|plan|package|subscription|credits?|balance|thresholds?|budget)"
)
_PERIOD = (
    r"(daily|monthly|hourly|weekly|24[- ]?h(our)?s?|sending|send|outbound|outgoing|messages?"
    r"|e-?mails?|relay|peak|tenant|free|plan|subscription|period|day|month|trial)"
)
QUOTA_OF_PLAN = (
    rf"\bcredits?\b|{_PERIOD}\b {_some(3)}{_SHARE}\b.*{_EXCEEDED}"
    rf"|{_EXCEEDED}\w* {_some(5)}{_PERIOD} {_some(3)}{_SHARE}\b"
    rf"|{_SHARE}\b.*{_EXCEEDED}.* (per|for|in|this) (the |your )?{_some(1)}{_PERIOD}\b"
    rf"|{_EXCEEDED}\w* {_some(3)}threshold|max defers|limit exceeded, try again after"
    r"|(plan|subscription|trial|licen[sc]e) .*(expired|ended|exhausted|cancel)|upgrade your"
    r"|payment (is )?(required|overdue|failed)|unpaid|billing|invoice"
)
MAILBOX_FULL = (
    r"mail ?(box|folder) .*(full|quota|exceed|storage|space)|\b(in)?box (is )?full"
    r"|(user|recipient|account|mailbox) .*(over ?quota|is full|quota (is )?exceeded)"
    r"|over ?quota|quota (is |has been )?exceeded|exceed\w* (\S+ ){0,2}(quota|storage)"
    r"|\bpleine\b|n(o|')t have enough (space|room)|space .*(used up|exhausted)"
    r"|storage (quota|limit|space|allocation)|out of storage"
    r"|not enough (storage|room|space) .*mailbox"
)
QUOTA = r"\bquota\b|sending limit|message limit"

# AUTH.

SECURITY_POLICY = (
    r"security defaults|conditional access|organi[sz]ation\S* (\S+ ){0,3}polic"
    r"|(blocked|denied|forbidden|disallowed) by .*polic|did(n't| not) meet the criteria"
)
_OFF = r"(disabled|not enabled|turned off|switched off|deactivated|not allowed|not permitted)"
SMTP_AUTH_OFF = (
    rf"smtpclientauthentication {_IS} {_OFF}|smtp_auth_disabled"
    rf"|\b(smtp|imap|pop3?)(/\S+)?( auth\w*| access| service| protocol| log ?in| sending)?"
    rf" ({_IS} )?({_NOT} )?{_OFF}"
    r"|enable (\S+ )?(smtp|pop3?|imap)|user has no permission|smtp service .*(not|isn't) (on|open)"
    r"|have (\S+ )?access( rights?)? to (this|the) service"
)
PASSWORDS_OFF = (
    rf"basic auth\w* {_some(1)}({_IS} )?({_OFF}|not supported|deprecated|retired|no longer)"
    r"|(oauth ?2?|xoauth2?|modern auth\w*|bearer token) .*(only|required|instead|must|mandatory)"
    r"|(use|requires?|only|supports?) (\S+ )?(oauth|xoauth|modern auth)"
    rf"|password(s|[- ]based)? ?(auth\w*|log ?ins?|access)? {_some(1)}{_IS}"
    r" (disabled|no longer|not supported|not allowed|turned off)|less secure app"
)
BROWSER_LOGIN = (
    r"web ?browser|web ?log ?in|(log|sign) ?in (via|with|at|to|on) (your|the|a) (\S+ )?(web|brows"
    r"|account)|captcha|(suspicious|unusual) (log|sign)|verify (your|the) (identity|account|phone)"
    r"|accept the (new )?terms"
)
FOR_PROGRAMS = (
    r"(app|application)[- ]?(specific)?[- ]?pass(word|code)|second ?factor"
    r"|\b(two|2)[- ]?(factor|step)|\b(mfa|2fa)\b|multi[- ]?factor|authori[sz]ation code"
    r"|(device|client|third[- ]party)[- ](specific )?password|dedicated password"
)
SENDGRID = r"authorization grant is invalid|bad username / password"
# In this spelling alone: others write the same with small letters.
SES = r"^(?-i:Authentication Credentials Invalid)"
GMAIL = r"\bgsmtp\b|username and password not accepted"
# Providers that take no account's own password from a program.
HOSTS_WITH_APPS = r"\b(gmail|googlemail|google|yahoo|aol|icloud|fastmail|me)\.com$"
PASSWORD_EXPIRED = (
    rf"(password|credentials?|passphrase)s? ({_IS} )?(expired|too old|outdated)"
    r"|expired (password|credentials?)|password expir"
    r"|(must|need to|have to|please|required to) (change|reset|renew|update) (your |the )?password"
    rf"|password (change|reset|renewal|transition) ({_IS} )?{_some(1)}(required|needed)"
)
_ACCOUNT = (
    r"(account|user|users|domain|tenant|customer|api ?key|log ?in|mail ?box|subscription|sender"
    r"|organi[sz]ation|identity|sending)"
)
_DISABLED = (
    r"(disabled|suspend(ed)?|locked([- ]out)?|blocked|deactivated|inactive|frozen|closed"
    r"|terminated|paused|revoked|restricted|on hold|under review|compromised"
    r"|not (yet )?(active|activated|enabled|confirmed|subscribed)|unconfirmed|canceled|cancelled)"
)
DISABLED = (
    rf"\b{_ACCOUNT}( \S+){{0,6}} ({_IS} )?(temporarily |permanently |currently |been )*{_DISABLED}"
    rf"|\b{_DISABLED} {_some(1)}{_ACCOUNT}\b|access restricted"
)
SENDING_DISABLED = (
    rf"(sending|outgoing|outbound)( \S+){{0,6}} {_DISABLED}|bad outbound sender"
    r"|unusual (sending )?activity|sender (address )?blocked|(mail|account) suspension"
)
MECHANISM = (
    r"(unrecogni[sz]ed|unsupported|unknown|invalid|no such) auth\w*( \S+)? ?(type|method|mech)"
    r"|mechanism|auth\w* (type|method) .*(not|un)\w*"
)
CHECK_FAILS = (
    r"(system|server) (is )?busy|temporary (auth\w*|system|server|local|internal|error|failure)"
)
CREDENTIALS = (
    r"(invalid|incorrect|bad|wrong|unknown|rejected) (\S+ ){0,2}(user|log ?in|password|credential"
    r"|passphrase|auth\w* data|account|api)|(user|password|credentials?|log ?in) .*"
    r"(invalid|incorrect|wrong|not (accepted|correct|match|valid|recogni[sz]ed|found)|unknown)"
)

# The envelope.

RECIPIENT_RESTRICTED = (
    r"sendernotauthenticatedforgroup|delivery (restrict|not authori)|mailbox delivery restricted"
    r"|not (authori[sz]ed|allowed|permitted) to send (e-?mails? |mails? |messages? )?to "
    r"|accepts? (mail|messages?|e-?mails?) (only )?from (certain|authenticated|allowed|internal)"
    r"|rejected by recipient|restricted (to )?(recipient|group|senders)"
    r"|does(n't| not) accept (mail|messages?|e-?mails?) from"
)
ACCOUNT_IN_TEST = (
    r"\bsandbox|test (purposes|mode|account|api)|testing (domain|purposes|mode|e-?mails?)"
    r"|authori[sz]ed recipients|pending approval|free accounts?|trial account"
)
NEXT_HOP = (
    r"unverified address|address verification|verification (in progress|problem)"
    rf"|{_CANNOT} (complete |be )?verif\w*|callout"
)
_SENDERS = r"(sender|from|domain|identity|identities|return[- ]path|mail from|e-?mail address)"
SENDER_UNVERIFIED = (
    r"unverified (sender|domain|from|identity|e-?mail)|verified sender|sender (identity|signature)"
    rf"|\b{_SENDERS} {_some(2)}unverified"
    r"|(validate|authenticate) (your|the) (\S+ )?(sender|domain)"
    r"|(unconfigured|unregistered|unauthori[sz]ed) (sending |sender )?domain"
    rf"|\b{_SENDERS}\b.*{_NOT} (been )?(yet )?(verified|validated|confirmed|registered|associated)"
    r"|verify (your|the|this) (sender|sending|domain|e-?mail|from|identity)|identities failed"
    r"|not authori[sz]ed to send from"
)
_LOG_IN = r"(log ?in|sign ?in|auth\w*)"
AUTH_REQUIRED = (
    r"\bnot (been )?(authenticated|logged[- ]in|signed[- ]in)"
    r"|\b(un|non-?)authenticated (sender|user|client|mail|connection|access)s?|\banonymous"
    r"|\bauth\w* ((is|are) )?(required|needed|necessary|mandatory|first|command first)"
    rf"|(must|need to|have to|please|should|required to) {_some(3)}{_LOG_IN}"
    rf"|(requires?|needs?|without|proper|use|enable|missing|no|send) (smtp |valid |an )*auth\w*"
    r"|(smtp[- ]auth|log ?in|pop[- ]?before[- ]?smtp) (is )?(required|first|needed)"
    r"|auth\w* (requise|(must|should) be)|(do not|don't|did not|didn't) authenticate"
    r"|check (your )?mail first|only (available |allowed )?(to|for) (authenticated|local) users"
)
RIGHTS = (
    r"not authori[sz]ed to perform|insufficient (permission|privilege|right|authori)"
    r"|(permission|privilege|right)s? (to (send|relay|submit)|denied)|access restricted"
)
SEND_AS = r"sendasdenied|\bsend (as|on behalf)\b"
SENDER_NOT_OWNED = (
    r"sendasdenied|send(ing)? (as|on behalf)|not owned by|not logged in"
    r"|relaying disallowed as|(not|n't) (allowed|permitted|authori[sz]ed|able)"
    r" to (send|use|submit) .*(as|from|address|sender|identity)"
    r"|\b(sender|from|mail from|envelope)\b.*((does not|doesn't|must|should|not|n't)"
    r" (match|belong|be|equal|allowed|permitted|authori[sz]ed|accepted|valid)|mismatch)"
    r"|does(n't| not) have permissions? to send as|badmailfrom"
)
NO_RELAYING = (
    r"does(n't| not) accept (mail|e-?mail|messages?) (for|to)|"
    r"relay(ing)?( \S+)?( access| service| is| was)? (denied|not (permitted|allowed|authori[sz]ed)"
    r"|prohibited|disallowed|forbidden|rejected|disabled|restricted)"
    r"|(unable|not permitted|not allowed|not authori[sz]ed|not configured) to relay"
    r"|(cannot|can't|don't|doesn't|does not|do not|no|not|won't|will not) (an? )?(open )?relay"
    r"|rcpt ?hosts|not (a )?(local|hosted|accepted|our) (domain|host|recipient)"
    r"|(domain|host) .*(not (local|hosted|served)|isn't (local|hosted|allowed))"
    r"|non-accepted domain|not our customer|relay access"
)
INACTIVE = (
    r"inactive (recipient|user|mailbox|account|address)|suppress(ed|ion)"
    r"|no longer (active|available|valid|accept|exist|in use)|not accepting (messages|mail)"
    r"|marked as (\S+ )?(inactive|invalid|bounc\w*|suppressed)"
)
_NO_DOMAIN = (
    r"(not (be )?(found|exist|resolved?|known)|does(n't| not) (exist|resolve|accept mail|have)"
    r"|(has )?no (mx|dns|a |valid|such)|unresolv|look ?up|lookup|null ?mx|non-?exist|unknown"
    r"|invalid|unroute?able|no valid|must (exist|have|resolve))"
)
SENDER_DOMAIN = (
    rf"domain of (the )?sender|sender(('s)?| address)?( rejected)?( \S+)?:? {_some(2)}"
    rf"(domain|host|mx|mail exchanger?)\b.*{_NO_DOMAIN}|{_NO_DOMAIN} sender (domain|host)"
    rf"|(from|return[- ]path|envelope) domain .*{_NO_DOMAIN}|sender address rejected: unable"
    r"|unroute?able sender"
)
DOMAIN = (
    rf"\b(domain|mx)( name| records?)?\b( \S+)? {_NO_DOMAIN}|(no such|unknown|unroute?able|invalid"
    r"|non-?existent) (mail |destination )?(domain|host)\b"
    r"|host (or domain name )?(not found|unknown)"
    rf"|{_CANNOT} (resolve|route|find (a )?(mx|mail|host))|no (mx|such host|route)"
    r"|dead domain|name service error|mx records? .*(point|non)|null ?mx"
    r"|unable to look up (mail|host|mx)"
)
SENDER = (
    r"\bsender( address)?( \S+)? (rejected|refused|denied|verif\w*|invalid|not accepted|unknown)"
    r"|(bad|invalid|unacceptable|unknown|forged) sender|null sender|empty (envelope )?sender"
    r"|invalid mail from"
)
SENDER_UNAUTHENTICATED = (
    r"\b(spf|dkim|dmarc)\b|sender policy framework|openspf|domain ?keys"
    r"|required authentication level|sender is unauthenticated"
    r"|(un|not )authenticated (e-?mail|mail|message)s? from"
)
_MAILBOX = r"(user|recipient|mailbox|address|addressee|account|person|alias|rcpt ?to)"
RECIPIENT_UNKNOWN = (
    rf"{_MAILBOX} {_some(2)}(unknown|not (found|exist|known|recogni[sz]ed)|unavailable|invalid"
    r"|(does|do)(n't| not) exist)"
    rf"|(unknown|no such|invalid|nonexistent|bad) {_some(2)}{_MAILBOX}"
    r"|undeliverable|not deliverable|unroute?able|no mailbox|recipientnotfound"
    r"|not a valid mailbox"
)

# The relay itself.

DANGEROUS_CONTENT = r"\b(urls?|uris?|links?|surbl|uribl|virus|malware|phish\w*)\b"
GREYLISTED = (
    r"gr[ae]y[- ]?(list|trap)|postgrey|come back|first time|(new|unknown|unseen) triplet"
    r"|initial (delivery|attempt)|early retry"
)
RELAY_FULL = (
    r"insufficient (system |disk |free )*(storage|space|resources|queue space|disk)"
    r"|no space left|disk (\S+ )?full|full disk|file ?system (\S+ )?full|disk quota"
    r"|(out of|low on|not enough|lack of) (disk |system |queue )*(space|storage|resources)"
    r"|space shortage|diskspace"
)
TOO_BIG = (
    r"too (big|large|long)|\bsize\b.*(limit|exceed|maximum|fixed|too)|exceed\w* .*\bsize\b"
    r"|larger than|max\w* (\S+ )?(message |mail )?size"
)
_BREAKS = r"(failed|failure|unavailable|error|problem|down|timed)"
RELAY_BROKEN = (
    rf"temporary {_some(2)}{_BREAKS}|(look ?up|dns) {_BREAKS}|look ?up .*fail"
    rf"|(local|internal|server|system|configuration|processing|backend) {_some(2)}{_BREAKS}"
    rf"|(policy|filter|scanner|scan|virus) {_some(4)}{_BREAKS}\b"
    r"|policy (service|server|daemon)|service unavailable ?- ?try again|milter"
    rf"|{_CANNOT} (open|write|create|access|contact|queue|connect)"
    r"|error (in|while) (writ|read|process)|local data error|queue file|spool|database"
    r"|mail loop|loops back|\bldap\b|misconfigur|mail system|out of memory|\bi/o\b|local_scan"
    r"|unexpected (error|condition|failure)|temporarily unavailable"
)
BUSY = r"\bbusy\b|overload|too much load|load average|(going|shutting) down|shutdown"
POLICY = r"administrative(ly)?|\bpolic(y|ies)\b|prohibit"
SYNTAX = (
    r"syntax|must contain a domain|fully[- ]qualified (e-?mail )?address|domain name required"
    r"|(malformed|illegal|improper) (\S+ )?(address|recipient|sender|character)"
    r"|not a valid (e-?mail )?address|(missing|without) (a )?(domain|@)|unqualified"
)
NO_SERVICE = (
    r"no (smtp|mail|e-?mail) service|not accepting|does(n't| not) accept (mail|e-?mail|smtp)"
    r"|no mail (is )?accepted|smtp service not available|not (an? )?(smtp|mail) (server|service)"
)
