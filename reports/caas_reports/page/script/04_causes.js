// What broke: causes with their cases, and for each case the facts one asks for first.

const CAUSES_OPEN = 2;
const CHIPS_SHOWN = 14;

function causesPart() {
  const { causes } = data.index;
  if (!causes.length) return null;
  const cases = causes.reduce((sum, one) => sum + one.cases.length, 0);
  return h('section', { class: 'causes-part' },
    h('h2', {}, 'What broke', h('small', {}, `${plural(causes.length, 'cause')}, ${plural(cases, 'case')}`)),
    h('div', { class: 'causes' }, causes.map((one, at) => causeItem(one, at))));
}

function causeItem(cause, at) {
  const example = data.byId.get(cause.example);
  const body = h('div', { class: 'cause-body' });
  const item = h('details', { class: `cause verdict-${cause.verdict}`, id: `cause-${at}`, open: at < CAUSES_OPEN });
  const fill = () => {
    if (!item.open || body.childNodes.length) return;
    put(body, [brokenFacts(example, cause), cause.cases.length > 1 && h('p', { class: 'cause-cases' }, causeChips(cause, at))]);
  };
  item.addEventListener('toggle', fill);
  put(item, [h('summary', {}, icon(cause.verdict),
    h('span', { class: 'cause-what' }, h('b', {}, cause.title), h('span', { class: 'cause-where' }, operationsText(cause), momentText(cause))),
    newness(cause), h('span', { class: 'cause-count' }, plural(cause.cases.length, 'case'))), body]);
  fill();
  return item;
}

function operationsText(cause) {
  const names = cause.operations || [];
  if (!names.length) return null;
  const more = names.length > 2 ? ` and ${names.length - 2} more` : '';
  return h('span', {}, names.slice(0, 2).map((name, at) => [at ? ', ' : '', h('code', {}, name)]), more);
}

// What breaks within a moment has one moment to look at in every service's log.
function momentText(cause) {
  if (cause.from_ms === undefined || cause.from_ms === null) return null;
  const from = `${(cause.from_ms / 1000).toFixed(1)} s`;
  const to = `${(cause.to_ms / 1000).toFixed(1)} s`;
  return h('span', {}, from === to ? `${from} into the run` : `${from} to ${to} into the run`);
}

function newness(cause) {
  const known = cause.cases.map((id) => data.byId.get(id).before).filter(Boolean);
  const fresh = known.filter((one) => !one.runs).length;
  if (!known.length) return null;
  if (fresh) return h('span', { class: 'age age-new' }, fresh === cause.cases.length ? 'new' : `${fresh} new`);
  return h('span', { class: 'age' }, ageWords(known.reduce((a, b) => (a.runs > b.runs ? a : b))));
}

function ageWords(before) {
  if (!before.runs) return 'new: green when it ran last';
  return before.runs === 1 ? 'red in the last run too' : `red in the last ${before.runs} runs too`;
}

function causeChips(cause, at) {
  const shown = cause.cases.slice(0, CHIPS_SHOWN);
  const rest = cause.cases.length - shown.length;
  return h('span', { class: 'case-chips' }, shown.map((id) => caseChip(data.byId.get(id))),
    h('a', { class: 'more-cases', href: address('', { cause: String(at) }) }, rest ? `${rest} more: all in the list` : 'all in the list'));
}

// Check, expected and got, the request, the platform's own words, and the way to see it again.
function brokenFacts(found, cause) {
  const { finding } = found;
  const rows = [
    cause && cause.cases.length > 1 && ['For example', h('a', { class: 'fact-link', href: caseAddress(found.id) }, h('span', { class: 'row-id' }, found.id), ' ', found.title)],
    cause && cause.cases.length === 1 && ['Case', h('a', { class: 'fact-link', href: caseAddress(found.id) }, h('span', { class: 'row-id' }, found.id), ' ', found.title)],
    finding.check && ['Check', [finding.check, ' ', h('span', { class: `level level-${finding.level || 'MUST'}` }, finding.level || 'MUST')]],
    finding.at && !finding.error && ['Found', [h('code', { class: 'at' }, finding.at), difference(finding.expected || '', finding.actual || '')]],
    finding.exchange && ['Request', requestLine(found, finding)],
    finding.note && ['Seen', finding.note],
    finding.exchange && ['Logs', logLines(finding)],
    found.reproduce && ['Run again', h('span', { class: 'command' }, h('code', {}, found.reproduce), copyButton(found.reproduce, 'Copy the command'))],
  ].filter(Boolean);
  return h('dl', { class: 'broken' }, rows.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))));
}

function requestLine(found, finding) {
  const answer = finding.status !== undefined
    ? h('span', { class: `status ${statusClass(finding.status)}` }, finding.status)
    : h('span', { class: 'status verdict-error' }, finding.error || 'no answer');
  return h('span', { class: 'request-line' },
    h('a', { class: 'fact-link', href: caseAddress(found.id, { at: finding.exchange, attempt: found.attempts > 1 ? String(finding.attempt) : '' }) },
      h('span', { class: 'row-id' }, finding.exchange), ' ', h('code', {}, `${finding.method} ${pathOf(finding.url)}`)),
    answer, serviceName(finding.to), h('span', { class: 'row-time' }, ms(finding.total_ms || 0)));
}

function logLines(finding) {
  const logs = finding.logs || [];
  if (!logs.length) return h('span', { class: 'empty' }, 'No service wrote a line under this request.');
  const rest = (finding.log_lines || 0) - logs.length;
  return [h('ol', { class: 'broken-logs' }, logs.map((record) => h('li', { class: `log-${record.level}` },
    h('span', { class: `log-level level-${record.level}` }, record.level), serviceName(record.service),
    h('span', { class: 'log-message' }, record.message, logFacts(record.attributes))))),
  rest > 0 && h('small', {}, `${plural(rest, 'more line')} under this request`)];
}

function logFacts(attributes) {
  const more = Object.entries(attributes || {});
  return more.length > 0 && h('span', { class: 'log-more' }, more.map(([name, value]) => h('span', {}, h('i', {}, name), '=', typeof value === 'object' ? JSON.stringify(value) : String(value))));
}

// A finding as text for a ticket or a chat.
function ticketText(found, attempt) {
  const { finding } = found;
  const cause = data.index.causes[found.cause];
  const { run } = data.index;
  const fence = (text) => `\`${text}\``;
  const lines = [
    `**${cause.title}**`, '',
    `- Case: ${found.id} ${found.title}${cause.cases.length > 1 ? ` (and ${cause.cases.length - 1} more: ${cause.cases.filter((id) => id !== found.id).slice(0, CHIPS_SHOWN).join(', ')})` : ''}`,
    `- Run: ${run.run_id}, ${run.started_at}, ${Object.entries((run.target || {}).versions || {}).sort().map(([name, version]) => `${name} ${version}`).join(', ')}`,
    finding.check && `- Check: ${finding.check} (${finding.level || 'MUST'})`,
    finding.at && `- ${fence(finding.at)}: expected ${fence(finding.expected || '')}, got ${fence(finding.actual || '')}`,
    finding.exchange && `- Request: ${fence(`${finding.method} ${finding.url}`)} answered ${finding.status === undefined ? finding.error || 'nothing' : finding.status} after ${ms(finding.total_ms || 0)}`,
    finding.note && `- Seen: ${finding.note}`,
    ...(finding.logs || []).map((record) => `- Log: ${record.level} ${record.service} ${record.message} ${factsText(record.attributes)}`.trimEnd()),
    attempt && attempt.trace_id && `- Trace: ${fence(attempt.trace_id)}`,
    found.reproduce && `- Run again: ${fence(found.reproduce)}`,
  ];
  return `${lines.filter((line) => line || line === '').join('\n')}\n`;
}

function brokenPart(found, attempt) {
  if (!found.finding || (attempt && found.finding.attempt !== attempt.number)) return null;
  const cause = data.index.causes[found.cause];
  const others = cause.cases.filter((id) => id !== found.id);
  const text = ticketText(found, attempt);
  return h('section', { class: `part-section part-broken cause verdict-${cause.verdict}`, id: 'part-broken' },
    h('div', { class: 'broken-head' }, icon(cause.verdict), h('h2', {}, found.finding.title),
      found.before && h('span', { class: `age ${found.before.runs ? '' : 'age-new'}` }, ageWords(found.before)), copyButton(text, 'Copy for a ticket', 'Copy for a ticket')),
    brokenFacts(found),
    others.length > 0 && h('p', { class: 'cause-cases' }, h('small', {}, 'Broken alike:'), causeChips({ cases: others }, found.cause)));
}
