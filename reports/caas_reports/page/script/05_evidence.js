// Checks and exchanges of an attempt.

// Mark what differs between two texts: what lies between their common start and common end.
function differing(a, b) {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const cut = (text) => [text.slice(0, start), text.slice(start, text.length - end), text.slice(text.length - end)];
  // Texts with next to nothing in common are easier to read unmarked.
  if (start + end < 3) return [['', a, ''], ['', b, '']];
  return [cut(a), cut(b)];
}

function difference(expected, actual) {
  const [wanted, got] = differing(expected, actual);
  const text = (parts, kind) => h('code', { class: kind }, parts[0], parts[1] && h('mark', {}, parts[1]), parts[2]);
  return h('span', { class: 'difference' },
    h('span', { class: 'difference-label' }, 'expected'), text(wanted, 'wanted'),
    h('span', { class: 'difference-label' }, 'got'), text(got, 'got'));
}

const BROKEN = new Set(['failed', 'warning', 'error']);

function checksPart(attempt) {
  const checks = attempt.checks || [];
  if (!checks.length) return h('p', { class: 'empty' }, 'No check was evaluated.');
  const ordered = [...checks].sort((a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict));
  return h('div', { class: 'checks' }, ordered.map((check) => checkItem(check, attempt)));
}

function checkItem(check, attempt) {
  const assertions = check.assertions || [];
  const broken = assertions.filter((one) => !one.passed);
  const held = assertions.filter((one) => one.passed);
  const step = check.step !== undefined && check.step !== null && (attempt.steps || [])[check.step];
  return h('details', { class: `check verdict-${check.verdict}`, open: BROKEN.has(check.verdict) },
    h('summary', {}, icon(check.verdict), h('span', { class: 'check-title' }, check.title),
      h('span', { class: `level level-${check.level}` }, check.level),
      (check.requirements || []).map(requirementChip),
      h('span', { class: 'check-count' }, assertions.length ? plural(assertions.length, 'assertion') : 'not reached')),
    h('div', { class: 'check-body' },
      h('p', { class: 'check-where' }, h('code', {}, check.id), step ? ` in “${step.name}”` : '',
        check.exchange ? [' on ', exchangeLink(check.exchange)] : ''),
      !assertions.length && h('p', { class: 'empty' }, 'Never evaluated: the case ended before it.'),
      broken.length && held.length >= HELD_FOLDED_MIN
        ? [assertionList(broken), h('details', { class: 'held-ones' }, h('summary', {}, `${held.length} held`), assertionList(held))]
        : assertions.length > 0 && assertionList(assertions)));
}

// Beside what broke, so many assertions that held are folded away.
const HELD_FOLDED_MIN = 3;

function assertionList(assertions) {
  return h('ul', { class: 'assertions' }, assertions.map(assertionItem));
}

function exchangeLink(id) {
  return h('a', { href: here({ at: id, attempt: route.query.get('attempt') }), onclick: (event) => jump(event, id) }, id);
}

function assertionItem(assertion) {
  const held = assertion.passed;
  return h('li', { class: held ? 'held' : 'broken' }, icon(held ? 'passed' : 'failed'),
    h('span', { class: 'at' }, h('code', {}, assertion.at), assertion.exchange && h('small', {}, ' of ', exchangeLink(assertion.exchange))),
    held ? h('span', { class: 'value' }, h('code', {}, assertion.actual), assertion.expected !== assertion.actual && h('small', {}, ` wanted ${assertion.expected}`))
      : difference(assertion.expected, assertion.actual),
    assertion.message && h('small', { class: 'assertion-message' }, assertion.message));
}

function requirementChip(id) {
  return h('a', { class: 'tag requirement', href: address('requirements', { at: id }), title: requirementOf(id).text }, id);
}

function jump(event, id) {
  event.preventDefault();
  const target = document.getElementById(`exchange-${id}`);
  if (!target) return;
  target.open = true;
  target.scrollIntoView({ block: 'start' });
  target.querySelector('summary').focus();
}

function exchangesPart(attempt) {
  const exchanges = attempt.exchanges || [];
  if (!exchanges.length) return h('p', { class: 'empty' }, 'Nothing was sent.');
  // Open what there is to look at: the only exchange, or those that a failing check judged.
  const judged = new Set((attempt.checks || []).filter((check) => BROKEN.has(check.verdict)).flatMap((check) => (
    (check.assertions || []).filter((one) => !one.passed).map((one) => one.exchange || check.exchange))));
  const { finding } = data.byId.get(route.id) || {};
  if (finding && finding.attempt === attempt.number) judged.add(finding.exchange);
  return h('div', { class: 'exchanges' }, exchanges.map((found) => exchangeItem(found, exchanges.length === 1 || judged.has(found.id))));
}

function statusClass(status) {
  if (status >= 500) return 'verdict-error';
  return status >= 400 ? 'verdict-warning' : 'verdict-passed';
}

function exchangeItem(found, open) {
  const body = h('div', { class: 'exchange-body' });
  const item = h('details', { class: 'exchange', id: `exchange-${found.id}`, open });
  let filled = false;
  const fill = () => {
    if (!item.open || filled) return;
    filled = true;
    put(body, [timingBar(found), wrongPart(found), messagePart('Request', found.request || {}), messagePart('Response', found.response || {}),
      (found.events || []).length > 0 && eventsTable(found)]);
  };
  item.addEventListener('toggle', fill);
  put(item, [h('summary', {},
    h('span', { class: 'exchange-id' }, found.id), h('span', { class: 'method' }, found.method),
    h('span', { class: 'url' }, pathOf(found.url)),
    found.status !== undefined && found.status !== null
      ? h('span', { class: `status ${statusClass(found.status)}` }, found.status)
      : h('span', { class: 'status verdict-error' }, found.error || 'no answer'),
    serviceName(found.service), h('span', { class: 'row-time' }, ms((found.timings || {}).total_ms || 0))), body]);
  fill();
  return item;
}

// What is wrong with an answer that has a status, and what is odd about it.
function wrongPart(found) {
  const told = [found.status && found.error && h('li', { class: 'broken' }, icon('failed'), found.error),
    ...(found.notes || []).map((note) => h('li', { class: 'note' }, note))].filter(Boolean);
  return told.length > 0 && h('ul', { class: 'wire-notes' }, told);
}

function pathOf(url) {
  const found = /^[a-z]+:\/\/[^/]+(\/.*)?$/.exec(url);
  return found ? found[1] || '/' : url;
}

function timingBar(found) {
  const timings = found.timings || {};
  const total = timings.total_ms || 0;
  const connect = timings.connect_ms || 0;
  const first = timings.first_byte_ms || 0;
  const parts = [['connect', connect], ['wait', Math.max(0, first - connect)], ['receive', Math.max(0, total - first)]];
  const bar = h('div', { class: 'timing', 'aria-hidden': 'true' }, parts.map(([name, value]) => {
    const part = h('span', { class: `timing-${name}` });
    part.style.flexGrow = value || 0.001;
    return part;
  }));
  return h('div', { class: 'timings' }, h('code', { class: 'full-url' }, found.url), bar,
    h('p', {}, parts.map(([name, value]) => h('span', {}, h('i', { class: `timing-${name}` }), `${name} ${ms(value)}`)),
      found.correlation_id && h('span', {}, 'correlation ', h('code', {}, found.correlation_id))),
    curlOf(found) && h('p', {}, copyButton(curlOf(found), 'Copy as a curl command', 'Copy as curl')));
}

function messagePart(title, message) {
  const headers = message.headers || [];
  if (!headers.length && !message.body && !message.raw && !(message.trailers || []).length) return null;
  const raw = message.raw || '';
  const view = h('div', { class: 'message-view' });
  const pretty = () => [
    headers.length > 0 && h('details', { class: 'headers', open: headers.length <= 4 }, h('summary', {}, plural(headers.length, 'header')),
      h('dl', {}, headers.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))))),
    message.body ? h('pre', { class: 'body', tabindex: '0' }, coloured(message.body)) : h('p', { class: 'empty' }, 'No body.'),
    (message.trailers || []).length > 0 && h('details', { class: 'headers', open: true }, h('summary', {}, plural(message.trailers.length, 'trailer')),
      h('dl', {}, message.trailers.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))))),
    message.truncated && h('p', { class: 'cut' }, `Cut: the whole body has ${size(message.body_bytes || 0)}.`)];
  const toggle = h('button', { type: 'button', class: 'plain', 'aria-pressed': 'false' }, 'Raw');
  toggle.addEventListener('click', () => {
    const on = toggle.getAttribute('aria-pressed') !== 'true';
    toggle.setAttribute('aria-pressed', String(on));
    replace(view, on ? h('pre', { class: 'body raw', tabindex: '0' }, raw) : pretty());
  });
  put(view, pretty());
  return h('section', { class: 'message' },
    h('h4', {}, title, h('small', {}, message.body_bytes ? size(message.body_bytes) : ''), raw && toggle,
      message.body && copyButton(message.body, `Copy the ${title.toLowerCase()} body`)), view);
}

const COLOURED_CHARS_MAX = 30000;
const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;

// Colour JSON with text nodes and spans; anything else, and what is very long, stays as it is.
function coloured(text) {
  if (text.length > COLOURED_CHARS_MAX || !/^\s*[[{]/.test(text)) return text;
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(TOKENS)) {
    if (found.index > at) parts.push(text.slice(at, found.index));
    const kind = found[2] ? 'j-key' : found[1] ? 'j-text' : found[3] ? 'j-word' : 'j-number';
    const token = found[1] || found[0];
    parts.push(h('span', { class: token === '"[redacted]"' ? 'j-redacted' : kind }, token), found[2] || '');
    at = found.index + found[0].length;
  }
  parts.push(text.slice(at));
  return parts;
}

const EVENTS_SHOWN = 300;

function eventsTable(found) {
  const events = found.events.slice(0, EVENTS_SHOWN);
  return h('section', { class: 'message' }, h('h4', {}, 'Wire events', h('small', {}, found.events.length)),
    h('div', { class: 'scroller' }, h('table', { class: 'events' },
      h('thead', {}, h('tr', {}, ['At', 'Direction', 'Kind', 'Name', 'Bytes', 'Data'].map((name) => h('th', { scope: 'col', class: /At|Bytes/.test(name) ? 'number' : '' }, name)))),
      h('tbody', {}, events.map((event) => h('tr', {},
        h('td', { class: 'number' }, ms(event.offset_ms)),
        h('td', { class: event.direction }, event.direction === 'sent' ? '▲ sent' : '▼ received'),
        h('td', {}, event.kind), h('td', {}, h('code', {}, event.name || '')),
        h('td', { class: 'number' }, event.bytes || 0), h('td', { class: 'event-data' }, h('code', {}, event.data || ''))))))),
    found.events.length > EVENTS_SHOWN && h('p', { class: 'cut' }, `${found.events.length - EVENTS_SHOWN} more in run.json.`));
}
